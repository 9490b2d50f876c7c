//! Requests through the service's Service, and where they are seen.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;
use support::eventually;

use super::receiver::arrive;
use crate::aws;
use crate::cluster::{AWS, Cluster, PATIENCE, RELEASE, SERVICE};
use crate::probe::Probe;

/// Asks the service for some seconds; every request is answered and its trace id given back.
pub async fn ask(
    cluster: &Cluster,
    namespace: &str,
    release: &str,
    seconds: u32,
) -> Result<Vec<String>> {
    let (target, seconds) = (format!("{release}:4567"), seconds.to_string());
    let probe = Probe::start(
        cluster,
        namespace,
        &["requests", &target, "/api/activities/home", &seconds],
    )
    .await?;
    let printed = probe.finish().await?;
    let mut ids = Vec::new();
    for line in printed.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        ensure!(
            parts.len() == 3 && parts[1] == "200",
            "a request was answered {line:?}"
        );
        ids.push(parts[2].to_owned());
    }
    ensure!(!ids.is_empty(), "no request was made");
    Ok(ids)
}

/// Waits until a service samples by the rules that came to it through its receiver: until then it samples by itself, and not
/// every request.
pub async fn central(cluster: &Cluster, namespace: &str, release: &str) -> Result<()> {
    const METRIC: &str = "tracewright_telemetry_sampler_central ";
    let service = format!("{release}:4567");
    eventually(
        PATIENCE,
        "the service samples by the central rules",
        async || {
            let text = aws::ask(cluster, namespace, &service, "metrics")
                .await
                .map_err(|error| error.to_string())?;
            let central = text.lines().find_map(|line| line.strip_prefix(METRIC));
            if central == Some("1") {
                Ok(())
            } else {
                Err(format!("{METRIC}{central:?}"))
            }
        },
    )
    .await?;
    Ok(())
}

pub async fn requests_arrive_as_traces_and_logs(cluster: &Cluster) -> Result<()> {
    central(cluster, SERVICE, RELEASE).await?;
    let ids = ask(cluster, SERVICE, RELEASE, 5).await?;
    arrive(cluster, &ids).await?;

    // OTLP has the same ids, without the dashes and the version.
    let collectors = cluster.pods(AWS, "app=otlp").await?;
    let collector = collectors.first().context("the collector's pod")?;
    let pods = cluster.api::<Pod>(AWS);
    eventually(
        PATIENCE,
        "all traces are at the OTLP endpoint",
        async || {
            let log = pods
                .logs(&collector.name_any(), &LogParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let missing: Vec<String> = ids
                .iter()
                .map(|id| id.trim_start_matches("1-").replace('-', ""))
                .filter(|id| !log.contains(id.as_str()))
                .collect();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("missing: {missing:?}"))
            }
        },
    )
    .await?;

    // Each pod has written into a stream of its own.
    let expected: BTreeSet<String> = cluster
        .pods(SERVICE, super::profile::PODS)
        .await?
        .iter()
        .map(|pod| format!("{}/activities", pod.name_any()))
        .collect();
    eventually(PATIENCE, "the log group has the streams and a request's line", async || {
        let state = aws::state(cluster).await.map_err(|error| error.to_string())?;
        let group = &state["logs"]["logGroups"]["cruddur"]["streams"];
        let streams = group.as_object().cloned().unwrap_or_default();
        let there: BTreeSet<String> = streams.keys().cloned().collect();
        let events = streams
            .values()
            .flat_map(|stream| stream["events"].as_array().cloned().unwrap_or_default());
        let about_requests = events
            .filter(|event| ids.iter().any(|id| event["message"].to_string().contains(id.trim_start_matches("1-").replace('-', "").as_str())))
            .count();
        if expected.is_subset(&there) && about_requests > 0 {
            Ok(())
        } else {
            Err(format!("streams {there:?} in place of {expected:?}; {about_requests} lines of the requests"))
        }
    })
    .await?;
    Ok(())
}
