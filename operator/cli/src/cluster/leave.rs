//! The end of profiles: their variables are taken out of workloads, or left in and forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use tracewright_core::coverage::Leaving;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::identity::ProfileRef;
use tracewright_core::inject::Patch;
use tracewright_core::rollout::{Rollout, max_concurrent};
use tracewright_xray::contract::annotation;

use super::Cluster;
use super::inject::key;
use super::store::Key;
use crate::operator::reconcile::backoff;
use crate::operator::world::reference;

/// How far the workloads are without the variables.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// No workload has them any more.
    pub done: bool,
    /// What is waited for.
    pub message: String,
}

/// How fast variables are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As rollouts are paced.
    InTurn,
    /// All at once: there was time enough.
    AtOnce,
}

/// How many workloads at a time are rid of the variables of a profile that no longer says how many.
const UNKNOWN_PACE: usize = 5;

/// How many workloads a message names.
const MAX_NAMES: usize = 5;

/// Workloads that lost a profile's variables and roll out without them: they keep their places until that is done.
#[derive(Default)]
pub(super) struct Departed(Mutex<HashMap<ProfileRef, BTreeSet<Key>>>);

impl Departed {
    fn add(&self, profile: &ProfileRef, key: Key) {
        self.lock().entry(profile.clone()).or_default().insert(key);
    }

    /// Whether a workload keeps a place of the profile.
    pub(super) fn contains(&self, profile: &ProfileRef, key: &Key) -> bool {
        self.lock()
            .get(profile)
            .is_some_and(|keys| keys.contains(key))
    }

