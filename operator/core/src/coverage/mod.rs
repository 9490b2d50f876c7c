//! What becomes of each workload that a profile selects, or has selected: what is written into it, whether that has to
//! wait for its turn, and what status says of it.

mod report;

pub use report::{MAX_ITEMS, report};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::crd::status::PlannedChange;
use crate::inject::{Action, Injection, Patch};
use crate::rollout::{Rollout, Stage};
use crate::workload::Workload;

/// A selected workload with what was decided and observed.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The workload.
    pub workload: Arc<Workload>,
    /// What to do.
    pub injection: Injection,
    /// How its rollout stands.
    pub rollout: Rollout,
    /// Somebody keeps removing our entries, see [`crate::inject::contested`].
    pub contested: bool,
    /// There are none of ours in the template, or they have rolled out before: what rolls out or fails now is another
    /// change.
    pub settled: bool,
    /// The rollout failed, and it is the one that brought the variables.
    pub failed: bool,
    /// The rollout that goes on is of our last write: another write of ours may follow at once, in the same place.
    pub in_flight: bool,
    /// For how long the rollout has been [`Rollout::Degraded`].
    pub degraded_for: Duration,
    /// Variables that our last write changed.
    pub changed: BTreeSet<String>,
}

impl Covered {
    /// The patch to write, if any.
    #[must_use]
    pub fn patch(&self) -> Option<&Patch> {
        match &self.injection.action {
            Action::Patch(patch) => Some(patch).filter(|_| !self.contested),
            Action::Skip(skip) => skip.cleanup.as_ref(),
            Action::UpToDate | Action::Wait(_) => None,
        }
    }

    /// Whether all its pods run with what the profile says now, or never had anything of it.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        let waits = matches!(self.injection.action, Action::Wait(_));
        let earlier = waits && self.workload.record.is_some();
        let rolled_out = matches!(self.rollout, Rollout::Complete | Rollout::Degraded);
        self.patch().is_none() && rolled_out && !earlier
    }

    /// Whether a new change may be what mends it: its template has variables of ours, and for all that is known they
    /// may be what keeps its pods from running.
    fn mendable(&self) -> bool {
        let record = self.workload.record.as_ref();
        let injected = record.is_some_and(|record| !record.reverted);
        // Variables that have rolled out well do not make a later template fail; pods that were available may crash by
        // them all the same.
        injected && (self.rollout == Rollout::Degraded || !self.settled)
    }

    /// Where it stands in the queue of rollouts. `None`: it needs no place.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        let due = self.patch().is_some_and(|patch| patch.restarts_pods);
        let removal = matches!(self.injection.action, Action::Skip(_));
        match (&self.rollout, due) {
            // What is broken before there is anything of ours in it is for others to mend.
            (Rollout::Degraded, true) => (removal || self.mendable()).then_some(Stage::Due),
            (Rollout::Rolling, true) if self.in_flight => Some(Stage::Mend),
            (Rollout::Rolling, _) => Some(Stage::Rolling),
            (Rollout::Failed(_), true) if self.failed => Some(Stage::Mend),
            (Rollout::Failed(_), false) if self.failed => Some(Stage::Failed),
            // Somebody else's change failed. It is for them to mend, and takes nobody's place meanwhile.
            (Rollout::Failed(_), true) => (removal || self.mendable()).then_some(Stage::Due),
            (_, true) => Some(Stage::Due),
            (_, false) => None,
        }
    }
}

/// A workload that carries a profile's variables and is no longer to have them.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// The workload.
    pub workload: Arc<Workload>,
    /// What takes the variables out.
    pub removal: Patch,
    /// How its rollout stands.
    pub rollout: Rollout,
    /// The rollout that goes on is of our last write.
    pub in_flight: bool,
}

impl Leaving {
    /// Where it stands in the queue of rollouts. `None`: it needs no place.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match (&self.rollout, self.removal.restarts_pods) {
            (Rollout::Rolling, true) if self.in_flight => Some(Stage::Mend),
            (Rollout::Rolling, _) => Some(Stage::Rolling),
            (Rollout::Failed(_), true) => Some(Stage::Mend),
            (_, true) => Some(Stage::Due),
            (_, false) => None,
        }
    }
}

/// What Apply would do, for mode Preview.
#[must_use]
pub fn preview(covered: &[Covered], leaving: &[Leaving]) -> Vec<PlannedChange> {
    let change = |action: &str, workload: &Workload| PlannedChange {
        action: action.to_owned(),
        kind: workload.kind.as_str().to_owned(),
        name: workload.name.clone(),
        field: None,
        from: None,
        to: None,
    };
    let covered = covered
        .iter()
        .filter(|one| one.patch().is_some())
        .map(|one| {
            let action = match &one.injection.action {
                Action::Skip(_) => "Uninject",
                Action::Patch(_) | Action::UpToDate | Action::Wait(_) => "Inject",
            };
            change(action, &one.workload)
        });
    let leaving = leaving.iter().map(|one| change("Uninject", &one.workload));
    covered.chain(leaving).collect()
}

#[cfg(test)]
mod tests;
