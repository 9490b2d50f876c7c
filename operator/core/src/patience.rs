//! How long a deletion waits for AWS: while it stays away for a bounded time, while it only answers slowly for much longer.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tracewright_xray::contract::condition::{self, reason};

use crate::crd::ObservabilityProfileStatus;
use crate::plan::{Applied, Verdict};
use crate::report::AwsFacts;

/// A deletion that goes on but does not end is given up after so many times the time that AWS may stay away.
const SLOW_FACTOR: u32 = 12;
/// After a restart AWS has at least so long to answer, however long it had been away before.
const GRACE: Duration = Duration::from_secs(60);

/// How far one run of a deletion came with AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to do.
    Done,
    /// The rest, or some of it, goes on by itself: it waits for its turn, is throttled, or is not known for certain yet.
    GoesOn,
    /// What is left fails for a reason that lasts until somebody mends it: credentials, role, account, network, or a refusal.
    Stuck,
}

/// How far a run came.
#[must_use]
pub fn progress(aws: &AwsFacts) -> Progress {
    let left: Vec<&str> = match aws {
        AwsFacts::Suspended => Vec::new(),
        AwsFacts::Unobserved(fact) if fact.reason == reason::NOTHING_DECLARED => Vec::new(),
        AwsFacts::Unobserved(fact) => vec![fact.reason],
        AwsFacts::Observed { plan, .. } => plan
            .objects
            .iter()
            .filter_map(|object| match (&object.verdict, &object.outcome) {
                (Verdict::Held { reason, .. }, _) => Some(*reason),
                (_, Applied::Failed(failure)) => Some(failure.reason),
                _ => None,
            })
            .collect(),
    };
    if left.is_empty() {
        Progress::Done
    } else if left.iter().any(|reason| goes_on(reason)) {
        Progress::GoesOn
    } else {
        Progress::Stuck
    }
}

fn goes_on(reason: &str) -> bool {
    [reason::THROTTLED, reason::PENDING].contains(&reason)
}

/// How long a deletion has waited for AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// When this process first asked AWS.
    asked: Instant,
    /// When it first saw that AWS is away, and for how long it had been before.
    away: Option<(Instant, Duration)>,
}

impl Patience {
    /// AWS is about to be asked for the first time.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            asked: now,
            away: None,
        }
    }

    /// Takes in how far a run came, and says whether the deletion has waited long enough. `before` tells for how long AWS had
    /// been away before this process saw it; `bound` is for how long it may be.
    pub fn ends(
        &mut self,
        progress: Progress,
        now: Instant,
        before: impl FnOnce() -> Duration,
        bound: Duration,
    ) -> bool {
        if progress != Progress::Stuck {
            self.away = None;
            return now.duration_since(self.asked) >= bound.saturating_mul(SLOW_FACTOR);
        }
        let (since, before) = *self
            .away
            .get_or_insert_with(|| (now, before().min(bound.saturating_sub(GRACE))));
        now.duration_since(since) + before >= bound
    }
}

/// For how long AWS has been away from a deletion, as the status tells that an earlier process left: nothing, unless it says
/// that AWS was asked for the deletion and was away.
#[must_use]
pub fn away_before(
    status: Option<&ObservabilityProfileStatus>,
    deleted: Option<&Time>,
    now: Timestamp,
) -> Duration {
    let find = |type_: &str| {
        status.and_then(|status| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == type_)
        })
    };
    let (Some(ready), Some(aws), Some(deleted)) =
        (find(condition::READY), find(condition::AWS_SYNCED), deleted)
    else {
        return Duration::ZERO;
    };
    if ready.reason != reason::DELETING || aws.status != "False" || goes_on(&aws.reason) {
        return Duration::ZERO;
    }
    // It may have been away before the profile was deleted, which is nothing to the deletion.
    let since = aws.last_transition_time.0.max(deleted.0);
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}
