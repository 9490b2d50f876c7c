//! The operator goes; what it looked after stays.

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use tracewright_core::crd::ObservabilityProfile;

use super::profile::{PODS, PROFILE};
use super::traffic;
use crate::aws;
use crate::cluster::{AWS, Cluster, OPERATOR, RELEASE, SERVICE};

pub async fn what_is_left_goes_on_and_can_be_deleted(cluster: &Cluster) -> Result<()> {
    let before = cluster.running(SERVICE, RELEASE, PODS).await?;
    cluster
        .tracewright(&["uninstall", "--namespace", OPERATOR, "--yes"])
        .await?;
    cluster
        .helm(&[
            "uninstall",
            "tracewright",
            "--namespace",
            OPERATOR,
            "--wait",
            "--timeout",
            "240s",
        ])
        .await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    definitions
        .get("observabilityprofiles.tracewright.dev")
        .await
        .context("the CustomResourceDefinition is gone, and all profiles with it")?;
    let profile = cluster
        .api::<ObservabilityProfile>(SERVICE)
        .get(PROFILE)
        .await?;
    ensure!(
        profile
            .metadata
            .finalizers
            .iter()
            .flatten()
            .next()
            .is_none(),
        "the profile still waits for the operator: {:?}",
        profile.metadata.finalizers
    );
    traffic::ask(cluster, SERVICE, RELEASE, 2).await?;
    let after = cluster.running(SERVICE, RELEASE, PODS).await?;
    ensure!(
        before == after,
        "the workload was restarted: {before:?}, {after:?}"
    );
    let state = aws::state(cluster).await?;
    ensure!(
        state["xray"]["groups"]["Cruddur"].is_object(),
        "the X-Ray group is gone: {}",
        state["xray"]["groups"]
    );
    // Nobody is there who could answer a finalizer.
    for namespace in [SERVICE, OPERATOR, AWS] {
        cluster.delete_namespace(namespace).await?;
    }
    Ok(())
}
