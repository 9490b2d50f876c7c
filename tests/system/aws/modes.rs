//! Preview only says what Apply would do, and it is true; Suspended does nothing at all.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use support::Installation;
use tracewright_core::crd::status::PlannedChange;

use super::see::{self, counts, edit, look_again, mark, ready, take_away, until, verdict, writes};

fn applied() -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "changed"}, {"name": "gone"}, {"name": "missing"}],
            "samplingRules": [{"name": "changed", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": "/kept"}, {"name": "/drifted", "retentionInDays": 7}]},
    })
}

/// The same profile with something of everything that can be done.
fn previewed() -> Value {
    json!({
        "mode": "Preview",
        "service": {"name": "backend"},
        "xray": {
            "groups": [
                {"name": "changed", "filterExpression": "fault", "insights": {"enabled": true}},
                {"name": "missing"},
                {"name": "adopted", "adoptionPolicy": "Adopt", "filterExpression": "error"},
            ],
            "samplingRules": [{"name": "changed", "priority": 2, "fixedRate": 0.1, "reservoirSize": 5, "tags": {"team": "a"}}],
        },
        "logs": {"groups": [{"name": "/drifted", "retentionInDays": 7}, {"name": "/new", "retentionInDays": 7}]},
    })
}

/// `action kind name field from -> to`.
fn lines(plan: &[PlannedChange]) -> BTreeSet<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let line = |change: &PlannedChange| {
        let PlannedChange {
            action,
            kind,
            name,
            field,
            from,
            to,
        } = change;
        match field {
            None => format!("{action} {kind} {name}"),
            Some(field) => format!(
                "{action} {kind} {name} {field}: {} -> {}",
                text(from),
                text(to)
            ),
        }
    };
    plan.iter().map(line).collect()
}

#[tokio::test]
async fn a_preview_writes_nothing_and_says_what_apply_then_does() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allow-adopt", "adopted")])
        .await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    there.apply("p", applied()).await?;
    ready(&there, "p").await?;
    edit(&there, |state| {
        state["xray"]["groups"]["adopted"] = json!({"filterExpression": "fault"});
        state["logs"]["logGroups"]["/drifted"]["retentionInDays"] = json!(1);
    })
    .await?;
    take_away(&there, "/xray/groups", "missing").await?;
    let before = see::state(&there).await?;
    let mark = mark(&there).await?;
    there.apply("p", previewed()).await?;
    // A group may be one whose tags come late, so it takes a second look until it is known to be nobody's.
    look_again(&there, "p").await?;
    let plan = until(&there.profiles(), "p", "the plan is told", |profile| {
        let status = profile.status.as_ref().filter(|_| see::current(profile))?;
        let adopts = status.plan.iter().any(|change| change.action == "Adopt");
        adopts.then(|| status.plan.clone())
    })
    .await?;
    assert_eq!(writes(&there, mark).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    let namespace = there.namespace().name();
    let expected = [
        "Update Group changed filterExpression: service(\"backend\") -> fault".to_owned(),
        "Update Group changed insights.enabled: false -> true".to_owned(),
        "Delete Group gone".to_owned(),
        "Create Group missing".to_owned(),
        format!(
            "Adopt Group adopted tags: - -> tracewright.dev/cluster=tests,tracewright.dev/deletion-policy=Delete,tracewright.dev/profile={namespace}/p"
        ),
        "Adopt Group adopted filterExpression: fault -> error".to_owned(),
        "Update SamplingRule changed priority: 1 -> 2".to_owned(),
        "Update SamplingRule changed tags: - -> team=a".to_owned(),
        "Update LogGroup /drifted retentionInDays: 1 -> 7".to_owned(),
        "Release LogGroup /kept".to_owned(),
        "Create LogGroup /new".to_owned(),
    ];
    assert_eq!(lines(&plan), expected.into());
    let profile = there.profiles().get("p").await?;
    assert_eq!(verdict(&profile, "Ready"), "Unknown Preview");

    let mut apply = previewed();
    apply["mode"] = json!("Apply");
    there.apply("p", apply).await?;
    ready(&there, "p").await?;
    let done = [
        ("xray.UpdateGroup", 2),
        ("xray.DeleteGroup", 1),
        ("xray.CreateGroup", 1),
        ("xray.UpdateSamplingRule", 1),
        // The adopted group's mark and the rule's new tag.
        ("xray.TagResource", 2),
        ("logs.CreateLogGroup", 1),
        ("logs.PutRetentionPolicy", 2),
        ("logs.UntagResource", 1),
    ];
    assert_eq!(writes(&there, mark).await?, counts(done));
    let state = see::state(&there).await?;
    assert_eq!(
        state["xray"]["groups"]["changed"]["filterExpression"],
        "fault"
    );
    assert_eq!(state["xray"]["groups"]["changed"]["insightsEnabled"], true);
    assert_eq!(
        state["xray"]["groups"]["adopted"]["filterExpression"],
        "error"
    );
    assert!(
        state["xray"]["groups"]["gone"].is_null() && state["xray"]["groups"]["missing"].is_object()
    );
    assert_eq!(state["xray"]["samplingRules"]["changed"]["priority"], 2);
    assert_eq!(state["logs"]["logGroups"]["/drifted"]["retentionInDays"], 7);
    assert_eq!(state["logs"]["logGroups"]["/kept"]["tags"], json!({}));
    assert_eq!(state["logs"]["logGroups"]["/new"]["retentionInDays"], 7);
    let profile = there.profiles().get("p").await?;
    assert_eq!(profile.status.unwrap_or_default().plan, []);
    Ok(())
}

