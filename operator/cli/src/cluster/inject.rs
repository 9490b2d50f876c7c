//! Injection: decides about each selected workload, patches as many as may roll out at the same time, and counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::api::{Patch as ApiPatch, PatchParams};
use serde::de::DeserializeSeed;
use tracewright_core::crd::status::{PlannedChange, WorkloadStatus, WorkloadsStatus};
use tracewright_core::identity::ProfileRef;
use tracewright_core::inject::{Action, Injection, Patch, revert};
use tracewright_core::report::Fact;
use tracewright_core::rollout::{self, Evidence, Place, Rollout, Stage};
use tracewright_core::workload::{Workload, WorkloadKind};
use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::{name, skip};

use super::store::{Key, Workloads};

/// How many workloads a status names.
const MAX_ITEMS: usize = 50;

/// One selected workload with what was decided about it.
pub(super) struct Selected {
    pub(super) workload: Arc<Workload>,
    pub(super) injection: Injection,
    pub(super) rollout: Rollout,
    /// Somebody keeps removing our entries.
    pub(super) contested: bool,
    /// The rollout failed with the variables of this generation.
    pub(super) failed: bool,
}

impl Selected {
    /// The patch to write, if any.
    fn patch(&self) -> Option<&Patch> {
        if self.contested {
            return None;
        }
        match &self.injection.action {
            Action::Patch(patch) => Some(patch),
            Action::Skip(skip) => skip.cleanup.as_ref(),
            Action::UpToDate | Action::Wait(_) => None,
        }
    }

    fn key(&self) -> Key {
        (self.workload.kind, self.workload.name.clone())
    }
}

/// The queue of rollouts, over all profiles.
#[derive(Default)]
pub(super) struct Queue(Mutex<HashMap<ProfileRef, Vec<Place<Key>>>>);

impl Queue {
    /// Puts a profile's workloads into the queue and takes out those that are to be changed now.
    pub(super) fn choose(
        &self,
        profile: &ProfileRef,
        places: Vec<Place<Key>>,
        max_global: usize,
    ) -> Vec<Key> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(profile.clone(), places);
        // A key is unique within a namespace, so the profile goes along.
        let places: Vec<Place<(ProfileRef, Key)>> = all
            .values()
            .flatten()
            .map(|place| Place {
                profile: place.profile.clone(),
                max_concurrent: place.max_concurrent,
                key: (place.profile.clone(), place.key.clone()),
                stage: place.stage,
            })
            .collect();
        let chosen: Vec<Key> = rollout::next(max_global, &places)
            .into_iter()
            .filter(|(of, _)| of == profile)
            .map(|(_, key)| key)
            .collect();
        // They count as rolling for whoever asks next.
        for place in all.get_mut(profile).into_iter().flatten() {
            if chosen.contains(&place.key) {
                place.stage = Stage::Rolling;
            }
        }
        chosen
    }

    /// The profile is gone.
    pub(super) fn forget(&self, profile: &ProfileRef) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(profile);
    }
}

/// The places of a profile's workloads in the queue.
pub(super) fn places(
    profile: &ProfileRef,
    max_concurrent: usize,
    selected: &[Selected],
) -> Vec<Place<Key>> {
    selected
        .iter()
        .filter_map(|one| {
            let due = one.patch().is_some_and(|patch| patch.restarts_pods);
            let stage = match (&one.rollout, due) {
                (Rollout::Failed(_), true) if one.failed => Stage::Mend,
                (Rollout::Failed(_), false) if one.failed => Stage::Failed,
                // Somebody else's rollout is under way, or failed: it is left to end.
                (Rollout::Rolling | Rollout::Failed(_), _) => Stage::Rolling,
                (_, true) => Stage::Due,
                (_, false) => return None,
            };
            Some(Place {
                profile: profile.clone(),
                max_concurrent,
                key: one.key(),
                stage,
            })
        })
        .collect()
}

/// Writes the patches of those that were chosen, and of those that restart nothing.
pub(super) async fn write(
    client: &Client,
    store: &Workloads,
    selected: &[Selected],
    chosen: &[Key],
) -> BTreeMap<Key, String> {
    let mut failures = BTreeMap::new();
    for one in selected {
        let Some(patch) = one.patch() else { continue };
        if patch.restarts_pods && !chosen.contains(&one.key()) {
            continue;
        }
        if let Err(message) = patch_workload(client, store, &one.workload, patch).await {
            failures.insert(one.key(), message);
        }
    }
    failures
}

