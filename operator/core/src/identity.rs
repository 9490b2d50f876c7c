//! Who owns what: references to profiles and AWS objects, and the tags that mark an object as ours.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tracewright_xray::contract::tag;

use crate::crd::DeletionPolicy;

/// A profile of this cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileRef {
    /// The profile's namespace.
    pub namespace: String,
    /// The profile's name.
    pub name: String,
}

impl ProfileRef {
    /// A reference to the profile `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ProfileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What kind of AWS object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// An X-Ray group.
    Group,
    /// An X-Ray sampling rule.
    SamplingRule,
    /// A CloudWatch log group.
    LogGroup,
}

impl Kind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Group, Self::SamplingRule, Self::LogGroup];

    /// The kind's name in status, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "Group",
            Self::SamplingRule => "SamplingRule",
            Self::LogGroup => "LogGroup",
        }
    }

    /// The kind as a reader knows it, for sentences.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Group => "X-Ray group",
            Self::SamplingRule => "sampling rule",
            Self::LogGroup => "log group",
        }
    }

    /// What becomes of an object whose entry says nothing: X-Ray objects go, log groups stay, because events are lost
    /// with them.
    #[must_use]
    pub fn default_deletion_policy(self) -> DeletionPolicy {
        match self {
            Self::Group | Self::SamplingRule => DeletionPolicy::Delete,
            Self::LogGroup => DeletionPolicy::Retain,
        }
    }
}

/// Tags of an AWS object.
pub type TagMap = BTreeMap<String, String>;

/// The mark of ownership that an object carries in its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerTags {
    /// Id of the cluster whose operator owns the object.
    pub cluster: String,
    /// The owning profile in that cluster.
    pub profile: ProfileRef,
    /// What becomes of the object when nobody declares it any more.
    pub deletion_policy: DeletionPolicy,
}

impl OwnerTags {
    /// Reads the mark. `None` if the object carries none, or one that is not whole: such an object is nobody's.
    #[must_use]
    pub fn read(tags: &TagMap) -> Option<Self> {
        let (namespace, name) = tags.get(tag::PROFILE)?.split_once('/')?;
        Some(Self {
            cluster: tags.get(tag::CLUSTER)?.clone(),
            profile: ProfileRef::new(namespace, name),
            // An unknown policy is read as the one that destroys nothing.
            deletion_policy: match tags.get(tag::DELETION_POLICY).map(String::as_str) {
                Some(tag::DELETE) => DeletionPolicy::Delete,
                _ => DeletionPolicy::Retain,
            },
        })
    }

    /// The tags that make up the mark.
    #[must_use]
    pub fn to_tags(&self) -> TagMap {
        let policy = match self.deletion_policy {
            DeletionPolicy::Delete => tag::DELETE,
            DeletionPolicy::Retain => tag::RETAIN,
        };
        BTreeMap::from([
            (tag::CLUSTER.to_owned(), self.cluster.clone()),
            (tag::PROFILE.to_owned(), self.profile.to_string()),
            (tag::DELETION_POLICY.to_owned(), policy.to_owned()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_survives_a_round_trip() {
        for deletion_policy in [DeletionPolicy::Delete, DeletionPolicy::Retain] {
            let owner = OwnerTags {
                cluster: "c".into(),
                profile: ProfileRef::new("ns", "name"),
                deletion_policy,
            };
            assert_eq!(OwnerTags::read(&owner.to_tags()), Some(owner));
        }
    }

    #[test]
    fn a_partial_mark_is_no_mark_and_an_unknown_policy_destroys_nothing() {
        let mut tags = OwnerTags {
            cluster: "c".into(),
            profile: ProfileRef::new("ns", "name"),
            deletion_policy: DeletionPolicy::Delete,
        }
        .to_tags();
        tags.insert(tag::DELETION_POLICY.into(), "Shred".into());
        assert_eq!(
            OwnerTags::read(&tags).map(|owner| owner.deletion_policy),
            Some(DeletionPolicy::Retain)
        );
        tags.remove(tag::CLUSTER);
        assert_eq!(OwnerTags::read(&tags), None);
    }
}
