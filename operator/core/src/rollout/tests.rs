//! How rollouts are judged, from statuses as Kubernetes' controllers write them.

mod ended;

use super::*;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

fn workload(kind: WorkloadKind, spec: Value, status: Value) -> Workload {
    let mut object =
        json!({"metadata": {"name": "w", "generation": 2}, "spec": spec, "status": status});
    if object["status"]["observedGeneration"].is_null() {
        object["status"]["observedGeneration"] = 2.into();
    }
    kind.deserialize(&object).expect("is a workload")
}

fn failing(lasting: bool) -> PodFailure {
    PodFailure {
        pod: "w-1".into(),
        container: "app".into(),
        reason: "CrashLoopBackOff".into(),
        exit_code: Some(1),
        message: "KeyError".into(),
        lasting,
    }
}

#[test]
fn deployments() {
    let stuck = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out."}]);
    let failed = Rollout::Failed(Evidence {
        controller: Some("timed out.".into()),
        pod: None,
    });
    for (what, spec, status, expected) in [
        (
            "done",
            json!({"replicas": 3}),
            json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
            Rollout::Complete,
        ),
        (
            "not seen yet",
            json!({"replicas": 3}),
            json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
            Rollout::Rolling,
        ),
        (
            "no status yet",
            json!({}),
            json!({"observedGeneration": 0}),
            Rollout::Rolling,
        ),
        (
            "half way",
            json!({"replicas": 3}),
            json!({"replicas": 4, "updatedReplicas": 2, "availableReplicas": 3}),
            Rollout::Rolling,
        ),
        (
            "old ones left",
            json!({"replicas": 3}),
            json!({"replicas": 4, "updatedReplicas": 3, "availableReplicas": 3}),
            Rollout::Rolling,
        ),
        (
            "not available",
            json!({"replicas": 3}),
            json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 2}),
            Rollout::Rolling,
        ),
        (
            "scaled to nothing",
            json!({"replicas": 0}),
            json!({}),
            Rollout::Complete,
        ),
        (
            "one by default",
            json!({}),
            json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}),
            Rollout::Complete,
        ),
        (
            "paused",
            json!({"replicas": 2, "paused": true}),
            json!({"replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}),
            Rollout::Paused,
        ),
        (
            "paused and done",
            json!({"replicas": 2, "paused": true}),
            json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
            Rollout::Complete,
        ),
        (
            "stuck",
            json!({"replicas": 2}),
            json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2, "conditions": stuck}),
            failed,
        ),
    ] {
        let workload = workload(WorkloadKind::Deployment, spec, status);
        assert_eq!(judge(&workload, &[]), expected, "{what}");
    }
}

#[test]
fn a_failed_deployment_is_named_with_all_the_evidence_there_is() {
    let status = json!({"replicas": 1, "conditions": [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out."},
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"},
    ]});
    let workload = workload(WorkloadKind::Deployment, json!({}), status);
    let Rollout::Failed(evidence) = judge(&workload, &[failing(false)]) else {
        panic!("has failed")
    };
    assert_eq!(
        evidence.to_string(),
        "timed out. exceeded quota; container app of pod w-1: CrashLoopBackOff, exit code 1: KeyError"
    );
}

#[test]
fn a_deployment_fails_by_its_deadline_and_not_by_a_pod() {
    let workload = workload(
        WorkloadKind::Deployment,
        json!({}),
        json!({"replicas": 2, "updatedReplicas": 1}),
    );
    assert_eq!(judge(&workload, &[failing(true)]), Rollout::Rolling);
}

#[test]
fn stateful_sets() {
    let partition = |partition: i64| json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}});
    let on_delete = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
    for (what, spec, status, expected) in [
        (
            "done",
            json!({"replicas": 3}),
            json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
            Rollout::Complete,
        ),
        (
            "half way",
            json!({"replicas": 3}),
            json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 3}),
            Rollout::Rolling,
        ),
        (
            "held back",
            partition(2),
            json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 3}),
            Rollout::Stale,
        ),
        (
            "held back altogether",
            partition(9),
            json!({"replicas": 3, "updatedReplicas": 0, "availableReplicas": 3}),
            Rollout::Stale,
        ),
        (
            "on the way to the partition",
            partition(1),
            json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}),
            Rollout::Rolling,
        ),
        (
            "past the partition",
            partition(1),
            json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
            Rollout::Complete,
        ),
        (
            "waiting for deletion",
            on_delete.clone(),
            json!({"replicas": 3, "updatedReplicas": 0, "availableReplicas": 3}),
            Rollout::Stale,
        ),
        (
            "deleted by hand",
            on_delete,
            json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
            Rollout::Complete,
        ),
    ] {
        let workload = workload(WorkloadKind::StatefulSet, spec, status);
        assert_eq!(judge(&workload, &[]), expected, "{what}");
    }
}

#[test]
fn daemon_sets() {
    let status = |desired: i64, updated: i64, available: i64| json!({"desiredNumberScheduled": desired, "currentNumberScheduled": desired, "updatedNumberScheduled": updated, "numberAvailable": available});
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    for (what, spec, status, expected) in [
        ("done", json!({}), status(2, 2, 2), Rollout::Complete),
        ("half way", json!({}), status(2, 1, 2), Rollout::Rolling),
        (
            "not available",
            json!({}),
            status(2, 2, 1),
            Rollout::Rolling,
        ),
        ("no nodes", json!({}), status(0, 0, 0), Rollout::Complete),
        (
            "waiting for deletion",
            on_delete,
            status(2, 0, 2),
            Rollout::Stale,
        ),
    ] {
        let workload = workload(WorkloadKind::DaemonSet, spec, status);
        assert_eq!(judge(&workload, &[]), expected, "{what}");
    }
}

