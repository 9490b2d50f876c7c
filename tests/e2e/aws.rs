//! AWS as it is, and a service's own metrics, both read through the API server: nothing outside of the cluster needs to reach
//! its pods.

use anyhow::Result;
use serde_json::Value;

use crate::cluster::{AWS, Cluster};

/// The state of the emulated account, as its control interface shows it.
pub async fn state(cluster: &Cluster) -> Result<Value> {
    let text = ask(
        cluster,
        AWS,
        "aws:4566",
        "_control/state/123456789012/us-east-1",
    )
    .await?;
    Ok(serde_json::from_str(&text)?)
}

/// Which of these traces are in X-Ray.
pub async fn traces(cluster: &Cluster, ids: &[String]) -> Result<Vec<String>> {
    let state = state(cluster).await?;
    let there = ids
        .iter()
        .filter(|id| state["xray"]["traces"].get(id.as_str()).is_some());
    Ok(there.cloned().collect())
}

/// GET of a Service, by the API server's proxy.
pub async fn ask(cluster: &Cluster, namespace: &str, service: &str, path: &str) -> Result<String> {
    let url = format!("/api/v1/namespaces/{namespace}/services/{service}/proxy/{path}");
    let request = http::Request::get(url).body(Vec::new())?;
    Ok(cluster.client.request_text(request).await?)
}
