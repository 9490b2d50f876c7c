//! The end of a receiver: never before the last pod that sends to it.

use std::time::Duration;

use anyhow::Result;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use support::operator::Launch;
use support::{Component, Installation};
use tracewright_core::receiver::ObjectKind;
use tracewright_xray::contract::condition::WORKLOADS_INJECTED;

use super::see::{deploy, object, object_until, receiver, until_condition, variable};
use crate::aws::see::{gone, until};

const ADDRESS: &str = "AWS_XRAY_DAEMON_ADDRESS";

fn operator(there: &Installation) -> Launch {
    there.operator().env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
}

fn spec(receiver: Value) -> Value {
    json!({
        "aws": {"region": "us-east-1"},
        "workloads": {"selector": {"matchLabels": {"app": "web"}}},
        "xray": {"receiver": receiver},
    })
}

/// A profile with a receiver that its workload uses.
async fn running(there: &Installation) -> Result<()> {
    deploy(there.namespace(), "web").await?;
    there.apply("p", spec(json!({"daemon": {}}))).await?;
    receiver(there, "p", "True Available").await?;
    injected(there).await?;
    assert_eq!(
        variable(there.namespace(), "web", ADDRESS)
            .await?
            .as_deref(),
        Some("p-xray:2000")
    );
    Ok(())
}

async fn injected(there: &Installation) -> Result<()> {
    until_condition(
        &there.profiles(),
        "p",
        WORKLOADS_INJECTED,
        "True AllInjected",
    )
    .await?;
    Ok(())
}

/// Waits until the workload's template has another address; its pods are the old ones while there is no kubelet.
async fn readdressed(there: &Installation, expected: Option<&str>) -> Result<()> {
    support::eventually(
        support::LONG,
        "the template has another address",
        async || {
            let found = variable(there.namespace(), "web", ADDRESS)
                .await
                .map_err(|error| error.to_string())?;
            if found.as_deref() == expected {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        },
    )
    .await?;
    Ok(())
}

/// For some time in which the operator could do it, an object is not removed.
async fn stays(there: &Installation, kind: ObjectKind) -> Result<()> {
    for _ in 0..40 {
        let found = object(there.namespace(), kind, "p-xray").await?;
        anyhow::ensure!(
            !found.is_null() && found["metadata"]["deletionTimestamp"].is_null(),
            "{kind} is removed before the workload has rolled out"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn vanishes(there: &Installation, kind: ObjectKind) -> Result<()> {
    let absent = |it: &Value| it.is_null();
    object_until(there.namespace(), kind, "p-xray", "is gone", absent).await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_profile_s_receiver_goes_after_its_workloads() -> Result<()> {
    let mut there = Installation::with_controllers().await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    running(&there).await?;
    // Without kubelets no rollout ends.
    there.control_plane_mut().stop(Component::Kwok);
    there
        .profiles()
        .delete("p", &DeleteParams::default())
        .await?;
    readdressed(&there, None).await?;
    for kind in [ObjectKind::Service, ObjectKind::Deployment] {
        stays(&there, kind).await?;
    }
    there.control_plane_mut().restart(Component::Kwok).await?;
    gone(&there, "p").await?;
    for kind in ObjectKind::ALL {
        vanishes(&there, kind).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_a_profile_gives_up_goes_after_its_workloads() -> Result<()> {
    let mut there = Installation::with_controllers().await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    running(&there).await?;
    there.control_plane_mut().stop(Component::Kwok);
    let external = json!({"external": {"address": "xray.observability:2000"}});
    there.apply("p", spec(external)).await?;
    readdressed(&there, Some("xray.observability:2000")).await?;
    for kind in [ObjectKind::Service, ObjectKind::Deployment] {
        stays(&there, kind).await?;
    }
    there.control_plane_mut().restart(Component::Kwok).await?;
    injected(&there).await?;
    for kind in ObjectKind::ALL {
        vanishes(&there, kind).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pods_on_every_node_take_over_before_the_others_go() -> Result<()> {
    let mut there = Installation::with_controllers().await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    running(&there).await?;
    there.control_plane_mut().stop(Component::Kwok);
    let daemon_set = json!({"daemon": {"workload": "DaemonSet"}});
    there.apply("p", spec(daemon_set)).await?;
    object_until(
        there.namespace(),
        ObjectKind::DaemonSet,
        "p-xray",
        "is there",
        |it| !it.is_null(),
    )
    .await?;
    stays(&there, ObjectKind::Deployment).await?;
    there.control_plane_mut().restart(Component::Kwok).await?;
    vanishes(&there, ObjectKind::Deployment).await?;
    vanishes(&there, ObjectKind::PodDisruptionBudget).await?;
    receiver(&there, "p", "True Available").await?;

    let deployment = json!({"daemon": {"workload": "Deployment"}});
    there.apply("p", spec(deployment)).await?;
    vanishes(&there, ObjectKind::DaemonSet).await?;
    receiver(&there, "p", "True Available").await?;
    Ok(())
}

#[tokio::test]
async fn a_receiver_outlives_a_suspended_profile_and_is_taken_up_again() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    running(&there).await?;
    let mut suspended = spec(json!({"daemon": {}}));
    suspended["mode"] = json!("Suspended");
    there.apply("p", suspended).await?;
    until(&there.profiles(), "p", "it is suspended", |profile| {
        (crate::aws::see::verdict(profile, "Ready") == "Unknown Suspended").then_some(())
    })
    .await?;
    let before = object(there.namespace(), ObjectKind::Deployment, "p-xray").await?;
    there
        .profiles()
        .delete("p", &DeleteParams::default())
        .await?;
    gone(&there, "p").await?;
    // The garbage collector would have it by now.
    stays(&there, ObjectKind::Service).await?;
    for kind in [
        ObjectKind::Service,
        ObjectKind::ConfigMap,
        ObjectKind::Deployment,
    ] {
        let left = object(there.namespace(), kind, "p-xray").await?;
        assert!(left["metadata"]["ownerReferences"].is_null(), "{left}");
    }
    assert_eq!(
        variable(there.namespace(), "web", ADDRESS)
            .await?
            .as_deref(),
        Some("p-xray:2000")
    );

    there.apply("p", spec(json!({"daemon": {}}))).await?;
    receiver(&there, "p", "True Available").await?;
    let uid = there.profiles().get("p").await?.metadata.uid;
    let now = object(there.namespace(), ObjectKind::Deployment, "p-xray").await?;
    let owner = now["metadata"]["ownerReferences"][0]["uid"].as_str();
    assert_eq!(owner, uid.as_deref());
    assert_eq!(now["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(now["spec"]["template"], before["spec"]["template"]);
    Ok(())
}
