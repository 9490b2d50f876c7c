//! An operator with fewer rights: for a list of namespaces, or without receivers. What it has no right to, it does not need.

use std::path::PathBuf;

use anyhow::Result;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use support::installation::{CLUSTER, allow, apply};
use support::operator::Launch;
use support::{Installation, LONG, Namespace, chart, eventually};
use tracewright_core::crd::ObservabilityProfile;

const ACCOUNT: &str = "lesser";

/// An operator whose rights are those of the chart with these values, and no other.
async fn lesser(there: &Installation, values: &Value) -> Result<Launch> {
    let namespace = there.namespace();
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": ACCOUNT}}))?;
    namespace
        .api()
        .create(&PostParams::default(), &account)
        .await?;
    chart::grant_by(&namespace.client(), namespace.name(), ACCOUNT, values).await?;
    let kubeconfig: PathBuf = there
        .control_plane()
        .kubeconfig_as(namespace.name(), ACCOUNT)
        .await?;
    Ok(Launch::new(kubeconfig)
        .aws(there.aws())
        .env("POD_NAMESPACE", namespace.name())
        .env("TRACEWRIGHT_CLUSTER_NAME", CLUSTER))
}

/// Waits for a condition of a profile.
async fn condition(
    profiles: &Api<ObservabilityProfile>,
    profile: &str,
    name: &str,
    reason: &str,
) -> Result<()> {
    eventually(
        LONG,
        format!("{name} of {profile} says {reason}"),
        async || {
            let profile = profiles
                .get(profile)
                .await
                .map_err(|error| error.to_string())?;
            let conditions = profile.status.map(|status| status.conditions);
            let conditions = conditions.unwrap_or_default();
            let found = conditions
                .iter()
                .any(|one| one.type_ == name && one.reason == reason);
            if found {
                Ok(())
            } else {
                Err(format!("{conditions:?}"))
            }
        },
    )
    .await?;
    Ok(())
}

fn group(name: &str) -> Value {
    json!({"service": {"name": "backend"}, "xray": {"groups": [{"name": name}]}})
}

#[tokio::test]
async fn roles_in_a_list_of_namespaces_are_enough_to_look_after_them() -> Result<()> {
    let there = Installation::new().await?;
    let (one, two) = (
        Namespace::create(there.control_plane(), "one").await?,
        Namespace::create(there.control_plane(), "two").await?,
    );
    let other = Namespace::create(there.control_plane(), "other").await?;
    let values = json!({
        "watchNamespaces": [one.name(), two.name()],
        "operator": {"clusterName": CLUSTER},
    });
    let list = format!("{},{}", one.name(), two.name());
    let mut operator = lesser(&there, &values)
        .await?
        .env("TRACEWRIGHT_WATCH_NAMESPACES", list)
        .start()?;
    operator.ready().await?;
    for (namespace, name) in [(&one, "One"), (&two, "Two"), (&other, "Other")] {
        apply(&namespace.api(), "p", group(name)).await?;
    }
    for namespace in [&one, &two] {
        condition(&namespace.api(), "p", "Ready", "Reconciled").await?;
    }
    // What the admin of a listed namespace allows is seen, though it cannot be watched.
    allow(&two, &[("tracewright.dev/allowed-names", "payments-*")]).await?;
    condition(&two.api(), "p", "AwsSynced", "NameNotAllowed").await?;
    allow(&two, &[("tracewright.dev/allowed-names", "")]).await?;
    condition(&two.api(), "p", "AwsSynced", "Synced").await?;
    let unseen = other.api::<ObservabilityProfile>().get("p").await?;
    assert!(unseen.status.is_none(), "{:?}", unseen.status);
    Ok(())
}

#[tokio::test]
async fn without_receivers_the_rights_for_them_are_not_missed() -> Result<()> {
    let there = Installation::new().await?;
    let values = json!({"receivers": {"enabled": false}});
    let mut operator = lesser(&there, &values)
        .await?
        .arg("--no-receivers")
        .start()?;
    operator.ready().await?;
    let profiles = there.profiles();
    there.apply("without", group("Without")).await?;
    condition(&profiles, "without", "Ready", "Reconciled").await?;
    let mut wanting = group("Wanting");
    wanting["xray"]["receiver"] = json!({"daemon": {}});
    there.apply("wanting", wanting).await?;
    condition(&profiles, "wanting", "ReceiverReady", "ReceiversDisabled").await?;
    // The rest of it is done all the same.
    condition(&profiles, "wanting", "AwsSynced", "Synced").await?;
    let log = operator.log()?;
    assert!(
        !log.to_lowercase().contains("forbidden"),
        "something was not allowed: {log}"
    );
    operator.stop().await?;
    Ok(())
}
