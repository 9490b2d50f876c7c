//! The operator is killed at every write, or the answer is lost: nothing is made twice, nothing is taken for somebody
//! else's, nothing is left behind.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::events::v1::Event;
use serde_json::{Value, json};
use support::aws::{Fault, When};
use support::{Installation, LONG, Operator, eventually};

use super::see::{self, aws_until, counts, edit, mark, marked, part, ready, writes};

fn spec() -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "g"}],
            "samplingRules": [{"name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": "/l", "retentionInDays": 7, "deletionPolicy": "Delete"}]},
    })
}

fn nothing() -> Value {
    json!({"service": {"name": "backend"}, "aws": {"region": see::REGION}})
}

async fn start(there: &Installation) -> Result<Operator> {
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    Ok(operator)
}

/// Has something done, and kills the operator at its first call of an operation: before it happens, or after.
async fn killed_at<T>(
    there: &Installation,
    operator: &mut Operator,
    operation: &str,
    when: When,
    work: impl Future<Output = Result<T>>,
) -> Result<()> {
    let control = there.aws().control();
    control.inject(&Fault::stop(operation, when)).await?;
    work.await?;
    eventually(LONG, format!("{operation} is under way"), async || {
        let stops = control.stops().await.map_err(|error| error.to_string())?;
        if stops.iter().any(|stop| stop.operation == operation) {
            Ok(())
        } else {
            Err(format!("{stops:?}"))
        }
    })
    .await?;
    operator.process().kill()?;
    control.clear_faults().await?;
    Ok(())
}

/// Everything is there once, as declared and with our mark.
async fn all_is_there(there: &Installation) -> Result<()> {
    ready(there, "p").await?;
    let state = see::state(there).await?;
    assert_eq!(
        state["xray"]["groups"]["g"]["tags"],
        marked(there, "p", "Delete")
    );
    assert_eq!(
        state["xray"]["samplingRules"]["r"]["tags"],
        marked(there, "p", "Delete")
    );
    assert_eq!(
        state["logs"]["logGroups"]["/l"]["tags"],
        marked(there, "p", "Delete")
    );
    assert_eq!(state["logs"]["logGroups"]["/l"]["retentionInDays"], 7);
    Ok(())
}

/// Nobody was told that one of our own objects is somebody else's.
async fn nothing_looked_foreign(there: &Installation) -> Result<()> {
    let events = there
        .namespace()
        .api::<Event>()
        .list(&Default::default())
        .await?;
    let told: Vec<_> = events
        .items
        .iter()
        .filter_map(|event| event.reason.clone())
        .collect();
    assert!(
        !told
            .iter()
            .any(|reason| reason == "Foreign" || reason == "Conflict"),
        "{told:?}"
    );
    Ok(())
}

fn is_empty(state: &Value) -> bool {
    let only_default = |pointer: &str| {
        let objects = state.pointer(pointer).and_then(Value::as_object);
        objects.is_some_and(|objects| objects.keys().all(|name| name == "Default"))
    };
    only_default("/xray/groups")
        && only_default("/xray/samplingRules")
        && only_default("/logs/logGroups")
}

async fn leaves_nothing(there: &Installation) -> Result<()> {
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(there, "p").await?;
    let state = see::state(there).await?;
    assert!(is_empty(&state), "{state}");
    Ok(())
}

