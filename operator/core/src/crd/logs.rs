//! `spec.logs`: log groups and the one that the workloads write to.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdoptionPolicy, DeletionPolicy, maps};

/// CloudWatch Logs: log groups and the one that the workloads write to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// Log groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<LogGroup>,

    /// TRACEWRIGHT_LOG_GROUP: the log group that the workloads write to. Unset: the first of `groups`. It may be one
    /// that is not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[.\\\\-_/#A-Za-z0-9]+$')")
        .message("spec.logs.ship must be the name of a log group: A-Z a-z 0-9 . - _ / #"))]
    #[x_kube(validation = Rule::new("!self.startsWith('aws/')")
        .message("spec.logs.ship must not begin with aws/, which AWS reserves"))]
    pub ship: Option<String>,
}

/// A CloudWatch log group. (Amazon CloudWatch Logs API, CreateLogGroup.)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.deletionProtection) || !self.deletionProtection || !has(self.deletionPolicy) || self.deletionPolicy != 'Delete'")
    .message("deletionProtection: true and deletionPolicy: Delete contradict each other: choose one"))]
#[x_kube(validation = Rule::new("!has(oldSelf.class) || (has(self.class) && self.class == oldSelf.class)")
    .message("class cannot change, because AWS fixes it when the log group is created: use a log group of another name"))]
#[serde(rename_all = "camelCase")]
pub struct LogGroup {
    /// The log group's name, unique in the account and region.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[.\\\\-_/#A-Za-z0-9]+$')")
        .message("a log group's name must be 1 to 512 of A-Z a-z 0-9 . - _ / #"))]
    #[x_kube(validation = Rule::new("!self.startsWith('aws/')")
        .message("a log group's name must not begin with aws/, which AWS reserves"))]
    pub name: String,

    /// Days after which events expire. Unset: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]))]
    pub retention_in_days: Option<i32>,

    /// Log class, fixed when the log group is created. Unset: `STANDARD` for a new one, and any for one that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<LogGroupClass>,

    /// ARN of a symmetric KMS key. Unset: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$')")
        .message("kmsKeyArn must be the ARN of a key, not of an alias, for example arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"))]
    pub kms_key_arn: Option<String>,

    /// Whether AWS refuses to delete the log group. Unset: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,

    /// Tags. Only these keys are managed; unset ones are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::tags")]
    pub tags: BTreeMap<String, String>,

    /// What to do when a log group of this name exists that this profile did not create.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// What becomes of the log group when this entry or the profile is removed. Unset: `Retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Class of a log group. (Amazon CloudWatch Logs API, logGroupClass.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(transform = maps::explained_by_field)]
pub enum LogGroupClass {
    /// All features.
    Standard,
    /// Cheaper to ingest, fewer features.
    InfrequentAccess,
}
