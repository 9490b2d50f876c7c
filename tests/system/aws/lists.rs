//! Entries that leave a profile's lists: what they made is deleted or released, as its tag says.

use anyhow::Result;
use serde_json::{Value, json};
use support::Installation;
use tracewright_core::crd::status::ItemState;

use super::see::{self, aws_until, counts, in_state, look_again, mark, part, ready, writes};

/// Two objects of each kind, one to be deleted and one to be kept.
fn full() -> Value {
    let rule = |name: &str, priority: i32, policy: &str| json!({"name": name, "priority": priority, "fixedRate": 0.1, "reservoirSize": 1, "deletionPolicy": policy});
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "gone"}, {"name": "kept", "deletionPolicy": "Retain", "tags": {"team": "a"}}],
            "samplingRules": [rule("gone", 1, "Delete"), rule("kept", 2, "Retain")],
        },
        "logs": {"groups": [{"name": "/gone", "deletionPolicy": "Delete"}, {"name": "/kept", "retentionInDays": 7}]},
    })
}

fn empty() -> Value {
    json!({"service": {"name": "backend"}, "aws": {"region": see::REGION}})
}

fn only_the_kept_are_there(state: &Value) -> bool {
    let names = |pointer: &str| -> Vec<String> {
        let objects = state.pointer(pointer).and_then(Value::as_object);
        objects
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .filter(|name| name != "Default")
            .collect()
    };
    names("/xray/groups") == ["kept"]
        && names("/xray/samplingRules") == ["kept"]
        && names("/logs/logGroups") == ["/kept"]
}

async fn the_kept_are_nobodys(there: &Installation) -> Result<()> {
    assert_eq!(
        part(there, "/xray/groups/kept/tags").await?,
        json!({"team": "a"})
    );
    assert_eq!(
        part(there, "/xray/samplingRules/kept/tags").await?,
        json!({})
    );
    assert_eq!(part(there, "/logs/logGroups/~1kept/tags").await?, json!({}));
    assert_eq!(
        part(there, "/logs/logGroups/~1kept/retentionInDays").await?,
        7
    );
    Ok(())
}

#[tokio::test]
async fn what_leaves_the_lists_is_deleted_or_released_as_its_tag_says() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", full()).await?;
    ready(&there, "p").await?;
    let mark = mark(&there).await?;
    there.apply("p", empty()).await?;
    aws_until(&there, "what was to go is gone", only_the_kept_are_there).await?;
    for name in ["kept", "/kept"] {
        in_state(&there, "p", name, ItemState::Retained).await?;
    }
    the_kept_are_nobodys(&there).await?;
    let expected = [
        ("xray.DeleteGroup", 1),
        ("xray.DeleteSamplingRule", 1),
        ("xray.UntagResource", 2),
        ("logs.DeleteLogGroup", 1),
        ("logs.UntagResource", 1),
    ];
    assert_eq!(writes(&there, mark).await?, counts(expected));
    Ok(())
}

#[tokio::test]
async fn what_left_the_lists_while_the_operator_was_away_goes_too() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", full()).await?;
    ready(&there, "p").await?;
    operator.stop().await?;
    there.apply("p", empty()).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    aws_until(&there, "what was to go is gone", only_the_kept_are_there).await?;
    in_state(&there, "p", "/kept", ItemState::Retained).await?;
    the_kept_are_nobodys(&there).await?;
    Ok(())
}

#[tokio::test]
async fn what_left_the_lists_unseen_is_found_by_its_mark() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", full()).await?;
    ready(&there, "p").await?;
    operator.stop().await?;
    // A status that was lost, as by a restore of the cluster from a backup: only the marks remember.
    there.apply("p", empty()).await?;
    let forget = json!({"apiVersion": "tracewright.dev/v1alpha1", "kind": "ObservabilityProfile", "status": {"region": see::REGION, "accountId": see::ACCOUNT}});
    let mut bare = there.profiles().get("p").await?;
    bare.status = Some(serde_json::from_value(forget["status"].clone())?);
    bare.metadata.managed_fields = None;
    there
        .profiles()
        .replace_status("p", &Default::default(), &bare)
        .await?;
    // Another profile keeps the account in use.
    there
        .apply(
            "other",
            json!({"service": {"name": "x"}, "xray": {"groups": [{"name": "others"}]}}),
        )
        .await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    operator.ready().await?;
    aws_until(&there, "what was to go is gone", |state| {
        let mut state = state.clone();
        if let Some(groups) = state["xray"]["groups"].as_object_mut() {
            groups.remove("others");
        }
        only_the_kept_are_there(&state)
    })
    .await?;
    aws_until(&there, "what was to stay is released", |state| {
        state["logs"]["logGroups"]["/kept"]["tags"] == json!({})
            && state["xray"]["samplingRules"]["kept"]["tags"] == json!({})
    })
    .await?;
    the_kept_are_nobodys(&there).await
}

#[tokio::test]
async fn a_deletion_policy_counts_as_it_was_when_the_entry_left() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let group = |policy: &str| json!({"service": {"name": "backend"}, "xray": {"groups": [{"name": "g", "deletionPolicy": policy}]}});
    for policy in ["Delete", "Retain"] {
        there.apply("p", group(policy)).await?;
        ready(&there, "p").await?;
    }
    there.apply("p", empty()).await?;
    in_state(&there, "p", "g", ItemState::Retained).await?;
    assert_eq!(part(&there, "/xray/groups/g/tags").await?, json!({}));
    Ok(())
}

#[tokio::test]
async fn a_log_group_that_is_protected_is_released_and_not_deleted() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({"logs": {"groups": [{"name": "/l", "deletionPolicy": "Delete"}]}});
    there.apply("p", spec).await?;
    ready(&there, "p").await?;
    see::edit(&there, |state| {
        state["logs"]["logGroups"]["/l"]["deletionProtectionEnabled"] = json!(true)
    })
    .await?;
    look_again(&there, "p").await?;
    there.apply("p", empty()).await?;
    in_state(&there, "p", "/l", ItemState::Retained).await?;
    assert_eq!(part(&there, "/logs/logGroups/~1l/tags").await?, json!({}));
    Ok(())
}
