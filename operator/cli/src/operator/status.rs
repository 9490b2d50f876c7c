//! Report → the API server: status is written only where it changes, Events only on transitions.

use jiff::Timestamp;
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::report::{self, Facts};
use tracewright_xray::contract::name;

use super::context::Context;
use super::reconcile::Error;
use super::world::reference;

/// The Events API takes notes of at most this many bytes. (Kubernetes API, events.k8s.io/v1.)
const MAX_NOTE: usize = 1024;

/// Writes the status if it differs from the last one, and tells of what changed.
pub(super) async fn write(profile: &ObservabilityProfile, facts: &Facts, context: &Context) -> Result<(), Error> {
    let me = reference(profile);
    let mut profile = profile.clone();
    // What was written last, not what the watch has brought back so far: both would tell a transition twice.
    if let Some(last) = context.remember(&me, |memory| memory.status.clone()) {
        profile.status = Some(last);
    }
    let before = profile.status.clone();
    let status = report::status(&profile, facts, Timestamp::now());
    let transitions = report::transitions(before.as_ref(), &status, facts);
    if before.as_ref() != Some(&status) {
        if !context.permit.holds() {
            return Err(Error::NotLeader);
        }
        let api: Api<ObservabilityProfile> = Api::namespaced(context.client.clone(), &me.namespace);
        let patch = json!({
            "apiVersion": ObservabilityProfile::api_version(&()),
            "kind": ObservabilityProfile::kind(&()),
            "status": status,
        });
        let result = api
            .patch_status(&me.name, &PatchParams::apply(name::FIELD_MANAGER).force(), &Patch::Apply(&patch))
            .await;
        match result {
            Ok(_) => {}
            // Deleted meanwhile: there is nobody to tell.
            Err(kube::Error::Api(error)) if error.code == 404 => return Ok(()),
            Err(error) => return Err(Error::kubernetes("write the profile's status")(error)),
        }
        context.remember(&me, |memory| memory.status = Some(status));
    }
    for transition in transitions {
        let event = Event {
            type_: if transition.warning { EventType::Warning } else { EventType::Normal },
            reason: transition.reason,
            note: Some(bounded(transition.note)),
            action: transition.action.to_owned(),
            secondary: None,
        };
        if let Err(error) = context.recorder.publish(&event, &profile.object_ref(&())).await {
            // An Event that is lost is not worth another reconcile; the status says the same.
            tracing::warn!(%error, "the Event could not be written");
        }
    }
    Ok(())
}

fn bounded(mut note: String) -> String {
    if note.len() > MAX_NOTE {
        let end = (0..=MAX_NOTE - 3).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    note
}
