//! One field or tag that differs, for people to read.

use crate::identity::TagMap;
use crate::observed::Tags;
use crate::plan::{FieldChange, Step};

/// The step that gives an object the tags that it lacks; `None` if it has them all.
pub(super) fn tag_step(tags: &Tags, wanted: &TagMap) -> Option<(Step, FieldChange)> {
    let empty = TagMap::new();
    let current = match tags {
        Tags::Read(tags) => tags,
        Tags::Unread | Tags::Settling => &empty,
    };
    let differing: TagMap = wanted
        .iter()
        .filter(|(key, value)| current.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if differing.is_empty() {
        return None;
    }
    let before: TagMap = differing
        .keys()
        .filter_map(|key| Some((key.clone(), current.get(key)?.clone())))
        .collect();
    let show = |tags: &TagMap| {
        tags.iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let change = FieldChange {
        field: "tags",
        from: (!before.is_empty()).then(|| show(&before)),
        to: Some(show(&differing)),
    };
    Some((Step::Tag { tags: differing }, change))
}

impl std::fmt::Display for FieldChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            f,
            "{} is {}, not {}",
            self.field,
            show(&self.from),
            show(&self.to)
        )
    }
}

/// Notes a field that differs. `None` on the declared side is left as it is.
pub(super) fn change<T: Clone + PartialEq + ToString>(
    changes: &mut Vec<FieldChange>,
    field: &'static str,
    declared: Option<&T>,
    observed: Option<&T>,
) -> Option<T> {
    let declared = declared?;
    if observed == Some(declared) {
        return None;
    }
    changes.push(FieldChange {
        field,
        from: observed.map(ToString::to_string),
        to: Some(declared.to_string()),
    });
    Some(declared.clone())
}
