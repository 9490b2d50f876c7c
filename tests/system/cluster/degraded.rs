//! Pods that become unavailable after the variables rolled out well: that is no rollout, keeps nobody waiting, and may be mended
//! by the profile.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::operator::Launch;
use support::workloads::{Team, manifest, traces_of_ours, value};
use support::{Installation, LONG, eventually};
use tracewright_core::workload::WorkloadKind;

const KINDS: [WorkloadKind; 3] = [
    WorkloadKind::Deployment,
    WorkloadKind::StatefulSet,
    WorkloadKind::DaemonSet,
];

fn spec(app: &str, service: &str) -> Value {
    json!({"service": {"name": service}, "workloads": {"selector": {"matchLabels": {"app": app}}}})
}

/// There is one place for all.
fn operator(there: &Installation) -> Launch {
    there
        .operator()
        .env("TRACEWRIGHT_MAX_CONCURRENT_ROLLOUTS", "1")
}

/// One of the pods is no longer ready, as one that crashes in a container without a readiness probe.
async fn degrade(team: &Team, kind: WorkloadKind, name: &str) -> Result<()> {
    let pods = team.namespace().api::<Pod>();
    let all = team.pods().await?;
    let one = all
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| pod.metadata.name.as_deref())
        .find(|pod| pod.starts_with(name))
        .context("no pod")?;
    let status = json!({"status": {"conditions": [
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
        {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
    ]}});
    pods.patch_status(one, &PatchParams::default(), &Patch::Strategic(&status))
        .await?;
    team.until(kind, name, "one pod is unavailable", |object| {
        let status = &object["status"];
        let available = match kind {
            WorkloadKind::DaemonSet => &status["numberAvailable"],
            _ => &status["availableReplicas"],
        };
        if *available == 1 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await
}

async fn renamed(team: &Team, kind: WorkloadKind, name: &str) -> Result<()> {
    team.until(kind, name, "it is changed", |object| {
        match value(object, "OTEL_SERVICE_NAME") {
            Some("renamed") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

async fn gone(team: &Team, profile: &str) -> Result<()> {
    team.profiles()
        .delete(profile, &DeleteParams::default())
        .await?;
    eventually(LONG, "the profile is gone", async || {
        match team.profiles().get_opt(profile).await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn unavailable_pods_keep_nobody_waiting_and_a_changed_profile_mends_them() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    let mut first = operator(&there).start()?;
    first.ready().await?;
    for kind in KINDS {
        let name = kind.as_str().to_lowercase();
        let mut manifest = manifest(kind, &name);
        if kind == WorkloadKind::StatefulSet {
            // Else its controller changes no pod while another one is not ready.
            manifest["spec"]["podManagementPolicy"] = "Parallel".into();
        }
        team.create(&manifest).await?;
        team.profile(&name, spec(&name, "shop")).await?;
        team.injected(&name).await?;
        degrade(&team, kind, &name).await?;
    }
    let waiting = manifest(WorkloadKind::Deployment, "waiting");
    team.create(&waiting).await?;
    team.profile("waiting", spec("waiting", "shop")).await?;
    team.injected("waiting").await?;
    for kind in KINDS {
        let name = kind.as_str().to_lowercase();
        team.injected(&name).await?;
        team.condition(&name, "WorkloadsInjected", "True AllInjected")
            .await?;
        team.profile(&name, spec(&name, "renamed")).await?;
        renamed(&team, kind, &name).await?;
        team.injected(&name).await?;
    }

    // Another operator, which has not seen it roll out, says the same.
    for kind in KINDS {
        degrade(&team, kind, &kind.as_str().to_lowercase()).await?;
    }
    first.stop().await?;
    let mut second = operator(&there).start()?;
    second.ready().await?;
    team.profile("waiting", spec("waiting", "renamed")).await?;
    renamed(&team, WorkloadKind::Deployment, "waiting").await?;
    for kind in KINDS {
        let name = kind.as_str().to_lowercase();
        team.condition(&name, "WorkloadsInjected", "True AllInjected")
            .await?;
        gone(&team, &name).await?;
        assert!(!traces_of_ours(&team.get(kind, &name).await?));
    }
    Ok(())
}

/// What is broken before there is anything of ours in it waits, and keeps nobody waiting.
#[tokio::test]
async fn a_degraded_workload_is_injected_once_its_pods_are_available() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    let kind = WorkloadKind::Deployment;
    for name in ["broken", "fine"] {
        team.create(&manifest(kind, name)).await?;
        team.until(kind, name, "its pods are available", |object| {
            match object["status"]["availableReplicas"].as_i64() {
                Some(2) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
    }
    degrade(&team, kind, "broken").await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    team.profile("broken", spec("broken", "shop")).await?;
    let item = team.item("broken", "broken", "Pending").await?;
    let message = item.message.context("says why")?;
    assert!(message.contains("available"), "{message}");
    team.profile("fine", spec("fine", "shop")).await?;
    team.injected("fine").await?;
    assert!(!traces_of_ours(&team.get(kind, "broken").await?));
    team.delete_pods().await?;
    team.injected("broken").await?;
    Ok(())
}
