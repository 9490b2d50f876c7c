//! The receiver's pods, asked and addressed through its Service.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use support::eventually;

use super::profile::{PROFILE, ready};
use crate::aws;
use crate::cluster::{Cluster, PATIENCE, RELEASE, SERVICE, is_ready};
use crate::probe::Probe;

const RECEIVER: &str = "cruddur-xray";
const ADDRESS: &str = "cruddur-xray:2000";
const PODS: &str = "app.kubernetes.io/name=xray-receiver";

pub async fn its_pods_answer_on_udp_and_tcp_through_the_service(cluster: &Cluster) -> Result<()> {
    let pods = cluster.pods(SERVICE, PODS).await?;
    ensure!(
        pods.len() == 1 && pods.iter().all(is_ready),
        "not one ready pod: {pods:?}"
    );
    let answer = Probe::start(cluster, SERVICE, &["rules", ADDRESS])
        .await?
        .finish()
        .await?;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("Cruddur"),
        "GetSamplingRules through the Service: {answer}"
    );
    let probe = Probe::start(cluster, SERVICE, &["segments", ADDRESS, "10"]).await?;
    let printed = probe.finish().await?;
    let sent: Vec<String> = printed
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.to_owned()))
        .collect();
    arrive(cluster, &sent).await
}

/// Waits until all of these traces are in X-Ray.
pub async fn arrive(cluster: &Cluster, sent: &[String]) -> Result<()> {
    ensure!(!sent.is_empty(), "nothing was sent");
    eventually(PATIENCE, "all traces are in X-Ray", async || {
        let there = aws::traces(cluster, sent)
            .await
            .map_err(|error| error.to_string())?;
        let missing: Vec<&String> = sent.iter().filter(|id| !there.contains(id)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "{} of {} are missing: {missing:?}",
                missing.len(),
                sent.len()
            ))
        }
    })
    .await?;
    Ok(())
}

/// Somebody scales the receiver to nothing while the service is asked five times a second; the operator brings it back, and the
/// service's own segments arrive again, over the address that it has had all along.
pub async fn segments_arrive_again_after_it_went_away_and_came_back(
    cluster: &Cluster,
) -> Result<()> {
    let target = format!("{RELEASE}:4567");
    let traffic = Probe::start(
        cluster,
        SERVICE,
        &["requests", &target, "/api/activities/home", "230"],
    )
    .await?;
    let deployments = cluster.api::<Deployment>(SERVICE);
    eventually(
        PATIENCE,
        "the service is being asked",
        async || match traffic.sent().await {
            Ok(sent) if sent.len() >= 5 => Ok(()),
            Ok(sent) => Err(format!("{} requests", sent.len())),
            Err(error) => Err(error.to_string()),
        },
    )
    .await?;
    let before: Vec<String> = cluster
        .pods(SERVICE, PODS)
        .await?
        .iter()
        .filter_map(ResourceExt::uid)
        .collect();
    let nothing = json!({"spec": {"replicas": 0}});
    deployments
        .patch(RECEIVER, &PatchParams::default(), &Patch::Merge(&nothing))
        .await?;
    eventually(
        PATIENCE,
        "another pod of the receiver is ready",
        async || {
            let pods = cluster
                .pods(SERVICE, PODS)
                .await
                .map_err(|error| error.to_string())?;
            let fresh = pods
                .iter()
                .any(|pod| is_ready(pod) && pod.uid().is_some_and(|uid| !before.contains(&uid)));
            if fresh {
                Ok(())
            } else {
                Err(format!("{} pods", pods.len()))
            }
        },
    )
    .await?;
    ready(cluster, SERVICE, PROFILE).await?;
    let back = u64::try_from(jiff::Timestamp::now().as_millisecond())?;
    let found = eventually(
        PATIENCE,
        "a trace of a request after that is in X-Ray",
        async || {
            let later = traffic.sent().await.map_err(|error| error.to_string())?;
            let later: Vec<_> = later.into_iter().filter(|sent| sent.at > back).collect();
            if let Some(refused) = later
                .iter()
                .find(|sent| sent.status.as_deref() != Some("200"))
            {
                return Ok(Err(format!("a request was answered {refused:?}")));
            }
            let ids: Vec<String> = later.into_iter().map(|sent| sent.trace).collect();
            let there = aws::traces(cluster, &ids)
                .await
                .map_err(|error| error.to_string())?;
            if there.is_empty() {
                Err(format!("{} requests, none of them", ids.len()))
            } else {
                Ok(Ok(()))
            }
        },
    )
    .await?;
    traffic.stop().await?;
    found.map_err(anyhow::Error::msg)
}
