//! Pacing: which workloads may be changed now, so that few are rolling out at the same time.

use std::collections::BTreeMap;

use crate::crd::ObservabilityProfileSpec;
use crate::identity::ProfileRef;

/// How many workloads of a profile may be rolling out at the same time: `spec.workloads.rollout.maxConcurrent`.
#[must_use]
pub fn max_concurrent(spec: &ObservabilityProfileSpec) -> usize {
    /// Unset.
    const DEFAULT: usize = 5;
    let written = spec
        .workloads
        .as_ref()
        .and_then(|workloads| workloads.rollout.as_ref()?.max_concurrent);
    written
        .and_then(|written| usize::try_from(written).ok())
        .unwrap_or(DEFAULT)
}

/// Where a workload stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Failed after our last change, and there is a new one to make: it has its place already and goes first.
    Mend,
    /// There is a change to make.
    Due,
    /// Is rolling out.
    Rolling,
    /// Failed after our change, and there is nothing new to write. It keeps its profile's place, so that a change
    /// that breaks workloads breaks `maxConcurrent` of them and not all, but does not hold up other profiles.
    Failed,
}

/// One workload in the queue. Workloads whose change restarts no pods need no place and are not in it, nor are those
/// that must wait because they are paused or somebody else's rollout is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<K> {
    /// The profile that holds the workload.
    pub profile: ProfileRef,
    /// The profile's own bound, see [`max_concurrent`].
    pub max_concurrent: usize,
    /// The workload.
    pub key: K,
    /// Where it stands.
    pub stage: Stage,
}

/// The places of workloads to change now, so that at most `max_global` are rolling out at the same time. Profiles take turns,
/// so that one with many workloads does not keep the others waiting; within a profile the order is that of the places.
#[must_use]
pub fn next<'a, K>(
    max_global: usize,
    places: impl IntoIterator<Item = &'a Place<K>>,
) -> Vec<&'a Place<K>> {
    let mut queues: BTreeMap<&ProfileRef, Queue<'_, K>> = BTreeMap::new();
    let mut rolling = 0;
    for place in places {
        rolling += usize::from(place.stage == Stage::Rolling);
        let queue = queues.entry(&place.profile).or_default();
        queue.limit = place.max_concurrent;
        match place.stage {
            Stage::Mend => queue.mend.push(place),
            Stage::Due => queue.due.push(place),
            Stage::Rolling | Stage::Failed => queue.taken += 1,
        }
    }
    let mut free = max_global.saturating_sub(rolling);
    let mut turns: Vec<_> = queues.into_values().map(Queue::into_turns).collect();
    let mut chosen = Vec::new();
    while free > 0 {
        let before = chosen.len();
        for turn in &mut turns {
            if free > 0
                && let Some(place) = turn.next()
            {
                chosen.push(place);
                free -= 1;
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    chosen
}

struct Queue<'a, K> {
    limit: usize,
    taken: usize,
    mend: Vec<&'a Place<K>>,
    due: Vec<&'a Place<K>>,
}

impl<K> Default for Queue<'_, K> {
    fn default() -> Self {
        Self {
            limit: 0,
            taken: 0,
            mend: Vec::new(),
            due: Vec::new(),
        }
    }
}

