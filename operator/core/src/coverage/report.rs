//! (Workloads, outcomes) → `status.workloads` and the condition WorkloadsInjected.

use std::collections::BTreeMap;
use std::time::Duration;

use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::skip;

use super::Covered;
use crate::crd::status::{WorkloadStatus, WorkloadsStatus};
use crate::inject::Action;
use crate::report::Fact;
use crate::rollout::{Evidence, Rollout};
use crate::workload::{Workload, WorkloadKind};

/// How many workloads a status names.
pub const MAX_ITEMS: usize = 50;

/// How long pods of an injected workload are unavailable before it is told: a pod that is replaced is no news.
const UNAVAILABLE: Duration = Duration::from_secs(60);

/// How many variables a sentence names.
const MAX_VARIABLES: usize = 3;

/// A workload's place in its namespace.
type Key = (WorkloadKind, String);

/// States, the ones that need attention first.
const STATES: [&str; 6] = [
    "Failed", "Skipped", "Pending", "Stale", "Rolling", "Injected",
];

/// Reasons of the condition, the ones that explain the others first.
const REASONS: [&str; 7] = [
    reason::ROLLOUT_FAILED,
    reason::SECRET_MISSING,
    reason::ENV_CONTESTED,
    reason::REVERTED,
    reason::WORKLOADS_NOT_INJECTED,
    reason::SOME_SKIPPED,
    reason::ROLLING_OUT,
];

/// Counts, items and the condition WorkloadsInjected. `chosen` are the workloads whose turn it was, and `refused` those
/// that the API server did not let be patched, with its words.
#[must_use]
pub fn report(
    covered: &[Covered],
    chosen: &[Key],
    refused: &BTreeMap<Key, String>,
) -> (WorkloadsStatus, Fact) {
    let mut status = WorkloadsStatus::default();
    let mut problems: BTreeMap<usize, (String, usize)> = BTreeMap::new();
    for one in covered {
        let workload = &one.workload;
        let key = (workload.kind, workload.name.clone());
        let line = line(one, chosen.contains(&key), refused.get(&key));
        status.matched += 1;
        *match line.state {
            "Failed" => &mut status.failed,
            "Skipped" => &mut status.skipped,
            "Rolling" => &mut status.rolling,
            "Injected" => &mut status.injected,
            _ => &mut status.stale,
        } += 1;
        if let Some(rank) = line
            .condition
            .and_then(|reason| REASONS.iter().position(|known| *known == reason))
        {
            let message = line.message.clone().unwrap_or_default();
            let problem = problems
                .entry(rank)
                .or_insert_with(|| (format!("{} {}: {message}", workload.kind, workload.name), 0));
            problem.1 += 1;
        }
        let left = &one.injection.left;
        status.items.push(WorkloadStatus {
            kind: workload.kind.as_str().to_owned(),
            name: workload.name.clone(),
            state: line.state.to_owned(),
            reason: line.reason.map(str::to_owned),
            message: line.message.filter(|message| !message.is_empty()),
            variables: left.iter().map(|left| left.variable.clone()).collect(),
        });
    }
    let rank = |item: &WorkloadStatus| STATES.iter().position(|state| *state == item.state);
    status
        .items
        .sort_by(|a, b| (rank(a), &a.kind, &a.name).cmp(&(rank(b), &b.kind, &b.name)));
    status.items.truncate(MAX_ITEMS);
    let fact = match problems.into_iter().next() {
        Some((rank, (message, 1))) => Fact::no(REASONS[rank], message),
        Some((rank, (message, count))) => Fact::no(
            REASONS[rank],
            format!("{message} (and {} more: see status.workloads)", count - 1),
        ),
        None if status.matched == 0 => Fact::yes(
            reason::NONE_SELECTED,
            "no workload of the namespace has the selected labels",
        ),
        None => Fact::yes(
            reason::ALL_INJECTED,
            match status.injected {
                1 => "1 workload has the variables".to_owned(),
                many => format!("{many} workloads have the variables"),
            },
        ),
    };
    (status, fact)
}

/// What is said of one workload.
struct Line {
    state: &'static str,
    reason: Option<&'static str>,
    message: Option<String>,
    /// The reason of the condition, where the workload keeps it from being true.
    condition: Option<&'static str>,
}

impl Line {
    fn new(state: &'static str) -> Self {
        Self {
            state,
            reason: None,
            message: None,
            condition: None,
        }
    }

