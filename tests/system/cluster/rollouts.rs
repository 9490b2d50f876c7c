//! Rollouts that are not simply begun: paused, somebody else's, held back by the strategy, and those that an upgrade must not
//! begin.

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use kube::api::{WatchEvent, WatchParams};
use serde_json::{Value, json};
use support::workloads::{Ground, Team, manifest, names, template_mut, traces_of_ours, value};
use tracewright_core::workload::WorkloadKind;

fn spec(app: &str, service: &str) -> Value {
    json!({"service": {"name": service}, "workloads": {"selector": {"matchLabels": {"app": app}}}})
}

#[tokio::test]
async fn a_paused_deployment_is_changed_when_it_is_resumed() -> Result<()> {
    let team = Team::new().await?;
    let kind = WorkloadKind::Deployment;
    let mut manifest = manifest(kind, "web");
    manifest["spec"]["paused"] = true.into();
    team.create(&manifest).await?;
    team.profile("p", spec("web", "shop")).await?;
    let item = team.item("p", "web", "Skipped Paused").await?;
    let message = item.message.context("says what to do")?;
    assert!(message.contains("kubectl rollout resume"), "{message}");
    assert!(!traces_of_ours(&team.get(kind, "web").await?));
    team.merge(kind, "web", &json!({"spec": {"paused": false}}))
        .await?;
    team.injected("p").await?;

    // Paused with the variables in the template: some pods do not have them yet.
    team.merge(kind, "web", &json!({"spec": {"minReadySeconds": 20}}))
        .await?;
    team.profile("p", spec("web", "renamed")).await?;
    team.until(kind, "web", "it is being changed", |object| {
        match value(object, "OTEL_SERVICE_NAME") {
            Some("renamed") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    team.merge(kind, "web", &json!({"spec": {"paused": true}}))
        .await?;
    team.item("p", "web", "Stale Paused").await?;
    team.condition("p", "WorkloadsInjected", "False SomeSkipped")
        .await?;
    Ok(())
}

#[tokio::test]
async fn somebody_else_s_rollout_is_left_to_end_first() -> Result<()> {
    let team = Team::new().await?;
    let kind = WorkloadKind::Deployment;
    let mut manifest = manifest(kind, "web");
    // Each pod takes its time, so that there is something to wait for.
    manifest["spec"]["minReadySeconds"] = 3.into();
    let made = team.create(&manifest).await?;
    let version = made["metadata"]["resourceVersion"].as_str();
    let version = version.context("has a version")?.to_owned();
    team.profile("p", spec("web", "shop")).await?;

    // Every state in turn: the last one without the variables is that of a rollout that has ended.
    let workloads = team.workloads(kind);
    let events = workloads.watch(&WatchParams::default(), &version).await?;
    futures::pin_mut!(events);
    let mut before = made;
    let mut seen = 0;
    loop {
        let object = match events.try_next().await?.context("the watch ended")? {
            WatchEvent::Modified(object) => object,
            WatchEvent::Bookmark(_) => continue,
            other => bail!("{other:?}"),
        };
        let object = serde_json::to_value(object)?;
        if traces_of_ours(&object) {
            break;
        }
        seen += 1;
        before = object;
    }
    let status = &before["status"];
    assert_eq!(
        status["observedGeneration"],
        before["metadata"]["generation"]
    );
    assert_eq!(
        [
            &status["updatedReplicas"],
            &status["replicas"],
            &status["availableReplicas"]
        ],
        [&json!(2); 3],
        "{status}"
    );
    assert!(seen > 1, "there was a rollout to wait for");
    team.injected("p").await?;
    Ok(())
}

#[tokio::test]
async fn pods_that_only_their_owner_deletes_are_stale_until_then() -> Result<()> {
    for (kind, number) in [(WorkloadKind::StatefulSet, 2), (WorkloadKind::DaemonSet, 2)] {
        let team = Team::new().await?;
        let mut manifest = manifest(kind, "web");
        manifest["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        team.create(&manifest).await?;
        team.until(kind, "web", "its pods are there", |object| {
            let status = &object["status"];
            let available = status["availableReplicas"]
                .as_i64()
                .or(status["numberAvailable"].as_i64());
            if available == Some(number) {
                Ok(())
            } else {
                Err(status.to_string())
            }
        })
        .await?;
        team.profile("p", spec("web", "shop")).await?;
        let item = team.item("p", "web", "Stale OnDelete").await?;
        assert!(
            item.message
                .is_some_and(|message| message.contains("delete"))
        );
        team.condition("p", "WorkloadsInjected", "False SomeSkipped")
            .await?;
        team.delete_pods().await?;
        team.injected("p").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stateful_set_s_partition_holds_pods_back() -> Result<()> {
    let team = Team::new().await?;
    let kind = WorkloadKind::StatefulSet;
    let mut manifest = manifest(kind, "db");
    manifest["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    team.create(&manifest).await?;
    team.until(kind, "db", "its pods are there", |object| {
        match object["status"]["availableReplicas"].as_i64() {
            Some(2) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    team.profile("p", spec("db", "shop")).await?;
    team.item("p", "db", "Stale OnDelete").await?;
    let lower = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}});
    team.merge(kind, "db", &lower).await?;
    team.injected("p").await?;
    Ok(())
}

/// A newer operator has rendered this generation, and this one does not know how: it leaves it alone, and renders anew when
/// the profile changes. The way back is the same for a new operator that renders differently.
#[tokio::test]
async fn another_version_of_rendering_restarts_nobody_until_the_profile_changes() -> Result<()> {
    let ground = Ground::new().await?;
    let team = Team::of(&ground.there).await?;
    let kind = WorkloadKind::Deployment;
    team.create(&manifest(kind, "web")).await?;
    team.profile("p", spec("web", "shop")).await?;
    team.injected("p").await?;

    let mut object = team.get(kind, "web").await?;
    let record = object["metadata"]["annotations"]["tracewright.dev/injected"].as_str();
    let mut record: Value = serde_json::from_str(record.context("no record")?)?;
    record["renderVersion"] = 1000.into();
    let entry = json!({"name": "OTEL_FROM_THE_FUTURE", "value": "1"});
    let env = template_mut(&mut object)["spec"]["containers"][0]["env"].as_array_mut();
    env.context("no env")?.insert(0, entry);
    object["metadata"]["annotations"]["tracewright.dev/injected"] = record.to_string().into();
    let newer = json!({
        "metadata": {"annotations": object["metadata"]["annotations"]},
        "spec": {"template": object["spec"]["template"]},
    });
    let audit = ground.there.control_plane().audit_mark()?;
    let newer = ground.looked_after(team.merge(kind, "web", &newer)).await?;
    team.injected("p").await?;
    let after = team.get(kind, "web").await?;
    assert_eq!(after["spec"], newer["spec"]);
    let writes = team.writes(&ground.there, audit)?;
    assert!(
        !writes.iter().any(|write| write.contains("deployments")),
        "{writes:?}"
    );

    team.profile("p", spec("web", "renamed")).await?;
    let object = team
        .until(kind, "web", "it is rendered anew", |object| {
            match value(object, "OTEL_SERVICE_NAME") {
                Some("renamed") => Ok(object.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
    assert!(names(&object).contains(&"TRACEWRIGHT_POD_NAME"));
    team.injected("p").await?;
    Ok(())
}
