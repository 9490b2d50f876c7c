//! Tags of a resource; tags given at creation may become visible late.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A tag value, plain in JSON unless it is still to become visible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Tag {
    Visible(String),
    #[serde(rename_all = "camelCase")]
    Late {
        value: String,
        /// Emulated milliseconds since 1970.
        visible_at: i64,
    },
}

/// The tags of one resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TagSet(BTreeMap<String, Tag>);

impl TagSet {
    /// Tags given at creation.
    pub(crate) fn created(
        tags: impl IntoIterator<Item = (String, String)>,
        now: i64,
        delay_ms: u64,
    ) -> Self {
        let visible_at = now.saturating_add_unsigned(delay_ms);
        let late = |value| match delay_ms {
            0 => Tag::Visible(value),
            _ => Tag::Late { value, visible_at },
        };
        Self(
            tags.into_iter()
                .map(|(key, value)| (key, late(value)))
                .collect(),
        )
    }

    /// What a reader sees.
    pub(crate) fn visible(&self, now: i64) -> BTreeMap<&str, &str> {
        let seen = self.0.iter().filter_map(|(key, tag)| match tag {
            Tag::Visible(value) => Some((key.as_str(), value.as_str())),
            Tag::Late { value, visible_at } => {
                (*visible_at <= now).then_some((key.as_str(), value.as_str()))
            }
        });
        seen.collect()
    }

    /// How many there would be after adding these.
    pub(crate) fn count_with<'a>(&self, keys: impl Iterator<Item = &'a String>) -> usize {
        self.0.len() + keys.filter(|key| !self.0.contains_key(*key)).count()
    }

    /// Adds or replaces, visible at once.
    pub(crate) fn put(&mut self, tags: impl IntoIterator<Item = (String, String)>) {
        self.0.extend(
            tags.into_iter()
                .map(|(key, value)| (key, Tag::Visible(value))),
        );
    }

    /// Removes; a key that is not there is no error.
    pub(crate) fn remove(&mut self, keys: &[String]) {
        self.0.retain(|key, _| !keys.contains(key));
    }
}
