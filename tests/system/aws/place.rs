//! What a profile holds stays in its account and region: neither is left for another while something is held there.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use support::Installation;
use support::aws::Fault;
use support::installation::CLUSTER;

use crate::commands::tracewright;

use super::see::{self, ready, synced};

const TEAM: &str = "111122223333";
const OTHER: &str = "444455556666";

fn spec(account: &str) -> Value {
    json!({
        "service": {"name": "backend"},
        "aws": {"region": see::REGION, "roleArn": format!("arn:aws:iam::{account}:role/observability")},
        "xray": {"groups": [{"name": "g"}]},
        "logs": {"groups": [{"name": "/l", "retentionInDays": 7}]},
    })
}

async fn with_roles() -> Result<Installation> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allowed-role-arns", "*")])
        .await?;
    Ok(there)
}

/// The group and the log group of an account.
async fn held(there: &Installation, account: &str) -> Result<(Value, Value)> {
    let state = there.aws().control().state(account, see::REGION).await?;
    Ok((
        state["xray"]["groups"]["g"].clone(),
        state["logs"]["logGroups"]["/l"].clone(),
    ))
}

#[tokio::test]
async fn objects_in_another_account_are_not_forgotten_and_none_are_made_in_the_new_one()
-> Result<()> {
    let there = with_roles().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DELETION_TIMEOUT", "2s")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec(TEAM)).await?;
    let before = ready(&there, "p").await?;
    let mark = see::mark(&there).await?;
    there.apply("p", spec(OTHER)).await?;
    let sentence = synced(&there, "p", "False AccountChanged").await?;
    for part in [
        TEAM,
        OTHER,
        "X-Ray group g, log group /l",
        "spec.aws.roleArn",
    ] {
        assert!(sentence.contains(part), "{part} is not in: {sentence}");
    }
    let lists = |profile: &tracewright_core::crd::ObservabilityProfile| {
        let status = profile.status.clone().unwrap_or_default();
        (status.account_id, status.groups, status.log_groups)
    };
    let now = there.profiles().get("p").await?;
    assert_eq!(lists(&now), lists(&before));

    // A younger profile of the other account is not kept from the names.
    let mut younger = spec(OTHER);
    younger["logs"] = json!({"groups": []});
    there.apply("younger", younger).await?;
    ready(&there, "younger").await?;
    there
        .profiles()
        .delete("younger", &Default::default())
        .await?;
    see::gone(&there, "younger").await?;

    there.apply("p", spec(TEAM)).await?;
    ready(&there, "p").await?;

    // Nor does a deletion look for them in the wrong account.
    there.apply("p", spec(OTHER)).await?;
    synced(&there, "p", "False AccountChanged").await?;
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    let (group, log_group) = held(&there, TEAM).await?;
    assert_eq!(group["tags"], see::marked(&there, "p", "Delete"));
    assert_eq!(log_group["tags"], see::marked(&there, "p", "Retain"));
    assert_eq!(held(&there, OTHER).await?, (Value::Null, Value::Null));
    let calls = there.aws().control().calls(mark).await?;
    let made = calls.of("logs.CreateLogGroup");
    assert_eq!(made.ok + made.error, 0);
    let maps = there.namespace().api::<ConfigMap>();
    let record = maps.get("tracewright-orphans").await?.data;
    let record = record.context("the record has data")?;
    let text = record.values().next().context("a profile is recorded")?;
    for part in [TEAM, "Group g", "LogGroup /l"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    Ok(())
}

/// Who plans may have other credentials than the operator.
#[tokio::test]
async fn a_plan_does_not_compare_a_profile_with_an_account_that_does_not_hold_its_objects()
-> Result<()> {
    let there = with_roles().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec(TEAM)).await?;
    ready(&there, "p").await?;
    let manifest = json!({
        "apiVersion": "tracewright.dev/v1alpha1",
        "kind": "ObservabilityProfile",
        "metadata": {"name": "p", "namespace": there.namespace().name()},
        "spec": spec(OTHER),
    });
    let arguments = ["plan", "-", "--cluster-name", CLUSTER];
    let said = tracewright(&there, &arguments, &manifest.to_string()).await?;
    for part in [TEAM, OTHER, "X-Ray group g, log group /l"] {
        assert!(said.out.contains(part), "{part} is not in: {said:?}");
    }
    assert!(!said.out.contains("+ "), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn an_account_in_which_nothing_was_made_is_left() -> Result<()> {
    let there = with_roles().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    for operation in ["xray.CreateGroup", "logs.CreateLogGroup"] {
        let denied = Fault::error(operation, 403, "AccessDeniedException").account(TEAM);
        there.aws().control().inject(&denied).await?;
    }
    there.apply("p", spec(TEAM)).await?;
    synced(&there, "p", "False AccessDenied").await?;
    there.apply("p", spec(OTHER)).await?;
    let profile = ready(&there, "p").await?;
    let status = profile.status.unwrap_or_default();
    assert_eq!(status.account_id.as_deref(), Some(OTHER));
    // What was made is let go before the account changes once more.
    let mut empty = spec(OTHER);
    empty["xray"] = json!({"groups": []});
    empty["logs"] = json!({"groups": []});
    there.apply("p", empty).await?;
    ready(&there, "p").await?;
    there.aws().control().clear_faults().await?;
    there.apply("p", spec(TEAM)).await?;
    ready(&there, "p").await?;
    let (group, log_group) = held(&there, TEAM).await?;
    assert!(group.is_object() && log_group.is_object());
    assert_eq!(held(&there, OTHER).await?.0, Value::Null);
    Ok(())
}

const ELSEWHERE: &str = "eu-west-1";

fn in_region(region: Option<&str>) -> Value {
    let mut spec = spec(TEAM);
    spec["aws"] = region.map_or(json!({}), |region| json!({"region": region}));
    spec["logs"]["groups"][0]["deletionPolicy"] = json!("Delete");
    spec
}

#[tokio::test]
async fn a_region_that_was_set_wrongly_is_set_right() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", in_region(None)).await?;
    ready(&there, "p").await?;
    there.apply("p", in_region(Some(ELSEWHERE))).await?;
    let sentence = synced(&there, "p", "False Invalid").await?;
    assert!(
        sentence.contains("set spec.aws.region: us-east-1"),
        "{sentence}"
    );
    there.apply("p", in_region(Some(see::REGION))).await?;
    ready(&there, "p").await?;
    let state = there.aws().control().state(see::ACCOUNT, ELSEWHERE).await?;
    assert_eq!(state["logs"]["logGroups"]["/l"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn whatever_region_is_set_a_deletion_finds_its_objects() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", in_region(None)).await?;
    ready(&there, "p").await?;
    there.apply("p", in_region(Some(ELSEWHERE))).await?;
    synced(&there, "p", "False Invalid").await?;
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(
        held(&there, see::ACCOUNT).await?,
        (Value::Null, Value::Null)
    );
    assert_eq!(operator.metric("tracewright_orphans_total").await?, 0.0);
    Ok(())
}

#[tokio::test]
async fn a_preview_holds_nothing_in_the_region_that_it_was_made_for() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let preview = |region| {
        let mut spec = in_region(region);
        spec["mode"] = json!("Preview");
        spec
    };
    there.apply("p", preview(None)).await?;
    synced(&there, "p", "False Drifted").await?;
    there.apply("p", preview(Some(ELSEWHERE))).await?;
    synced(&there, "p", "False Drifted").await?;
    let profile = there.profiles().get("p").await?;
    let status = profile.status.unwrap_or_default();
    assert_eq!(status.region.as_deref(), Some(ELSEWHERE));
    Ok(())
}
