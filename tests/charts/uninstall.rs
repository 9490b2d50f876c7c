//! `uninstall` in a pod of the operator, as the documents have it done by `kubectl exec`: the rights that the chart gives to
//! the operator are enough for it.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use support::installation::CLUSTER;
use support::operator::{Launch, program};
use support::{Installation, LONG, chart, eventually};
use tokio::process::Command;

const ACCOUNT: &str = "installed";

/// The kubeconfig of an operator with the rights that the chart grants with these values.
async fn installed(there: &Installation, values: &Value) -> Result<PathBuf> {
    let namespace = there.namespace();
    let accounts: Api<ServiceAccount> = namespace.api();
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": ACCOUNT}}))?;
    accounts.create(&PostParams::default(), &account).await?;
    chart::grant_by(&namespace.client(), namespace.name(), ACCOUNT, values).await?;
    Ok(there
        .control_plane()
        .kubeconfig_as(namespace.name(), ACCOUNT)
        .await?)
}

/// A profile of an operator that runs goes when `uninstall` runs beside it.
async fn releases(there: &Installation, kubeconfig: &Path, launch: Launch) -> Result<()> {
    let mut operator = launch.start()?;
    operator.ready().await?;
    let spec = json!({"service": {"name": "backend"}, "xray": {"groups": [{"name": "Charts"}]}});
    there.apply("charts", spec).await?;
    let profiles = there.profiles();
    let finalizers = async || -> Result<usize> {
        let profile = profiles.get("charts").await?;
        Ok(profile.metadata.finalizers.unwrap_or_default().len())
    };
    eventually(
        LONG,
        "the profile has the finalizer",
        async || match finalizers().await {
            Ok(1) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await?;
    let output = Command::new(program()?)
        .args(["uninstall", "--yes"])
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAMESPACE", there.namespace().name())
        .output()
        .await?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(
        finalizers().await? == 0,
        "the profile still waits for the operator: {output:?}"
    );
    Ok(())
}

fn launch(there: &Installation, kubeconfig: &Path) -> Launch {
    Launch::new(kubeconfig)
        .aws(there.aws())
        .env("POD_NAMESPACE", there.namespace().name())
        .env("POD_NAME", "operator-0")
        .env("TRACEWRIGHT_CLUSTER_NAME", CLUSTER)
}

#[tokio::test]
async fn the_operator_of_a_cluster_may_uninstall() -> Result<()> {
    let there = Installation::new().await?;
    let kubeconfig = installed(&there, &json!({})).await?;
    releases(&there, &kubeconfig, launch(&there, &kubeconfig)).await
}

#[tokio::test]
async fn the_operator_of_listed_namespaces_may_uninstall() -> Result<()> {
    let there = Installation::new().await?;
    let namespace = there.namespace().name();
    let values = json!({"watchNamespaces": [namespace], "operator": {"clusterName": CLUSTER}});
    let kubeconfig = installed(&there, &values).await?;
    let launch = launch(&there, &kubeconfig).env("TRACEWRIGHT_WATCH_NAMESPACES", namespace);
    releases(&there, &kubeconfig, launch).await
}
