//! What is remembered of a workload, and what is taken for known where nothing is.

use super::*;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};
use tracewright_core::workload::WorkloadKind;

fn read(version: &str, hash: Option<&str>, more: Value) -> Workload {
    let mut object = json!({
        "metadata": {"name": "web", "resourceVersion": version},
        "spec": {"template": {"metadata": {"annotations": {}}, "spec": {"containers": [{"name": "app"}]}}},
        "status": more,
    });
    if let Some(hash) = hash {
        // As rendered and recorded.
        object["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "1"}]);
        let recorded = WorkloadKind::StatefulSet
            .deserialize(&object)
            .expect("is a workload");
        let recorded = recorded.containers[0].env[0]
            .hash
            .map(|hash| hash.to_string());
        object["spec"]["template"]["metadata"]["annotations"]["tracewright.dev/env-hash"] =
            hash.into();
        object["metadata"]["annotations"] = json!({"tracewright.dev/injected": json!({
            "profile": "p", "generation": 1, "renderVersion": 1, "reverted": false,
            "containers": {"app": {"A": recorded}},
        }).to_string()});
    }
    WorkloadKind::StatefulSet
        .deserialize(&object)
        .expect("is a workload")
}

fn patch(restarts_pods: bool) -> Patch {
    Patch {
        body: json!({}),
        restarts_pods,
        variables: BTreeSet::new(),
    }
}

fn crash() -> PodFailure {
    PodFailure {
        pod: "web-0".into(),
        container: "app".into(),
        reason: "CrashLoopBackOff".into(),
        exit_code: Some(1),
        message: String::new(),
        lasting: true,
    }
}

#[test]
fn removals_are_counted_and_our_own_writes_are_none() {
    let mut history = History::default();
    let injected = read("2", Some("h"), json!({}));
    for version in ["3", "4", "5"] {
        assert!(!history.contested(1), "{version}");
        history.saw(&injected, &read(version, None, json!({})));
        // What was removed stays removed while other things change.
        let gone = read(version, None, json!({}));
        history.saw(&gone, &gone);
    }
    assert!(history.contested(1));
    assert!(!history.contested(2), "another generation starts anew");

    let mut history = History::default();
    for version in ["3", "4", "5"] {
        let own = read(version, None, json!({}));
        history.wrote(&own, &patch(true));
        history.saw(&injected, &own);
    }
    assert!(!history.contested(1));
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_still_for_as_long_as_nothing_moves() {
    let mut history = History::default();
    let one = read("1", Some("h"), json!({"updatedReplicas": 1}));
    assert_eq!(history.still(&one), Duration::ZERO);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(history.still(&one), Duration::from_secs(9));
    let two = read("2", Some("h"), json!({"updatedReplicas": 2}));
    assert_eq!(history.still(&two), Duration::ZERO);
    let available = |number: i64| {
        let status = json!({"updatedReplicas": 2, "availableReplicas": number});
        read("3", Some("h"), status)
    };
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(history.still(&available(1)), Duration::ZERO, "one more");
    // A pod that crashes comes and goes.
    for number in [0, 1, 0] {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_ne!(history.still(&available(number)), Duration::ZERO);
    }
    assert_eq!(history.still(&available(2)), Duration::ZERO, "one more");
}

#[tokio::test(start_paused = true)]
async fn evidence_stays_and_pods_are_looked_at_no_more_than_needed() {
    let mut history = History::default();
    let one = read("1", Some("h"), json!({}));
    assert!(history.look(&one));
    assert!(!history.look(&one), "just looked");
    tokio::time::advance(LOOK_AGAIN).await;
    assert!(history.look(&one));
    history.found(&one, vec![crash()]);
    tokio::time::advance(LOOK_AGAIN).await;
    assert!(!history.look(&one), "the evidence is there");
    assert_eq!(history.failing(&one), [crash()]);
    assert!(
        history
            .failing(&read("2", Some("other"), json!({})))
            .is_empty()
    );
    history.wrote(&one, &patch(true));
    assert!(history.failing(&one).is_empty());
}

#[test]
fn what_has_rolled_out_once_does_not_fail_by_us_until_we_write_again() {
    let mut history = History::default();
    let one = read("1", Some("h"), json!({}));
    assert!(!history.rolled_out(&one));
    history.judged(&one, &Rollout::Rolling);
    assert!(!history.rolled_out(&one));
    history.judged(&one, &Rollout::Complete);
    assert!(history.rolled_out(&one));
    assert!(!history.rolled_out(&read("2", Some("other"), json!({}))));
    assert!(!history.in_flight(&one));
    history.wrote(&one, &patch(false));
    assert!(history.rolled_out(&one), "a record alone rolls nothing out");
    history.wrote(&one, &patch(true));
    assert!(!history.rolled_out(&one) && history.in_flight(&one));
    history.judged(&one, &Rollout::Degraded);
    assert!(history.rolled_out(&one) && !history.in_flight(&one));
}

#[test]
fn of_what_began_before_the_operator_only_untouched_workloads_are_ours() {
    let history = History::default();
    let mut one = read("1", Some("h"), json!({}));
    assert!(!history.in_flight(&one), "an older record tells nothing");
    one.generation = 4;
    let written_at = |generation| {
        let mut one = one.clone();
        if let Some(record) = &mut one.record {
            record.workload_generation = Some(generation);
        }
        one
    };
    assert!(history.in_flight(&written_at(4)));
    assert!(
        !history.in_flight(&written_at(3)),
        "somebody deployed since"
    );
    let mut history = history;
    history.judged(&one, &Rollout::Complete);
    assert!(!history.in_flight(&written_at(4)), "it has rolled out well");
}

#[test]
fn a_rollout_has_ended_by_the_controller_s_word_or_by_what_was_seen() {
    let revisions = |current: &str, update: &str| {
        read(
            "1",
            Some("h"),
            json!({"currentRevision": current, "updateRevision": update}),
        )
    };
    let mut history = History::default();
    assert!(history.ended(&revisions("a", "a")), "by its word");
    assert!(!history.ended(&revisions("a", "b")), "it goes on");
    let silent = read("1", Some("h"), json!({}));
    assert!(
        history.ended(&silent),
        "there is nothing that says it goes on"
    );

    // Our write goes back to a template whose completion was told before.
    history.wrote(&revisions("a", "a"), &patch(true));
    assert!(!history.ended(&revisions("a", "a")), "that is old news");
    assert!(!history.ended(&silent), "it is known to go on");
    assert!(history.ended(&revisions("b", "b")));
    history.judged(&revisions("a", "a"), &Rollout::Complete);
    assert!(history.ended(&revisions("a", "a")), "it was seen");
    assert!(!history.ended(&silent), "another revision");
}

#[tokio::test(start_paused = true)]
async fn pods_are_unavailable_from_the_first_look_to_the_last() {
    let mut history = History::default();
    let one = read("1", Some("h"), json!({}));
    history.judged(&one, &Rollout::Degraded);
    tokio::time::advance(Duration::from_secs(9)).await;
    history.judged(&one, &Rollout::Degraded);
    assert_eq!(history.degraded_for(), Duration::from_secs(9));
    history.judged(&one, &Rollout::Complete);
    assert_eq!(history.degraded_for(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pods_are_older_than_a_change_until_the_template_changes() {
    let mut history = History::default();
    tokio::time::advance(Duration::from_secs(1)).await;
    let changed = Instant::now();
    let one = read("1", Some("h"), json!({"updateRevision": "a"}));
    assert!(history.predates(&one, changed));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(history.predates(&one, changed));
    let restarted = read("2", Some("h"), json!({"updateRevision": "b"}));
    assert!(!history.predates(&restarted, changed));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!history.predates(&restarted, changed));
    assert!(
        history.predates(&restarted, Instant::now()),
        "the next change"
    );
}
