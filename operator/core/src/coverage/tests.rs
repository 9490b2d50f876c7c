//! What is said of a workload, for each decision and each way that its rollout can stand.

use std::collections::BTreeMap;

use serde::de::DeserializeSeed;
use serde_json::json;
use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::skip;

use super::*;
use crate::env::SecretKey;
use crate::inject::{Left, Record, Skip};
use crate::report::Truth;
use crate::rollout::{Evidence, PodFailure};
use crate::workload::WorkloadKind;

fn covered(name: &str, action: Action, rollout: Rollout) -> Covered {
    let object = json!({"metadata": {"name": name}, "spec": {"template": {}}});
    let workload = WorkloadKind::Deployment
        .deserialize(&object)
        .expect("is a workload");
    Covered {
        workload: Arc::new(workload),
        injection: Injection {
            action,
            left: Vec::new(),
        },
        rollout,
        contested: false,
        settled: false,
        failed: false,
        in_flight: false,
        degraded_for: Duration::ZERO,
        changed: BTreeSet::new(),
    }
}

fn patch(restarts_pods: bool) -> Patch {
    Patch {
        body: json!({}),
        restarts_pods,
        variables: BTreeSet::new(),
    }
}

fn skipped(reason: &'static str, cleanup: Option<Patch>) -> Action {
    Action::Skip(Skip {
        reason,
        message: "why: what to do".to_owned(),
        cleanup,
    })
}

fn crash() -> Rollout {
    Rollout::Failed(Evidence {
        controller: None,
        pod: Some(PodFailure {
            pod: "web-1".into(),
            container: "app".into(),
            reason: "CrashLoopBackOff".into(),
            exit_code: Some(1),
            message: String::new(),
            lasting: true,
        }),
    })
}

fn ours(one: Covered) -> Covered {
    Covered {
        failed: true,
        ..one
    }
}

/// With a record of ours.
fn with_variables(one: Covered) -> Covered {
    let record = r#"{"profile":"p","generation":1,"renderVersion":1,"containers":{}}"#;
    let workload = Workload {
        record: Record::read(record),
        ..(*one.workload).clone()
    };
    Covered {
        workload: Arc::new(workload),
        ..one
    }
}

fn settled(one: Covered) -> Covered {
    Covered {
        settled: true,
        ..one
    }
}

/// State, reason and condition of a single workload.
fn said(one: Covered, chosen: bool) -> (String, Option<String>, &'static str) {
    let keys = if chosen {
        vec![(one.workload.kind, one.workload.name.clone())]
    } else {
        Vec::new()
    };
    let (status, fact) = report(&[one], &keys, &BTreeMap::new());
    let item = status.items[0].clone();
    (item.state, item.reason, fact.reason)
}

#[test]
fn what_is_said_for_each_decision_and_rollout() {
    use Action::{Patch, UpToDate, Wait};
    let key = SecretKey {
        name: "s".into(),
        key: "k".into(),
    };
    let contested = Covered {
        contested: true,
        ..covered("web", Patch(patch(true)), Rollout::Complete)
    };
    let plain = |action, rollout| covered("web", action, rollout);
    let settled = |rollout| Covered {
        settled: true,
        ..plain(UpToDate, rollout)
    };
    #[rustfmt::skip]
    let cases = [
        (plain(UpToDate, Rollout::Complete), "Injected", None, reason::ALL_INJECTED),
        (plain(UpToDate, Rollout::Rolling), "Rolling", None, reason::ROLLING_OUT),
        (plain(UpToDate, Rollout::Stalled("s".into())), "Rolling", None, reason::ROLLING_OUT),
        (plain(UpToDate, Rollout::Paused), "Stale", Some(skip::PAUSED), reason::SOME_SKIPPED),
        (plain(UpToDate, Rollout::Stale), "Stale", Some(skip::ON_DELETE), reason::SOME_SKIPPED),
        (ours(plain(UpToDate, crash())), "Failed", Some(reason::ROLLOUT_FAILED), reason::ROLLOUT_FAILED),
        // All pods had the variables before somebody else's change.
        (settled(crash()), "Injected", None, reason::ALL_INJECTED),
        (settled(Rollout::Rolling), "Injected", None, reason::ALL_INJECTED),
        (settled(Rollout::Paused), "Injected", None, reason::ALL_INJECTED),
        (settled(Rollout::Degraded), "Injected", None, reason::ALL_INJECTED),
        (plain(UpToDate, Rollout::Degraded), "Injected", None, reason::ALL_INJECTED),
        // Whose failure it is, is not known: it was changed after our write, and the operator is new.
        (plain(UpToDate, crash()), "Injected", None, reason::ALL_INJECTED),
        (plain(Patch(patch(true)), Rollout::Degraded), "Pending", None, reason::ROLLING_OUT),
        (plain(Patch(patch(true)), Rollout::Complete), "Pending", None, reason::ROLLING_OUT),
        (plain(Patch(patch(true)), Rollout::Rolling), "Rolling", None, reason::ROLLING_OUT),
        (plain(Patch(patch(true)), crash()), "Pending", None, reason::ROLLING_OUT),
        (ours(plain(Patch(patch(true)), crash())), "Failed", Some(reason::ROLLOUT_FAILED), reason::ROLLOUT_FAILED),
        (plain(Patch(patch(false)), Rollout::Complete), "Injected", None, reason::ALL_INJECTED),
        (contested, "Skipped", Some(reason::ENV_CONTESTED), reason::ENV_CONTESTED),
        (plain(Wait(vec![key]), Rollout::Complete), "Pending", Some(reason::SECRET_MISSING), reason::SECRET_MISSING),
        (plain(skipped(skip::OPTED_OUT, None), Rollout::Complete), "Skipped", Some(skip::OPTED_OUT), reason::ALL_INJECTED),
        (plain(skipped(skip::SELECTED_BY_OTHER, None), Rollout::Complete), "Skipped", Some(skip::SELECTED_BY_OTHER), reason::SOME_SKIPPED),
        (plain(skipped(reason::REVERTED, None), Rollout::Rolling), "Skipped", Some(reason::REVERTED), reason::REVERTED),
    ];
    for (one, state, word, condition) in cases {
        let what = format!("{:?} {:?}", one.injection.action, one.rollout);
        let expected = (state.to_owned(), word.map(str::to_owned), condition);
        assert_eq!(said(one, false), expected, "{what}");
    }
    let chosen = said(plain(Patch(patch(true)), Rollout::Complete), true);
    assert_eq!(chosen, ("Rolling".to_owned(), None, reason::ROLLING_OUT));
}