impl<'a, K> Queue<'a, K> {
    fn into_turns(self) -> impl Iterator<Item = &'a Place<K>> {
        let free = self.limit.saturating_sub(self.taken);
        self.mend.into_iter().chain(self.due).take(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(profile: &str, key: u32, stage: Stage) -> Place<u32> {
        Place {
            profile: ProfileRef::new("ns", profile),
            max_concurrent: 2,
            key,
            stage,
        }
    }

    fn chosen(max_global: usize, places: &[Place<u32>]) -> Vec<u32> {
        let chosen = next(max_global, places);
        chosen.into_iter().map(|place| place.key).collect()
    }

    #[test]
    fn no_profile_changes_more_at_once_than_it_allows() {
        use Stage::{Due, Failed, Mend, Rolling};
        for (what, stages, expected) in [
            ("fresh", vec![Due, Due, Due], vec![0, 1]),
            ("one is rolling", vec![Rolling, Due, Due], vec![1]),
            ("full", vec![Rolling, Rolling, Due], vec![]),
            (
                "failures keep their places",
                vec![Failed, Failed, Due],
                vec![],
            ),
            (
                "what failed is mended first",
                vec![Due, Mend, Mend],
                vec![1, 2],
            ),
            (
                "mending takes no second place",
                vec![Failed, Mend, Due],
                vec![1],
            ),
        ] {
            let places: Vec<_> = (0..)
                .zip(stages)
                .map(|(key, stage)| place("a", key, stage))
                .collect();
            assert_eq!(chosen(10, &places), expected, "{what}");
        }
    }

    #[test]
    fn profiles_take_turns_under_the_global_bound() {
        let places = [
            place("a", 1, Stage::Due),
            place("a", 2, Stage::Due),
            place("b", 3, Stage::Due),
            place("b", 4, Stage::Due),
            place("c", 5, Stage::Failed),
            place("c", 6, Stage::Rolling),
        ];
        assert_eq!(chosen(4, &places), [1, 3, 2]);
        assert_eq!(chosen(1, &places), Vec::<u32>::new());
        assert_eq!(chosen(0, &places), Vec::<u32>::new());
    }

    #[test]
    fn the_bound_of_a_profile_is_five_unless_written() {
        for (yaml, expected) in [
            ("{}", 5),
            ("{workloads: {selector: {matchLabels: {a: b}}}}", 5),
            (
                "{workloads: {selector: {matchLabels: {a: b}}, rollout: {maxConcurrent: 2}}}",
                2,
            ),
        ] {
            let spec: ObservabilityProfileSpec = serde_saphyr::from_str(yaml).expect("is a spec");
            assert_eq!(max_concurrent(&spec), expected, "{yaml}");
        }
    }

    fn stage() -> impl Strategy<Value = Stage> {
        prop::sample::select(vec![Stage::Mend, Stage::Due, Stage::Rolling, Stage::Failed])
    }

    proptest! {
        #[test]
        fn bounds_hold_and_no_place_is_left_empty(
            stages in prop::collection::vec((0..4_usize, stage()), 0..60),
            limits in prop::array::uniform4(0..6_usize),
            max_global in 0..20_usize,
        ) {
            let places: Vec<_> = (0..).zip(&stages).map(|(key, (profile, stage))| Place {
                max_concurrent: limits[*profile],
                ..place(&profile.to_string(), key, *stage)
            }).collect();
            let chosen = chosen(max_global, &places);
            let count = |profile: usize, wanted: &[Stage]| {
                stages.iter().filter(|(of, stage)| *of == profile && wanted.contains(stage)).count()
            };
            let rolling = stages.iter().filter(|(_, stage)| *stage == Stage::Rolling).count();
            prop_assert!(chosen.is_empty() || chosen.len() + rolling <= max_global);
            let full = chosen.len() + rolling >= max_global;
            for (profile, limit) in limits.iter().enumerate() {
                let of_profile = chosen.iter().filter(|key| stages[**key as usize].0 == profile).count();
                let taken = count(profile, &[Stage::Rolling, Stage::Failed]);
                let waiting = count(profile, &[Stage::Mend, Stage::Due]);
                prop_assert!(of_profile <= limit.saturating_sub(taken));
                prop_assert!(full || of_profile == waiting.min(limit.saturating_sub(taken)), "profile {profile}");
            }
            let mut distinct = chosen.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), chosen.len());
            prop_assert!(chosen.iter().all(|key| matches!(stages[*key as usize].1, Stage::Mend | Stage::Due)));
        }
    }
}
