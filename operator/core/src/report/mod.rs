//! (Plan, outcomes, facts) → Status: what is true now, as conditions, items and Events.

mod conditions;
mod items;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use tracewright_xray::contract::condition;

use crate::crd::status::{
    InjectionStatus, ItemState, ObservabilityProfileStatus, PlannedChange, Summary, WorkloadsStatus,
};
use crate::crd::{Mode, ObservabilityProfile};
use crate::identity::Kind;
use crate::plan::{Applied, Note, Plan};

pub use conditions::{Fact, Truth};

/// Everything that a status is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The AWS side.
    pub aws: AwsFacts,
    /// Whether the receiver answers.
    pub receiver: Fact,
    /// Whether the selected workloads have the variables.
    pub injected: Fact,
    /// The selected workloads.
    pub workloads: WorkloadsStatus,
    /// The variables that a selected workload receives, by name.
    pub env: Vec<String>,
    /// Whether any client matched a rule of the profile.
    pub traffic: Fact,
    /// What a person should know, beyond the notes of the plan.
    pub notes: Vec<Note>,
}

/// The AWS side of [`Facts`].
#[derive(Clone, Debug, PartialEq)]
pub enum AwsFacts {
    /// The account was observed, and the plan carried out or previewed.
    Observed {
        /// The account's id.
        account_id: String,
        /// The region.
        region: String,
        /// What came of the plan.
        plan: Plan<Applied>,
        /// In mode Preview: what Apply would do.
        preview: Vec<PlannedChange>,
    },
    /// Nothing could be observed; items stay as they were reported last.
    Unobserved(Fact),
    /// The profile's mode is Suspended: nothing was looked at.
    Suspended,
}

/// A transition that is worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whether a person has to do something.
    pub warning: bool,
    /// The Event's reason.
    pub reason: String,
    /// The Event's action, as the Events API calls it.
    pub action: &'static str,
    /// The sentence.
    pub note: String,
}

/// Facts → Status. Times of transition are kept where nothing changed, so that equal facts give an equal status.
#[must_use]
pub fn status(
    profile: &ObservabilityProfile,
    facts: &Facts,
    now: Timestamp,
) -> ObservabilityProfileStatus {
    let previous = profile.status.clone().unwrap_or_default();
    let generation = profile.metadata.generation;
    let mut status = ObservabilityProfileStatus {
        observed_generation: generation,
        region: previous.region.clone(),
        account_id: previous.account_id.clone(),
        groups: previous.groups.clone(),
        sampling_rules: previous.sampling_rules.clone(),
        log_groups: previous.log_groups.clone(),
        ..ObservabilityProfileStatus::default()
    };
    if let AwsFacts::Observed {
        account_id,
        region,
        plan,
        preview,
    } = &facts.aws
    {
        let same_generation = previous.observed_generation == generation;
        let same_place = previous
            .account_id
            .as_ref()
            .is_none_or(|id| id == account_id)
            && previous.region.as_ref().is_none_or(|known| known == region);
        status.region = Some(region.clone());
        status.account_id = Some(account_id.clone());
        for kind in Kind::ALL {
            let before = if same_generation && same_place {
                items::list(&previous, kind)
            } else {
                &[]
            };
            *items::list_mut(&mut status, kind) = items::items(plan, kind, before);
        }
        status.plan.clone_from(preview);
    }
    if profile.spec.mode == Mode::Suspended {
        status.workloads.clone_from(&previous.workloads);
        status.injection.clone_from(&previous.injection);
    } else {
        status.workloads = (profile.spec.workloads.is_some()).then(|| facts.workloads.clone());
        status.injection = (!facts.env.is_empty()).then(|| InjectionStatus {
            env: facts.env.clone(),
        });
    }
    status.summary = Some(summary(&status));
    status.conditions = conditions::conditions(profile, facts)
        .into_iter()
        .map(|(type_, fact)| condition(type_, &fact, &previous.conditions, generation, now))
        .collect();
    status
}

/// What changed from one status to the next, as far as it is worth an Event: conditions whose truth or reason changed,
/// and writes that were carried out.
#[must_use]
pub fn transitions(
    before: Option<&ObservabilityProfileStatus>,
    after: &ObservabilityProfileStatus,
    facts: &Facts,
) -> Vec<Transition> {
    let mut transitions = Vec::new();
    if let AwsFacts::Observed { plan, .. } = &facts.aws {
        transitions.extend(items::writes(plan, before, after.observed_generation));
    }
    for condition in &after.conditions {
        let earlier = before
            .and_then(|status| {
                status
                    .conditions
                    .iter()
                    .find(|earlier| earlier.type_ == condition.type_)
            })
            .map(|earlier| (&earlier.status, &earlier.reason));
        if earlier == Some((&condition.status, &condition.reason)) {
            continue;
        }
        let wanted = if condition.type_ == condition::ADVISORIES {
            "False"
        } else {
            "True"
        };
        // A first status that is as it should be says nothing new.
        if earlier.is_none() && condition.status == wanted && condition.type_ != condition::READY {
            continue;
        }
        transitions.push(Transition {
            warning: condition.status != wanted
                && condition.status != "Unknown"
                && !conditions::passing(&condition.reason),
            reason: condition.reason.clone(),
            action: "Reconcile",
            note: if condition.message.is_empty() {
                format!("{} is {}", condition.type_, condition.status)
            } else {
                condition.message.clone()
            },
        });
    }
    transitions
}

fn condition(
    type_: &str,
    fact: &Fact,
    previous: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let truth = fact.truth.as_str();
    let since = previous
        .iter()
        .find(|earlier| earlier.type_ == type_ && earlier.status == truth)
        .map_or(Time(now), |earlier| earlier.last_transition_time.clone());
    Condition {
        type_: type_.to_owned(),
        status: truth.to_owned(),
        reason: fact.reason.to_owned(),
        message: fact.message.clone(),
        observed_generation: generation,
        last_transition_time: since,
    }
}

fn summary(status: &ObservabilityProfileStatus) -> Summary {
    let share = |lists: &[&Vec<crate::crd::status::ItemStatus>]| {
        let declared = || {
            lists
                .iter()
                .flat_map(|list| list.iter())
                .filter(|item| item.state != ItemState::Retained)
        };
        format!(
            "{}/{}",
            declared()
                .filter(|item| item.state == ItemState::Synced)
                .count(),
            declared().count()
        )
    };
    let workloads = status.workloads.as_ref();
    Summary {
        xray: share(&[&status.groups, &status.sampling_rules]),
        logs: share(&[&status.log_groups]),
        workloads: format!(
            "{}/{}",
            workloads.map_or(0, |workloads| workloads.injected),
            workloads.map_or(0, |workloads| workloads.matched)
        ),
    }
}
