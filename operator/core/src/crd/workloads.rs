//! `spec.workloads`: which workloads receive the variables, and how fast.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{maps, rules};

/// Which workloads of the profile's namespace receive the environment variables, and how they are rolled out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workloads {
    /// Selects Deployments, StatefulSets, DaemonSets and CronJobs of this namespace by their own labels
    /// (`metadata.labels`, not those of their pods). Never empty.
    pub selector: LabelSelector,

    /// Names of the containers that receive the variables. Unset: all but well-known sidecars. Init containers are
    /// never touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 63)))]
    #[x_kube(validation = Rule::new("self.all(c, c.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))")
        .message("spec.workloads.containers must list container names: at most 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit"))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub containers: Option<Vec<String>>,

    /// How changed workloads are rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// How changed workloads are rolled out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// How many workloads of this profile may be rolling out at the same time. Unset: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 1000")
        .message("spec.workloads.rollout.maxConcurrent must be 1 to 1000"))]
    pub max_concurrent: Option<i32>,

    /// What to do when a rollout fails after the variables were changed: `Keep` them and report it, or `Revert` the
    /// change until the profile changes.
    #[serde(default)]
    pub on_failure: OnFailure,

    /// What to do when a Secret that a header refers to changes: `Report` it, or `Restart` the workloads.
    #[serde(default)]
    pub on_secret_change: OnSecretChange,
}

/// What to do when a rollout fails after the variables were changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// Keep the variables and report the failure.
    #[default]
    Keep,
    /// Take the change back until the profile changes.
    Revert,
}

/// What to do when a Secret that a header refers to changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnSecretChange {
    /// Report that running pods hold the old value.
    #[default]
    Report,
    /// Roll the workloads out anew.
    Restart,
}

/// A label selector over `metadata.labels`. All of its requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
    .message("spec.workloads.selector must not be empty, because it would select every workload of the namespace: write matchLabels, for example {app: backend}"))]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be there with exactly this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::labels")]
    pub match_labels: BTreeMap<String, String>,

    /// Requirements on labels beyond equality.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : (!has(self.values) || size(self.values) == 0)")
    .message("operators In and NotIn need values; operators Exists and DoesNotExist take none"))]
#[serde(rename_all = "camelCase")]
pub struct LabelSelectorRequirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = Rule::new(format!("self.matches('{}')", rules::LABEL_KEY))
        .message("key must be a label key, for example app.kubernetes.io/name"))]
    pub key: String,

    /// How the label is compared with the values.
    pub operator: SelectorOperator,

    /// The values of `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    #[x_kube(validation = Rule::new(format!("self.all(v, v.matches('{}'))", rules::LABEL_VALUE))
        .message("values must be label values: at most 63 of A-Z a-z 0-9 - _ . , beginning and ending with a letter or digit"))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectorOperator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels, values by key, is selected. An empty selector selects nothing.
    #[must_use]
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        if self.match_labels.is_empty() && self.match_expressions.is_empty() {
            return false;
        }
        self.match_labels
            .iter()
            .all(|(key, value)| label(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.matches(&label))
    }
}

impl LabelSelectorRequirement {
    fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let value = label(&self.key);
        let listed = || value.is_some_and(|value| self.values.iter().any(|one| one == value));
        match self.operator {
            SelectorOperator::In => listed(),
            SelectorOperator::NotIn => !listed(),
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}
