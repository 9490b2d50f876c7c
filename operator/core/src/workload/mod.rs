//! Workload: what injection and rollouts need to know of a Deployment, StatefulSet, DaemonSet or CronJob, and nothing
//! more, so that thousands of them can be kept in memory.

mod claims;
mod read;
mod wire;

pub use claims::LAST_APPLIED;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::env::Hash;
use crate::inject::Record;

/// The kinds of workloads that are injected.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A CronJob.
    CronJob,
}

impl WorkloadKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::CronJob,
    ];

    /// The kind's name in the Kubernetes API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
        }
    }

    /// Key of the resource attribute that holds the workload's name. (OpenTelemetry semantic conventions, "Kubernetes
    /// resource".)
    #[must_use]
    pub fn resource_attribute(self) -> &'static str {
        match self {
            Self::Deployment => "k8s.deployment.name",
            Self::StatefulSet => "k8s.statefulset.name",
            Self::DaemonSet => "k8s.daemonset.name",
            Self::CronJob => "k8s.cronjob.name",
        }
    }

    /// Where the pod template is: the fields from the object's root.
    #[must_use]
    pub fn template_path(self) -> &'static [&'static str] {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => &["spec", "template"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
        }
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The version of the object that was read: patches apply to this one only.
    pub resource_version: String,
    /// The generation of its specification.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The controller that owns it, as `Kind/name`.
    pub controller: Option<String>,
    /// Its user's word, the annotation `tracewright.dev/inject`: yes, no, or nothing.
    pub inject: Option<bool>,
    /// Variables that its user does not want: the annotation `tracewright.dev/skip-env`.
    pub skip_env: BTreeSet<String>,
    /// The annotation or label by which another instrumentation was recognised.
    pub other_instrumentation: Option<String>,
    /// Whether the annotation `tracewright.dev/injected` is there.
    pub marked: bool,
    /// What that annotation says. `None` if it is absent or not readable.
    pub record: Option<Record>,
    /// The pod template's annotation `tracewright.dev/env-hash`.
    pub env_hash: Option<String>,
    /// The pod template's revision, as the workload's controller counts it. `None` for a CronJob, and until the
    /// controller has seen the workload.
    pub revision: Option<String>,
    /// The pod template's containers, without init containers.
    pub containers: Vec<Container>,
    /// How its rollout stands.
    pub progress: Progress,
}

/// A container of a pod template.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Container {
    /// The container's name.
    pub name: String,
    /// Its `env`, in order.
    pub env: Vec<Entry>,
    /// Its `envFrom`, in order.
    pub env_from: Vec<EnvFrom>,
}

/// One entry of a container's `env`. Its value is not kept, only what is needed to recognise it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// The variable's name.
    pub name: String,
    /// What kind of value it has.
    pub form: Form,
    /// Its hash, comparable with [`crate::env::Rendered::hash`]. `None` for forms that are never rendered.
    pub hash: Option<Hash>,
    /// Names that its value refers to as `$(NAME)`.
    pub references: Vec<String>,
    /// Whether its user's own manifest lists it just so.
    pub claimed: bool,
}

/// What kind of value an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Form {
    /// Neither `value` nor `valueFrom`.
    Empty,
    /// `value`.
    Literal,
    /// `valueFrom.fieldRef`.
    FieldRef,
    /// `valueFrom.secretKeyRef`.
    SecretKeyRef,
    /// Another `valueFrom`.
    Other,
}

/// One entry of a container's `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EnvFrom {
    /// The object whose keys become variables.
    pub source: EnvFromSource,
    /// What is put before each key.
    pub prefix: String,
}

/// An object whose keys become variables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum EnvFromSource {
    /// A ConfigMap of this name.
    ConfigMap(String),
    /// A Secret of this name.
    Secret(String),
}

impl fmt::Display for EnvFromSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigMap(name) => write!(f, "ConfigMap {name}"),
            Self::Secret(name) => write!(f, "Secret {name}"),
        }
    }
}

/// How a workload's rollout stands, in one form for all kinds. All zero for a CronJob, which has no rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Progress {
    /// Whether the rollout is paused (`spec.paused` of a Deployment).
    pub paused: bool,
    /// Whether pods are replaced by hand only (`updateStrategy.type: OnDelete`).
    pub on_delete: bool,
    /// How many pods a StatefulSet's `updateStrategy.rollingUpdate.partition` keeps on the old template.
    pub partition: i64,
    /// The generation that the numbers below speak of.
    pub observed_generation: i64,
    /// Pods wanted.
    pub desired: i64,
    /// Pods that exist.
    pub current: i64,
    /// Pods with the current template.
    pub updated: i64,
    /// Pods that are available.
    pub available: i64,
    /// The message with which a Deployment says that its rollout exceeded its deadline.
    pub deadline_exceeded: Option<String>,
    /// The message with which a Deployment says that it cannot create pods.
    pub replica_failure: Option<String>,
    /// What the controller says of the rollout as a whole.
    pub word: Word,
}

/// What a workload's controller says of a rollout as a whole, beyond the numbers of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Word {
    /// Nothing: a DaemonSet's, where pods are replaced by hand, and of a Deployment that is paused or has no deadline.
    #[default]
    None,
    /// It goes on. A Deployment's deadline counts.
    Rolling,
    /// It has been complete, whatever pods do since; which one, in the controller's terms.
    Complete(String),
}

#[cfg(test)]
mod tests;
