//! Rollouts: how one stands, judged from the workload and its pods, and which workload may be changed next.

mod failure;
mod pace;

pub use failure::{PodFailure, failure};
pub use pace::{Place, Stage, max_concurrent, next};

use std::fmt;

use crate::workload::{Workload, WorkloadKind};

/// How a workload's rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// All pods have the current template and are available.
    Complete,
    /// Pods are being replaced.
    Rolling,
    /// Pods with an older template stay until somebody deletes them: the update strategy is `OnDelete`, or a
    /// StatefulSet's partition holds them back.
    Stale,
    /// Pods with an older template stay until the rollout is resumed.
    Paused,
    /// The rollout does not get on.
    Failed(Evidence),
}

/// Why a rollout is taken for failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the workload's own controller says.
    pub controller: Option<String>,
    /// A pod of the current template that fails.
    pub pod: Option<PodFailure>,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pod = self.pod.as_ref().map(ToString::to_string);
        let parts: Vec<_> = self.controller.iter().cloned().chain(pod).collect();
        f.write_str(&parts.join("; "))
    }
}

/// Judges a workload's rollout. `failing` are those of its pods with the current template that fail, see [`failure`];
/// they need only be read while the rollout is not complete.
///
/// A Deployment fails by its own progress deadline. The other kinds have none and fail by a pod whose failure lasts.
#[must_use]
pub fn judge(workload: &Workload, failing: &[PodFailure]) -> Rollout {
    let progress = &workload.progress;
    if workload.kind == WorkloadKind::CronJob {
        return Rollout::Complete;
    }
    if progress.observed_generation < workload.generation {
        return Rollout::Rolling;
    }
    let updated = progress.updated >= progress.desired;
    if progress.paused && !updated {
        return Rollout::Paused;
    }
    if let Some(evidence) = evidence(workload, failing) {
        return Rollout::Failed(evidence);
    }
    if progress.on_delete && !updated {
        return Rollout::Stale;
    }
    if progress.partition > 0 && !updated {
        let due = (progress.desired - progress.partition).max(0);
        let done = progress.updated >= due && progress.available >= progress.desired;
        return if done {
            Rollout::Stale
        } else {
            Rollout::Rolling
        };
    }
    // As `kubectl rollout status` judges: all new, none old, all available.
    let complete =
        updated && progress.current <= progress.updated && progress.available >= progress.desired;
    if complete {
        Rollout::Complete
    } else {
        Rollout::Rolling
    }
}

fn evidence(workload: &Workload, failing: &[PodFailure]) -> Option<Evidence> {
    let progress = &workload.progress;
    let lasting = failing.iter().find(|pod| pod.lasting);
    if workload.kind == WorkloadKind::Deployment {
        let deadline = progress.deadline_exceeded.as_ref()?;
        let controller = match &progress.replica_failure {
            Some(failure) => format!("{deadline} {failure}"),
            None => deadline.clone(),
        };
        return Some(Evidence {
            controller: Some(controller),
            pod: lasting.or(failing.first()).cloned(),
        });
    }
    lasting.map(|pod| Evidence {
        controller: None,
        pod: Some(pod.clone()),
    })
}

#[cfg(test)]
mod tests;
