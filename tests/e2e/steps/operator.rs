//! The operator's own life: upgraded, and killed while it works.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use support::eventually;
use tracewright_core::crd::ObservabilityProfile;

use super::install::{install, operator_values};
use super::profile::{PODS, PROFILE, ready};
use crate::cluster::{Cluster, OPERATOR, PATIENCE, RELEASE, SERVICE};
use crate::{aws, probe};

const OPERATOR_PODS: &str = "app.kubernetes.io/name=tracewright";

pub async fn an_upgrade_of_the_chart_restarts_no_workload(cluster: &Cluster) -> Result<()> {
    let before = cluster.running(SERVICE, RELEASE, PODS).await?;
    let operators = cluster
        .running(OPERATOR, "tracewright", OPERATOR_PODS)
        .await?;
    let mut values = operator_values(cluster);
    values.push("operator.log=debug".to_owned());
    install(
        cluster,
        "tracewright",
        "charts/tracewright",
        OPERATOR,
        &values,
    )
    .await?;
    cluster.rolled_out(OPERATOR, "tracewright").await?;
    let upgraded = cluster
        .running(OPERATOR, "tracewright", OPERATOR_PODS)
        .await?;
    ensure!(
        upgraded.1.iter().all(|pod| !operators.1.contains(pod)),
        "the operator's own pods are the old ones: {upgraded:?}"
    );
    // Not before the new operator has looked at the profile: that is when it would restart something.
    let profiles = cluster.api::<ObservabilityProfile>(SERVICE);
    let marker = jiff::Timestamp::now().to_string();
    let ask =
        json!({"metadata": {"annotations": {"tracewright.dev/reconcile-requested-at": marker}}});
    profiles
        .patch(PROFILE, &PatchParams::default(), &Patch::Merge(&ask))
        .await?;
    reconciled(cluster).await?;
    ready(cluster, SERVICE, PROFILE).await?;
    let after = cluster.running(SERVICE, RELEASE, PODS).await?;
    ensure!(
        before == after,
        "the workload was restarted: {before:?}, {after:?}"
    );
    Ok(())
}

/// Waits until the operator has reconciled since it was started.
async fn reconciled(cluster: &Cluster) -> Result<()> {
    let leader = leader(cluster).await?;
    let pod = format!("/api/v1/namespaces/{OPERATOR}/pods/{leader}:8080/proxy/metrics");
    eventually(PATIENCE, "the new operator has reconciled", async || {
        let request = http::Request::get(&pod)
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        let text = cluster
            .client
            .request_text(request)
            .await
            .map_err(|error| error.to_string())?;
        let count = text.lines().find(|line| {
            line.starts_with("tracewright_reconciles_total{") && line.contains(r#"outcome="ok""#)
        });
        match count {
            Some(_) => Ok(()),
            None => Err("no reconcile yet".to_owned()),
        }
    })
    .await?;
    Ok(())
}

/// The pod that holds the Lease.
async fn leader(cluster: &Cluster) -> Result<String> {
    let leases = cluster.api::<Lease>(OPERATOR);
    let leader = eventually(PATIENCE, "a running pod holds the Lease", async || {
        let lease = leases
            .get("tracewright")
            .await
            .map_err(|error| error.to_string())?;
        let holder = lease
            .spec
            .and_then(|spec| spec.holder_identity)
            .unwrap_or_default();
        let pods = cluster
            .pods(OPERATOR, OPERATOR_PODS)
            .await
            .map_err(|error| error.to_string())?;
        if pods.iter().any(|pod| pod.name_any() == holder) {
            Ok(holder)
        } else {
            Err(format!("held by {holder:?}"))
        }
    })
    .await?;
    Ok(leader)
}

/// The profile changes and the leader is killed at once: whatever it had begun, its successor ends.
pub async fn a_change_is_carried_out_although_the_leader_is_killed(
    cluster: &Cluster,
) -> Result<()> {
    let profiles = cluster.api::<ObservabilityProfile>(SERVICE);
    let leader = leader(cluster).await?;
    let change = json!({"spec": {
        "service": {"attributes": {"deployment.environment.name": "e2e"}},
        "logs": {"groups": [{"name": "cruddur", "retentionInDays": 14}, {"name": "cruddur-audit"}]},
    }});
    profiles
        .patch(PROFILE, &PatchParams::default(), &Patch::Merge(&change))
        .await?;
    cluster
        .api::<Pod>(OPERATOR)
        .delete(&leader, &DeleteParams::default().grace_period(0))
        .await?;
    ready(cluster, SERVICE, PROFILE).await?;
    let groups = aws::state(cluster).await?["logs"]["logGroups"].clone();
    ensure!(
        groups["cruddur"]["retentionInDays"] == 14 && groups["cruddur-audit"].is_object(),
        "the log groups are {groups}"
    );
    cluster.rolled_out(SERVICE, RELEASE).await?;
    let pods = cluster.pods(SERVICE, PODS).await?;
    let pod = pods.first().context("a pod of the service")?;
    let variables = probe::environ(cluster, pod, "activities").await?;
    let attributes = variables
        .iter()
        .find(|(name, _)| name == "OTEL_RESOURCE_ATTRIBUTES");
    ensure!(
        attributes.is_some_and(|(_, value)| value.contains("deployment.environment.name=e2e")),
        "the new attribute is not among {attributes:?}"
    );
    Ok(())
}
