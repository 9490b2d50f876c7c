//! All workloads of the cluster, as the watches bring them, and who removes our entries from them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tracewright_core::inject::{REMOVALS, contested, removed};
use tracewright_core::workload::{Workload, WorkloadKind};

use super::slim::{Injected, Slim};
use crate::operator::watches::Watches;

/// Objects per page of a first list.
const PAGE_SIZE: u32 = 100;

/// A workload's place in a namespace.
pub type Key = (WorkloadKind, String);

/// All workloads.
#[derive(Debug, Default)]
pub struct Workloads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    namespaces: HashMap<String, BTreeMap<Key, Arc<Workload>>>,
    /// Workloads seen in the list that a watch begins with; what is not among them is gone.
    listing: HashMap<WorkloadKind, HashSet<(String, String)>>,
    /// The last write of ours to a workload, by UID: its own event is nobody's removal.
    written: HashMap<String, String>,
    /// When somebody removed our entries, by UID, and of which generation of the profile they were.
    removals: HashMap<String, (i64, Vec<Timestamp>)>,
}

impl Workloads {
    /// The workloads of a namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Vec<Arc<Workload>> {
        self.lock()
            .namespaces
            .get(namespace)
            .map(|all| all.values().cloned().collect())
            .unwrap_or_default()
    }

    /// One workload.
    #[must_use]
    pub fn get(&self, namespace: &str, key: &Key) -> Option<Arc<Workload>> {
        self.lock().namespaces.get(namespace)?.get(key).cloned()
    }

    /// All workloads that carry our record.
    #[must_use]
    pub fn marked(&self) -> Vec<Arc<Workload>> {
        let state = self.lock();
        state
            .namespaces
            .values()
            .flat_map(BTreeMap::values)
            .filter(|workload| workload.marked)
            .cloned()
            .collect()
    }

    /// We wrote a workload, and this is what came of it.
    pub fn wrote(&self, workload: Workload) {
        let mut state = self.lock();
        state
            .written
            .insert(workload.uid.clone(), workload.resource_version.clone());
        state.insert(Arc::new(workload));
    }

    /// Whether somebody keeps removing what this generation of the profile put into a workload.
    #[must_use]
    pub fn contested(&self, workload: &Workload, generation: i64) -> bool {
        self.lock()
            .removals
            .get(&workload.uid)
            .is_some_and(|(of, times)| *of == generation && contested(times))
    }

    /// Watches one kind until the stream ends, which it never does by itself. `changed` is told of each workload that
    /// changed, as it was and as it is.
    pub async fn watch<K: Injected>(
        self: Arc<Self>,
        client: Client,
        watches: Arc<Watches>,
        changed: impl Fn(Option<&Workload>, Option<&Workload>),
    ) {
        let kind = K::KIND;
        let config = watcher::Config::default().page_size(PAGE_SIZE);
        let stream = watcher::watcher(Api::<Slim<K>>::all(client), config).default_backoff();
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
                    let before = self.lock().insert(workload.clone());
                    changed(before.as_deref(), Some(&workload));
                }
                Ok(Event::InitDone) => {
                    for gone in self.lock().forget_unlisted(kind) {
                        changed(Some(&gone), None);
                    }
                }
                Ok(Event::Apply(slim)) => {
                    let before = self.lock().insert(slim.workload.clone());
                    changed(before.as_deref(), Some(&slim.workload));
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a workload in, unless a newer one is there, and notes whether somebody removed entries of ours.
    fn insert(&mut self, workload: Arc<Workload>) -> Option<Arc<Workload>> {
        let key = (workload.kind, workload.name.clone());
        let place = self
            .namespaces
            .entry(workload.namespace.clone())
            .or_default();
        let before = place.insert(key, workload.clone());
        let ours = self
            .written
            .get(&workload.uid)
            .is_some_and(|version| *version == workload.resource_version);
        if let Some(before) = &before
            && !ours
            && before.uid == workload.uid
            && let Some(record) = &before.record
            && removed(record, &workload)
        {
            let (generation, times) = self.removals.entry(workload.uid.clone()).or_default();
            if *generation != record.generation {
                times.clear();
            }
            *generation = record.generation;
            times.push(Timestamp::now());
            if times.len() > REMOVALS {
                times.remove(0);
            }
        }
        before
    }

    fn remove(&mut self, workload: &Workload) {
        if let Some(place) = self.namespaces.get_mut(&workload.namespace) {
            place.remove(&(workload.kind, workload.name.clone()));
            if place.is_empty() {
                self.namespaces.remove(&workload.namespace);
            }
        }
        self.written.remove(&workload.uid);
        self.removals.remove(&workload.uid);
    }

    fn forget_unlisted(&mut self, kind: WorkloadKind) -> Vec<Arc<Workload>> {
        let listed = self.listing.remove(&kind).unwrap_or_default();
        let gone: Vec<Arc<Workload>> = self
            .namespaces
            .values()
            .flat_map(BTreeMap::values)
            .filter(|workload| {
                workload.kind == kind
                    && !listed.contains(&(workload.namespace.clone(), workload.name.clone()))
            })
            .cloned()
            .collect();
        for workload in &gone {
            self.remove(workload);
        }
        gone
    }
}
