//! Which of several profiles holds a workload. One holds the whole of it.

use jiff::Timestamp;

use super::Record;

/// A profile that selects a workload and is not being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The profile's name; it is of the workload's namespace.
    pub profile: &'a str,
    /// When the profile was created.
    pub created: Timestamp,
}

/// The profile that holds a workload: the one that the record names as long as it selects the workload, else the
/// oldest, and of those created in the same second the first by name.
#[must_use]
pub fn holder<'a>(record: Option<&Record>, candidates: &[Candidate<'a>]) -> Option<&'a str> {
    let recorded = candidates
        .iter()
        .find(|candidate| record.is_some_and(|record| record.profile == candidate.profile));
    recorded
        .or_else(|| {
            candidates
                .iter()
                .min_by_key(|candidate| (candidate.created, candidate.profile))
        })
        .map(|candidate| candidate.profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn candidate(profile: &str, second: i64) -> Candidate<'_> {
        Candidate {
            profile,
            created: Timestamp::from_second(second).expect("in range"),
        }
    }

    fn record(profile: &str) -> Record {
        Record {
            profile: profile.into(),
            generation: 1,
            render_version: 1,
            workload_generation: None,
            containers: BTreeMap::new(),
            reverted: false,
            evidence: None,
        }
    }

    #[test]
    fn the_recorded_profile_holds_while_it_selects_then_the_oldest_then_the_first_by_name() {
        let two = [candidate("b", 1), candidate("a", 2)];
        assert_eq!(holder(None, &two), Some("b"));
        assert_eq!(holder(Some(&record("a")), &two), Some("a"));
        assert_eq!(holder(Some(&record("gone")), &two), Some("b"));
        assert_eq!(
            holder(None, &[candidate("b", 1), candidate("a", 1)]),
            Some("a")
        );
        assert_eq!(holder(Some(&record("gone")), &[]), None);
    }
}
