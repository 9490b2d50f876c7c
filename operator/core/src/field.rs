//! Where in a profile something stands, such as `spec.xray.groups[0].tags[team]`.

use std::fmt;

/// The path of a field. An empty path means the whole profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A field of the schema.
    Field(String),
    /// An item of a list, counted from 0.
    Index(usize),
    /// An entry of a map, whose keys are the user's.
    Key(String),
}

impl FieldPath {
    /// A path of fields that the schema knows, joined by dots.
    ///
    /// ```
    /// use tracewright_core::field::FieldPath;
    /// assert_eq!(FieldPath::of("spec.xray.groups").index(0).key("team").to_string(), "spec.xray.groups[0][team]");
    /// ```
    #[must_use]
    pub fn of(fields: &str) -> Self {
        Self(
            fields
                .split('.')
                .map(|field| Segment::Field(field.to_owned()))
                .collect(),
        )
    }

    /// The path of a field of the object at this path.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.then(Segment::Field(name.to_owned()))
    }

    /// The path of an item of the list at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    /// The path of an entry of the map at this path.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Segment::Key(key.to_owned()))
    }

    /// The steps from the profile to the field.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether the other path is this one or lies below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    fn then(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

/// As the API server writes paths.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if position == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_contains_itself_and_what_lies_below() {
        let groups = FieldPath::of("spec.xray.groups");
        assert!(groups.contains(&groups));
        assert!(groups.contains(&groups.index(1).field("name")));
        assert!(!groups.index(1).contains(&groups.index(2)));
        assert!(FieldPath::default().contains(&groups));
        assert!(!groups.contains(&FieldPath::of("spec.xray.groupsOfAnotherKind")));
    }
}
