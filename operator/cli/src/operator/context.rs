//! What every reconcile shares.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracewright_core::crd::{ObservabilityProfile, ObservabilityProfileStatus};
use tracewright_core::identity::ProfileRef;
use tracewright_core::patience::Patience;
use tracewright_core::plan::Note;

use super::events::Events;
use super::watches::Watches;
use super::world::{World, reference};
use crate::aws::{Accounts, Identity};
use crate::cluster::Cluster;
use crate::lease::Permit;
use crate::metrics::{Bound, Metrics};

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Events about profiles.
    pub events: Events,
    /// The cluster as the watches show it.
    pub world: Arc<World>,
    /// How the watches are doing.
    pub watches: Arc<Watches>,
    /// AWS.
    pub accounts: Accounts,
    /// Workloads and receivers.
    pub cluster: Cluster,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The right to write.
    pub permit: Permit,
    /// How old a picture of AWS may be.
    pub drift_interval: Duration,
    /// How long a deleted profile waits for AWS.
    pub deletion_timeout: Duration,
    /// Namespace of the record of orphans.
    pub namespace: String,
    /// Asks for reconciles of other profiles. Bounded; a full queue means that they are about to be reconciled anyway.
    pub requests: mpsc::Sender<ObjectRef<ObservabilityProfile>>,
    /// What is remembered of each profile between two reconciles.
    pub memory: Mutex<HashMap<ProfileRef, Memory>>,
}

/// What is remembered of a profile between two reconciles.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The status that was written last, until the watch has brought it back.
    pub status: Option<ObservabilityProfileStatus>,
    /// Reconciles in a row that left something undone.
    pub failures: u32,
    /// The last value of the annotation that asks for a fresh look.
    pub requested_at: Option<Option<String>>,
    /// The picture of AWS has to be newer than this.
    pub not_before: Option<Instant>,
    /// Identity and log groups, for the drift check.
    pub watched: Option<(Identity, BTreeSet<String>)>,
    /// What was changed in AWS for this generation and is worth knowing for as long as it stands.
    pub changed: Option<(i64, Vec<Note>)>,
    /// The generation that the last reconcile found wholly as declared.
    pub settled: Option<i64>,
    /// With AWS, since the deletion first needed it.
    pub patience: Option<Patience>,
}

impl Context {
    /// Reads or changes what is remembered of a profile.
    pub fn remember<T>(&self, profile: &ProfileRef, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        change(memory.entry(profile.clone()).or_default())
    }

    /// The status that was written last.
    #[must_use]
    pub fn last_status(&self, profile: &ProfileRef) -> Option<ObservabilityProfileStatus> {
        self.remember(profile, |memory| memory.status.clone())
            .or_else(|| {
                let reference = ObjectRef::new(&profile.name).within(&profile.namespace);
                self.world.profiles.get(&reference)?.status.clone()
            })
    }

    /// The profile is gone.
    pub fn forget(&self, profile: &ProfileRef) {
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(profile);
    }

    /// Asks for a reconcile of a profile.
    pub fn request(&self, profile: ObjectRef<ObservabilityProfile>) {
        // A full queue means that the profiles are about to be reconciled anyway; the drift check asks for all again.
        if self.requests.try_send(profile).is_err() {
            self.metrics.bound_reached(Bound::Requests);
        }
    }

    /// Asks for a reconcile of all profiles, as fast as there is room for the requests.
    pub async fn request_all(&self) {
        for profile in self.world.references() {
            if self.requests.send(profile).await.is_err() {
                // The controller has ended.
                return;
            }
        }
    }

    /// Forgets all profiles that are gone, and each status that the watch has brought back. (Whoever removes our finalizer
    /// by hand takes a profile away unseen.)
    pub fn forget_gone(&self) {
        let profiles: HashMap<ProfileRef, Arc<ObservabilityProfile>> = self
            .world
            .profiles
            .state()
            .into_iter()
            .map(|profile| (reference(&profile), profile))
            .collect();
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|profile, memory| {
                let there = profiles.get(profile);
                if there.is_some_and(|there| there.status == memory.status) {
                    memory.status = None;
                }
                there.is_some()
            });
        self.cluster
            .retain(|profile| profiles.contains_key(profile));
    }
}
