//! What was injected goes without a trace: unselected, changed, deleted, renamed.

use anyhow::Result;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::workloads::{
    Team, entry, env, manifest, names, template_mut, traces_of_ours, users, value,
};
use support::{Installation, LONG, eventually};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;

fn spec(app: &str, more: Value) -> Value {
    let mut spec = json!({"service": {"name": "shop"}, "workloads": {"selector": {"matchLabels": {"app": app}}}});
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    spec
}

async fn clean(team: &Team, kind: WorkloadKind, name: &str, before: &Value) -> Result<()> {
    let object = team
        .until(kind, name, "nothing of ours is left", |object| {
            if traces_of_ours(object) {
                Err(format!("{:?}", names(object)))
            } else {
                Ok(object.clone())
            }
        })
        .await?;
    assert_eq!(users(&object, &[]), users(before, &[]));
    Ok(())
}

#[tokio::test]
async fn workloads_of_every_kind_are_as_before_when_they_are_no_longer_selected() -> Result<()> {
    let team = Team::new().await?;
    let mut before = Vec::new();
    for kind in WorkloadKind::ALL {
        before.push((kind, team.create(&manifest(kind, "web")).await?));
    }
    team.profile("p", spec("web", json!({}))).await?;
    assert_eq!(team.injected("p").await?, 4);
    // Two by their label, two by the selector.
    let label = json!({"metadata": {"labels": {"app": null}}});
    for kind in [WorkloadKind::Deployment, WorkloadKind::StatefulSet] {
        team.merge(kind, "web", &label).await?;
    }
    for (kind, before) in &before[..2] {
        clean(&team, *kind, "web", before).await?;
    }
    // The status follows the workloads.
    eventually(LONG, "two are left", async || {
        match team
            .injected("p")
            .await
            .map_err(|error| error.to_string())?
        {
            2 => Ok(()),
            more => Err(format!("{more} are injected")),
        }
    })
    .await?;
    team.profile("p", spec("other", json!({}))).await?;
    for (kind, before) in &before[2..] {
        clean(&team, *kind, "web", before).await?;
    }
    team.condition("p", "WorkloadsInjected", "True NoneSelected")
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_changed_profile_changes_adds_and_removes_its_variables_and_no_others() -> Result<()> {
    let team = Team::new().await?;
    let before = team.create(&manifest(KIND, "web")).await?;
    let extra =
        |name: &str, value: &str| json!({"traces": {"env": [{"name": name, "value": value}]}});
    team.profile("p", spec("web", extra("OTEL_LOG_LEVEL", "debug")))
        .await?;
    team.injected("p").await?;
    let object = team.get(KIND, "web").await?;
    assert_eq!(value(&object, "OTEL_LOG_LEVEL"), Some("debug"));

    team.profile("p", spec("web", extra("OTEL_LOG_LEVEL", "info")))
        .await?;
    team.injected("p").await?;
    let object = team.get(KIND, "web").await?;
    assert_eq!(value(&object, "OTEL_LOG_LEVEL"), Some("info"));

    team.profile("p", spec("web", extra("OTEL_BSP_SCHEDULE_DELAY", "1000")))
        .await?;
    team.injected("p").await?;
    let object = team.get(KIND, "web").await?;
    assert_eq!(value(&object, "OTEL_BSP_SCHEDULE_DELAY"), Some("1000"));
    assert_eq!(entry(&object, "OTEL_LOG_LEVEL"), None);
    let all = names(&object);
    let ours: Vec<_> = all.into_iter().filter(|name| *name != "OWN").collect();
    assert_eq!(users(&object, &ours), users(&before, &[]));
    Ok(())
}

#[tokio::test]
async fn a_deleted_profile_takes_its_variables_along_and_waits_for_the_rollout() -> Result<()> {
    let team = Team::new().await?;
    let before = team.create(&manifest(KIND, "web")).await?;
    team.profile("p", spec("web", json!({}))).await?;
    team.injected("p").await?;
    team.profiles()
        .delete("p", &DeleteParams::default())
        .await?;
    eventually(LONG, "the profile is gone", async || {
        match team.profiles().get_opt("p").await {
            Ok(None) => Ok(()),
            Ok(Some(profile)) => Err(format!("{:?}", profile.status)),
            Err(error) => Err(error.to_string()),
        }
    })
    .await?;
    let object = team.get(KIND, "web").await?;
    assert!(!traces_of_ours(&object));
    assert_eq!(users(&object, &[]), users(&before, &[]));
    let status = &object["status"];
    assert_eq!(
        status["observedGeneration"],
        object["metadata"]["generation"]
    );
    assert_eq!(
        [
            &status["updatedReplicas"],
            &status["availableReplicas"],
            &status["replicas"]
        ],
        [&json!(2); 3],
        "it has rolled out: {status}"
    );
    Ok(())
}

#[tokio::test]
async fn containers_that_are_renamed_removed_and_added_again_leave_nothing_behind() -> Result<()> {
    let team = Team::new().await?;
    let mut manifest = manifest(KIND, "web");
    let apply = async |manifest: &Value| {
        // As a user who applies server-side: what they leave out goes.
        let mut manifest = manifest.clone();
        manifest["metadata"]["managedFields"] = Value::Null;
        let params = PatchParams::apply("user").force();
        let workloads = team.workloads(KIND);
        workloads
            .patch("web", &params, &Patch::Apply(&manifest))
            .await
    };
    apply(&manifest).await?;
    team.profile("p", spec("web", json!({}))).await?;
    team.injected("p").await?;
    let named = |containers: &[&str]| {
        let of = |name: &&str| json!({"name": name, "image": "example.com/app:1", "env": [{"name": "OWN", "value": "1"}]});
        json!(containers.iter().map(of).collect::<Vec<_>>())
    };
    for containers in [
        &["renamed"][..],
        &["renamed", "second"],
        &["second"],
        &["app", "second"],
    ] {
        template_mut(&mut manifest)["spec"]["containers"] = named(containers);
        apply(&manifest).await?;
        let object = team
            .until(KIND, "web", "every container has the variables", |object| {
                let missing = containers.iter().find(|container| {
                    !env(object, container)
                        .iter()
                        .any(|entry| entry["name"] == "OTEL_SERVICE_NAME")
                });
                missing.map_or(Ok(object.clone()), |container| {
                    Err(format!("{container}: {:?}", env(object, container)))
                })
            })
            .await?;
        let there = object["spec"]["template"]["spec"]["containers"].as_array();
        let there: Vec<_> = there
            .into_iter()
            .flatten()
            .filter_map(|container| container["name"].as_str())
            .collect();
        assert_eq!(there, containers);
        for container in containers {
            let own = env(&object, container).last();
            assert_eq!(own, Some(&json!({"name": "OWN", "value": "1"})));
        }
        team.injected("p").await?;
    }
    let record = team.get(KIND, "web").await?;
    let record = &record["metadata"]["annotations"]["tracewright.dev/injected"];
    let record: Value = serde_json::from_str(record.as_str().unwrap_or_default())?;
    let recorded: Vec<_> = record["containers"]
        .as_object()
        .into_iter()
        .flat_map(|containers| containers.keys())
        .collect();
    assert_eq!(recorded, ["app", "second"], "no container that is gone");
    // And without the profile the manifest is all that is left.
    team.profile("p", spec("other", json!({}))).await?;
    team.until(KIND, "web", "nothing of ours is left", |object| {
        if traces_of_ours(object) {
            Err(object["spec"]["template"].to_string())
        } else {
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn variables_of_a_profile_that_went_while_the_operator_was_away_are_cleaned_at_its_start()
-> Result<()> {
    let there = Installation::new().await?;
    let team = Team::of(&there).await?;
    let kind = WorkloadKind::CronJob;
    let before = team.create(&manifest(kind, "job")).await?;
    let kept = team.create(&manifest(kind, "kept")).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    team.profile("gone", spec("job", json!({}))).await?;
    team.profile("stays", spec("kept", json!({}))).await?;
    team.injected("gone").await?;
    team.injected("stays").await?;
    operator.stop().await?;
    let free = json!({"metadata": {"finalizers": null}});
    let params = PatchParams::default();
    team.profiles()
        .patch("gone", &params, &Patch::Merge(&free))
        .await?;
    team.profiles()
        .delete("gone", &DeleteParams::default())
        .await?;

    let mut operator = there.operator().start()?;
    operator.ready().await?;
    clean(&team, kind, "job", &before).await?;
    let object = team.get(kind, "kept").await?;
    assert!(traces_of_ours(&object), "another profile's stay");
    assert_ne!(object["spec"], kept["spec"]);
    Ok(())
}
