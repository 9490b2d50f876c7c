//! A rollout that breaks by the variables: what is reported, and what becomes of it.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::control_plane::AuditMark;
use support::workloads::{
    CRASH_WITH_ENV, Ground, Team, entry, manifest, names, template_mut, traces_of_ours,
};
use tracewright_core::workload::WorkloadKind;

/// What crashes in the journal's Flask app.
const BREAKS: &str = "OTEL_PROPAGATORS";

fn broken(kind: WorkloadKind) -> Value {
    let mut manifest = manifest(kind, "web");
    template_mut(&mut manifest)["metadata"]["annotations"] = json!({CRASH_WITH_ENV: BREAKS});
    if kind == WorkloadKind::Deployment {
        manifest["spec"]["progressDeadlineSeconds"] = 10.into();
    }
    manifest
}

fn spec(on_failure: &str, traces: Value) -> Value {
    json!({
        "service": {"name": "shop"},
        "workloads": {
            "selector": {"matchLabels": {"app": "web"}},
            "rollout": {"onFailure": on_failure},
        },
        "traces": traces,
    })
}

fn with_xray() -> Value {
    json!({"propagators": ["tracecontext", "xray"]})
}

fn evidence(message: &str) {
    for part in [
        "rollout failed",
        "container app of pod web-",
        "CrashLoopBackOff, exit code 1",
        "unsupported value of OTEL_PROPAGATORS",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[tokio::test]
async fn a_deployment_that_breaks_is_reported_with_what_changed_and_what_its_pod_says() -> Result<()>
{
    let team = Team::new().await?;
    let kind = WorkloadKind::Deployment;
    team.create(&broken(kind)).await?;
    // The first generation works.
    team.profile("p", spec("Keep", json!({"console": true})))
        .await?;
    team.injected("p").await?;
    team.profile("p", spec("Keep", with_xray())).await?;
    let item = team.item("p", "web", "Failed RolloutFailed").await?;
    let message = item.message.context("says why")?;
    evidence(&message);
    assert!(
        message.contains("OTEL_PROPAGATORS") && message.contains("OTEL_TRACES_EXPORTER"),
        "names what changed: {message}"
    );
    assert!(
        !message.contains("OTEL_SERVICE_NAME"),
        "and nothing else: {message}"
    );
    let sentence = team
        .condition("p", "WorkloadsInjected", "False RolloutFailed")
        .await?;
    evidence(&sentence);
    let events = team.told("p", &["Warning RolloutFailed"]).await?;
    let (.., note) = events
        .iter()
        .find(|(_, reason, _)| reason == "RolloutFailed")
        .context("no Event")?;
    evidence(note);
    let object = team.get(kind, "web").await?;
    assert!(entry(&object, BREAKS).is_some(), "Keep keeps");
    assert_eq!(
        object["status"]["availableReplicas"], 2,
        "the old pods serve on"
    );

    // The way out is a changed profile, at once.
    team.profile("p", spec("Keep", json!({"console": true})))
        .await?;
    team.injected("p").await?;
    Ok(())
}

#[tokio::test]
async fn kinds_without_a_deadline_are_reported_by_what_their_pods_say() -> Result<()> {
    for kind in [WorkloadKind::StatefulSet, WorkloadKind::DaemonSet] {
        let team = Team::new().await?;
        team.create(&broken(kind)).await?;
        team.profile("p", spec("Keep", with_xray())).await?;
        let item = team.item("p", "web", "Failed RolloutFailed").await?;
        evidence(&item.message.with_context(|| format!("{kind} says why"))?);
        assert!(traces_of_ours(&team.get(kind, "web").await?));
    }
    Ok(())
}

#[tokio::test]
async fn revert_takes_the_variables_back_until_the_profile_changes() -> Result<()> {
    let ground = Ground::new().await?;
    let team = Team::of(&ground.there).await?;
    let kind = WorkloadKind::Deployment;
    team.create(&broken(kind)).await?;
    team.profile("p", spec("Revert", with_xray())).await?;
    let item = team.item("p", "web", "Skipped Reverted").await?;
    evidence(&item.message.context("says why")?);
    evidence(
        &team
            .condition("p", "WorkloadsInjected", "False Reverted")
            .await?,
    );
    team.until(kind, "web", "it runs without the variables", |object| {
        let status = &object["status"];
        let done = status["updatedReplicas"] == 2
            && status["availableReplicas"] == 2
            && status["replicas"] == 2;
        if done && names(object) == ["OWN"] {
            Ok(())
        } else {
            Err(format!("{:?} {status}", names(object)))
        }
    })
    .await?;

    // It stays so, whatever else happens to the workload.
    let audit = ground.there.control_plane().audit_mark()?;
    for number in 0..3 {
        let touched = json!({"metadata": {"annotations": {"touched": number.to_string()}}});
        ground
            .looked_after(team.merge(kind, "web", &touched))
            .await?;
    }
    team.item("p", "web", "Skipped Reverted").await?;
    let writes = team.writes(&ground.there, audit)?;
    assert!(
        !writes.iter().any(|write| write.contains("deployments")),
        "{writes:?}"
    );
    let looks = team.looks_at_pods(&ground.there, AuditMark::default())?;
    assert!((1..=3).contains(&looks), "pods were listed {looks} times");
    let events = team
        .told("p", &["Warning RolloutFailed", "Warning Reverted"])
        .await?;
    let count = |word: &str| {
        events
            .iter()
            .filter(|(_, reason, _)| reason == word)
            .count()
    };
    assert_eq!(
        (count("RolloutFailed"), count("Reverted")),
        (1, 1),
        "{events:?}"
    );

    team.profile("p", spec("Revert", json!({"console": true})))
        .await?;
    team.injected("p").await?;
    Ok(())
}

/// The variables rolled out well, and the user's own image does not start: that is not for the operator to undo.
#[tokio::test]
async fn somebody_else_s_failure_is_not_ours_to_revert() -> Result<()> {
    let team = Team::new().await?;
    let kind = WorkloadKind::Deployment;
    let mut manifest = manifest(kind, "web");
    manifest["spec"]["progressDeadlineSeconds"] = 10.into();
    team.create(&manifest).await?;
    team.profile("p", spec("Revert", json!({"console": true})))
        .await?;
    team.injected("p").await?;
    let crash =
        json!({"spec": {"template": {"metadata": {"annotations": {CRASH_WITH_ENV: "OWN"}}}}});
    team.merge(kind, "web", &crash).await?;
    team.until(kind, "web", "its rollout has failed", |object| {
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
    .await?;
    team.injected("p").await?;
    assert!(traces_of_ours(&team.get(kind, "web").await?));
    Ok(())
}
