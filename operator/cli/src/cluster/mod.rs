//! The cluster side of a profile: receivers and workloads.

use kube::Client;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::crd::status::{PlannedChange, WorkloadsStatus};
use tracewright_core::plan::Note;
use tracewright_core::report::Fact;
use tracewright_xray::contract::condition::reason;

/// Receivers and workloads.
pub struct Cluster {
    _client: Client,
}

/// What a look at the cluster side found and did.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Whether the receiver answers.
    pub receiver: Fact,
    /// Whether the selected workloads have the variables.
    pub injected: Fact,
    /// The selected workloads.
    pub workloads: WorkloadsStatus,
    /// The variables that a selected workload receives, by name.
    pub env: Vec<String>,
    /// In mode Preview: what Apply would do.
    pub preview: Vec<PlannedChange>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// How far the workloads are without the variables.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// No workload has them any more, and the receiver is gone.
    pub done: bool,
    /// What is waited for.
    pub message: String,
}

impl Cluster {
    /// The cluster side.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { _client: client }
    }

    /// Brings receivers and workloads where the profile wants them, or in mode Preview says what that would take.
    pub async fn sync(&self, _profile: &ObservabilityProfile) -> ClusterFacts {
        ClusterFacts {
            receiver: Fact::yes(reason::NOT_DECLARED, "the profile declares no receiver"),
            injected: Fact::yes(reason::NONE_SELECTED, "the profile selects no workload"),
            workloads: WorkloadsStatus::default(),
            env: Vec::new(),
            preview: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Takes the variables out of the workloads again, and then the receiver away.
    pub async fn withdraw(&self, _profile: &ObservabilityProfile) -> Withdrawn {
        Withdrawn { done: true, message: String::new() }
    }
}
