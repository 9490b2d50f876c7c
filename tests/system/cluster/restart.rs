//! What a new operator makes of rollouts that failed before it, of which it has seen nothing.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::Installation;
use support::workloads::{CRASH_WITH_ENV, Team, entry, manifest, template_mut, traces_of_ours};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;

fn spec() -> Value {
    json!({
        "service": {"name": "shop"},
        "workloads": {
            "selector": {"matchLabels": {"app": "web"}},
            "rollout": {"onFailure": "Revert"},
        },
        "traces": {"propagators": ["tracecontext", "xray"]},
    })
}

/// One that fails ten seconds after its pods do not start.
fn impatient() -> Value {
    let mut manifest = manifest(KIND, "web");
    manifest["spec"]["progressDeadlineSeconds"] = 10.into();
    manifest
}

async fn failed(team: &Team) -> Result<()> {
    team.until(KIND, "web", "its rollout has failed", |object| {
        let conditions = object["status"]["conditions"].as_array();
        let failed = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["reason"] == "ProgressDeadlineExceeded");
        if failed {
            Ok(())
        } else {
            Err(object["status"].to_string())
        }
    })
    .await
}

#[tokio::test]
async fn somebody_else_s_failure_is_not_ours_to_revert_after_a_restart_either() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    team.create(&impatient()).await?;
    let mut first = there.operator().start()?;
    first.ready().await?;
    team.profile("p", spec()).await?;
    team.injected("p").await?;
    let crash =
        json!({"spec": {"template": {"metadata": {"annotations": {CRASH_WITH_ENV: "OWN"}}}}});
    team.merge(KIND, "web", &crash).await?;
    failed(&team).await?;
    first.stop().await?;

    let since = there.control_plane().audit_mark()?;
    let mut second = there.operator().start()?;
    second.ready().await?;
    let message = team
        .status_until(support::LONG, "p", "it is told", |status| {
            let item = status.workloads.as_ref()?.items.first()?;
            item.message.clone().filter(|_| item.state == "Injected")
        })
        .await?;
    assert!(message.contains("timed out progressing"), "{message}");
    assert!(traces_of_ours(&team.get(KIND, "web").await?));
    let writes = team.writes(&there, since)?;
    assert!(
        !writes.iter().any(|write| write.contains("deployments")),
        "{writes:?}"
    );

    // For all that is known a change of the profile may be what it needs: it waits for nobody.
    let mut renamed = spec();
    renamed["service"]["name"] = "renamed".into();
    team.profile("p", renamed).await?;
    team.until(KIND, "web", "it is changed", |object| {
        match entry(object, "OTEL_SERVICE_NAME").map(|entry| &entry["value"]) {
            Some(value) if value == "renamed" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test]
async fn our_own_failure_is_reverted_after_a_restart_as_well() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    let mut manifest = impatient();
    template_mut(&mut manifest)["metadata"]["annotations"] =
        json!({CRASH_WITH_ENV: "OTEL_PROPAGATORS"});
    team.create(&manifest).await?;
    let mut first = there.operator().start()?;
    first.ready().await?;
    team.profile("p", spec()).await?;
    team.until(KIND, "web", "it has the variables", |object| {
        match entry(object, "OTEL_PROPAGATORS") {
            Some(_) => Ok(()),
            None => Err("not yet".to_owned()),
        }
    })
    .await?;
    first.process().kill()?;
    failed(&team).await?;
    let mut second = there.operator().start()?;
    second.ready().await?;
    let item = team.item("p", "web", "Skipped Reverted").await?;
    let message = item.message.context("says why")?;
    assert!(message.contains("CrashLoopBackOff"), "{message}");
    Ok(())
}
