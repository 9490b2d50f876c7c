//! A role is assumed where the namespace's admin allows it, for the profile that names it and for no other.

use anyhow::Result;
use serde_json::{Value, json};
use support::Installation;
use support::aws::Fault;
use support::installation::apply;

use super::see::{self, counts, ready, synced, until, verdict, writes};

const TEAM: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/observability";

fn spec(role: Option<&str>) -> Value {
    let mut spec = json!({
        "service": {"name": "backend"},
        "aws": {"region": see::REGION},
        "xray": {"groups": [{"name": "g"}]},
        "logs": {"groups": [{"name": "/l", "retentionInDays": 7}]},
    });
    if let Some(role) = role {
        spec["aws"]["roleArn"] = json!(role);
    }
    spec
}

async fn held_by(there: &Installation, account: &str) -> Result<Value> {
    Ok(there.aws().control().state(account, see::REGION).await?["logs"]["logGroups"].clone())
}

#[tokio::test]
async fn an_allowed_role_is_assumed_for_the_profiles_own_calls_only() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[(
            "tracewright.dev/allowed-role-arns",
            "arn:aws:iam::111122223333:role/*",
        )])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("team", spec(Some(ROLE))).await?;
    there.apply("own", spec(None)).await?;
    // The same names, in two accounts: no conflict.
    for (name, account) in [("team", TEAM), ("own", see::ACCOUNT)] {
        let profile = ready(&there, name).await?;
        assert_eq!(
            profile
                .status
                .and_then(|status| status.account_id)
                .as_deref(),
            Some(account)
        );
        let held = held_by(&there, account).await?;
        assert_eq!(held["/l"]["tags"], see::marked(&there, name, "Retain"));
    }
    assert!(
        there
            .aws()
            .control()
            .calls(0)
            .await?
            .of("sts.AssumeRole")
            .ok
            >= 1
    );
    there.profiles().delete("team", &Default::default()).await?;
    see::gone(&there, "team").await?;
    let state = there.aws().control().state(TEAM, see::REGION).await?;
    assert!(state["xray"]["groups"]["g"].is_null(), "{state}");
    assert!(see::part(&there, "/xray/groups/g").await?.is_object());
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_not_allowed_is_not_even_tried() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[(
            "tracewright.dev/allowed-role-arns",
            "arn:aws:iam::111122223333:role/other",
        )])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec(Some(ROLE))).await?;
    let sentence = synced(&there, "p", "False RoleNotAllowed").await?;
    assert!(
        sentence.contains(ROLE) && sentence.contains("tracewright.dev/allowed-role-arns"),
        "{sentence}"
    );
    assert_eq!(there.aws().control().calls(0).await?.of("").ok, 0);
    // It goes on as soon as the admin allows it.
    there
        .allow(&[("tracewright.dev/allowed-role-arns", ROLE)])
        .await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn the_annotation_of_one_namespace_is_worth_nothing_in_another() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[
            ("tracewright.dev/allowed-role-arns", "*"),
            ("tracewright.dev/allow-adopt", "*"),
        ])
        .await?;
    let rivals = support::Namespace::create(there.control_plane(), "rival").await?;
    // An annotation on the profile itself is the author's, not the admin's.
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec(Some(ROLE))).await?;
    ready(&there, "p").await?;
    apply(&rivals.api(), "p", spec(Some(ROLE))).await?;
    let annotate = json!({"metadata": {"annotations": {"tracewright.dev/allowed-role-arns": "*"}}});
    let profiles = rivals.api::<tracewright_core::crd::ObservabilityProfile>();
    profiles
        .patch(
            "p",
            &Default::default(),
            &kube::api::Patch::Merge(&annotate),
        )
        .await?;
    until(&profiles, "p", "it is refused", |profile| {
        (verdict(profile, "AwsSynced") == "False RoleNotAllowed").then_some(())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_right_that_is_taken_away_ends_at_once() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allowed-role-arns", ROLE)])
        .await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DELETION_TIMEOUT", "2s")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec(Some(ROLE))).await?;
    ready(&there, "p").await?;
    let since = see::mark(&there).await?;
    there
        .allow(&[("tracewright.dev/allowed-role-arns", "")])
        .await?;
    synced(&there, "p", "False RoleNotAllowed").await?;
    // Not even to clean up; what stays is recorded.
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(writes(&there, since).await?, counts([]));
    assert!(held_by(&there, TEAM).await?["/l"].is_object());
    assert_eq!(operator.metric("tracewright_orphans_total").await?, 2.0);
    Ok(())
}

#[tokio::test]
async fn a_role_that_aws_refuses_is_told_and_tried_again() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allowed-role-arns", ROLE)])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .aws()
        .control()
        .inject(&Fault::error("sts.AssumeRole", 403, "AccessDenied"))
        .await?;
    there.apply("p", spec(Some(ROLE))).await?;
    // It holds up no profile of another identity.
    there
        .apply("own", json!({"logs": {"groups": [{"name": "/own"}]}}))
        .await?;
    ready(&there, "own").await?;
    let sentence = synced(&there, "p", "False AccessDenied").await?;
    assert!(sentence.contains(ROLE), "{sentence}");
    there.aws().control().clear_faults().await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn two_roles_of_one_account_share_one_picture_and_one_pace() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allowed-role-arns", "*")])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let role = |name: &str| format!("arn:aws:iam::{TEAM}:role/{name}");
    let spec = |name: &str| json!({"aws": {"region": see::REGION, "roleArn": role(name)}, "logs": {"groups": [{"name": format!("/{name}")}, {"name": "/shared"}]}});
    there.apply("first", spec("first")).await?;
    ready(&there, "first").await?;
    there.apply("second", spec("second")).await?;
    // Another role, and the same account: the name is taken.
    see::in_state(
        &there,
        "second",
        "/shared",
        tracewright_core::crd::status::ItemState::Conflict,
    )
    .await?;
    see::in_state(
        &there,
        "second",
        "/second",
        tracewright_core::crd::status::ItemState::Synced,
    )
    .await?;
    let calls = there.aws().control().calls(0).await?;
    assert_eq!(calls.of("").throttled, 0);
    Ok(())
}
