//! What is known of a workload only because it was watched: who removes our entries, what our last write changed, whether it
//! has rolled out since, and how its pods failed. It is lost when the operator restarts. Then the workload's own words count,
//! and where they say nothing it is taken for rolled out: what is not known to be our failure is not taken back.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracewright_core::inject::{Patch, REMOVALS, contested, removed, untouched};
use tracewright_core::rollout::{PodFailure, Rollout};
use tracewright_core::workload::{Progress, Word, Workload};

/// How long pods that show no failure are not looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What is known of one workload.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The version of the object that our last write made: its own event is nobody's removal.
    written: Option<String>,
    /// When somebody removed our entries, and of which generation of the profile they were.
    removals: (i64, Vec<Timestamp>),
    /// Variables that our last write changed.
    changed: BTreeSet<String>,
    rollout: Known,
    /// The rollout that the controller called complete before our last write.
    before: Option<String>,
    /// The template, and how its pods failed when they were looked at last.
    failing: (Option<String>, Vec<PodFailure>),
    looked: Option<Instant>,
    /// The template's revision, and since when.
    revision: Option<(Option<String>, Instant)>,
    /// How far the rollout has got, and since when.
    progress: Option<(Progress, Instant)>,
    /// Since when pods are unavailable though the rollout is complete.
    degraded: Option<Instant>,
}

/// What was seen of a workload's last rollout.
#[derive(Debug, Default)]
enum Known {
    /// Nothing: it began before the operator did.
    #[default]
    Nothing,
    /// It is of our last write and has not ended yet.
    Ours,
    /// It has ended: of which variables, by the template's hash, and of which revision of the template.
    Ended {
        env_hash: Option<String>,
        revision: Option<String>,
    },
}

impl History {
    /// We wrote the workload, which is now so.
    pub(super) fn wrote(&mut self, workload: &Workload, patch: &Patch) {
        self.written = Some(workload.resource_version.clone());
        if !patch.variables.is_empty() {
            self.changed.clone_from(&patch.variables);
        }
        if !patch.restarts_pods {
            return;
        }
        self.rollout = Known::Ours;
        // The controller has not seen the write yet.
        if let Word::Complete(before) = &workload.progress.word {
            self.before = Some(before.clone());
        }
        self.failing = Default::default();
        self.looked = None;
    }

    /// The workload changed.
    pub(super) fn saw(&mut self, before: &Workload, now: &Workload) {
        let own = self.written.as_ref() == Some(&now.resource_version);
        let Some(record) = before.record.as_ref().filter(|_| !own) else {
            return;
        };
        if !removed(before, now) {
            return;
        }
        let (generation, times) = &mut self.removals;
        if *generation != record.generation {
            times.clear();
        }
        *generation = record.generation;
        times.push(Timestamp::now());
        if times.len() > REMOVALS {
            times.remove(0);
        }
    }

    /// Whether somebody keeps removing what this generation of the profile put in.
    pub(super) fn contested(&self, generation: i64) -> bool {
        self.removals.0 == generation && contested(&self.removals.1)
    }

    /// Variables that our last write changed.
    pub(super) fn changed(&self) -> &BTreeSet<String> {
        &self.changed
    }

    /// For how long nothing has moved in the rollout. A pod that comes and goes moves nothing, else one that crashes would
    /// keep a rollout going for ever: only more available pods than ever do.
    pub(super) fn still(&mut self, workload: &Workload) -> Duration {
        let now = &workload.progress;
        if let Some((before, since)) = &self.progress {
            let available = before.available.max(now.available);
            let now = Progress {
                available,
                ..now.clone()
            };
            if now == *before {
                return since.elapsed();
            }
        }
        self.progress = Some((now.clone(), Instant::now()));
        Duration::ZERO
    }

    /// A rollout was judged.
    pub(super) fn judged(&mut self, workload: &Workload, rollout: &Rollout) {
        if matches!(rollout, Rollout::Complete | Rollout::Degraded) {
            self.rollout = Known::Ended {
                env_hash: workload.env_hash.clone(),
                revision: workload.revision.clone(),
            };
            // What fails from now on fails by something else.
            self.changed = BTreeSet::new();
        }
        if *rollout == Rollout::Degraded {
            self.degraded.get_or_insert_with(Instant::now);
        } else {
            self.degraded = None;
        }
    }

    /// For how long pods have been unavailable though the rollout is complete.
    pub(super) fn degraded_for(&self) -> Duration {
        self.degraded
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether the template has been rolled out before. The controller's word counts, but while our write rolls out only
    /// another one than before: of a way back to an earlier template without a pod too many it says nothing new.
    pub(super) fn ended(&self, workload: &Workload) -> bool {
        match (&self.rollout, &workload.progress.word) {
            (Known::Ended { revision, .. }, _)
                if revision.is_some() && *revision == workload.revision =>
            {
                true
            }
            (Known::Ours, Word::Complete(now)) => self.before.as_ref() != Some(now),
            (_, Word::Complete(_)) | (Known::Nothing, Word::None) => true,
            _ => false,
        }
    }

    /// Whether a write of ours has not rolled out yet, also one from before the operator's start.
    pub(super) fn in_flight(&self, workload: &Workload) -> bool {
        match self.rollout {
            Known::Nothing => untouched(workload),
            Known::Ours => true,
            Known::Ended { .. } => false,
        }
    }

    /// Whether the template's variables have been rolled out before, so that a failure now is of another change.
    pub(super) fn rolled_out(&self, workload: &Workload) -> bool {
        matches!(&self.rollout, Known::Ended { env_hash, .. } if *env_hash == workload.env_hash)
    }

    /// How pods of the template failed, if they did. A failure that was found stays the evidence for as long as the
    /// template does: a crashing pod changes its words with every attempt.
    pub(super) fn failing(&self, workload: &Workload) -> &[PodFailure] {
        if self.failing.0 == workload.env_hash {
            &self.failing.1
        } else {
            &[]
        }
    }

    /// Whether to look at the pods now.
    pub(super) fn look(&mut self, workload: &Workload) -> bool {
        let known = self.failing(workload).iter().any(|pod| pod.lasting);
        let due = self.looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        let look = !known && due;
        if look {
            self.looked = Some(Instant::now());
        }
        look
    }

    /// Pods were looked at.
    pub(super) fn found(&mut self, workload: &Workload, failing: Vec<PodFailure>) {
        self.failing = (workload.env_hash.clone(), failing);
    }

    /// Whether pods may have been started before that time: the template has not changed since.
    pub(super) fn predates(&mut self, workload: &Workload, time: Instant) -> bool {
        match &self.revision {
            Some((revision, since)) if *revision == workload.revision => *since < time,
            // Seen for the first time: pods may be of any age.
            None => {
                self.revision = Some((workload.revision.clone(), time - Duration::from_nanos(1)));
                true
            }
            Some(_) => {
                self.revision = Some((workload.revision.clone(), Instant::now()));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
