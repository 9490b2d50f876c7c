//! The items of a status, and the Events about writes.

use std::collections::BTreeMap;

use crate::crd::status::{ItemState, ItemStatus, ObservabilityProfileStatus};
use crate::identity::Kind;
use crate::plan::{Action, Applied, Plan, Planned, Verdict};

use super::Transition;

pub(super) fn list(status: &ObservabilityProfileStatus, kind: Kind) -> &[ItemStatus] {
    match kind {
        Kind::Group => &status.groups,
        Kind::SamplingRule => &status.sampling_rules,
        Kind::LogGroup => &status.log_groups,
    }
}

pub(super) fn list_mut(
    status: &mut ObservabilityProfileStatus,
    kind: Kind,
) -> &mut Vec<ItemStatus> {
    match kind {
        Kind::Group => &mut status.groups,
        Kind::SamplingRule => &mut status.sampling_rules,
        Kind::LogGroup => &mut status.log_groups,
    }
}

/// The items of a kind. What was released stays listed as Retained until the profile, its account or its region changes.
pub(super) fn items(plan: &Plan<Applied>, kind: Kind, before: &[ItemStatus]) -> Vec<ItemStatus> {
    let mut items: Vec<ItemStatus> = plan
        .objects
        .iter()
        .filter(|object| object.kind == kind)
        .filter_map(item)
        .collect();
    let retained = before
        .iter()
        .filter(|item| item.state == ItemState::Retained);
    for item in retained {
        if !items.iter().any(|listed| listed.name == item.name) {
            items.push(item.clone());
        }
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    items
}

fn item(object: &Planned<Applied>) -> Option<ItemStatus> {
    let mut item = ItemStatus {
        name: object.name.clone(),
        arn: object.arn.clone(),
        state: ItemState::Synced,
        deletion_policy: object.deletion_policy,
        message: None,
    };
    match (&object.verdict, &object.outcome) {
        (Verdict::Held { state, message, .. }, _) => {
            item.state = *state;
            item.message = Some(message.clone());
        }
        (Verdict::Synced, _) => {}
        (Verdict::Write(write), Applied::Done { arn }) => match write.action {
            Action::Delete | Action::Restore => return None,
            Action::Release => {
                item.state = ItemState::Retained;
                item.deletion_policy = None;
            }
            Action::Create | Action::Update | Action::Adopt => item.arn = arn.clone().or(item.arn),
        },
        (Verdict::Write(_), Applied::Failed(failure)) => {
            item.state = failure.state;
            item.message = Some(failure.message.clone());
        }
        (Verdict::Write(write), Applied::Previewed | Applied::Untouched) => {
            // Not ours before it is written.
            if matches!(write.action, Action::Create | Action::Adopt) {
                item.deletion_policy = None;
            }
            item.state = match write.action {
                Action::Create => ItemState::Pending,
                Action::Update | Action::Adopt => ItemState::Drifted,
                Action::Delete | Action::Restore | Action::Release => ItemState::Deleting,
            };
        }
    }
    Some(item)
}

/// One Event for each kind of write that was carried out. One for each object would not do: Events of the same reason
/// about the same profile are counted together, and only the first one's sentence is kept. What was as declared before
/// and is written though nothing new is declared was changed by somebody else, and has a reason of its own.
pub(super) fn writes(
    plan: &Plan<Applied>,
    before: Option<&ObservabilityProfileStatus>,
    generation: Option<i64>,
) -> Vec<Transition> {
    let before = before.filter(|status| status.observed_generation == generation);
    let mut done: BTreeMap<(bool, Action), Vec<String>> = BTreeMap::new();
    for object in &plan.objects {
        let Verdict::Write(write) = &object.verdict else {
            continue;
        };
        if !matches!(object.outcome, Applied::Done { .. }) {
            continue;
        }
        let was_as_declared = before.is_some_and(|status| {
            list(status, object.kind)
                .iter()
                .any(|item| item.name == object.name && item.state == ItemState::Synced)
        });
        let drifted = was_as_declared && matches!(write.action, Action::Create | Action::Update);
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let fields: Vec<String> = write
            .changes
            .iter()
            .map(|change| {
                format!(
                    "{} {} -> {}",
                    change.field,
                    show(&change.from),
                    show(&change.to)
                )
            })
            .collect();
        let detail = if fields.is_empty() {
            String::new()
        } else {
            format!(" ({})", fields.join(", "))
        };
        done.entry((drifted, write.action))
            .or_default()
            .push(format!("{} {}{detail}", object.kind.noun(), object.name));
    }
    done.into_iter()
        .map(|((drifted, action), objects)| {
            let (reason, verb) = match action {
                Action::Create if drifted => ("DriftRepaired", "was gone and is created again"),
                Action::Update if drifted => ("DriftRepaired", "was changed and is set back"),
                Action::Create => ("Created", "created"),
                Action::Update => ("Updated", "updated"),
                Action::Adopt => ("Adopted", "adopted"),
                Action::Delete => ("Deleted", "deleted"),
                Action::Restore => ("Restored", "restored to what AWS ships"),
                Action::Release => ("Released", "kept in the account and no longer managed"),
            };
            Transition {
                warning: false,
                reason: reason.to_owned(),
                action: action.as_str(),
                note: format!("{verb}: {}", objects.join("; ")),
            }
        })
        .collect()
}
