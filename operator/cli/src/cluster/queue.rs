//! The queue of rollouts, over all profiles.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracewright_core::identity::ProfileRef;
use tracewright_core::rollout::{Place, Stage, next};

use super::store::Key;

/// The queue.
#[derive(Default)]
pub(super) struct Queue(Mutex<HashMap<ProfileRef, Vec<Place<Key>>>>);

/// What came of asking whose turn it is.
pub(super) struct Turns {
    /// The profile's workloads that are to be changed now.
    pub(super) chosen: Vec<Key>,
    /// Other profiles whose turn has come, because some of this one's have ended.
    pub(super) others: BTreeSet<ProfileRef>,
}

impl Queue {
    /// Puts a profile's workloads into the queue and takes out those that are to be changed now.
    pub(super) fn choose(
        &self,
        profile: &ProfileRef,
        places: Vec<Place<Key>>,
        max_global: usize,
    ) -> Turns {
        let mut all = self.lock();
        let before = all.insert(profile.clone(), places).unwrap_or_default();
        let (own, others): (Vec<_>, Vec<_>) = next(max_global, all.values().flatten())
            .into_iter()
            .partition(|place| place.profile == *profile);
        let chosen: Vec<Key> = own.into_iter().map(|place| place.key.clone()).collect();
        let others: BTreeSet<ProfileRef> =
            others.iter().map(|place| place.profile.clone()).collect();
        // They count as rolling for whoever asks next.
        let own = all.get_mut(profile).into_iter().flatten();
        let mut left = BTreeSet::new();
        for place in own {
            if chosen.contains(&place.key) {
                place.stage = Stage::Rolling;
            }
            left.insert(place.key.clone());
        }
        // Only an end makes room. One that could not be patched is still in the queue, and must not make profiles ask
        // one another in turns.
        let ended = before
            .iter()
            .any(|place| place.stage == Stage::Rolling && !left.contains(&place.key));
        Turns {
            chosen,
            others: if ended { others } else { BTreeSet::new() },
        }
    }

    /// The profile's workloads that rolled out when it asked last.
    pub(super) fn rolling(&self, profile: &ProfileRef) -> Vec<Place<Key>> {
        let all = self.lock();
        let places = all.get(profile).into_iter().flatten();
        places
            .filter(|place| place.stage == Stage::Rolling)
            .cloned()
            .collect()
    }

    /// Those of the profile's chosen workloads that could not be changed: they wait again, and keep nobody waiting until
    /// they are tried anew.
    pub(super) fn give_back(
        &self,
        profile: &ProfileRef,
        chosen: &[Key],
        refused: &BTreeMap<Key, String>,
    ) {
        let mut all = self.lock();
        for place in all.get_mut(profile).into_iter().flatten() {
            if chosen.contains(&place.key) && refused.contains_key(&place.key) {
                place.stage = Stage::Due;
            }
        }
    }

    /// The profile is gone.
    pub(super) fn forget(&self, profile: &ProfileRef) {
        self.lock().remove(profile);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProfileRef, Vec<Place<Key>>>> {
        // Each change leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracewright_core::workload::WorkloadKind;

    fn places(profile: &ProfileRef, stages: &[(&str, Stage)]) -> Vec<Place<Key>> {
        let place = |(name, stage): &(&str, Stage)| Place {
            profile: profile.clone(),
            max_concurrent: 5,
            key: (WorkloadKind::Deployment, (*name).to_owned()),
            stage: *stage,
        };
        stages.iter().map(place).collect()
    }

    fn names(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn what_was_chosen_counts_for_others_and_its_end_calls_them() {
        let queue = Queue::default();
        let (a, b) = (ProfileRef::new("ns", "a"), ProfileRef::new("ns", "b"));
        let turns = queue.choose(&a, places(&a, &[("a1", Stage::Due)]), 1);
        assert_eq!(names(&turns.chosen), ["a1"]);
        let turns = queue.choose(&b, places(&b, &[("b1", Stage::Due)]), 1);
        assert!(turns.chosen.is_empty(), "the only place is taken");
        // a1 could not be patched and is asked for again: nothing has ended.
        let turns = queue.choose(&a, places(&a, &[("a1", Stage::Due)]), 1);
        assert!(turns.others.is_empty());
        let turns = queue.choose(&a, places(&a, &[]), 1);
        assert_eq!(turns.others, BTreeSet::from([b.clone()]));
        let turns = queue.choose(&b, places(&b, &[("b1", Stage::Due)]), 1);
        assert_eq!(names(&turns.chosen), ["b1"]);
    }

    #[test]
    fn what_could_not_be_changed_keeps_nobody_waiting() {
        let queue = Queue::default();
        let (a, b) = (ProfileRef::new("ns", "a"), ProfileRef::new("ns", "b"));
        let turns = queue.choose(&a, places(&a, &[("a1", Stage::Due)]), 2);
        assert_eq!(names(&turns.chosen), ["a1"]);
        let refused = BTreeMap::from([(turns.chosen[0].clone(), "no".to_owned())]);
        queue.give_back(&a, &[], &refused);
        assert_eq!(queue.rolling(&a).len(), 1, "it was not its turn");
        queue.give_back(&a, &turns.chosen, &refused);
        assert!(queue.rolling(&a).is_empty());
        let turns = queue.choose(&b, places(&b, &[("b1", Stage::Due), ("b2", Stage::Due)]), 2);
        assert_eq!(names(&turns.chosen), ["b1"], "they take turns again");
    }

    #[test]
    fn what_rolls_out_is_told_apart_from_what_waits() {
        let queue = Queue::default();
        let a = ProfileRef::new("ns", "a");
        let stages = [
            ("a1", Stage::Due),
            ("a2", Stage::Due),
            ("a3", Stage::Failed),
        ];
        queue.choose(&a, places(&a, &stages), 1);
        let rolling: Vec<_> = queue
            .rolling(&a)
            .into_iter()
            .map(|place| place.key)
            .collect();
        assert_eq!(names(&rolling), ["a1"]);
    }

    #[test]
    fn a_profile_that_is_gone_takes_no_place() {
        let queue = Queue::default();
        let (a, b) = (ProfileRef::new("ns", "a"), ProfileRef::new("ns", "b"));
        queue.choose(&a, places(&a, &[("a1", Stage::Rolling)]), 1);
        queue.forget(&a);
        let turns = queue.choose(&b, places(&b, &[("b1", Stage::Due)]), 1);
        assert_eq!(names(&turns.chosen), ["b1"]);
    }
}
