//! Injection: decides about each selected workload, and writes to as many as may roll out at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;
use tracewright_core::coverage::{Covered, Leaving};
use tracewright_core::crd::{
    Mode, ObservabilityProfile, ObservabilityProfileSpec, OnFailure, OnSecretChange,
};
use tracewright_core::env::secret_keys;
use tracewright_core::identity::ProfileRef;
use tracewright_core::inject::{
    Action, Candidate, Demand, Facts, decide, env_from_sources, holder, revert, uninject,
};
use tracewright_core::plan::Note;
use tracewright_core::rollout::{Rollout, degraded, judge, max_concurrent, stalled};
use tracewright_core::workload::{Workload, WorkloadKind};
use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::label;

use super::lookups::Secrets;
use super::store::Key;
use super::{Cluster, pods, selects, selects_labels};
use crate::operator::world::reference;

/// The workloads that a profile has to do with.
pub(super) struct Selection {
    /// Those that it selects.
    pub(super) covered: Vec<Covered>,
    /// Those that carry its variables and are to lose them.
    pub(super) leaving: Vec<Leaving>,
    /// Secrets that the variables refer to.
    pub(super) secrets: Secrets,
}

/// What came of writing.
#[derive(Default)]
pub(super) struct Written {
    /// Workloads whose turn it was.
    pub(super) chosen: Vec<Key>,
    /// Workloads that the API server did not let be patched, with its words.
    pub(super) refused: BTreeMap<Key, String>,
}

impl Cluster {
    /// Decides about all workloads of a profile.
    pub(super) async fn select(
        &self,
        profile: &ObservabilityProfile,
        receiver: Option<&str>,
        region: Option<&str>,
    ) -> Selection {
        let me = reference(profile);
        let generation = profile.metadata.generation.unwrap_or_default();
        let (selected, others): (Vec<_>, Vec<_>) = self
            .workloads
            .of(&me.namespace, |packed| {
                packed.profile() == Some(&me.name)
                    || selects_labels(profile, |key| packed.label(key))
            })
            .into_iter()
            .filter(|workload| !workload.deleting)
            // A receiver is not a service, whatever its labels say.
            .partition(|workload| {
                selects(profile, workload) && !workload.labels.contains_key(label::PROFILE)
            });
        let leaving = self.leaving(&me, others);
        if selected.is_empty() {
            return Selection {
                covered: Vec::new(),
                leaving,
                secrets: Secrets::default(),
            };
        }
        let profiles = self.living(&me.namespace);
        let annotations = self.world.annotations(&me.namespace);
        let secrets = self
            .lookups
            .secrets(&me.namespace, secret_keys(&profile.spec))
            .await;
        let demand = Demand {
            profile: &me.name,
            generation,
            spec: &profile.spec,
            receiver,
            region,
        };
        let mut covered = Vec::with_capacity(selected.len());
        for workload in selected {
            let candidates = candidates(&profiles, &workload);
            let env_from = self
                .lookups
                .keys(&me.namespace, env_from_sources(&workload, &profile.spec))
                .await;
            let facts = Facts {
                holder: holder(workload.record.as_ref(), &candidates),
                namespace_annotations: &annotations,
                env_from: &env_from,
                missing_secrets: &secrets.missing,
                secrets: &secrets.hashes,
            };
            let injection = decide(&workload, &demand, &facts);
            // Whatever generation they are of: a change that mends must not wait for what it mends.
            let mine = workload
                .record
                .as_ref()
                .is_some_and(|record| record.profile == me.name && !record.reverted);
            // Somebody else's pods are not looked at, nor are those that had the variables before.
            let ours = mine
                && self
                    .workloads
                    .history(&workload, |history| history.in_flight(&workload));
            let rollout = self.judge(&workload, ours).await;
            covered.push(self.workloads.history(&workload, |history| Covered {
                settled: workload.record.is_none() || (mine && history.rolled_out(&workload)),
                failed: ours && matches!(rollout, Rollout::Failed(_)),
                in_flight: history.in_flight(&workload),
                degraded_for: history.degraded_for(),
                contested: history.contested(generation),
                changed: history.changed().clone(),
                injection,
                rollout,
                workload: workload.clone(),
            }));
        }
        Selection {
            covered,
            leaving,
            secrets,
        }
    }

