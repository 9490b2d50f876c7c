//! All workloads of the cluster, as the watches bring them, each with its history.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use kube::Client;
use kube::runtime::watcher::Event;
use tokio::sync::watch;
use tracewright_core::identity::ProfileRef;
use tracewright_core::inject::Patch;
use tracewright_core::workload::{Workload, WorkloadKind};

use super::history::History;
use super::packed::Packed;
use super::slim::{Injected, Slim};
use crate::operator::scope::Scope;
use crate::operator::watches::Watches;

/// A workload's place in a namespace.
pub type Key = (WorkloadKind, String);

/// All workloads.
#[derive(Debug, Default)]
pub struct Workloads {
    state: Mutex<State>,
    /// Kinds whose first list is in.
    listed: watch::Sender<BTreeSet<WorkloadKind>>,
}

#[derive(Debug, Default)]
struct State {
    namespaces: HashMap<String, BTreeMap<Key, Packed>>,
    /// Workloads seen in the list that a watch begins with; what is not among them is gone.
    listing: HashMap<WorkloadKind, HashSet<(String, String)>>,
    /// By UID. Only workloads that a profile has to do with have one.
    histories: HashMap<String, Box<History>>,
}

impl Workloads {
    /// The wanted workloads of a namespace.
    pub fn of(&self, namespace: &str, wanted: impl Fn(&Packed) -> bool) -> Vec<Arc<Workload>> {
        let state = self.lock();
        let all = state.namespaces.get(namespace);
        all.into_iter()
            .flat_map(BTreeMap::values)
            .filter(|packed| wanted(packed))
            .map(|packed| Arc::new(packed.unpack()))
            .collect()
    }

    /// One workload.
    #[must_use]
    pub fn get(&self, namespace: &str, key: &Key) -> Option<Workload> {
        let state = self.lock();
        Some(state.namespaces.get(namespace)?.get(key)?.unpack())
    }

    /// The profiles whose records workloads carry.
    #[must_use]
    pub fn holders(&self) -> BTreeSet<ProfileRef> {
        let state = self.lock();
        let all = state.namespaces.iter();
        all.flat_map(|(namespace, workloads)| {
            let profiles = workloads.values().filter_map(Packed::profile);
            profiles.map(|profile| ProfileRef::new(namespace.clone(), profile))
        })
        .collect()
    }

    /// The workloads that carry the record of a profile.
    #[must_use]
    pub fn held(&self, profile: &ProfileRef) -> Vec<Arc<Workload>> {
        self.of(&profile.namespace, |packed| {
            packed.profile() == Some(&profile.name)
        })
    }

    /// We wrote a workload, and this is what came of it.
    pub fn wrote(&self, workload: Workload, patch: &Patch) {
        let mut state = self.lock();
        state.history(&workload).wrote(&workload, patch);
        if !state.outdated(&workload) {
            state.insert(&workload);
        }
    }

    /// Reads or changes a workload's history.
    pub(super) fn history<T>(
        &self,
        workload: &Workload,
        change: impl FnOnce(&mut History) -> T,
    ) -> T {
        change(self.lock().history(workload))
    }

    /// Kinds whose first list is not in yet.
    #[must_use]
    pub fn unlisted(&self) -> Vec<WorkloadKind> {
        let listed = self.listed.borrow();
        let mut kinds = WorkloadKind::ALL.to_vec();
        kinds.retain(|kind| !listed.contains(kind));
        kinds
    }

    /// Waits until the first lists of all kinds are in.
    pub async fn listed(&self) {
        let complete = |listed: &BTreeSet<WorkloadKind>| listed.len() == WorkloadKind::ALL.len();
        // The sender lives as long as this.
        let _ = self.listed.subscribe().wait_for(complete).await;
    }

