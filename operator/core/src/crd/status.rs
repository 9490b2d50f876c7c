//! `status`: what is true now, as far as it was observed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeletionPolicy;

/// What is true now, as far as it was observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservabilityProfileStatus {
    /// The generation of the profile that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Conditions: Ready, AwsSynced, ReceiverReady, WorkloadsInjected, TrafficSeen, Advisories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Counts for the columns of `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,

    /// The AWS region that holds the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,

    /// The AWS account that holds the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,

    /// X-Ray groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<ItemStatus>,

    /// X-Ray sampling rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sampling_rules: Vec<ItemStatus>,

    /// CloudWatch log groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub log_groups: Vec<ItemStatus>,

    /// The selected workloads: how many are in which state, and the ones that need attention first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<WorkloadsStatus>,

    /// The variables that a selected workload receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injection: Option<InjectionStatus>,

    /// In mode Preview: what Apply would do, in order. At most 200 entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub plan: Vec<PlannedChange>,
}

/// Counts for the columns of `kubectl get`, each `true/declared`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// X-Ray groups and rules that are as declared, of those declared.
    pub xray: String,
    /// Log groups that are as declared, of those declared.
    pub logs: String,
    /// Workloads that have the variables, of those selected.
    pub workloads: String,
}

/// One AWS object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemStatus {
    /// The object's name.
    pub name: String,
    /// The object's ARN, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// How the object stands.
    pub state: ItemState,
    /// What becomes of the object when its entry or the profile is removed. Unset: the object is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What is wrong and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How an AWS object stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ItemState {
    /// As declared.
    Synced,
    /// Not yet observed or written.
    Pending,
    /// Differs from the declaration and is not written: the mode is Preview, or adoption is Observe.
    Drifted,
    /// Another profile holds the name.
    Conflict,
    /// Exists and is not ours.
    Foreign,
    /// AWS refuses the declaration.
    Invalid,
    /// The account's quota is used up.
    QuotaExceeded,
    /// AWS asked to slow down.
    Throttled,
    /// Is being deleted.
    Deleting,
    /// Stays in the account and is no longer ours.
    Retained,
}

/// The selected workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadsStatus {
    /// Selected.
    pub matched: i32,
    /// Have the variables in every pod.
    pub injected: i32,
    /// Are rolling out.
    pub rolling: i32,
    /// Have the variables in the template, but not yet in every pod.
    pub stale: i32,
    /// Whose rollout failed after the change.
    pub failed: i32,
    /// Left alone, for a reason given in `items`.
    pub skipped: i32,
    /// The workloads, those that need attention first. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub items: Vec<WorkloadStatus>,
}

/// One workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Deployment, StatefulSet, DaemonSet or CronJob.
    pub kind: String,
    /// The workload's name.
    pub name: String,
    /// Injected, Rolling, Stale, Failed, Skipped or Pending.
    pub state: String,
    /// Why, where the state needs a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Variables that were left to the workload's own setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}

/// The variables that a selected workload receives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InjectionStatus {
    /// Names, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
}

/// One change that Apply would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// Create, Update, Delete, Release, Adopt, Inject or Uninject.
    pub action: String,
    /// What kind of object: Group, SamplingRule, LogGroup, Receiver, Deployment …
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The field that changes, where the action is Update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The value now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The value then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