    /// How a rollout stands. Pods are read only where one of ours may have failed, and not again once they told why.
    async fn judge(&self, workload: &Workload, ours: bool) -> Rollout {
        let mut rollout = self.known(workload);
        let doubtful = match workload.kind {
            WorkloadKind::Deployment => matches!(rollout, Rollout::Failed(_)),
            // These have no deadline after which they say so.
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => rollout == Rollout::Rolling,
            WorkloadKind::CronJob => false,
        };
        if ours
            && doubtful
            && self
                .workloads
                .history(workload, |history| history.look(workload))
        {
            match pods::failing(&self.client, workload).await {
                Ok(failing) => {
                    self.workloads
                        .history(workload, |history| history.found(workload, failing));
                    rollout = self.known(workload);
                }
                Err(error) => {
                    tracing::warn!(workload = workload.name, %error, "its pods cannot be read");
                }
            }
        }
        rollout
    }

    /// How a rollout stands, as far as it is known without a look at its pods.
    pub(super) fn known(&self, workload: &Workload) -> Rollout {
        self.workloads.history(workload, |history| {
            let rollout = judge(workload, history.failing(workload));
            let rollout = degraded(workload, rollout, history.ended(workload));
            let rollout = stalled(workload, rollout, history.still(workload));
            history.judged(workload, &rollout);
            rollout
        })
    }

    /// Of these workloads, which do not belong to a profile's selection, those that carry its variables. One that another
    /// profile takes over is left to that one, so that its pods are replaced once.
    pub(super) fn leaving(&self, me: &ProfileRef, workloads: Vec<Arc<Workload>>) -> Vec<Leaving> {
        let profiles = self.living(&me.namespace);
        let mut leaving = Vec::new();
        for workload in workloads {
            let held = workload
                .record
                .as_ref()
                .is_some_and(|record| record.profile == me.name);
            if !held {
                continue;
            }
            let heir = profiles.iter().find(|other| {
                other.name_any() != me.name
                    && other.spec.mode == Mode::Apply
                    && selects(other, &workload)
            });
            if let Some(heir) = heir {
                self.wake(&reference(heir));
            } else if let Some(removal) = uninject(&workload) {
                leaving.push(Leaving {
                    rollout: self.known(&workload),
                    in_flight: self
                        .workloads
                        .history(&workload, |history| history.in_flight(&workload)),
                    removal,
                    workload,
                });
            }
        }
        leaving
    }

    /// Writes what is to be written, as far as it is its turn.
    pub(super) async fn write(
        &self,
        profile: &ObservabilityProfile,
        selection: &Selection,
    ) -> Written {
        let me = reference(profile);
        let max = max_concurrent(&profile.spec);
        let places = self.places(&me, max, &selection.leaving, &selection.covered);
        let mut written = Written {
            chosen: self.turns(&me, places),
            ..Written::default()
        };
        for one in &selection.covered {
            let Some(patch) = one.patch() else { continue };
            let key = key(&one.workload);
            if patch.restarts_pods && !written.chosen.contains(&key) {
                continue;
            }
            if let Err(message) = self.writer.patch_workload(&one.workload, patch).await {
                written.refused.insert(key, message);
            }
        }
        self.take_out(&me, &selection.leaving, &written.chosen)
            .await;
        self.take_back(profile, selection, &mut written).await;
        self.queue.give_back(&me, &written.chosen, &written.refused);
        written
    }

