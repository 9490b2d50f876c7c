//! Pods are not watched. Those of a rollout that does not get on are read for evidence, by the workload's own selector; those
//! of a receiver that has one on each node, for one that can be asked.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Client;
use kube::api::ListParams;
use kube::core::{Request, Selector};
use serde::Deserialize;
use serde_json::Value;
use tracewright_core::rollout::{PodFailure, failure};
use tracewright_core::workload::Workload;

use super::write::{group, plural};

/// Pods that are looked at, of each workload.
const MAX_PODS: u32 = 500;

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Selecting {
    spec: SelectingSpec,
}

#[derive(Deserialize)]
struct SelectingSpec {
    selector: LabelSelector,
}

/// The workload's pods with the current template that fail, those first that fail for good.
///
/// # Errors
/// The API server refuses, or what it answers cannot be read.
pub(super) async fn failing(
    client: &Client,
    workload: &Workload,
) -> Result<Vec<PodFailure>, kube::Error> {
    // The selector is not kept: it is needed for few workloads, and for those rarely.
    let path = format!(
        "/apis/{}/v1/namespaces/{}/{}",
        group(workload.kind),
        workload.namespace,
        plural(workload.kind)
    );
    let by_name = ListParams::default().fields(&format!("metadata.name={}", workload.name));
    let found: List<Selecting> = list(client, path, &by_name).await?;
    let Some(found) = found.items.into_iter().next() else {
        return Ok(Vec::new());
    };
    let Ok(selector) = Selector::try_from(found.spec.selector) else {
        return Ok(Vec::new());
    };
    let path = format!("/api/v1/namespaces/{}/pods", workload.namespace);
    let selected = ListParams::default().labels_from(&selector).limit(MAX_PODS);
    let pods: List<Value> = list(client, path, &selected).await?;
    let mut failing = Vec::new();
    for pod in &pods.items {
        if let Some(failure) = failure(workload, pod).map_err(kube::Error::SerdeError)? {
            failing.push(failure);
        }
    }
    failing.sort_by_key(|pod| !pod.lasting);
    Ok(failing)
}

/// The address of one of these pods that is ready and belongs to the DaemonSet of this name: the same labels are on the pods of
/// a Deployment that it takes the place of.
///
/// # Errors
/// The API server refuses, or what it answers cannot be read.
pub(super) async fn ready(
    client: &Client,
    namespace: &str,
    selector: &str,
    daemon_set: &str,
) -> Result<Option<IpAddr>, kube::Error> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let selected = ListParams::default().labels(selector).limit(MAX_PODS);
    let pods: List<Value> = list(client, path, &selected).await?;
    let of_it = |pod: &&Value| {
        let mut owners = entries(&pod["metadata"]["ownerReferences"]);
        owners.any(|owner| owner["kind"] == "DaemonSet" && owner["name"] == daemon_set)
    };
    Ok(pods.items.iter().filter(of_it).find_map(ready_address))
}

fn ready_address(pod: &Value) -> Option<IpAddr> {
    let status = &pod["status"];
    let ready = entries(&status["conditions"])
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let stays = pod["metadata"]["deletionTimestamp"].is_null();
    let address = status["podIP"].as_str()?.parse().ok()?;
    (ready && stays).then_some(address)
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

async fn list<T: for<'de> Deserialize<'de>>(
    client: &Client,
    path: String,
    params: &ListParams,
) -> Result<T, kube::Error> {
    let request = Request::new(path)
        .list(params)
        .map_err(kube::Error::BuildRequest)?;
    client.request(request).await
}
