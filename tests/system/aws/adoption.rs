//! What exists and is not ours: left alone, taken over where profile and admin both say so, or only read. And what a
//! profile's author tries who may not.

use anyhow::Result;
use serde_json::{Value, json};
use support::{Installation, Operator};
use tracewright_core::crd::status::ItemState;

use super::see::{self, counts, edit, in_state, look_again, marked, part, ready, synced, writes};

/// Somebody's group, rule and log group, all of the name that the profiles of these tests use.
fn theirs(state: &mut Value) {
    state["xray"]["groups"]["app"] =
        json!({"filterExpression": "fault", "tags": {"whose": "somebody"}});
    state["xray"]["samplingRules"]["app"] =
        json!({"priority": 7, "fixedRate": 0.7, "reservoirSize": 7, "tags": {"whose": "somebody"}});
    state["logs"]["logGroups"]["/app"] =
        json!({"retentionInDays": 365, "tags": {"whose": "somebody"}});
}

fn spec(policy: &str) -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "app", "adoptionPolicy": policy, "filterExpression": "service(\"backend\")"}],
            "samplingRules": [{"name": "app", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5, "adoptionPolicy": policy}],
        },
        "logs": {"groups": [{"name": "/app", "retentionInDays": 7, "adoptionPolicy": policy}]},
    })
}

async fn among_strangers() -> Result<(Installation, Operator)> {
    let there = Installation::new().await?;
    edit(&there, theirs).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    Ok((there, operator))
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone_and_reported() -> Result<()> {
    let (there, _operator) = among_strangers().await?;
    let before = see::state(&there).await?;
    there.apply("p", spec("Reject")).await?;
    for name in ["app", "/app"] {
        let sentence = in_state(&there, "p", name, ItemState::Foreign).await?;
        assert!(
            sentence.contains("choose another name, or write adoptionPolicy: Adopt"),
            "{sentence}"
        );
    }
    synced(&there, "p", "False Foreign").await?;
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    Ok(())
}

#[tokio::test]
async fn adopting_needs_the_admins_word_and_works_as_soon_as_it_is_given() -> Result<()> {
    let (there, _operator) = among_strangers().await?;
    there
        .allow(&[("tracewright.dev/allow-adopt", "other*")])
        .await?;
    there.apply("p", spec("Adopt")).await?;
    for name in ["app", "/app"] {
        let sentence = in_state(&there, "p", name, ItemState::Foreign).await?;
        assert!(
            sentence.contains("tracewright.dev/allow-adopt"),
            "{sentence}"
        );
    }
    synced(&there, "p", "False Foreign").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));

    there
        .allow(&[("tracewright.dev/allow-adopt", "app,/ap*")])
        .await?;
    ready(&there, "p").await?;
    let state = see::state(&there).await?;
    let (group, rule, log_group) = (
        &state["xray"]["groups"]["app"],
        &state["xray"]["samplingRules"]["app"],
        &state["logs"]["logGroups"]["/app"],
    );
    assert_eq!(group["filterExpression"], "service(\"backend\")");
    assert_eq!(
        (&rule["priority"], &rule["fixedRate"]),
        (&json!(1), &json!(0.1))
    );
    assert_eq!(log_group["retentionInDays"], 7);
    for (object, policy) in [(group, "Delete"), (rule, "Delete"), (log_group, "Retain")] {
        let mut expected = marked(&there, "p", policy);
        expected["whose"] = json!("somebody");
        assert_eq!(object["tags"], expected);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_only_observed_is_compared_and_never_written() -> Result<()> {
    let (there, _operator) = among_strangers().await?;
    let before = see::state(&there).await?;
    there.apply("p", spec("Observe")).await?;
    for (name, sentence) in [
        ("app", "only observed and differs"),
        ("/app", "retentionInDays is 365, not 7"),
    ] {
        let told = in_state(&there, "p", name, ItemState::Drifted).await?;
        assert!(told.contains(sentence), "{told}");
    }
    // It must exist.
    let missing = json!({"logs": {"groups": [{"name": "/nowhere", "adoptionPolicy": "Observe"}]}});
    there.apply("p", missing).await?;
    let told = in_state(&there, "p", "/nowhere", ItemState::Pending).await?;
    assert!(told.contains("does not exist"), "{told}");
    // What is as expected is fine.
    let fine = json!({"logs": {"groups": [{"name": "/app", "retentionInDays": 365, "adoptionPolicy": "Observe"}]}});
    there.apply("p", fine).await?;
    ready(&there, "p").await?;
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    Ok(())
}

#[tokio::test]
async fn what_belongs_to_another_cluster_is_not_adopted_whatever_is_allowed() -> Result<()> {
    let there = Installation::new().await?;
    there.allow(&[("tracewright.dev/allow-adopt", "*")]).await?;
    edit(&there, |state| {
        theirs(state);
        let mark = json!({
            "tracewright.dev/cluster": "production", "tracewright.dev/profile": "team/p", "tracewright.dev/deletion-policy": "Delete",
        });
        state["xray"]["groups"]["app"]["tags"] = mark.clone();
        state["xray"]["samplingRules"]["app"]["tags"] = mark.clone();
        state["logs"]["logGroups"]["/app"]["tags"] = mark;
    })
    .await?;
    let before = see::state(&there).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec("Adopt")).await?;
    for name in ["app", "/app"] {
        let sentence = in_state(&there, "p", name, ItemState::Foreign).await?;
        assert!(
            sentence.contains("team/p of the cluster production"),
            "{sentence}"
        );
    }
    look_again(&there, "p").await?;
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    Ok(())
}