#[tokio::test]
async fn a_new_profile_in_preview_gets_a_plan_and_no_finalizer() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let mut spec = applied();
    spec["mode"] = json!("Preview");
    there.apply("p", spec).await?;
    let profile = until(&there.profiles(), "p", "the plan is told", |profile| {
        see::current(profile).then(|| profile.clone())
    })
    .await?;
    assert_eq!(
        lines(&profile.status.clone().unwrap_or_default().plan).len(),
        6
    );
    assert_eq!(profile.metadata.finalizers, None);
    assert_eq!(verdict(&profile, "AwsSynced"), "False Drifted");
    assert_eq!(writes(&there, 0).await?, counts([]));
    Ok(())
}

#[tokio::test]
async fn a_suspended_profile_is_not_looked_at_and_goes_on_where_it_was() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", applied()).await?;
    ready(&there, "p").await?;
    let mut suspended = applied();
    suspended["mode"] = json!("Suspended");
    suspended["logs"]["groups"][1]["retentionInDays"] = json!(30);
    there.apply("p", suspended.clone()).await?;
    let profile = until(&there.profiles(), "p", "it is suspended", |profile| {
        (see::current(profile) && verdict(profile, "Ready") == "Unknown Suspended")
            .then(|| profile.clone())
    })
    .await?;
    assert_eq!(verdict(&profile, "AwsSynced"), "Unknown Suspended");
    edit(&there, |state| {
        state["xray"]["samplingRules"]["changed"]["fixedRate"] = json!(0.9)
    })
    .await?;
    let mark = mark(&there).await?;
    // Another profile's reconcile shows that this one had its turn.
    see::request(&there, "p").await?;
    there
        .apply("other", json!({"logs": {"groups": [{"name": "/other"}]}}))
        .await?;
    ready(&there, "other").await?;
    assert_eq!(
        writes(&there, mark).await?,
        counts([("logs.CreateLogGroup", 1)])
    );

    suspended["mode"] = json!("Apply");
    there.apply("p", suspended).await?;
    ready(&there, "p").await?;
    let state = see::state(&there).await?;
    assert_eq!(
        state["logs"]["logGroups"]["/drifted"]["retentionInDays"],
        30
    );
    look_again(&there, "p").await?;
    let state = see::state(&there).await?;
    assert_eq!(state["xray"]["samplingRules"]["changed"]["fixedRate"], 0.1);
    Ok(())
}