    /// Watches one kind until the stream ends, which it never does by itself. `changed` is told of each workload that
    /// changed, as it was and as it is.
    pub async fn watch<K: Injected>(
        self: Arc<Self>,
        scope: &Scope,
        client: Client,
        watches: Arc<Watches>,
        changed: impl Fn(Option<&Workload>, Option<&Workload>),
    ) {
        let kind = K::KIND;
        let client = watches.client(kind.as_str(), &client);
        let stream = scope.watch::<Slim<K>>(&client);
        futures::pin_mut!(stream);
        while let Some(event) = stream.next().await {
            watches.observe(kind.as_str(), &event);
            match event {
                Ok(Event::Init) => drop(self.lock().listing.insert(kind, HashSet::new())),
                Ok(Event::InitApply(slim)) => {
                    let workload = slim.workload;
                    if let Some(seen) = self.lock().listing.get_mut(&kind) {
                        seen.insert((workload.namespace.clone(), workload.name.clone()));
                    }
                    // A list is what is true now, even after a restore from a backup, where versions are older.
                    let before = self.lock().replace(&workload);
                    changed(before.as_ref(), Some(&workload));
                }
                Ok(Event::InitDone) => {
                    for gone in self.lock().forget_unlisted(kind) {
                        changed(Some(&gone), None);
                    }
                    self.listed.send_modify(|listed| {
                        listed.insert(kind);
                    });
                }
                Ok(Event::Apply(slim)) => {
                    let before = {
                        let mut state = self.lock();
                        if state.outdated(&slim.workload) {
                            continue;
                        }
                        state.insert(&slim.workload)
                    };
                    changed(before.as_ref(), Some(&slim.workload));
                }
                Ok(Event::Delete(slim)) => {
                    self.lock().remove(&slim.workload);
                    changed(Some(&slim.workload), None);
                }
                // Counted by `watches`, and begun anew with backoff.
                Err(_) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves the maps whole, so a poisoned lock holds usable data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a newer one is there: a write of ours was answered before the watch brought what preceded it.
    fn outdated(&self, workload: &Workload) -> bool {
        self.get(workload)
            .is_some_and(|there| older(workload, &there))
    }

    /// Takes a workload in and returns what was there before.
    fn insert(&mut self, workload: &Workload) -> Option<Workload> {
        let before = self.replace(workload);
        if let Some(before) = before.as_ref().filter(|before| before.uid == workload.uid)
            && before.record.is_some()
        {
            self.history(workload).saw(before, workload);
        }
        before
    }

    fn get(&self, workload: &Workload) -> Option<Workload> {
        let place = self.namespaces.get(&workload.namespace)?;
        let key = (workload.kind, workload.name.clone());
        Some(place.get(&key)?.unpack())
    }

    fn replace(&mut self, workload: &Workload) -> Option<Workload> {
        let key = (workload.kind, workload.name.clone());
        let namespace = workload.namespace.clone();
        let before = self
            .namespaces
            .entry(namespace)
            .or_default()
            .insert(key, Packed::new(workload));
        before.as_ref().map(Packed::unpack)
    }

    fn history(&mut self, workload: &Workload) -> &mut History {
        self.histories.entry(workload.uid.clone()).or_default()
    }

    fn remove(&mut self, workload: &Workload) {
        if let Some(place) = self.namespaces.get_mut(&workload.namespace) {
            place.remove(&(workload.kind, workload.name.clone()));
            if place.is_empty() {
                self.namespaces.remove(&workload.namespace);
            }
        }
        self.histories.remove(&workload.uid);
    }

    fn forget_unlisted(&mut self, kind: WorkloadKind) -> Vec<Workload> {
        let listed = self.listing.remove(&kind).unwrap_or_default();
        let mut gone = Vec::new();
        for (namespace, workloads) in &self.namespaces {
            for ((_, name), packed) in workloads.iter().filter(|((one, _), _)| *one == kind) {
                if !listed.contains(&(namespace.clone(), name.clone())) {
                    gone.push(packed.unpack());
                }
            }
        }
        for workload in &gone {
            self.remove(workload);
        }
        gone
    }
}

/// Whether a version of an object was there before another one. (Kubernetes, KEP-5504: versions of a resource are numbers
/// that grow.) What is no number is taken for newer.
fn older(one: &Workload, than: &Workload) -> bool {
    let version = |workload: &Workload| workload.resource_version.parse::<u128>();
    one.uid == than.uid
        && matches!((version(one), version(than)), (Ok(one), Ok(than)) if one < than)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeSeed;
    use serde_json::json;

    fn workload(uid: &str, version: &str) -> Workload {
        let object = json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": uid, "resourceVersion": version},
            "spec": {"template": {}},
        });
        WorkloadKind::Deployment
            .deserialize(&object)
            .expect("is a workload")
    }

    fn patch() -> Patch {
        Patch {
            body: json!({}),
            restarts_pods: true,
            variables: BTreeSet::new(),
        }
    }

    fn version(store: &Workloads) -> Option<String> {
        let key = (WorkloadKind::Deployment, "web".to_owned());
        Some(store.get("ns", &key)?.resource_version.clone())
    }

    #[test]
    fn an_event_from_before_our_write_does_not_undo_it() {
        let store = Workloads::default();
        store.wrote(workload("a", "10"), &patch());
        assert!(store.lock().outdated(&workload("a", "9")));
        assert!(!store.lock().outdated(&workload("a", "11")));
        store.wrote(workload("a", "9"), &patch());
        assert_eq!(version(&store).as_deref(), Some("10"));
    }

    #[test]
    fn another_object_of_the_name_counts_whatever_its_version() {
        let store = Workloads::default();
        store.wrote(workload("a", "10"), &patch());
        assert!(!store.lock().outdated(&workload("b", "9")));
    }

    #[tokio::test]
    async fn all_kinds_have_to_be_listed() {
        let store = Workloads::default();
        for kind in WorkloadKind::ALL {
            assert!(store.unlisted().contains(&kind));
            store.listed.send_modify(|listed| {
                listed.insert(kind);
            });
        }
        store.listed().await;
        assert!(store.unlisted().is_empty());
    }
}
