//! The profile, applied with kubectl, and what it becomes.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use support::eventually;
use tracewright_core::crd::ObservabilityProfile;

use crate::cluster::{Cluster, PATIENCE, RELEASE, SERVICE};
use crate::{aws, probe};

/// The profile's name.
pub const PROFILE: &str = "cruddur";
/// The service's pods.
pub const PODS: &str = "app.kubernetes.io/name=activities";

/// Waits until a profile is ready for the generation it has.
pub async fn ready(cluster: &Cluster, namespace: &str, name: &str) -> Result<ObservabilityProfile> {
    let profiles = cluster.api::<ObservabilityProfile>(namespace);
    let profile = eventually(
        PATIENCE,
        format!("the profile {namespace}/{name} is ready"),
        async || {
            let profile = profiles
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            let conditions = profile.status.iter().flat_map(|status| &status.conditions);
            let ready = conditions.clone().any(|condition| {
                condition.type_ == "Ready"
                    && condition.status == "True"
                    && condition.observed_generation == profile.metadata.generation
            });
            if ready {
                return Ok(profile);
            }
            let seen: Vec<String> = conditions
                .map(|one| {
                    format!(
                        "{}={} {}: {}",
                        one.type_, one.status, one.reason, one.message
                    )
                })
                .collect();
            Err(seen.join("; "))
        },
    )
    .await?;
    Ok(profile)
}

pub async fn the_profile_becomes_ready_and_counts_what_it_covers(cluster: &Cluster) -> Result<()> {
    let overlay = [
        "kustomize",
        "--load-restrictor=LoadRestrictionsNone",
        "tests/e2e/overlay",
    ];
    let profile = cluster.kubectl(&overlay, None).await?;
    cluster.apply(SERVICE, &profile).await?;
    let profile = ready(cluster, SERVICE, PROFILE).await?;
    cluster.rolled_out(SERVICE, RELEASE).await?;
    let status = profile.status.context("a status")?;
    let workloads = status.workloads.context("counts of workloads")?;
    ensure!(
        (workloads.matched, workloads.injected, workloads.skipped) == (1, 1, 0),
        "not one workload of one: {workloads:?}"
    );
    let summary = serde_json::to_value(&status.summary)?;
    ensure!(
        summary == serde_json::json!({"xray": "2/2", "logs": "1/1", "workloads": "1/1"}),
        "the summary is {summary}"
    );
    Ok(())
}

pub async fn aws_has_the_group_the_rule_and_the_log_group(cluster: &Cluster) -> Result<()> {
    let state = aws::state(cluster).await?;
    let objects = [
        (
            "group",
            &state["xray"]["groups"]["Cruddur"],
            "filterExpression",
            Value::from(r#"service("backend-flask")"#),
        ),
        (
            "rule",
            &state["xray"]["samplingRules"]["Cruddur"],
            "serviceName",
            Value::from("backend-flask"),
        ),
        (
            "log group",
            &state["logs"]["logGroups"]["cruddur"],
            "retentionInDays",
            Value::from(7),
        ),
    ];
    for (kind, object, field, expected) in objects {
        ensure!(object[field] == expected, "the {kind} is {object}");
        ensure!(
            object["tags"].to_string().contains("e2e-cruddur/cruddur"),
            "the {kind} does not say whose it is: {object}"
        );
    }
    Ok(())
}

pub async fn the_new_pods_were_started_with_the_variables(cluster: &Cluster) -> Result<()> {
    let pods = cluster.pods(SERVICE, PODS).await?;
    ensure!(pods.len() == 2, "{} pods in place of two", pods.len());
    for pod in &pods {
        let variables = probe::environ(cluster, pod, "activities").await?;
        let value = |name: &str| {
            let entry = variables.iter().find(|(known, _)| known == name);
            entry.map(|(_, value)| value.as_str())
        };
        let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
        let stream = format!("{pod_name}/activities");
        for (name, expected) in [
            ("OTEL_SERVICE_NAME", "backend-flask"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otlp.e2e-aws:4318"),
            // Kubernetes has put the Secret's value in place of the reference.
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=e2e-key"),
            ("OTEL_PROPAGATORS", "tracecontext,baggage,xray"),
            ("AWS_XRAY_DAEMON_ADDRESS", "cruddur-xray:2000"),
            ("TRACEWRIGHT_LOG_GROUP", "cruddur"),
            ("TRACEWRIGHT_LOG_STREAM", &stream),
        ] {
            ensure!(
                value(name) == Some(expected),
                "{name} of {pod_name} is {:?} in place of {expected:?}",
                value(name)
            );
        }
        let attributes = value("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        ensure!(
            attributes.contains(&format!("k8s.pod.name={pod_name}")),
            "the resource attributes are {attributes:?}"
        );
    }
    Ok(())
}
