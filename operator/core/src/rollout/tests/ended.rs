//! Rollouts that have ended and whose pods are not available since.

use super::*;

/// A Deployment of two pods whose controller says `reason` of its rollout, and how it is judged further.
fn deployment(reason: Option<&str>, status: Value, ended: bool) -> Rollout {
    let condition = |reason| json!([{"type": "Progressing", "status": "True", "reason": reason}]);
    let mut status = status;
    status["conditions"] = reason.map(condition).unwrap_or_default();
    if status["conditions"].is_null() {
        status["conditions"] = json!([]);
    }
    let workload = workload(WorkloadKind::Deployment, json!({"replicas": 2}), status);
    let rollout = degraded(&workload, judge(&workload, &[]), ended);
    stalled(&workload, rollout, STALLED_AFTER)
}

#[test]
fn pods_that_became_unavailable_are_no_rollout() {
    let available = Some("NewReplicaSetAvailable");
    for (what, status, expected) in [
        (
            "one crashes",
            json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
            Rollout::Degraded,
        ),
        (
            "one cannot be made",
            json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}),
            Rollout::Degraded,
        ),
        (
            "all are well",
            json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
            Rollout::Complete,
        ),
    ] {
        assert_eq!(deployment(available, status, true), expected, "{what}");
    }
    let going_on = json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2});
    assert_eq!(
        deployment(Some("ReplicaSetUpdated"), going_on, true),
        Rollout::Rolling,
        "old pods are left"
    );
    let not_seen = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2});
    assert_eq!(
        deployment(Some("ReplicaSetUpdated"), not_seen, true),
        Rollout::Rolling,
        "the numbers speak of the template before"
    );
}

#[test]
fn a_deployment_without_a_deadline_that_counts_stalls_like_the_others() {
    let status = || json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1});
    for reason in [
        None,
        Some("DeploymentPaused"),
        Some("NewReplicaSetAvailable"),
    ] {
        assert!(
            matches!(deployment(reason, status(), false), Rollout::Stalled(_)),
            "{reason:?}"
        );
    }
}
