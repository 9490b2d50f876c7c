//! What is changed or taken away behind the operator's back comes back: by itself with the drift interval, at once when
//! asked for; and what somebody else made in its place is left alone.

use anyhow::{Context, Result};
use k8s_openapi::api::events::v1::Event;
use serde_json::{Value, json};
use support::{Installation, LONG, eventually};
use tracewright_core::crd::status::ItemState;

use super::see::{
    self, aws_until, counts, edit, in_state, look_again, mark, marked, part, ready, take_away,
    writes,
};

fn spec() -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "g", "insights": {"enabled": true}, "tags": {"team": "a"}}],
            "samplingRules": [{"name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": "/l", "retentionInDays": 7, "deletionProtection": true, "tags": {"team": "a"}}]},
    })
}

/// Changes a field of each kind.
fn disturb(state: &mut Value) {
    state["xray"]["groups"]["g"]["filterExpression"] = json!("fault");
    state["xray"]["groups"]["g"]["insightsEnabled"] = json!(false);
    state["xray"]["samplingRules"]["r"]["fixedRate"] = json!(0.9);
    state["xray"]["samplingRules"]["r"]["samplingRateBoost"] =
        json!({"MaxRate": 0.5, "CooldownWindowMinutes": 1});
    state["logs"]["logGroups"]["/l"]["retentionInDays"] = json!(1);
    state["logs"]["logGroups"]["/l"]["deletionProtectionEnabled"] = json!(false);
}

/// The state without what no repair brings back: times, a boost that can only be turned down.
fn comparable(mut state: Value) -> Value {
    for (pointer, fields) in [
        (
            "/xray/groups/g",
            &["expressionChangedAt", "createdAt", "arn"][..],
        ),
        (
            "/xray/samplingRules/r",
            &["modifiedAt", "createdAt", "samplingRateBoost"],
        ),
        ("/logs/logGroups/~1l", &["creationTime"]),
        ("/xray", &["lastRuleModification"]),
    ] {
        let object = state.pointer_mut(pointer).and_then(Value::as_object_mut);
        object
            .into_iter()
            .for_each(|object| object.retain(|field, _| !fields.contains(&field.as_str())));
    }
    state
}

#[tokio::test]
async fn drift_is_repaired_with_the_drift_interval() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "2s")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let before = comparable(see::state(&there).await?);
    let mark = mark(&there).await?;
    edit(&there, disturb).await?;
    aws_until(&there, "the fields are back", |state| {
        comparable(state.clone()) == before
    })
    .await?;
    let boost = part(&there, "/xray/samplingRules/r/samplingRateBoost").await?;
    assert_eq!(boost, json!({"MaxRate": 0.0, "CooldownWindowMinutes": 1}));
    // One call for each object and kind of field.
    let expected = [
        ("xray.UpdateGroup", 1),
        ("xray.UpdateSamplingRule", 1),
        ("logs.PutRetentionPolicy", 1),
        ("logs.PutLogGroupDeletionProtection", 1),
    ];
    assert_eq!(writes(&there, mark).await?, counts(expected));
    eventually(LONG, "the repairs are counted", async || {
        let repaired = operator
            .metric("tracewright_drift_repaired_total{")
            .await
            .map_err(|error| error.to_string())?;
        if repaired == 3.0 {
            Ok(())
        } else {
            Err(format!("{repaired}"))
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn drift_is_repaired_at_once_when_asked_for() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    look_again(&there, "p").await?;
    let before = comparable(see::state(&there).await?);
    edit(&there, disturb).await?;
    look_again(&there, "p").await?;
    assert_eq!(comparable(see::state(&there).await?), before);
    Ok(())
}

#[tokio::test]
async fn what_was_deleted_is_made_again() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    let was = ready(&there, "p").await?;
    let before = comparable(see::state(&there).await?);
    take_away(&there, "/xray/groups", "g").await?;
    take_away(&there, "/xray/samplingRules", "r").await?;
    take_away(&there, "/logs/logGroups", "/l").await?;
    look_again(&there, "p").await?;
    assert_eq!(comparable(see::state(&there).await?), before);
    eventually(LONG, "an Event tells of all of them", async || {
        let events = there.namespace().api::<Event>();
        let events = events.list(&Default::default()).await?.items;
        let told = events
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("DriftRepaired"))
            .find_map(|event| event.note)
            .context("no Event")?;
        let all = ["X-Ray group g", "sampling rule r", "log group /l"];
        anyhow::ensure!(all.iter().all(|name| told.contains(name)), "{told}");
        anyhow::Ok(())
    })
    .await?;
    // The new group has another ARN, and the status knows it.
    let arn = part(&there, "/xray/groups/g/arn").await?;
    let known = |profile: &tracewright_core::crd::ObservabilityProfile| {
        see::item(profile, "g").and_then(|item| item.arn.clone())
    };
    assert_ne!(known(&was).as_deref(), arn.as_str());
    see::until(&there.profiles(), "p", "the new ARN is told", |profile| {
        (known(profile).as_deref() == arn.as_str()).then_some(())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn declared_tags_and_the_mark_come_back_and_others_stay() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    edit(&there, |state| {
        for pointer in ["/xray/groups/g/tags", "/logs/logGroups/~1l/tags"] {
            if let Some(tags) = state.pointer_mut(pointer) {
                tags["team"] = json!("b");
                tags["tracewright.dev/deletion-policy"] = json!("Nonsense");
                tags["stage"] = json!("test");
            }
        }
    })
    .await?;
    look_again(&there, "p").await?;
    for (pointer, policy) in [
        ("/xray/groups/g/tags", "Delete"),
        ("/logs/logGroups/~1l/tags", "Retain"),
    ] {
        let mut expected = marked(&there, "p", policy);
        (expected["team"], expected["stage"]) = (json!("a"), json!("test"));
        assert_eq!(part(&there, pointer).await?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn tags_are_read_again_with_their_own_interval() -> Result<()> {
    let there = Installation::new().await?;
    let launch = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .env("TRACEWRIGHT_TAG_DRIFT_INTERVAL", "2s");
    let mut operator = launch.start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    edit(&there, |state| {
        state["xray"]["groups"]["g"]["tags"]["team"] = json!("b")
    })
    .await?;
    aws_until(&there, "the tag is back", |state| {
        state["xray"]["groups"]["g"]["tags"]["team"] == "a"
    })
    .await?;
    Ok(())
}

/// A rule's and a log group's ARN follow from their names, so one that somebody made in place of ours looks like ours.
#[tokio::test]
async fn what_somebody_else_made_in_place_of_ours_is_theirs() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    look_again(&there, "p").await?;
    edit(&there, |state| {
        for (pointer, created) in [
            ("/xray/samplingRules/r", "createdAt"),
            ("/logs/logGroups/~1l", "creationTime"),
            ("/xray/groups/g", "createdAt"),
        ] {
            let Some(object) = state.pointer_mut(pointer) else {
                continue;
            };
            object["tags"] = json!({"whose": "somebody"});
            object[created] = json!(object[created].as_i64().unwrap_or_default() + 1);
        }
        state["xray"]["groups"]["g"]["arn"] =
            json!("arn:aws:xray:us-east-1:123456789012:group/g/SOMEBODYS");
        disturb(state);
    })
    .await?;
    let theirs = see::state(&there).await?;
    let mark = mark(&there).await?;
    look_again(&there, "p").await?;
    for name in ["g", "r", "/l"] {
        in_state(&there, "p", name, ItemState::Foreign).await?;
    }
    assert_eq!(writes(&there, mark).await?, counts([]));
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(see::state(&there).await?, theirs);
    Ok(())
}
