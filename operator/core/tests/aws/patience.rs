//! A deletion waits for an AWS that stays away, for its bounded time and no less, and for one that only answers slowly.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tracewright_core::crd::ObservabilityProfileStatus;
use tracewright_core::crd::status::ItemState;
use tracewright_core::identity::Kind;
use tracewright_core::patience::{Patience, Progress, away_before, progress};
use tracewright_core::plan::{Applied, Failure};
use tracewright_core::report::{AwsFacts, Fact, Facts, status};
use tracewright_xray::contract::condition::reason;

use crate::carry::plan;
use crate::update::case_of;

const BOUND: Duration = Duration::from_secs(600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Writes of three groups that failed for these reasons; `None`: was done.
fn observed(outcomes: [Option<&'static str>; 3]) -> AwsFacts {
    let groups: Vec<_> = (0..3)
        .map(|number| json!({"name": format!("g{number}")}))
        .collect();
    let plan = plan(&case_of(json!({"groups": groups}), json!([])));
    let outcomes: BTreeMap<_, _> = outcomes
        .into_iter()
        .enumerate()
        .map(|(number, failed)| {
            let outcome = match failed {
                None => Applied::Done { arn: None },
                Some(reason) => Applied::Failed(Failure {
                    state: ItemState::Pending,
                    reason,
                    message: reason.to_owned(),
                }),
            };
            ((Kind::Group, format!("g{number}")), outcome)
        })
        .collect();
    AwsFacts::Observed {
        account_id: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        plan: plan.applied(outcomes),
        preview: Vec::new(),
    }
}

#[test]
fn only_what_lasts_until_somebody_mends_it_is_being_away() {
    for (reason, expected) in [
        (reason::NOTHING_DECLARED, Progress::Done),
        (reason::THROTTLED, Progress::GoesOn),
        (reason::PENDING, Progress::GoesOn),
        (reason::CREDENTIALS_MISSING, Progress::Stuck),
        (reason::ACCESS_DENIED, Progress::Stuck),
        (reason::ROLE_NOT_ALLOWED, Progress::Stuck),
        (reason::ACCOUNT_CHANGED, Progress::Stuck),
        (reason::UNREACHABLE, Progress::Stuck),
        (reason::INVALID, Progress::Stuck),
    ] {
        let facts = AwsFacts::Unobserved(Fact::no(reason, "why"));
        assert_eq!(progress(&facts), expected, "{reason}");
    }
    let (denied, slow) = (Some(reason::ACCESS_DENIED), Some(reason::THROTTLED));
    for (outcomes, expected) in [
        ([None, None, None], Progress::Done),
        ([None, slow, None], Progress::GoesOn),
        // The rest is still being worked on.
        ([denied, slow, None], Progress::GoesOn),
        ([denied, None, Some(reason::INVALID)], Progress::Stuck),
    ] {
        assert_eq!(progress(&observed(outcomes)), expected, "{outcomes:?}");
    }
}

#[test]
fn the_time_counts_from_the_first_run_that_found_aws_away() {
    let start = Instant::now();
    let mut patience = Patience::new(start);
    let mut ends =
        |progress, after| patience.ends(progress, start + seconds(after), || Duration::ZERO, BOUND);
    assert!(!ends(Progress::GoesOn, 0));
    assert!(!ends(Progress::GoesOn, 2_000));
    assert!(!ends(Progress::Stuck, 2_005));
    assert!(!ends(Progress::Stuck, 2_604));
    // It was back meanwhile.
    assert!(!ends(Progress::GoesOn, 2_605));
    assert!(!ends(Progress::Stuck, 2_610));
    assert!(!ends(Progress::Stuck, 3_209));
    assert!(ends(Progress::Stuck, 3_210));
}

#[test]
fn what_passed_before_a_restart_counts_and_leaves_time_to_look_again() {
    let start = Instant::now();
    for (before, lasts) in [(0, 600), (400, 200), (540, 60), (5_000, 60)] {
        let mut patience = Patience::new(start);
        let mut ends = |after| {
            let before = || seconds(before);
            patience.ends(Progress::Stuck, start + seconds(after), before, BOUND)
        };
        assert!(!ends(0), "{before}");
        assert!(!ends(lasts - 1), "{before}");
        assert!(ends(lasts), "{before}");
    }
}

proptest! {
    #[test]
    fn every_deletion_ends_and_none_while_aws_has_been_away_for_less_than_the_bound(
        runs in vec((select(vec![Progress::GoesOn, Progress::Stuck]), 1..300_u64), 1..400),
    ) {
        let start = Instant::now();
        let (mut patience, mut after, mut away) = (Patience::new(start), 0, None);
        for (progress, pause) in runs {
            away = match progress {
                Progress::Stuck => away.or(Some(after)),
                _ => None,
            };
            let ends = patience.ends(progress, start + seconds(after), || Duration::ZERO, BOUND);
            let stayed_away = away.is_some_and(|since| after - since >= BOUND.as_secs());
            let slow = away.is_none() && after >= 12 * BOUND.as_secs();
            prop_assert_eq!(ends, stayed_away || slow, "after {} s", after);
            if ends {
                break;
            }
            after += pause;
            // The slow bound, then the other, and a pause after each: whatever comes, it has ended.
            prop_assert!(after < 13 * BOUND.as_secs() + 600, "{}", after);
        }
    }
}

/// The status that a deletion leaves after looks at AWS that ended so, each so many seconds after the epoch.
fn left(looks: &[(bool, Fact, i64)]) -> ObservabilityProfileStatus {
    let mut profile = case_of(json!({}), json!([])).profile;
    for (deleting, aws, second) in looks {
        let other = || Fact::unknown(reason::DELETING, "");
        profile.metadata.deletion_timestamp =
            deleting.then_some(Time(Timestamp::UNIX_EPOCH + 100.seconds()));
        let facts = Facts {
            aws: AwsFacts::Unobserved(aws.clone()),
            receiver: other(),
            injected: other(),
            workloads: Default::default(),
            env: Vec::new(),
            traffic: other(),
            notes: Vec::new(),
        };
        let now = Timestamp::UNIX_EPOCH + second.seconds();
        profile.status = Some(status(&profile, &facts, now));
    }
    profile.status.unwrap_or_default()
}

#[test]
fn a_status_tells_for_how_long_aws_has_been_away_from_the_deletion() {
    let away = || Fact::no(reason::CREDENTIALS_MISSING, "none");
    let fine = || Fact::yes(reason::SYNCED, "fine");
    let slow = || Fact::no(reason::THROTTLED, "slow");
    let withdrawing = || Fact::unknown(reason::PENDING, "workloads first");
    for (looks, expected) in [
        (vec![], 0),
        // Away, but not asked for the deletion yet: the operator was away itself.
        (vec![(false, away(), 10)], 0),
        (vec![(false, fine(), 10), (true, withdrawing(), 110)], 0),
        (vec![(false, fine(), 10), (true, slow(), 110)], 0),
        (vec![(false, fine(), 10), (true, away(), 300)], 700),
        (vec![(false, away(), 10), (true, away(), 105)], 900),
        (
            vec![
                (false, away(), 10),
                (true, withdrawing(), 105),
                (true, away(), 600),
                (true, away(), 800),
            ],
            400,
        ),
    ] {
        let status = left(&looks);
        let deleted = Time(Timestamp::UNIX_EPOCH + 100.seconds());
        let now = Timestamp::UNIX_EPOCH + 1_000.seconds();
        let told = away_before(Some(&status), Some(&deleted), now);
        assert_eq!(told, seconds(expected), "{looks:?}");
    }
}