#[test]
fn a_contest_is_over_for_who_opts_out_or_has_the_entries_again() {
    for action in [skipped(skip::OPTED_OUT, None), Action::UpToDate] {
        let one = Covered {
            contested: true,
            ..covered("web", action, Rollout::Complete)
        };
        let (_, _, condition) = said(one, false);
        assert_eq!(condition, reason::ALL_INJECTED);
    }
}

#[test]
fn a_failure_is_told_with_what_changed_and_how_it_ended() {
    let mut one = ours(covered("web", Action::UpToDate, crash()));
    one.changed = ["A", "B", "C", "D", "E"].map(str::to_owned).into();
    let (_, fact) = report(&[one], &[], &BTreeMap::new());
    assert_eq!(fact.truth, Truth::False);
    assert_eq!(
        fact.message,
        "Deployment web: its rollout failed after A, B, C and 2 more variables changed: container app of pod web-1: CrashLoopBackOff, exit code 1"
    );
}

#[test]
fn a_refusal_is_told_in_the_api_server_s_words() {
    let one = covered("web", Action::Patch(patch(true)), Rollout::Complete);
    let key = (WorkloadKind::Deployment, "web".to_owned());
    let refused = BTreeMap::from([(key.clone(), "denied by policy".to_owned())]);
    let (status, fact) = report(&[one], &[key], &refused);
    assert_eq!((status.failed, status.matched), (1, 1));
    assert_eq!(fact.reason, reason::WORKLOADS_NOT_INJECTED);
    assert_eq!(
        fact.message,
        "Deployment web: it cannot be patched: denied by policy"
    );
}

#[test]
fn fifty_are_named_those_that_need_attention_first_and_all_are_counted() {
    let mut all: Vec<Covered> = (0..60)
        .map(|number| {
            covered(
                &format!("fine-{number:02}"),
                Action::UpToDate,
                Rollout::Complete,
            )
        })
        .collect();
    for number in 0..3 {
        let name = format!("skipped-{number}");
        let action = skipped(skip::OWNED_BY_CONTROLLER, None);
        all.push(covered(&name, action, Rollout::Complete));
    }
    all.push(ours(covered("broken", Action::UpToDate, crash())));
    let (status, fact) = report(&all, &[], &BTreeMap::new());
    assert_eq!(status.items.len(), MAX_ITEMS);
    let first: Vec<_> = status.items[..5]
        .iter()
        .map(|item| item.name.as_str())
        .collect();
    assert_eq!(
        first,
        ["broken", "skipped-0", "skipped-1", "skipped-2", "fine-00"]
    );
    assert_eq!(
        (
            status.matched,
            status.injected,
            status.skipped,
            status.failed
        ),
        (64, 60, 3, 1)
    );
    assert_eq!(fact.reason, reason::ROLLOUT_FAILED);
    let (_, fact) = report(&all[60..63], &[], &BTreeMap::new());
    assert!(
        fact.message.ends_with("(and 2 more: see status.workloads)"),
        "{}",
        fact.message
    );
}

