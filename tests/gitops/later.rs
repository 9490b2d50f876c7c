//! The user's later setting of a variable that was injected: who wins, by the way that it is applied and by its form.

use anyhow::Result;
use serde_json::{Value, json};
use support::workloads::{entry, names, traces_of_ours, users, value};

use super::repository::{KIND, Repository, with_env};

const NAME: &str = "OTEL_SERVICE_NAME";

const CLIENT: &[&str] = &["apply"];
const UNFORCED: &[&str] = &["apply", "--server-side"];
const FORCED: &[&str] = &["apply", "--server-side", "--force-conflicts"];

fn mine(entry: &Value) -> Value {
    with_env(json!([{"name": "OWN", "value": "1"}, entry]))
}

/// Deployed, injected, and then the manifest has an entry of ours: theirs is there, reported, and outlives the profile.
async fn wins(apply: &[&str], entry_of_mine: Value) -> Result<()> {
    let repository = Repository::new().await?;
    repository.deployed(&apply[1..]).await?;
    let manifest = mine(&entry_of_mine);
    repository.with(&manifest, apply).await?.ok()?;
    let item = repository.team.item("p", "web", "Injected UserSet").await?;
    assert_eq!(item.variables, [NAME]);
    let live = repository.live().await?;
    assert_eq!(entry(&live, NAME), Some(&entry_of_mine));

    // Again and again, and the profile's other variables stay.
    repository.with(&manifest, apply).await?.ok()?;
    assert_eq!(repository.live().await?["spec"], live["spec"]);
    assert_eq!(value(&live, "OTEL_METRICS_EXPORTER"), Some("none"));

    // They take it out of their manifest: the profile's comes back.
    let without = with_env(json!([{"name": "OWN", "value": "1"}]));
    repository.with(&without, apply).await?.ok()?;
    repository.team.item("p", "web", "Injected").await?;
    repository
        .team
        .until(
            KIND,
            "web",
            "the profile's value is back",
            |object| match value(object, NAME) {
                Some("shop") => Ok(()),
                other => Err(format!("{other:?} {:?}", names(object))),
            },
        )
        .await?;
    repository.team.injected("p").await?;

    // They set it again, and the profile goes: theirs stays.
    repository.with(&manifest, apply).await?.ok()?;
    repository.team.item("p", "web", "Injected UserSet").await?;
    let elsewhere = json!({"service": {"name": "shop"}, "workloads": {"selector": {"matchLabels": {"app": "other"}}}});
    repository.team.profile("p", elsewhere).await?;
    let after = repository
        .team
        .until(KIND, "web", "nothing of ours is left", |object| {
            let without = users(object, &[NAME]);
            let probe = json!({"metadata": object["metadata"], "spec": without});
            if traces_of_ours(&probe) {
                Err(format!("{:?}", names(object)))
            } else {
                Ok(object.clone())
            }
        })
        .await?;
    assert_eq!(entry(&after, NAME), Some(&entry_of_mine));
    Ok(())
}

#[tokio::test]
async fn another_value_wins_by_client_side_apply() -> Result<()> {
    wins(CLIENT, json!({"name": NAME, "value": "mine"})).await
}

#[tokio::test]
async fn another_value_wins_by_forced_server_side_apply() -> Result<()> {
    wins(FORCED, json!({"name": NAME, "value": "mine"})).await
}

#[tokio::test]
async fn the_same_value_becomes_the_user_s_by_client_side_apply() -> Result<()> {
    wins(CLIENT, json!({"name": NAME, "value": "shop"})).await
}

#[tokio::test]
async fn the_same_value_becomes_the_user_s_by_unforced_server_side_apply() -> Result<()> {
    wins(UNFORCED, json!({"name": NAME, "value": "shop"})).await
}

#[tokio::test]
async fn an_unforced_apply_of_another_value_is_told_of_the_conflict() -> Result<()> {
    let repository = Repository::new().await?;
    let before = repository.deployed(&["--server-side"]).await?;
    let manifest = mine(&json!({"name": NAME, "value": "mine"}));
    let words = repository.with(&manifest, UNFORCED).await?.refused()?;
    assert!(
        words.contains("conflict with \"tracewright\"") && words.contains(NAME),
        "{words}"
    );
    assert_eq!(repository.live().await?["spec"], before["spec"]);

    // The way that the documents show.
    let mut told = Repository::manifest();
    told["metadata"]["annotations"] = json!({"tracewright.dev/skip-env": NAME});
    repository.with(&told, UNFORCED).await?.ok()?;
    gone(&repository).await?;
    let mut manifest = manifest;
    manifest["metadata"]["annotations"] = told["metadata"]["annotations"].clone();
    repository.with(&manifest, UNFORCED).await?.ok()?;
    repository.team.injected("p").await?;
    assert_eq!(value(&repository.live().await?, NAME), Some("mine"));
    Ok(())
}

async fn gone(repository: &Repository) -> Result<()> {
    repository
        .team
        .until(
            KIND,
            "web",
            "the operator's entry is gone",
            |object| match entry(object, NAME) {
                None => Ok(()),
                Some(entry) => Err(entry.to_string()),
            },
        )
        .await
}

#[tokio::test]
async fn a_value_from_needs_skip_env_first_whatever_applies_it() -> Result<()> {
    for apply in [CLIENT, FORCED] {
        let repository = Repository::new().await?;
        repository.deployed(&apply[1..]).await?;
        let theirs = json!({"name": NAME, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}});
        let words = repository.with(&mine(&theirs), apply).await?.refused()?;
        assert!(
            words.contains("may not be specified when `value` is not empty"),
            "{words}"
        );
        let mut told = Repository::manifest();
        told["metadata"]["annotations"] = json!({"tracewright.dev/skip-env": NAME});
        repository.with(&told, apply).await?.ok()?;
        gone(&repository).await?;
        let mut manifest = mine(&theirs);
        manifest["metadata"]["annotations"] = told["metadata"]["annotations"].clone();
        repository.with(&manifest, apply).await?.ok()?;
        repository.team.injected("p").await?;
        assert_eq!(entry(&repository.live().await?, NAME), Some(&theirs));

        // Without the annotation it stays theirs.
        repository.with(&mine(&theirs), apply).await?.ok()?;
        let item = repository
            .team
            .item("p", "web", "Injected ValueFromPresent")
            .await?;
        assert_eq!(item.variables, [NAME]);
        assert_eq!(entry(&repository.live().await?, NAME), Some(&theirs));
    }
    Ok(())
}