    fn because(self, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason: Some(reason),
            message: Some(message.into()),
            ..self
        }
    }

    fn saying(self, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    fn keeps(self, condition: &'static str) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }
}

fn line(one: &Covered, chosen: bool, refused: Option<&String>) -> Line {
    if let Some(refusal) = refused {
        return Line::new("Failed")
            .because("PatchRefused", format!("it cannot be patched: {refusal}"))
            .keeps(reason::WORKLOADS_NOT_INJECTED);
    }
    match &one.injection.action {
        Action::Skip(skip) => {
            let line = Line::new("Skipped").because(skip.reason, skip.message.clone());
            match skip.reason {
                // Who opted out wants no reminder.
                skip::OPTED_OUT => line,
                reason::REVERTED => line.keeps(reason::REVERTED),
                _ => line.keeps(reason::SOME_SKIPPED),
            }
        }
        Action::Wait(keys) => {
            let names: Vec<String> = keys
                .iter()
                .map(|key| format!("{}/{}", key.name, key.key))
                .collect();
            let message = format!(
                "it waits for the Secret key {}: create it in the workload's namespace",
                names.join(", ")
            );
            Line::new("Pending")
                .because(reason::SECRET_MISSING, message)
                .keeps(reason::SECRET_MISSING)
        }
        Action::Patch(_) if one.contested => Line::new("Skipped")
            .because(
                reason::ENV_CONTESTED,
                "somebody keeps removing the variables: let them be in its manifest, or annotate it with tracewright.dev/inject: \"false\"",
            )
            .keeps(reason::ENV_CONTESTED),
        Action::Patch(patch) if patch.restarts_pods => due(one, chosen),
        Action::Patch(_) | Action::UpToDate => written(one),
    }
}

/// A workload with a change to make.
fn due(one: &Covered, chosen: bool) -> Line {
    let line = match &one.rollout {
        _ if chosen => Line::new("Rolling").saying("it is rolling out"),
        Rollout::Failed(evidence) if one.failed => return failed(one, evidence),
        Rollout::Failed(evidence) if !one.mendable() => Line::new("Pending").saying(format!(
            "its rollout failed before the variables were written: they are when it has been mended ({evidence})"
        )),
        Rollout::Degraded if !one.mendable() => Line::new("Pending").saying(
            "not all of its pods are available: the variables are written when they are",
        ),
        Rollout::Rolling => Line::new("Rolling").saying("it is rolling out"),
        Rollout::Complete
        | Rollout::Degraded
        | Rollout::Failed(_)
        | Rollout::Stale
        | Rollout::Paused
        | Rollout::Stalled(_) => Line::new("Pending").saying("it waits for its turn to roll out"),
    };
    line.keeps(reason::ROLLING_OUT)
}

/// A workload whose template has the variables.
fn written(one: &Covered) -> Line {
    let injected = || Line {
        reason: one.injection.left.first().map(|left| left.reason),
        ..Line::new("Injected")
    };
    match &one.rollout {
        Rollout::Degraded if one.degraded_for >= UNAVAILABLE => {
            injected().saying("every pod has the variables, and not all pods are available")
        }
        // Somebody scales it, or deploys. All pods have the variables, whatever becomes of that.
        _ if one.settled => injected(),
        Rollout::Complete | Rollout::Degraded => injected(),
        Rollout::Failed(evidence) if one.failed => failed(one, evidence),
        Rollout::Failed(evidence) => injected().saying(format!(
            "its rollout has failed, and as it was changed after the variables were written that is not put down to them ({evidence})"
        )),
        Rollout::Rolling => Line::new("Rolling")
            .saying("it is rolling out")
            .keeps(reason::ROLLING_OUT),
        Rollout::Stalled(message) => Line::new("Rolling")
            .saying(message.clone())
            .keeps(reason::ROLLING_OUT),
        Rollout::Paused => Line::new("Stale")
            .because(
                skip::PAUSED,
                "its rollout is paused: pods get the variables when it is resumed (kubectl rollout resume)",
            )
            .keeps(reason::SOME_SKIPPED),
        Rollout::Stale => Line::new("Stale")
            .because(
                skip::ON_DELETE,
                "pods with the old template stay: delete them, or lower the StatefulSet's partition",
            )
            .keeps(reason::SOME_SKIPPED),
    }
}

fn failed(one: &Covered, evidence: &Evidence) -> Line {
    let message = format!("its rollout failed after {}: {evidence}", changed(one));
    Line::new("Failed")
        .because(reason::ROLLOUT_FAILED, message)
        .keeps(reason::ROLLOUT_FAILED)
}

/// What our last write changed, in words.
fn changed(one: &Covered) -> String {
    let names: Vec<&str> = if one.changed.is_empty() {
        recorded(&one.workload)
    } else {
        one.changed.iter().map(String::as_str).collect()
    };
    let named = names
        .iter()
        .take(MAX_VARIABLES)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MAX_VARIABLES) {
        0 if names.is_empty() => "it was restarted for a changed Secret".to_owned(),
        0 => format!("{named} changed"),
        more => format!("{named} and {more} more variables changed"),
    }
}

fn recorded(workload: &Workload) -> Vec<&str> {
    let record = workload.record.iter();
    let names = record.flat_map(|record| record.containers.values());
    names.flat_map(|of| of.keys().map(String::as_str)).collect()
}