async fn survives_a_kill_at(operation: &str) -> Result<()> {
    for when in [When::Before, When::After] {
        let there = Installation::new().await?;
        let mut operator = start(&there).await?;
        killed_at(
            &there,
            &mut operator,
            operation,
            when,
            there.apply("p", spec()),
        )
        .await?;
        let _operator = start(&there).await?;
        all_is_there(&there)
            .await
            .with_context(|| format!("killed {when:?} {operation}"))?;
        nothing_looked_foreign(&there).await?;
        leaves_nothing(&there).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_kill_while_a_group_is_made_loses_nothing() -> Result<()> {
    survives_a_kill_at("xray.CreateGroup").await
}

#[tokio::test]
async fn a_kill_while_a_rule_is_made_loses_nothing() -> Result<()> {
    survives_a_kill_at("xray.CreateSamplingRule").await
}

#[tokio::test]
async fn a_kill_while_a_log_group_is_made_loses_nothing() -> Result<()> {
    survives_a_kill_at("logs.CreateLogGroup").await
}

#[tokio::test]
async fn a_kill_between_a_log_group_and_its_retention_loses_nothing() -> Result<()> {
    survives_a_kill_at("logs.PutRetentionPolicy").await
}

#[tokio::test]
async fn what_was_made_just_before_a_kill_is_removed_with_a_profile_that_was_deleted_meanwhile()
-> Result<()> {
    for operation in [
        "xray.CreateGroup",
        "xray.CreateSamplingRule",
        "logs.CreateLogGroup",
    ] {
        let there = Installation::new().await?;
        let mut operator = start(&there).await?;
        killed_at(
            &there,
            &mut operator,
            operation,
            When::After,
            there.apply("p", spec()),
        )
        .await?;
        there.profiles().delete("p", &Default::default()).await?;
        let _operator = start(&there).await?;
        see::gone(&there, "p").await?;
        let state = see::state(&there).await?;
        assert!(is_empty(&state), "killed after {operation}: {state}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_made_just_before_a_kill_is_removed_though_its_entry_left_meanwhile() -> Result<()>
{
    for operation in [
        "xray.CreateGroup",
        "xray.CreateSamplingRule",
        "logs.CreateLogGroup",
    ] {
        let there = Installation::new().await?;
        let mut operator = start(&there).await?;
        killed_at(
            &there,
            &mut operator,
            operation,
            When::After,
            there.apply("p", spec()),
        )
        .await?;
        there.apply("p", nothing()).await?;
        let _operator = start(&there).await?;
        aws_until(
            &there,
            &format!("all is gone after a kill after {operation}"),
            is_empty,
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_kill_while_something_is_deleted_leaves_nothing() -> Result<()> {
    for operation in ["xray.DeleteGroup", "logs.DeleteLogGroup"] {
        for when in [When::Before, When::After] {
            let there = Installation::new().await?;
            let mut operator = start(&there).await?;
            there.apply("p", spec()).await?;
            ready(&there, "p").await?;
            let delete = async { Ok(there.profiles().delete("p", &Default::default()).await?) };
            killed_at(&there, &mut operator, operation, when, delete).await?;
            let _operator = start(&there).await?;
            see::gone(&there, "p").await?;
            let state = see::state(&there).await?;
            assert!(is_empty(&state), "killed {when:?} {operation}: {state}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_kill_while_something_is_adopted_leaves_it_ours_or_theirs() -> Result<()> {
    for when in [When::Before, When::After] {
        let there = Installation::new().await?;
        there.allow(&[("tracewright.dev/allow-adopt", "r")]).await?;
        edit(&there, |state| {
            state["xray"]["samplingRules"]["r"] = json!({"priority": 9, "fixedRate": 0.9})
        })
        .await?;
        let mut operator = start(&there).await?;
        let mut adopting = spec();
        adopting["xray"]["samplingRules"][0]["adoptionPolicy"] = json!("Adopt");
        killed_at(
            &there,
            &mut operator,
            "xray.TagResource",
            when,
            there.apply("p", adopting),
        )
        .await?;
        let held = part(&there, "/xray/samplingRules/r").await?;
        let mark = if matches!(when, When::After) {
            marked(&there, "p", "Delete")
        } else {
            json!({})
        };
        // The mark comes first: what is changed is known to be ours.
        assert_eq!((&held["fixedRate"], &held["tags"]), (&json!(0.9), &mark));
        let _operator = start(&there).await?;
        all_is_there(&there).await?;
        leaves_nothing(&there).await?;
    }
    Ok(())
}

/// Tags that are given at creation appear late.
#[tokio::test]
async fn late_tags_make_nothing_foreign_and_nothing_twice() -> Result<()> {
    for operation in [
        "xray.CreateGroup",
        "xray.CreateSamplingRule",
        "logs.CreateLogGroup",
    ] {
        let there = Installation::new().await?;
        let control = there.aws().control();
        control.set_limit("tagDelayMs", 2_500).await?;
        let launch = there.operator().env("TRACEWRIGHT_TAG_SETTLE_TIME", "5s");
        let mut operator = launch.start()?;
        operator.ready().await?;
        killed_at(
            &there,
            &mut operator,
            operation,
            When::After,
            there.apply("p", spec()),
        )
        .await?;
        // Its answer reaches nobody; a call is counted when it ends.
        for held in control.stops().await? {
            control.go_on(&held).await?;
        }
        let mut operator = launch.start()?;
        operator.ready().await?;
        ready(&there, "p")
            .await
            .with_context(|| format!("killed after {operation}"))?;
        nothing_looked_foreign(&there).await?;
        let once = [
            ("xray.CreateGroup", 1),
            ("xray.CreateSamplingRule", 1),
            ("logs.CreateLogGroup", 1),
            ("logs.PutRetentionPolicy", 1),
        ];
        assert_eq!(
            writes(&there, 0).await?,
            counts(once),
            "killed after {operation}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_profile_that_goes_waits_for_late_tags() -> Result<()> {
    let there = Installation::new().await?;
    there.aws().control().set_limit("tagDelayMs", 2_500).await?;
    let launch = there.operator().env("TRACEWRIGHT_TAG_SETTLE_TIME", "5s");
    let mut operator = launch.start()?;
    operator.ready().await?;
    killed_at(
        &there,
        &mut operator,
        "xray.CreateGroup",
        When::After,
        there.apply("p", spec()),
    )
    .await?;
    there.profiles().delete("p", &Default::default()).await?;
    let mut operator = launch.start()?;
    operator.ready().await?;
    see::gone(&there, "p").await?;
    let state = see::state(&there).await?;
    assert!(is_empty(&state), "{state}");
    Ok(())
}

/// Writes of each kind, and how often they are sent when each first answer is lost: once, because it is looked at again
/// before anything is tried again.
#[tokio::test]
async fn a_lost_answer_is_no_reason_to_write_twice() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = start(&there).await?;
    let lose = async |operations: &[&str]| -> Result<u64> {
        there.aws().control().clear_faults().await?;
        for operation in operations {
            there
                .aws()
                .control()
                .inject(&Fault::lose_reply(operation).times(1))
                .await?;
        }
        mark(&there).await
    };
    let since = lose(&[
        "xray.CreateGroup",
        "xray.CreateSamplingRule",
        "logs.CreateLogGroup",
        "logs.PutRetentionPolicy",
    ])
    .await?;
    there.apply("p", spec()).await?;
    all_is_there(&there).await?;
    let once = [
        ("xray.CreateGroup", 1),
        ("xray.CreateSamplingRule", 1),
        ("logs.CreateLogGroup", 1),
        ("logs.PutRetentionPolicy", 1),
    ];
    assert_eq!(writes(&there, since).await?, counts(once));
    nothing_looked_foreign(&there).await?;

    let since = lose(&[
        "xray.UpdateGroup",
        "xray.UpdateSamplingRule",
        "logs.PutRetentionPolicy",
    ])
    .await?;
    let mut changed = spec();
    changed["xray"]["groups"][0]["filterExpression"] = json!("fault");
    changed["xray"]["samplingRules"][0]["priority"] = json!(2);
    changed["logs"]["groups"][0]["retentionInDays"] = json!(30);
    there.apply("p", changed).await?;
    ready(&there, "p").await?;
    let once = [
        ("xray.UpdateGroup", 1),
        ("xray.UpdateSamplingRule", 1),
        ("logs.PutRetentionPolicy", 1),
    ];
    assert_eq!(writes(&there, since).await?, counts(once));

    let since = lose(&[
        "xray.DeleteGroup",
        "xray.DeleteSamplingRule",
        "logs.DeleteLogGroup",
    ])
    .await?;
    leaves_nothing(&there).await?;
    let once = [
        ("xray.DeleteGroup", 1),
        ("xray.DeleteSamplingRule", 1),
        ("logs.DeleteLogGroup", 1),
    ];
    assert_eq!(writes(&there, since).await?, counts(once));
    operator.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_given_up_and_tried_again() -> Result<()> {
    let there = Installation::new().await?;
    let _operator = start(&there).await?;
    for operation in ["xray.CreateSamplingRule", "logs.DescribeLogGroups"] {
        there
            .aws()
            .control()
            .inject(&Fault::hang(operation).times(1))
            .await?;
    }
    there.apply("p", spec()).await?;
    all_is_there(&there).await
}

/// A request of a killed operator that arrives after its successor has begun.
#[tokio::test]
async fn a_create_that_arrives_late_is_recognised_as_our_own() -> Result<()> {
    let there = Installation::new().await?;
    let control = there.aws().control();
    let mut operator = start(&there).await?;
    killed_at(
        &there,
        &mut operator,
        "xray.CreateGroup",
        When::Before,
        there.apply("p", spec()),
    )
    .await?;
    let held = control.stops().await?.pop().context("a call is held")?;
    // The successor's own create is held as well, until the old one is through.
    control
        .inject(&Fault::stop("xray.CreateGroup", When::Before))
        .await?;
    let _operator = start(&there).await?;
    let new = eventually(LONG, "the successor creates it too", async || {
        let stops = control.stops().await.map_err(|error| error.to_string())?;
        stops
            .into_iter()
            .find(|stop| stop.id != held.id)
            .ok_or("not yet".to_owned())
    })
    .await?;
    control.clear_faults().await?;
    control.go_on(&held).await?;
    aws_until(&there, "the old create is through", |state| {
        state["xray"]["groups"]["g"].is_object()
    })
    .await?;
    control.go_on(&new).await?;
    all_is_there(&there).await?;
    nothing_looked_foreign(&there).await?;
    let made: BTreeMap<_, _> = writes(&there, 0).await?;
    assert_eq!(made.get("xray.CreateGroup"), Some(&2), "{made:?}");
    leaves_nothing(&there).await
}