    /// Takes back what made rollouts fail, where the profile asks for it.
    async fn take_back(
        &self,
        profile: &ObservabilityProfile,
        selection: &Selection,
        written: &mut Written,
    ) {
        let rollout = profile.spec.workloads.as_ref();
        let wanted = rollout
            .and_then(|workloads| workloads.rollout.as_ref())
            .is_some_and(|rollout| rollout.on_failure == OnFailure::Revert);
        if !wanted {
            return;
        }
        let generation = profile.metadata.generation.unwrap_or_default();
        for one in selection.covered.iter().filter(|one| one.failed) {
            let Rollout::Failed(evidence) = &one.rollout else {
                continue;
            };
            // There is a new change to try.
            if one.injection.action != Action::UpToDate {
                continue;
            }
            let evidence = Some(evidence.to_string());
            let Some(patch) = revert(&one.workload, &profile.name_any(), generation, evidence)
            else {
                continue;
            };
            if let Err(message) = self.writer.patch_workload(&one.workload, &patch).await {
                written.refused.insert(key(&one.workload), message);
            }
        }
    }

    /// Profiles of a namespace that are not being deleted.
    pub(super) fn living(&self, namespace: &str) -> Vec<Arc<ObservabilityProfile>> {
        self.world
            .profiles
            .state()
            .into_iter()
            .filter(|profile| {
                profile.metadata.namespace.as_deref() == Some(namespace)
                    && profile.metadata.deletion_timestamp.is_none()
            })
            .collect()
    }
}

/// A workload's place in its namespace.
pub(super) fn key(workload: &Workload) -> Key {
    (workload.kind, workload.name.clone())
}

fn candidates<'a>(
    profiles: &'a [Arc<ObservabilityProfile>],
    workload: &Workload,
) -> Vec<Candidate<'a>> {
    profiles
        .iter()
        .filter(|profile| selects(profile, workload))
        .filter_map(|profile| {
            Some(Candidate {
                profile: profile.metadata.name.as_deref()?,
                created: profile.metadata.creation_timestamp.as_ref()?.0,
            })
        })
        .collect()
}

/// Advice about Secrets: those that are gone, and those that changed after pods were started which took the value.
pub(super) fn secret_notes(
    cluster: &Cluster,
    spec: &ObservabilityProfileSpec,
    selection: &Selection,
) -> Vec<Note> {
    let Secrets {
        missing, changed, ..
    } = &selection.secrets;
    let rollout = spec.workloads.as_ref();
    let rollout = rollout.and_then(|workloads| workloads.rollout.as_ref());
    let restarts =
        rollout.is_some_and(|rollout| rollout.on_secret_change == OnSecretChange::Restart);
    let injected = || {
        selection.covered.iter().filter(|one| {
            one.workload.kind != WorkloadKind::CronJob
                && matches!(one.injection.action, Action::UpToDate)
                && one
                    .workload
                    .record
                    .as_ref()
                    .is_some_and(|record| !record.reverted)
        })
    };
    let note = |message: String| Note {
        reason: reason::SECRET_CHANGED,
        message,
    };
    let mut notes = Vec::new();
    if injected().next().is_some() {
        notes.extend(missing.iter().map(|key| {
            note(format!(
                "the Secret {} has no key {} any more: pods that start now send the header without its value; create it again",
                key.name, key.key
            ))
        }));
    }
    // Where they are restarted by themselves there is nothing to tell.
    for (key, at) in changed.iter().filter(|_| !restarts) {
        let old: BTreeSet<String> = injected()
            .filter(|one| {
                cluster.workloads.history(&one.workload, |history| {
                    history.predates(&one.workload, *at)
                })
            })
            .map(|one| format!("{} {}", one.workload.kind, one.workload.name))
            .collect();
        let Some(first) = old.first() else { continue };
        let more = match old.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        notes.push(note(format!(
            "key {} of the Secret {} has changed: pods of {first}{more} still have the old value; restart them (kubectl rollout restart), or write spec.workloads.rollout.onSecretChange: Restart",
            key.key, key.name
        )));
    }
    notes
}