#[tokio::test]
async fn what_a_profile_left_that_is_no_more_is_taken_over() -> Result<()> {
    let there = Installation::new().await?;
    edit(&there, |state| {
        theirs(state);
        state["logs"]["logGroups"]["/app"]["tags"] = json!({
            "tracewright.dev/cluster": "tests", "tracewright.dev/profile": "team/gone", "tracewright.dev/deletion-policy": "Retain",
        });
    })
    .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({"logs": {"groups": [{"name": "/app", "retentionInDays": 7}]}});
    there.apply("p", spec).await?;
    ready(&there, "p").await?;
    assert_eq!(
        part(&there, "/logs/logGroups/~1app/tags").await?,
        marked(&there, "p", "Retain")
    );
    Ok(())
}

#[tokio::test]
async fn a_name_that_the_namespace_may_not_use_is_refused_and_the_rest_goes_on() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[
            ("tracewright.dev/allowed-names", "team-a-*,/team-a/*"),
            ("tracewright.dev/allow-adopt", "*"),
        ])
        .await?;
    edit(&there, theirs).await?;
    let before = see::state(&there).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let mut attack = spec("Adopt");
    attack["logs"]["groups"] =
        json!([{"name": "/app", "adoptionPolicy": "Adopt"}, {"name": "/team-a/app"}]);
    there.apply("p", attack).await?;
    let sentence = synced(&there, "p", "False NameNotAllowed").await?;
    assert!(
        sentence.contains("tracewright.dev/allowed-names"),
        "{sentence}"
    );
    in_state(&there, "p", "/team-a/app", ItemState::Synced).await?;
    assert_eq!(
        writes(&there, 0).await?,
        counts([("logs.CreateLogGroup", 1)])
    );
    let mut after = see::state(&there).await?;
    after["logs"]["logGroups"]
        .as_object_mut()
        .and_then(|groups| groups.remove("/team-a/app"));
    assert_eq!(after, before);
    Ok(())
}

#[tokio::test]
async fn the_rule_default_is_managed_only_where_the_admin_allows_it() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allow-adopt", "app")])
        .await?;
    let before = see::state(&there).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({"xray": {"samplingRules": [{"name": "Default", "fixedRate": 1.0, "reservoirSize": 100, "adoptionPolicy": "Adopt"}]}});
    there.apply("p", spec).await?;
    let sentence = synced(&there, "p", "False NameNotAllowed").await?;
    assert!(
        sentence.contains("tracewright.dev/allow-adopt: Default"),
        "{sentence}"
    );
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    Ok(())
}

/// Whoever may tag an object must not have it deleted by us with a piece of a mark.
#[tokio::test]
async fn a_broken_mark_is_no_mark() -> Result<()> {
    let there = Installation::new().await?;
    edit(&there, |state| {
        theirs(state);
        let mark = json!({"tracewright.dev/profile": format!("{}/p", there.namespace().name()), "tracewright.dev/deletion-policy": "Delete"});
        state["xray"]["groups"]["app"]["tags"] = mark.clone();
        state["xray"]["samplingRules"]["app"]["tags"] = mark.clone();
        state["logs"]["logGroups"]["/app"]["tags"] = mark;
    })
    .await?;
    let before = see::state(&there).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec("Reject")).await?;
    for name in ["app", "/app"] {
        in_state(&there, "p", name, ItemState::Foreign).await?;
    }
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    assert_eq!(see::state(&there).await?, before);
    Ok(())
}
