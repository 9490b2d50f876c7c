//! The command that lets all profiles go, and who may write afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use support::{Installation, SHORT, eventually};
use tokio::time::Instant;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_xray::contract::name::{FINALIZER, LEASE};

use crate::aws::see::{self, counts, gone, mark, ready, writes};
use crate::commands::{declared, tracewright};

async fn guarded(profiles: &Api<ObservabilityProfile>, name: &str) -> Result<bool> {
    let finalizers = profiles
        .get(name)
        .await?
        .metadata
        .finalizers
        .unwrap_or_default();
    Ok(finalizers.iter().any(|finalizer| finalizer == FINALIZER))
}

async fn holder(there: &Installation) -> Result<Option<String>> {
    let leases: Api<Lease> = there.namespace().api();
    Ok(leases
        .get(LEASE)
        .await?
        .spec
        .and_then(|spec| spec.holder_identity))
}

#[tokio::test]
async fn uninstall_asks_first_and_shows_what_would_stay() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    there.apply("p", declared()).await?;
    there.apply("empty", json!({})).await?;
    ready(&there, "p").await?;
    ready(&there, "empty").await?;
    let (profiles, namespace) = (there.profiles(), there.namespace().name());
    let looked = tracewright(
        &there,
        &["uninstall", "--dry-run", "--namespace", namespace],
        "",
    )
    .await?;
    assert_eq!(looked.code, Some(0), "{looked:?}");
    for lines in [
        format!(
            "{namespace}/p  stays in account 123456789012, us-east-1:\n  X-Ray group    fine, leaving\n  sampling rule  rule\n  log group      /dropped, /kept\n"
        ),
        format!("{namespace}/empty  holds nothing in AWS\n"),
        "2 profiles would be released".to_owned(),
    ] {
        assert!(looked.out.contains(&lines), "{lines}: {looked:?}");
    }
    let unasked = tracewright(&there, &["uninstall", "--namespace", namespace], "y\n").await?;
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert!(unasked.err.contains("give --yes"), "{unasked:?}");
    assert!(guarded(&profiles, "p").await? && guarded(&profiles, "empty").await?);
    assert_eq!(holder(&there).await?.as_deref(), Some("operator-0"));
    Ok(())
}

#[tokio::test]
async fn uninstall_lets_all_profiles_go_and_keeps_the_operator_from_writing() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    there.apply("p", declared()).await?;
    there.apply("empty", json!({})).await?;
    ready(&there, "p").await?;
    ready(&there, "empty").await?;
    let (profiles, namespace) = (there.profiles(), there.namespace().name());
    let arguments = ["uninstall", "--yes", "--namespace", namespace];
    let (calls, state) = (mark(&there).await?, see::state(&there).await?);
    let done = tracewright(&there, &arguments, "").await?;
    assert_eq!(done.code, Some(0), "{done:?}");
    for line in [
        format!("{namespace}/p  stays in account 123456789012, us-east-1:\n"),
        format!("released {namespace}/p\n"),
        format!("released {namespace}/empty\n"),
        "2 released. AWS objects stay".to_owned(),
        format!("kubectl delete lease tracewright --namespace {namespace}"),
    ] {
        assert!(done.out.contains(&line), "{line}: {done:?}");
    }
    assert!(!guarded(&profiles, "p").await? && !guarded(&profiles, "empty").await?);

    // The operator runs on, and would guard a new profile at once if it might write.
    there.apply("late", declared()).await?;
    profiles.delete("p", &DeleteParams::default()).await?;
    gone(&there, "p").await?;
    // Longer than a replica waits for another one that falls silent.
    let end = Instant::now() + Duration::from_secs(13);
    while Instant::now() < end {
        assert_eq!(
            holder(&there).await?.as_deref(),
            Some("tracewright-uninstall")
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(!guarded(&profiles, "late").await?);
    assert_eq!(writes(&there, calls).await?, counts([]));
    assert_eq!(see::state(&there).await?, state);

    let again = tracewright(&there, &arguments, "").await?;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.out.contains("0 released"), "{again:?}");

    let leases: Api<Lease> = there.namespace().api();
    leases.delete(LEASE, &DeleteParams::default()).await?;
    ready(&there, "late").await?;
    ensure!(
        guarded(&profiles, "late").await?,
        "the operator writes again, and guards first"
    );
    Ok(())
}

#[tokio::test]
async fn uninstall_looks_for_the_operator_before_it_believes_that_there_is_none() -> Result<()> {
    let there = Installation::new().await?;
    let arguments = ["uninstall", "--yes", "--namespace", "nowhere"];
    let nothing = tracewright(&there, &arguments, "").await?;
    assert_eq!(nothing.code, Some(0), "{nothing:?}");
    let sentence = "the namespace nowhere does not exist, so there is no operator to stop";
    assert!(nothing.out.contains(sentence), "{nothing:?}");

    let mut operator = there.operator().start()?;
    operator.ready().await?;
    eventually(SHORT, "the operator leads", async || {
        holder(&there).await?.context("nobody does")
    })
    .await?;
    let elsewhere = tracewright(&there, &arguments, "").await?;
    let namespace = there.namespace().name();
    assert_eq!(elsewhere.code, Some(2), "{elsewhere:?}");
    let sentence = format!(
        "the operator's Lease is in the namespace {namespace}, not in nowhere: give --namespace {namespace}"
    );
    assert!(elsewhere.err.contains(&sentence), "{elsewhere:?}");
    assert_eq!(holder(&there).await?.as_deref(), Some("operator-0"));
    Ok(())
}

/// A cluster with the profile `p`, whose operator led, was uninstalled and has ended.
async fn uninstalled() -> Result<Installation> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", json!({})).await?;
    ready(&there, "p").await?;
    let arguments = [
        "uninstall",
        "--yes",
        "--namespace",
        there.namespace().name(),
    ];
    let done = tracewright(&there, &arguments, "").await?;
    assert_eq!(done.code, Some(0), "{done:?}");
    operator.stop().await?;
    Ok(there)
}

#[tokio::test]
async fn after_an_uninstall_another_installation_writes_at_once_and_the_same_one_does_not()
-> Result<()> {
    let there = uninstalled().await?;
    let namespace = there.namespace().name();
    // As its Deployment would, before `helm uninstall`.
    let mut restarted = there.operator().start()?;
    restarted.ready().await?;
    let sentence = format!("kubectl delete lease {LEASE} --namespace {namespace}");
    eventually(SHORT, "it says why it does nothing", async || {
        let log = restarted.log()?;
        ensure!(log.contains(&sentence), "{log}");
        anyhow::Ok(())
    })
    .await?;
    assert_eq!(
        holder(&there).await?.as_deref(),
        Some("tracewright-uninstall")
    );
    restarted.stop().await?;

    // `helm install` makes a ServiceAccount of its own.
    let mut installed = there.replica("installed-again").await?.start()?;
    installed.ready().await?;
    there.apply("late", json!({})).await?;
    ready(&there, "late").await?;
    ready(&there, "p").await?;
    assert_eq!(holder(&there).await?.as_deref(), Some("installed-again"));
    Ok(())
}

#[tokio::test]
async fn an_uninstall_keeps_the_operator_from_writing_until_its_time_is_over() -> Result<()> {
    let there = uninstalled().await?;
    let leases: Api<Lease> = there.namespace().api();
    let long_ago = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
    leases
        .patch(LEASE, &PatchParams::default(), &Patch::Merge(&long_ago))
        .await?;
    let mut later = there.operator().start()?;
    later.ready().await?;
    there.apply("late", json!({})).await?;
    ready(&there, "late").await?;
    Ok(())
}
