//! Report → the API server: status is written only where it changes, Events only on transitions.

use jiff::Timestamp;
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use tracewright_core::crd::{ObservabilityProfile, ObservabilityProfileStatus};
use tracewright_core::identity::ProfileRef;
use tracewright_core::report::{self, Facts};
use tracewright_xray::contract::name;

use super::context::Context;
use super::reconcile::Error;
use super::world::reference;
use crate::aws::Account;

/// The Events API takes notes of at most this many bytes. (Kubernetes API, events.k8s.io/v1.)
const MAX_NOTE: usize = 1024;

/// Writes the status if it differs from the last one, and tells of what changed.
pub(super) async fn write(
    profile: &ObservabilityProfile,
    facts: &Facts,
    context: &Context,
) -> Result<(), Error> {
    let me = reference(profile);
    let mut profile = profile.clone();
    // What was written last, not what the watch has brought back so far: both would tell a transition twice.
    let before = context.last_status(&me).or(profile.status.take());
    profile.status.clone_from(&before);
    let status = report::status(&profile, facts, now());
    let transitions = report::transitions(before.as_ref(), &status, facts);
    if before.as_ref() != Some(&status) {
        if !context.permit.holds() {
            return Err(Error::NotLeader);
        }
        match patch(&me, &status, context).await {
            Ok(()) => context.remember(&me, |memory| memory.status = Some(status)),
            // Deleted meanwhile: there is nobody to tell.
            Err(kube::Error::Api(error)) if error.code == 404 => return Ok(()),
            Err(error) => return Err(Error::kubernetes("write the profile's status")(error)),
        }
    }
    for transition in transitions {
        let event = Event {
            type_: if transition.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: transition.reason,
            note: Some(bounded(transition.note)),
            action: transition.action.to_owned(),
            secondary: None,
        };
        let about = profile.object_ref(&());
        if let Err(error) = context.events.publish(&event, &about).await {
            // An Event that is lost is not worth another reconcile; the status says the same.
            tracing::warn!(%error, "the Event could not be written");
        }
    }
    Ok(())
}

/// Tells which account will hold the profile's objects, before the first of them is made: whoever comes after a crash then
/// knows where to look for what was made.
pub(super) async fn announce(
    profile: &ObservabilityProfile,
    account: &Account,
    context: &Context,
) -> Result<(), Error> {
    let me = reference(profile);
    let last = context.last_status(&me).or_else(|| profile.status.clone());
    let mut status = last.unwrap_or_default();
    if status.account_id.as_ref() == Some(&account.id)
        && status.region.as_ref() == Some(&account.region)
    {
        return Ok(());
    }
    if !context.permit.holds() {
        return Err(Error::NotLeader);
    }
    status.account_id = Some(account.id.clone());
    status.region = Some(account.region.clone());
    patch(&me, &status, context)
        .await
        .map_err(Error::kubernetes("write the profile's status"))?;
    context.remember(&me, |memory| memory.status = Some(status));
    Ok(())
}

/// The time as the API server will keep it, in whole seconds: what the watch brings back is what was written.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

async fn patch(
    profile: &ProfileRef,
    status: &ObservabilityProfileStatus,
    context: &Context,
) -> Result<(), kube::Error> {
    let api: Api<ObservabilityProfile> =
        Api::namespaced(context.client.clone(), &profile.namespace);
    let patch = json!({
        "apiVersion": ObservabilityProfile::api_version(&()),
        "kind": ObservabilityProfile::kind(&()),
        "status": status,
    });
    let params = PatchParams::apply(name::FIELD_MANAGER).force();
    api.patch_status(&profile.name, &params, &Patch::Apply(&patch))
        .await
        .map(drop)
}

fn bounded(mut note: String) -> String {
    if note.len() > MAX_NOTE {
        let end = (0..=MAX_NOTE - 3)
            .rev()
            .find(|end| note.is_char_boundary(*end))
            .unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    note
}
