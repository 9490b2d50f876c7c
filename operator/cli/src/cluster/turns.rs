//! Whose turn it is: the places of a profile's workloads in the queue of rollouts.

use std::collections::BTreeMap;

use tracewright_core::coverage::{Covered, Leaving};
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::identity::ProfileRef;
use tracewright_core::rollout::{Place, Rollout, Stage};

use super::Cluster;
use super::inject::key;
use super::store::Key;
use crate::operator::world::reference;

impl Cluster {
    /// The places of a profile's workloads in the queue.
    pub(super) fn places(
        &self,
        me: &ProfileRef,
        max_concurrent: usize,
        leaving: &[Leaving],
        covered: &[Covered],
    ) -> Vec<Place<Key>> {
        let departed = self.departed.rolling(me, |key| self.rolls(me, key));
        let departed = departed.into_iter().map(|key| (key, Some(Stage::Rolling)));
        let leaving = leaving.iter().map(|one| (key(&one.workload), one.stage()));
        let covered = covered.iter().map(|one| (key(&one.workload), one.stage()));
        // One that was unselected and is selected again stands there once.
        let stages: BTreeMap<Key, Option<Stage>> = departed.chain(leaving).chain(covered).collect();
        let place = |(key, stage): (Key, Option<Stage>)| {
            Some(Place {
                profile: me.clone(),
                max_concurrent,
                key,
                stage: stage?,
            })
        };
        stages.into_iter().filter_map(place).collect()
    }

    /// Whose turn it is, of a profile's workloads. Others whose turn has come are told.
    pub(super) fn turns(&self, me: &ProfileRef, places: Vec<Place<Key>>) -> Vec<Key> {
        let turns = self
            .queue
            .choose(me, places, self.settings.max_concurrent_rollouts);
        for other in &turns.others {
            self.wake(other);
        }
        turns.chosen
    }

    /// A profile that writes nothing now: what its last writes began keeps its places until it has ended, and what waited
    /// for a turn has none.
    pub fn idle(&self, profile: &ObservabilityProfile) {
        let me = reference(profile);
        let mut places = self.queue.rolling(&me);
        places.retain(|place| {
            let workload = self.workloads.get(&me.namespace, &place.key);
            workload.is_some_and(|workload| self.known(&workload) == Rollout::Rolling)
        });
        self.turns(&me, places);
    }
}