#[test]
fn workloads_without_a_deadline_fail_by_a_failure_that_lasts() {
    let status = json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2});
    let workload = workload(WorkloadKind::StatefulSet, json!({"replicas": 3}), status);
    assert_eq!(judge(&workload, &[failing(false)]), Rollout::Rolling);
    let evidence = Evidence {
        controller: None,
        pod: Some(failing(true)),
    };
    assert_eq!(
        judge(&workload, &[failing(false), failing(true)]),
        Rollout::Failed(evidence)
    );
}

#[test]
fn what_stands_still_for_long_is_stalled_and_a_deployment_has_its_own_deadline() {
    let counted = json!([{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}]);
    let status =
        json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2, "conditions": counted});
    let of = |kind| workload(kind, json!({"replicas": 3}), status.clone());
    let stalled = |kind, rollout, still| stalled(&of(kind), rollout, still);
    let set = WorkloadKind::StatefulSet;
    let short = STALLED_AFTER - Duration::from_secs(1);
    assert_eq!(stalled(set, Rollout::Rolling, short), Rollout::Rolling);
    let Rollout::Stalled(message) = stalled(set, Rollout::Rolling, STALLED_AFTER) else {
        panic!("is stalled")
    };
    assert!(message.contains("of 3 pods 1"), "{message}");
    assert_eq!(stalled(set, Rollout::Stale, STALLED_AFTER), Rollout::Stale);
    let deployment = WorkloadKind::Deployment;
    assert_eq!(
        stalled(deployment, Rollout::Rolling, STALLED_AFTER),
        Rollout::Rolling
    );
}

#[test]
fn a_cron_job_has_no_rollout() {
    let object = json!({"metadata": {"name": "w", "generation": 9}, "spec": {"suspend": true}});
    let workload = WorkloadKind::CronJob
        .deserialize(&object)
        .expect("is a workload");
    assert_eq!(judge(&workload, &[]), Rollout::Complete);
}

#[test]
fn failures_of_pods() {
    let template =
        json!({"template": {"metadata": {"annotations": {"tracewright.dev/env-hash": "new"}}}});
    let workload = workload(WorkloadKind::StatefulSet, template, json!({}));
    let ended = json!({"exitCode": 1, "reason": "Error", "message": "KeyError"});
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "back-off"}});
    for (what, phase, status, expected) in [
        (
            "running",
            "Running",
            json!({"state": {"running": {}}}),
            None,
        ),
        (
            "starting",
            "Pending",
            json!({"state": waiting("ContainerCreating")}),
            None,
        ),
        (
            "done",
            "Running",
            json!({"state": {"terminated": {"exitCode": 0}}}),
            None,
        ),
        (
            "first crash",
            "Running",
            json!({"state": {"terminated": ended}}),
            Some(("Error", Some(1), "KeyError", false)),
        ),
        (
            "crashed twice",
            "Running",
            json!({"restartCount": 2, "state": waiting("CrashLoopBackOff"), "lastState": {"terminated": ended}}),
            Some(("CrashLoopBackOff", Some(1), "KeyError", false)),
        ),
        (
            "crashing",
            "Running",
            json!({"restartCount": 3, "state": waiting("CrashLoopBackOff"), "lastState": {"terminated": ended}}),
            Some(("CrashLoopBackOff", Some(1), "KeyError", true)),
        ),
        (
            "speechless",
            "Running",
            json!({"restartCount": 3, "state": waiting("CrashLoopBackOff"), "lastState": {"terminated": {"exitCode": 137}}}),
            Some(("CrashLoopBackOff", Some(137), "back-off", true)),
        ),
        (
            "running again",
            "Running",
            json!({"restartCount": 9, "state": {"running": {}}, "lastState": {"terminated": ended}}),
            None,
        ),
        (
            "no such key",
            "Pending",
            json!({"state": waiting("CreateContainerConfigError")}),
            Some(("CreateContainerConfigError", None, "back-off", true)),
        ),
        (
            "ended for good",
            "Failed",
            json!({"state": {"terminated": ended}}),
            Some(("Error", Some(1), "KeyError", true)),
        ),
    ] {
        let mut status = status;
        status["name"] = "app".into();
        let pod = |hash: &str, list: &str| json!({"metadata": {"name": "w-0", "annotations": {"tracewright.dev/env-hash": hash}}, "status": {"phase": phase, list: [status]}});
        let expected = expected.map(|(reason, exit_code, message, lasting)| PodFailure {
            pod: "w-0".into(),
            container: "app".into(),
            reason: reason.into(),
            exit_code,
            message: message.into(),
            lasting,
        });
        for list in ["containerStatuses", "initContainerStatuses"] {
            assert_eq!(
                failure(&workload, &pod("new", list)).expect("is a pod"),
                expected,
                "{what}"
            );
        }
        assert_eq!(
            failure(&workload, &pod("old", "containerStatuses")).expect("is a pod"),
            None,
            "{what}"
        );
    }
    assert!(failure(&workload, &json!({})).is_err());
}