#[test]
fn variables_left_to_the_user_are_named_and_the_workload_counts_as_injected() {
    let mut one = covered("web", Action::UpToDate, Rollout::Complete);
    one.injection.left = vec![Left {
        container: "app".into(),
        variable: "OTEL_SERVICE_NAME".into(),
        reason: skip::USER_SET,
    }];
    let (status, fact) = report(&[one], &[], &BTreeMap::new());
    assert_eq!(status.injected, 1);
    assert_eq!(status.items[0].reason.as_deref(), Some(skip::USER_SET));
    assert_eq!(status.items[0].variables, ["OTEL_SERVICE_NAME"]);
    assert_eq!(fact.reason, reason::ALL_INJECTED);
    assert_eq!(fact.message, "1 workload has the variables");
}

#[test]
fn places_in_the_queue() {
    let of = |action, rollout| covered("web", action, rollout);
    let change = || Action::Patch(patch(true));
    let removal = || skipped(skip::OPTED_OUT, Some(patch(true)));
    for (one, expected) in [
        (of(change(), Rollout::Complete), Some(Stage::Due)),
        (of(change(), Rollout::Rolling), Some(Stage::Rolling)),
        (of(change(), Rollout::Stale), Some(Stage::Due)),
        (of(change(), Rollout::Stalled("s".into())), Some(Stage::Due)),
        (ours(of(change(), crash())), Some(Stage::Mend)),
        (of(change(), crash()), None),
        (of(removal(), crash()), Some(Stage::Due)),
        (of(Action::Patch(patch(false)), Rollout::Complete), None),
        (of(Action::UpToDate, Rollout::Complete), None),
        (of(Action::UpToDate, Rollout::Rolling), Some(Stage::Rolling)),
        (of(Action::UpToDate, Rollout::Stalled("s".into())), None),
        (ours(of(Action::UpToDate, crash())), Some(Stage::Failed)),
        (of(Action::UpToDate, crash()), None),
        (of(Action::UpToDate, Rollout::Degraded), None),
        (of(removal(), Rollout::Degraded), Some(Stage::Due)),
        (of(change(), Rollout::Degraded), None),
        (
            with_variables(of(change(), Rollout::Degraded)),
            Some(Stage::Due),
        ),
        (
            settled(with_variables(of(change(), Rollout::Degraded))),
            Some(Stage::Due),
        ),
        (with_variables(of(change(), crash())), Some(Stage::Due)),
        (settled(with_variables(of(change(), crash()))), None),
    ] {
        let what = format!("{:?} {:?}", one.injection.action, one.rollout);
        assert_eq!(one.stage(), expected, "{what}");
    }
    let superseding = Covered {
        in_flight: true,
        ..of(change(), Rollout::Rolling)
    };
    assert_eq!(superseding.stage(), Some(Stage::Mend));
    let leaving = |rollout, in_flight| Leaving {
        workload: of(Action::UpToDate, Rollout::Complete).workload,
        removal: patch(true),
        rollout,
        in_flight,
    };
    let stage = |rollout, in_flight| leaving(rollout, in_flight).stage();
    assert_eq!(stage(Rollout::Complete, false), Some(Stage::Due));
    assert_eq!(stage(Rollout::Rolling, false), Some(Stage::Rolling));
    assert_eq!(stage(Rollout::Rolling, true), Some(Stage::Mend));
    assert_eq!(stage(crash(), false), Some(Stage::Mend));
    assert_eq!(stage(Rollout::Degraded, false), Some(Stage::Due));
}

#[test]
fn pods_that_are_unavailable_for_long_are_told_and_the_workload_counts_as_injected() {
    let said = |degraded_for| {
        let one = Covered {
            settled: true,
            degraded_for,
            ..covered("web", Action::UpToDate, Rollout::Degraded)
        };
        let (status, fact) = report(&[one], &[], &BTreeMap::new());
        assert_eq!((status.injected, fact.reason), (1, reason::ALL_INJECTED));
        status.items[0].message.clone()
    };
    assert_eq!(said(Duration::from_secs(59)), None);
    let message = said(Duration::from_secs(60)).expect("says so");
    assert!(message.contains("not all pods are available"), "{message}");
}

#[test]
fn nothing_of_an_earlier_template_is_left_where_pods_are_only_unavailable() {
    let rests = |rollout| covered("web", Action::UpToDate, rollout).at_rest();
    assert!(rests(Rollout::Complete) && rests(Rollout::Degraded));
    assert!(!rests(Rollout::Rolling) && !rests(Rollout::Stale));
}
