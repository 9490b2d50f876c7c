//! Why a whole workload is left alone.

use tracewright_xray::contract::{condition, skip};

use super::{Demand, Facts, Patch, instrumentation, uninject};
use crate::workload::{Container, Workload};

/// Why a workload is left alone, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Skip {
    /// A word of [`tracewright_xray::contract::skip`], or the condition's reason `Reverted`.
    pub reason: &'static str,
    /// What is wrong and what to do about it.
    pub message: String,
    /// What to write nevertheless: the removal of what was injected before the reason arose.
    pub cleanup: Option<Patch>,
}

impl Skip {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            cleanup: None,
        }
    }

    fn cleaning(self, workload: &Workload) -> Self {
        Self {
            cleanup: uninject(workload),
            ..self
        }
    }
}

/// The first reason to leave a workload alone, if any. `selected` are the containers that the profile would inject.
pub(super) fn reason(
    workload: &Workload,
    selected: &[&Container],
    demand: &Demand<'_>,
    facts: &Facts<'_>,
) -> Option<Skip> {
    if facts.holder != Some(demand.profile) {
        let other = facts.holder.unwrap_or("another");
        return Some(Skip::new(
            skip::SELECTED_BY_OTHER,
            format!("profile {other} holds it: narrow the selector of one of the two profiles"),
        ));
    }
    if let Some(controller) = &workload.controller {
        return Some(Skip::new(
            skip::OWNED_BY_CONTROLLER,
            format!("{controller} owns it and would undo the change: set the variables there"),
        ));
    }
    if workload.inject == Some(false) {
        let message = "its annotation tracewright.dev/inject says \"false\": remove the annotation to have it injected";
        return Some(Skip::new(skip::OPTED_OUT, message).cleaning(workload));
    }
    let mark = || {
        let own = workload.other_instrumentation.clone();
        own.or_else(|| instrumentation::found(facts.namespace_annotations))
    };
    if workload.inject != Some(true)
        && let Some(mark) = mark()
    {
        let message = format!(
            "another instrumentation sets it up ({mark}): switch that off, or annotate the workload with tracewright.dev/inject: \"true\" to have both"
        );
        return Some(Skip::new(skip::OTHER_INSTRUMENTATION, message).cleaning(workload));
    }
    if selected.is_empty() {
        let message = "it has none of the containers to inject: write their names into spec.workloads.containers";
        return Some(Skip::new(skip::NO_SUCH_CONTAINER, message).cleaning(workload));
    }
    let sources = selected
        .iter()
        .flat_map(|container| &container.env_from)
        .map(|entry| &entry.source);
    if let Some(source) = sources
        .into_iter()
        .find(|source| !facts.env_from.contains_key(source))
    {
        return Some(Skip::new(
            skip::ENV_FROM_UNREADABLE,
            format!(
                "its envFrom names {source}, which the operator may not read, so its variables are unknown: allow the operator to get it"
            ),
        ));
    }
    let reverted = workload
        .record
        .as_ref()
        .filter(|record| record.reverted && record.is_of(demand.profile, demand.generation))?;
    let evidence = match &reverted.evidence {
        Some(evidence) => format!(" ({evidence})"),
        None => String::new(),
    };
    Some(Skip::new(
        condition::reason::REVERTED,
        format!(
            "its rollout failed with the variables, so they were taken back: they return when the profile changes{evidence}"
        ),
    ))
}

/// A change that would have to roll out while rollouts are paused.
pub(super) fn paused() -> Skip {
    Skip::new(
        skip::PAUSED,
        "its rollout is paused: the change is made when it is resumed (kubectl rollout resume)",
    )
}