    /// Those of a profile for which `rolls` still holds.
    pub(super) fn rolling(
        &self,
        profile: &ProfileRef,
        rolls: impl Fn(&Key) -> bool,
    ) -> BTreeSet<Key> {
        let mut all = self.lock();
        let Some(keys) = all.get_mut(profile) else {
            return BTreeSet::new();
        };
        keys.retain(rolls);
        let rolling = keys.clone();
        if rolling.is_empty() {
            all.remove(profile);
        }
        rolling
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProfileRef, BTreeSet<Key>>> {
        // Each change leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the workloads of a profile that is gone are getting on.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    /// Tries in a row in which a removal was refused.
    failures: u32,
    /// Not before this is it tried again.
    again: Option<Instant>,
}

impl Sweeping {
    fn due(&self) -> bool {
        self.again.is_none_or(|again| again <= Instant::now())
    }

    fn tried(self, refused: bool) -> Self {
        if !refused {
            return Self::default();
        }
        let failures = self.failures.saturating_add(1);
        Self {
            failures,
            again: Some(Instant::now() + backoff(failures)),
        }
    }
}

impl Cluster {
    /// Takes the variables out of the workloads again.
    pub async fn withdraw(&self, profile: &ObservabilityProfile, pace: Pace) -> Withdrawn {
        let me = reference(profile);
        let leaving = self.leaving(&me, self.workloads.held(&me));
        let max = max_concurrent(&profile.spec);
        let (chosen, refused) = self.remove(&me, max, &leaving, pace).await;
        let mut waiting: Vec<String> = Vec::new();
        for one in &leaving {
            let key = key(&one.workload);
            let what = format!("{} {}", key.0, key.1);
            match refused.get(&key) {
                Some(message) => waiting.push(format!("{what} cannot be patched: {message}")),
                None if chosen.contains(&key) => {}
                None => waiting.push(format!("{what} waits for its turn")),
            }
        }
        let rolling = self.departed.rolling(&me, |key| self.rolls(&me, key));
        waiting.extend(
            rolling
                .iter()
                .map(|key| format!("{} {} rolls out", key.0, key.1)),
        );
        for workload in self.workloads.held(&me) {
            if !leaving.iter().any(|one| one.workload.uid == workload.uid) {
                waiting.push(format!(
                    "{} {} waits for the profile that takes it over",
                    workload.kind, workload.name
                ));
            }
        }
        let done = waiting.is_empty();
        if done {
            self.queue.forget(&me);
        }
        let more = waiting.len().saturating_sub(MAX_NAMES);
        waiting.truncate(MAX_NAMES);
        let mut message = waiting.join(", ");
        if more > 0 {
            message.push_str(&format!(" and {more} more"));
        }
        Withdrawn { done, message }
    }

    /// Leaves receiver and variables as they are and forgets that they are ours.
    ///
    /// # Errors
    /// A receiver that would go with its profile cannot be told to stay, or a workload still says that its variables are
    /// the profile's: without it they would be taken for those of a profile that is gone, and be taken out.
    pub async fn release(&self, profile: &ObservabilityProfile) -> Result<(), String> {
        let me = reference(profile);
        // Without the right to run receivers there are none of ours.
        if self.settings.receivers {
            self.receivers
                .release(profile)
                .await
                .map_err(|error| error.to_string())?;
        }
        self.queue.forget(&me);
        let mut refusal = None;
        for workload in self.workloads.held(&me) {
            let body = serde_json::json!({"metadata": {
                "resourceVersion": workload.resource_version,
                "annotations": {annotation::INJECTED: null},
            }});
            let patch = Patch {
                body,
                restarts_pods: false,
                variables: BTreeSet::new(),
            };
            if let Err(message) = self.writer.patch_workload(&workload, &patch).await {
                tracing::warn!(profile = %me, workload = workload.name, message, "cannot be released");
                refusal.get_or_insert(message);
            }
        }
        // Also one that was changed meanwhile, or that the lease was lost for, is not released.
        match self.workloads.held(&me).first() {
            None => Ok(()),
            Some(left) => Err(format!(
                "{} {} cannot be released{}",
                left.kind,
                left.name,
                refusal.map(|why| format!(": {why}")).unwrap_or_default()
            )),
        }
    }

    /// Takes variables out of workloads whose profile no longer exists. Returns how many are not done yet.
    pub async fn sweep(&self) -> usize {
        // In this order: a profile that holds a workload was there before.
        let holders = self.workloads.holders().into_iter();
        let mut orphaned: BTreeMap<_, _> = holders.map(|of| (of, Sweeping::default())).collect();
        let begun = std::mem::take(&mut *self.swept.lock().unwrap_or_else(PoisonError::into_inner));
        orphaned.extend(begun);
        // Also of those begun: one of that name may be there again.
        for profile in self.world.profiles.state() {
            orphaned.remove(&reference(&profile));
        }
        let mut waiting = 0;
        let mut unfinished = BTreeMap::new();
        for (of, mut sweeping) in orphaned {
            let leaving = self.leaving(&of, self.workloads.held(&of));
            if sweeping.due() {
                let (_, refused) = self.remove(&of, UNKNOWN_PACE, &leaving, Pace::InTurn).await;
                sweeping = sweeping.tried(!refused.is_empty());
            }
            let rolling = self.departed.rolling(&of, |key| self.rolls(&of, key));
            if leaving.is_empty() && rolling.is_empty() {
                self.queue.forget(&of);
            } else {
                waiting += leaving.len() + rolling.len();
                unfinished.insert(of, sweeping);
            }
        }
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = unfinished;
        waiting
    }

    /// Removes variables at a pace. Returns those whose turn it was, and those that the API server did not let be
    /// patched, with its words.
    async fn remove(
        &self,
        me: &ProfileRef,
        max_concurrent: usize,
        leaving: &[Leaving],
        pace: Pace,
    ) -> (Vec<Key>, BTreeMap<Key, String>) {
        let chosen = match pace {
            Pace::InTurn => self.turns(me, self.places(me, max_concurrent, leaving, &[])),
            Pace::AtOnce => leaving.iter().map(|one| key(&one.workload)).collect(),
        };
        let refused = self.take_out(me, leaving, &chosen).await;
        (chosen, refused)
    }

    /// Takes the variables out of those whose turn it is, and out of those that restart nothing. Those that the API server
    /// does not let be patched wait again.
    pub(super) async fn take_out(
        &self,
        me: &ProfileRef,
        leaving: &[Leaving],
        chosen: &[Key],
    ) -> BTreeMap<Key, String> {
        let mut refused = BTreeMap::new();
        for one in leaving {
            let key = key(&one.workload);
            if one.removal.restarts_pods && !chosen.contains(&key) {
                continue;
            }
            match self
                .writer
                .patch_workload(&one.workload, &one.removal)
                .await
            {
                Ok(()) => self.departed.add(me, key),
                Err(message) => {
                    tracing::warn!(
                        workload = one.workload.name,
                        message,
                        "cannot be un-injected"
                    );
                    refused.insert(key, message);
                }
            }
        }
        self.queue.give_back(me, chosen, &refused);
        refused
    }

    /// Whether a workload without our variables rolls out.
    pub(super) fn rolls(&self, me: &ProfileRef, key: &Key) -> bool {
        let workload = self.workloads.get(&me.namespace, key);
        workload.is_some_and(|workload| {
            workload.record.is_none() && self.known(&workload) == Rollout::Rolling
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn refused_removals_are_tried_again_ever_later() {
        let mut sweeping = Sweeping::default();
        for pause in [2, 4, 8, 16, 32, 64, 120, 120] {
            assert!(sweeping.due(), "{pause}");
            sweeping = sweeping.tried(true);
            tokio::time::advance(Duration::from_secs(pause) - Duration::from_millis(1)).await;
            assert!(!sweeping.due(), "{pause}");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        sweeping = sweeping.tried(false);
        assert!(
            sweeping.due(),
            "what waits for its turn only is looked at soon"
        );
        sweeping = sweeping.tried(true);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(sweeping.due(), "and it begins anew");
    }
}