/// Takes back what made a rollout fail.
pub(super) async fn take_back(
    client: &Client,
    store: &Workloads,
    one: &Selected,
    profile: &str,
    generation: i64,
) -> Result<(), String> {
    match revert(&one.workload, profile, generation) {
        Some(patch) => patch_workload(client, store, &one.workload, &patch).await,
        None => Ok(()),
    }
}

/// Writes one patch.
///
/// # Errors
/// A sentence. A conflict is none: the workload has changed, its event comes, and it is decided anew.
pub(super) async fn patch_workload(
    client: &Client,
    store: &Workloads,
    workload: &Workload,
    patch: &Patch,
) -> Result<(), String> {
    let group = match workload.kind {
        WorkloadKind::CronJob => "batch",
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => "apps",
    };
    let plural = format!("{}s", workload.kind.as_str().to_lowercase());
    let request = kube::core::Request::new(format!(
        "/apis/{group}/v1/namespaces/{}/{plural}",
        workload.namespace
    ))
    .patch(
        &workload.name,
        &PatchParams {
            field_manager: Some(name::FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        },
        &ApiPatch::Strategic(&patch.body),
    )
    .map_err(|error| error.to_string())?;
    let text = match client.request_text(request).await {
        Ok(text) => text,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
        Err(error) => return Err(format!("{error}")),
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    match workload.kind.deserialize(&mut json) {
        Ok(written) => store.wrote(written),
        Err(error) => tracing::warn!(%error, "the API server's answer to a patch cannot be read"),
    }
    Ok(())
}

/// Counts, items and the condition WorkloadsInjected.
pub(super) fn report(
    selected: &[Selected],
    chosen: &[Key],
    failures: &BTreeMap<Key, String>,
) -> (WorkloadsStatus, Fact) {
    let mut status = WorkloadsStatus::default();
    let mut items = Vec::new();
    // The reasons in the order in which they explain the condition.
    let mut reasons: BTreeMap<usize, (&'static str, String)> = BTreeMap::new();
    const ORDER: [&str; 7] = [
        reason::ROLLOUT_FAILED,
        reason::SECRET_MISSING,
        reason::ENV_CONTESTED,
        reason::REVERTED,
        reason::WORKLOADS_NOT_INJECTED,
        reason::SOME_SKIPPED,
        reason::ROLLING_OUT,
    ];
    let mut note = |reason: &'static str, message: String| {
        let rank = ORDER
            .iter()
            .position(|known| *known == reason)
            .unwrap_or(ORDER.len());
        reasons.entry(rank).or_insert((reason, message));
    };
    for one in selected {
        let workload = &one.workload;
        let label = format!("{} {}", workload.kind, workload.name);
        let left: Vec<String> = one
            .injection
            .left
            .iter()
            .map(|left| left.variable.clone())
            .collect();
        let left_reason = one
            .injection
            .left
            .first()
            .map(|left| left.reason.to_owned());
        status.matched += 1;
        let (state, item_reason, message): (&str, Option<String>, Option<String>) = if let Some(
            failure,
        ) =
            failures.get(&one.key())
        {
            status.failed += 1;
            let message = format!("{label} cannot be patched: {failure}");
            note(reason::WORKLOADS_NOT_INJECTED, message.clone());
            ("Failed", Some("PatchRefused".to_owned()), Some(message))
        } else if one.contested {
            status.skipped += 1;
            let message = format!(
                "somebody keeps removing the variables from {label}: let them be in its manifest, or annotate it with tracewright.dev/inject: \"false\""
            );
            note(reason::ENV_CONTESTED, message.clone());
            (
                "Skipped",
                Some(reason::ENV_CONTESTED.to_owned()),
                Some(message),
            )
        } else {
            match (&one.injection.action, &one.rollout) {
                (Action::Skip(skipped), _) => {
                    status.skipped += 1;
                    // Who opted out wants no reminder.
                    if skipped.reason == reason::REVERTED {
                        note(reason::REVERTED, format!("{label}: {}", skipped.message));
                    } else if skipped.reason != skip::OPTED_OUT {
                        note(
                            reason::SOME_SKIPPED,
                            format!("{label}: {}", skipped.message),
                        );
                    }
                    (
                        "Skipped",
                        Some(skipped.reason.to_owned()),
                        Some(skipped.message.clone()),
                    )
                }
                (Action::Wait(keys), _) => {
                    let names: Vec<String> = keys
                        .iter()
                        .map(|key| format!("{}/{}", key.name, key.key))
                        .collect();
                    let message = format!(
                        "{label} waits for the Secret key {}: create it in the workload's namespace",
                        names.join(", ")
                    );
                    status.stale += 1;
                    note(reason::SECRET_MISSING, message.clone());
                    (
                        "Pending",
                        Some(reason::SECRET_MISSING.to_owned()),
                        Some(message),
                    )
                }
                (_, Rollout::Failed(evidence)) if one.failed => {
                    status.failed += 1;
                    let message = failed(&label, evidence);
                    note(reason::ROLLOUT_FAILED, message.clone());
                    (
                        "Failed",
                        Some(reason::ROLLOUT_FAILED.to_owned()),
                        Some(message),
                    )
                }
                (_, Rollout::Rolling | Rollout::Failed(_)) => {
                    status.rolling += 1;
                    note(reason::ROLLING_OUT, format!("{label} is rolling out"));
                    ("Rolling", None, None)
                }
                (Action::Patch(patch), Rollout::Complete) if !patch.restarts_pods => {
                    status.injected += 1;
                    ("Injected", left_reason, None)
                }
                (Action::Patch(_), _) if chosen.contains(&one.key()) => {
                    status.rolling += 1;
                    note(reason::ROLLING_OUT, format!("{label} is rolling out"));
                    ("Rolling", None, None)
                }
                (Action::Patch(_), _) => {
                    status.stale += 1;
                    note(
                        reason::ROLLING_OUT,
                        format!("{label} waits for its turn to roll out"),
                    );
                    ("Pending", None, None)
                }
                (Action::UpToDate, Rollout::Paused) => {
                    status.stale += 1;
                    ("Stale", Some(skip::PAUSED.to_owned()), None)
                }
                (Action::UpToDate, Rollout::Stale) => {
                    status.stale += 1;
                    ("Stale", Some(skip::ON_DELETE.to_owned()), None)
                }
                (Action::UpToDate, Rollout::Complete) => {
                    status.injected += 1;
                    ("Injected", left_reason, None)
                }
            }
        };
        items.push(WorkloadStatus {
            kind: workload.kind.as_str().to_owned(),
            name: workload.name.clone(),
            state: state.to_owned(),
            reason: item_reason,
            message,
            variables: left,
        });
    }
    let rank = |state: &str| {
        [
            "Failed", "Skipped", "Pending", "Stale", "Rolling", "Injected",
        ]
        .iter()
        .position(|known| *known == state)
    };
    items.sort_by(|a, b| {
        (rank(&a.state), &a.kind, &a.name).cmp(&(rank(&b.state), &b.kind, &b.name))
    });
    items.truncate(MAX_ITEMS);
    status.items = items;
    let fact = match reasons.into_values().next() {
        Some((reason, message)) => Fact::no(reason, message),
        None if status.matched == 0 => Fact::yes(
            reason::NONE_SELECTED,
            "no workload of the namespace has the selected labels",
        ),
        None => Fact::yes(
            reason::ALL_INJECTED,
            format!("{} workloads have the variables", status.injected),
        ),
    };
    (status, fact)
}

fn failed(label: &str, evidence: &Evidence) -> String {
    format!("the rollout of {label} failed after its variables changed: {evidence}")
}

/// What Apply would do, for mode Preview.
pub(super) fn preview(selected: &[Selected]) -> Vec<PlannedChange> {
    selected
        .iter()
        .filter(|one| one.patch().is_some())
        .map(|one| PlannedChange {
            action: match &one.injection.action {
                Action::Skip(_) => "Uninject".to_owned(),
                _ => "Inject".to_owned(),
            },
            kind: one.workload.kind.as_str().to_owned(),
            name: one.workload.name.clone(),
            field: None,
            from: None,
            to: None,
        })
        .collect()
}
