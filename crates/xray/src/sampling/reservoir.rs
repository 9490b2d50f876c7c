//! One rule's reservoir: a quota of traces a second while it is fresh, else one borrowed trace a second.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// What the reservoir gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// One of the quota.
    Take,
    /// The second's borrowed one.
    Borrow,
    /// None: the fixed rate decides.
    No,
}

/// Counts of the current second and the quota; each is one atomic word, so that no thread waits for another.
#[derive(Debug, Default)]
pub(super) struct Reservoir {
    taken: PerSecond,
    borrowed: PerSecond,
    /// Quota + 1 in the upper half (0: none yet), the second until which it holds in the lower half (0: none yet).
    quota: AtomicU64,
    /// After how many polls of the targets this rule's statistics are reported; 0 is the default of every poll.
    report_every: AtomicU32,
    polls_since_report: AtomicU32,
}

impl Reservoir {
    pub(super) fn grant(&self, now: u32, can_borrow: bool) -> Grant {
        let quota = self.quota.load(Relaxed);
        let (size, until) = ((quota >> 32) as u32, quota as u32);
        if size > 0 && until > 0 && until >= now {
            return if self.taken.take(now, size - 1) {
                Grant::Take
            } else {
                Grant::No
            };
        }
        if can_borrow && self.borrowed.take(now, 1) {
            Grant::Borrow
        } else {
            Grant::No
        }
    }

    /// Sets what is given; `None` keeps the old value. `interval` is in seconds.
    pub(super) fn load(&self, quota: Option<u32>, until: Option<u32>, interval: Option<u32>) {
        let old = self.quota.load(Relaxed);
        let size = quota.map_or(old >> 32, |quota| {
            u64::from(quota).saturating_add(1).min(u64::from(u32::MAX))
        });
        let until = until.map_or(old & u64::from(u32::MAX), u64::from);
        self.quota.store(size << 32 | until, Relaxed);
        if let Some(interval) = interval {
            self.report_every
                .store(interval.div_ceil(POLL_SECONDS), Relaxed);
        }
    }

    /// Counts a poll of the targets; true if the statistics are due with this one.
    pub(super) fn is_report_due(&self) -> bool {
        let polls = self.polls_since_report.fetch_add(1, Relaxed) + 1;
        let due = polls >= self.report_every.load(Relaxed);
        if due {
            self.polls_since_report.store(0, Relaxed);
        }
        due
    }
}

/// The targets are polled every ten seconds; a rule's own interval is counted in polls.
const POLL_SECONDS: u32 = 10;

/// How many were taken in the current second: the second in the upper half, the count in the lower.
#[derive(Debug, Default)]
pub(super) struct PerSecond(AtomicU64);

impl PerSecond {
    /// Takes one of `limit` in second `now`, if one is left.
    pub(super) fn take(&self, now: u32, limit: u32) -> bool {
        self.0
            .fetch_update(Relaxed, Relaxed, |state| {
                let taken = if (state >> 32) as u32 == now {
                    state as u32
                } else {
                    0
                };
                (taken < limit).then(|| u64::from(now) << 32 | u64::from(taken + 1))
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_quota_one_a_second_is_borrowed() {
        let reservoir = Reservoir::default();
        assert_eq!(reservoir.grant(100, true), Grant::Borrow);
        assert_eq!(reservoir.grant(100, true), Grant::No);
        assert_eq!(reservoir.grant(101, true), Grant::Borrow);
        assert_eq!(reservoir.grant(102, false), Grant::No);
    }

    #[test]
    fn a_fresh_quota_is_taken_and_never_exceeded() {
        let reservoir = Reservoir::default();
        reservoir.load(Some(2), Some(110), None);
        for second in [100, 110] {
            assert_eq!(reservoir.grant(second, true), Grant::Take);
            assert_eq!(reservoir.grant(second, true), Grant::Take);
            assert_eq!(
                reservoir.grant(second, true),
                Grant::No,
                "a fresh quota is not topped up by borrowing"
            );
        }
        assert_eq!(
            reservoir.grant(111, true),
            Grant::Borrow,
            "the quota has expired"
        );
    }

    #[test]
    fn a_quota_of_zero_gives_nothing_and_what_is_absent_keeps_its_value() {
        let reservoir = Reservoir::default();
        reservoir.load(Some(0), Some(110), None);
        assert_eq!(reservoir.grant(100, true), Grant::No);
        reservoir.load(Some(1), None, None);
        assert_eq!(reservoir.grant(100, true), Grant::Take);
        reservoir.load(None, Some(99), None);
        assert_eq!(reservoir.grant(100, true), Grant::Borrow);
        let no_time = Reservoir::default();
        no_time.load(Some(5), None, None);
        assert_eq!(
            no_time.grant(100, false),
            Grant::No,
            "a quota without a time does not hold"
        );
    }

    #[test]
    fn the_interval_is_counted_in_polls() {
        let due = |interval| {
            let reservoir = Reservoir::default();
            reservoir.load(None, None, interval);
            (0..6)
                .map(|_| reservoir.is_report_due())
                .collect::<Vec<_>>()
        };
        assert_eq!(due(None), [true; 6]);
        assert_eq!(due(Some(10)), [true; 6]);
        assert_eq!(due(Some(30)), [false, false, true, false, false, true]);
        assert_eq!(due(Some(25)), [false, false, true, false, false, true]);
    }

    #[test]
    fn threads_together_take_no_more_than_the_quota() {
        let reservoir = Reservoir::default();
        reservoir.load(Some(100), Some(u32::MAX), None);
        let taken = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        if reservoir.grant(7, true) == Grant::Take {
                            taken.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 100);
    }
}
