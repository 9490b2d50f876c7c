//! Two profiles that select one workload: one holds the whole of it.

use anyhow::{Context, Result};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use support::workloads::{Team, manifest, value};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;

fn spec(service: &str, app: &str) -> Value {
    json!({"service": {"name": service}, "workloads": {"selector": {"matchLabels": {"app": app}}}})
}

async fn called(team: &Team, name: &str) -> Result<Value> {
    team.until(
        KIND,
        "web",
        &format!("its service is {name}"),
        |object| match value(object, "OTEL_SERVICE_NAME") {
            Some(is) if is == name => Ok(object.clone()),
            other => Err(format!("{other:?}")),
        },
    )
    .await
}

#[tokio::test]
async fn the_first_holds_the_workload_and_the_other_takes_it_over_in_one_rollout() -> Result<()> {
    let team = Team::new().await?;
    team.create(&manifest(KIND, "web")).await?;
    team.profile("first", spec("one", "web")).await?;
    team.injected("first").await?;
    team.profile("second", spec("two", "web")).await?;
    let item = team
        .item("second", "web", "Skipped SelectedByOther")
        .await?;
    let message = item.message.context("says what to do")?;
    assert!(message.contains("first"), "{message}");
    let before = called(&team, "one").await?;

    // The holder stops selecting it.
    team.profile("first", spec("one", "other")).await?;
    let after = called(&team, "two").await?;
    assert_eq!(
        after["metadata"]["generation"].as_i64(),
        before["metadata"]["generation"].as_i64().map(|it| it + 1),
        "one change of the template, not two"
    );
    team.injected("second").await?;

    // It selects it again, and the record says who holds it.
    team.profile("first", spec("one", "web")).await?;
    team.item("first", "web", "Skipped SelectedByOther").await?;
    let still = called(&team, "two").await?;

    // The holder goes.
    let profiles = team.profiles();
    profiles.delete("second", &DeleteParams::default()).await?;
    let after = called(&team, "one").await?;
    assert_eq!(
        after["metadata"]["generation"].as_i64(),
        still["metadata"]["generation"].as_i64().map(|it| it + 1),
        "one change of the template, not two"
    );
    team.injected("first").await?;
    Ok(())
}
