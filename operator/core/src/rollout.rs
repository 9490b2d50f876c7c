//! Rollouts: how one stands, judged from the workload and its pods, and which workload may be changed next.

mod failure;
mod pace;

pub use failure::{PodFailure, failure};
pub use pace::{Place, Stage, max_concurrent, next};

use std::fmt;
use std::time::Duration;

use crate::workload::{Word, Workload, WorkloadKind};

/// How a workload's rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// All pods have the current template and are available.
    Complete,
    /// It has been complete, and pods are not available since: they crash, or a node is away. All have the current
    /// template.
    Degraded,
    /// Pods are being replaced.
    Rolling,
    /// Pods with an older template stay until somebody deletes them: the update strategy is `OnDelete`, or a
    /// StatefulSet's partition holds them back.
    Stale,
    /// Pods with an older template stay until the rollout is resumed.
    Paused,
    /// Nothing moves any more, and no pod says why: a node that is away, say. How far it has got.
    Stalled(String),
    /// The rollout does not get on.
    Failed(Evidence),
}

/// How long a rollout that has no deadline may stand still before it is taken for stalled: as long as a Deployment's own
/// deadline is unless written. (Kubernetes API reference, `progressDeadlineSeconds`.)
pub const STALLED_AFTER: Duration = Duration::from_secs(600);

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
    let held_back = progress.partition > 0 && !updated;
    let due = (progress.desired - progress.partition).max(0);
    if held_back && progress.updated >= due && progress.available >= progress.desired {
        return Rollout::Stale;
    }
    // As `kubectl rollout status` judges: all new, none old, all available.
    if updated && progress.current <= progress.updated && progress.available >= progress.desired {
        return Rollout::Complete;
    }
    Rollout::Rolling
}

/// Judges a rollout that seems to go on and whose template has been rolled out before, if `ended`: what is missing then is
/// pods that became unavailable since, which may last for ever and must not keep others waiting.
#[must_use]
pub fn degraded(workload: &Workload, rollout: Rollout, ended: bool) -> Rollout {
    let progress = &workload.progress;
    let observed = progress.observed_generation >= workload.generation;
    let none_old = progress.current <= progress.updated;
    if rollout == Rollout::Rolling && ended && observed && none_old {
        Rollout::Degraded
    } else {
        rollout
    }
}

/// Judges a rollout of which nothing has moved for `still`: one that goes on for ever must not keep others waiting.
#[must_use]
pub fn stalled(workload: &Workload, rollout: Rollout, still: Duration) -> Rollout {
    let deadline =
        workload.kind == WorkloadKind::Deployment && workload.progress.word == Word::Rolling;
    if rollout != Rollout::Rolling || deadline || still < STALLED_AFTER {
        return rollout;
    }
    let progress = &workload.progress;
    Rollout::Stalled(format!(
        "nothing has moved for {} minutes: of {} pods {} have the current template and {} are available",
        STALLED_AFTER.as_secs() / 60,
        progress.desired,
        progress.updated,
        progress.available,
    ))
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
