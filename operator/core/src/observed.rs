//! Desired → Observed: what an AWS account holds, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::crd::LogGroupClass;
use crate::desired::CustomRule;
use crate::identity::{Kind, ProfileRef, TagMap};

/// What an AWS account holds in one region, as far as the profile is concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The account's id.
    pub account_id: String,
    /// All X-Ray groups of the region, by name, without the group `Default`.
    pub groups: BTreeMap<String, Seen<GroupState>>,
    /// All sampling rules of the region, by name, with the rule `Default`.
    pub rules: BTreeMap<String, Seen<CustomRule>>,
    /// The log groups that were asked for and exist, by name.
    pub log_groups: BTreeMap<String, Seen<LogGroupState>>,
}

/// One AWS object.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<S> {
    /// The object's ARN, in the form that tag operations take.
    pub arn: String,
    /// Its fields.
    pub state: S,
    /// Its tags.
    pub tags: Tags,
}

/// Tags of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// Not read yet.
    Unread,
    /// Read, but the object is young and may have been made by us: tags that are given at creation appear late, so
    /// that their absence means nothing yet.
    Settling,
    /// As read.
    Read(TagMap),
}

/// Fields of an X-Ray group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// Which traces belong to the group.
    pub filter_expression: String,
    /// Whether X-Ray looks for insights.
    pub insights_enabled: bool,
    /// Whether insights are announced.
    pub notifications_enabled: bool,
}

/// Fields of a log group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogGroupState {
    /// Days after which events expire; `None`: never.
    pub retention_in_days: Option<i32>,
    /// Name of an account-level retention policy that overrides the log group's own retention.
    pub retention_policy_name: Option<String>,
    /// Log class, `None` for one that the operator does not know.
    pub class: Option<LogGroupClass>,
    /// ARN of the KMS key.
    pub kms_key_arn: Option<String>,
    /// Whether AWS refuses to delete it.
    pub deletion_protection: bool,
}

/// What of the rest of the cluster matters when a profile is compared with the account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// Id of this cluster, as it stands in tags.
    pub cluster: String,
    /// Profiles that exist in this cluster.
    pub living: BTreeSet<ProfileRef>,
    /// Namespaces whose profiles cannot be listed: any of them may exist.
    pub unreadable: BTreeSet<String>,
    /// For each object that several profiles of this account and region declare: the oldest of them.
    pub oldest: BTreeMap<(Kind, String), ProfileRef>,
    /// Quotas of the account and region.
    pub quotas: Quotas,
}

impl Claims {
    /// Whether a profile of this cluster exists, as far as that can be known: what is doubtful is not taken away from anybody.
    #[must_use]
    pub fn may_live(&self, profile: &ProfileRef) -> bool {
        self.living.contains(profile) || self.unreadable.contains(&profile.namespace)
    }
}

/// Quotas of an account and region. (AWS General Reference, "AWS X-Ray endpoints and quotas".)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// X-Ray groups.
    pub groups: usize,
    /// Custom sampling rules.
    pub rules: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            groups: 25,
            rules: 25,
        }
    }
}
