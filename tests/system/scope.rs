//! An operator with fewer rights: for a list of namespaces, or without receivers. What it has no right to, it does not need.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::installation::{CLUSTER, allow, apply};
use support::operator::Launch;
use support::{Installation, LONG, Namespace, chart, eventually};
use tracewright_core::crd::ObservabilityProfile;
use tracewright_xray::contract::name::FINALIZER;

use crate::aws::see;
use crate::commands::run;

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
async fn a_listed_namespace_without_rights_holds_up_nothing_in_the_others() -> Result<()> {
    let there = Installation::new().await?;
    let (one, two) = (
        Namespace::create(there.control_plane(), "one").await?,
        Namespace::create(there.control_plane(), "two").await?,
    );
    // The first by name, which is asked first.
    let gone = Namespace::create(there.control_plane(), "a-gone").await?;
    apply(&gone.api(), "p", group("Gone")).await?;
    let values = |namespaces: &[&Namespace]| {
        let names: Vec<_> = namespaces.iter().map(|it| it.name()).collect();
        json!({"watchNamespaces": names, "operator": {"clusterName": CLUSTER}})
    };
    let list = [&gone, &one, &two].map(|it| it.name()).join(",");
    let mut operator = lesser(&there, &values(&[&one, &two]))
        .await?
        .env("TRACEWRIGHT_WATCH_NAMESPACES", list)
        .start()?;
    operator.ready().await?;
    apply(&one.api(), "p", group("One")).await?;
    condition(&one.api(), "p", "Ready", "Reconciled").await?;
    // What an admin allows takes effect all the same.
    allow(&two, &[("tracewright.dev/allowed-names", "payments-*")]).await?;
    apply(&two.api(), "p", group("Two")).await?;
    condition(&two.api(), "p", "AwsSynced", "NameNotAllowed").await?;
    eventually(LONG, "the namespace is counted", async || {
        let number = operator
            .metric("tracewright_namespaces_unreadable ")
            .await?;
        ensure!(number == 1.0, "{number}");
        anyhow::Ok(())
    })
    .await?;
    let log = operator.log()?;
    assert!(log.contains("take it out of watchNamespaces"), "{log}");

    // With rights it is looked after like the others; no sooner than it is known what its admin allows.
    apply(&gone.api(), "q", group("forbidden")).await?;
    allow(&gone, &[("tracewright.dev/allowed-names", "G*")]).await?;
    let namespace = there.namespace();
    let all = values(&[&gone, &one, &two]);
    chart::grant_by(&namespace.client(), namespace.name(), ACCOUNT, &all).await?;
    condition(&gone.api(), "p", "Ready", "Reconciled").await?;
    condition(&gone.api(), "q", "AwsSynced", "NameNotAllowed").await?;
    let state = see::state(&there).await?;
    ensure!(
        state["xray"]["groups"]["forbidden"].is_null(),
        "it was made before it was known to be forbidden: {state}"
    );
    eventually(LONG, "no namespace is missing", async || {
        let number = operator
            .metric("tracewright_namespaces_unreadable ")
            .await?;
        ensure!(number == 0.0, "{number}");
        anyhow::Ok(())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn an_uninstall_touches_no_namespace_that_the_operator_does_not_look_after() -> Result<()> {
    let there = Installation::new().await?;
    let (one, two, other) = (
        Namespace::create(there.control_plane(), "one").await?,
        Namespace::create(there.control_plane(), "two").await?,
        Namespace::create(there.control_plane(), "other").await?,
    );
    let values = json!({
        "watchNamespaces": [one.name(), two.name()],
        "operator": {"clusterName": CLUSTER},
    });
    // The first is gone, and its Role with it.
    let list = format!("a-gone,{},{}", one.name(), two.name());
    let mut operator = lesser(&there, &values)
        .await?
        .env("TRACEWRIGHT_WATCH_NAMESPACES", list)
        .start()?;
    operator.ready().await?;
    apply(&two.api(), "p", group("Two")).await?;
    condition(&two.api(), "p", "Ready", "Reconciled").await?;
    // Another operator's.
    apply(&other.api(), "p", group("Other")).await?;
    let theirs: Api<ObservabilityProfile> = other.api();
    let guard = json!({"metadata": {"finalizers": [FINALIZER]}});
    theirs
        .patch("p", &PatchParams::default(), &Patch::Merge(&guard))
        .await?;

    let arguments = [
        "uninstall",
        "--yes",
        "--namespace",
        there.namespace().name(),
    ];
    // With the operator's own rights, as by `kubectl exec`.
    let kubeconfig = there
        .control_plane()
        .kubeconfig_as(there.namespace().name(), ACCOUNT)
        .await?;
    let kubeconfig = kubeconfig.display().to_string();
    let done = run(&there, &arguments, "", &kubeconfig).await?;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("1 released"), "{done:?}");
    assert!(
        done.out.contains("The namespace a-gone cannot be read"),
        "{done:?}"
    );
    let finalizers = async |profiles: Api<ObservabilityProfile>| {
        anyhow::Ok(profiles.get("p").await?.metadata.finalizers)
    };
    assert_eq!(finalizers(two.api()).await?, None);
    assert_eq!(
        finalizers(other.api()).await?,
        Some(vec![FINALIZER.to_owned()])
    );
    let release = json!({"metadata": {"finalizers": null}});
    theirs
        .patch("p", &PatchParams::default(), &Patch::Merge(&release))
        .await?;
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
