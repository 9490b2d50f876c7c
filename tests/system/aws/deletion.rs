//! The end of a profile: AWS objects by policy, the rule `Default` restored, and an end in any case.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use support::aws::Fault;
use support::{Installation, LONG, eventually};

use super::see::{self, counts, edit, mark, part, ready, writes};

fn spec() -> Value {
    let rule = |name: &str, priority: i32, policy: &str| json!({"name": name, "priority": priority, "fixedRate": 0.1, "reservoirSize": 1, "deletionPolicy": policy});
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "gone"}, {"name": "kept", "deletionPolicy": "Retain"}],
            "samplingRules": [rule("gone", 1, "Delete"), rule("kept", 2, "Retain")],
        },
        "logs": {"groups": [{"name": "/gone", "deletionPolicy": "Delete"}, {"name": "/kept", "retentionInDays": 7}]},
    })
}

async fn delete(there: &Installation) -> Result<()> {
    there.profiles().delete("p", &Default::default()).await?;
    Ok(())
}

fn names(state: &Value, pointer: &str) -> Vec<String> {
    let objects = state.pointer(pointer).and_then(Value::as_object);
    objects
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .filter(|name| name != "Default")
        .collect()
}

#[tokio::test]
async fn each_object_goes_or_stays_as_its_policy_says() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let mark = mark(&there).await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    let state = see::state(&there).await?;
    assert_eq!(names(&state, "/xray/groups"), ["kept"]);
    assert_eq!(names(&state, "/xray/samplingRules"), ["kept"]);
    assert_eq!(names(&state, "/logs/logGroups"), ["/kept"]);
    for pointer in [
        "/xray/groups/kept/tags",
        "/xray/samplingRules/kept/tags",
        "/logs/logGroups/~1kept/tags",
    ] {
        assert_eq!(state.pointer(pointer), Some(&json!({})), "{pointer}");
    }
    assert_eq!(state["logs"]["logGroups"]["/kept"]["retentionInDays"], 7);
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
async fn a_suspended_profile_leaves_everything_and_releases_it() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let before = see::state(&there).await?;
    let mark = mark(&there).await?;
    let mut suspended = spec();
    suspended["mode"] = json!("Suspended");
    // Nothing is looked at, so what the entries say is of no matter.
    suspended["xray"]["groups"] = json!([]);
    there.apply("p", suspended).await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    let state = see::state(&there).await?;
    for pointer in ["/xray/groups", "/xray/samplingRules", "/logs/logGroups"] {
        assert_eq!(names(&state, pointer), names(&before, pointer));
        for name in names(&state, pointer) {
            assert_eq!(
                state
                    .pointer(pointer)
                    .map(|objects| &objects[&name]["tags"]),
                Some(&json!({})),
                "{pointer} {name}"
            );
        }
    }
    assert_eq!(
        writes(&there, mark).await?,
        counts([("xray.UntagResource", 4), ("logs.UntagResource", 2)])
    );
    Ok(())
}

#[tokio::test]
async fn in_preview_the_policies_apply() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let mut preview = spec();
    preview["mode"] = json!("Preview");
    there.apply("p", preview).await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    let state = see::state(&there).await?;
    assert_eq!(names(&state, "/xray/groups"), ["kept"]);
    assert_eq!(names(&state, "/logs/logGroups"), ["/kept"]);
    Ok(())
}

#[tokio::test]
async fn a_preview_that_was_never_applied_goes_at_once_and_touches_nothing() -> Result<()> {
    let there = Installation::new().await?;
    edit(&there, |state| {
        state["xray"]["groups"]["gone"] = json!({"filterExpression": "fault"})
    })
    .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let mut preview = spec();
    preview["mode"] = json!("Preview");
    there.apply("p", preview).await?;
    see::until(&there.profiles(), "p", "it was previewed", |profile| {
        see::current(profile).then_some(())
    })
    .await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));
    Ok(())
}

#[tokio::test]
async fn the_rule_default_is_restored() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allow-adopt", "Default")])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let aws = json!({"region": see::REGION});
    let rule = json!({"name": "Default", "fixedRate": 0.5, "reservoirSize": 9});
    for removal in ["the entry", "the profile"] {
        there
            .apply("p", json!({"aws": aws, "xray": {"samplingRules": [rule]}}))
            .await?;
        ready(&there, "p").await?;
        let managed = part(&there, "/xray/samplingRules/Default").await?;
        assert_eq!(
            (&managed["fixedRate"], &managed["reservoirSize"]),
            (&json!(0.5), &json!(9))
        );
        if removal == "the entry" {
            there.apply("p", json!({"aws": aws})).await?;
        } else {
            delete(&there).await?;
        }
        see::aws_until(
            &there,
            &format!("the end of {removal} left Default as AWS ships it"),
            |state| {
                let rule = &state["xray"]["samplingRules"]["Default"];
                rule["fixedRate"] == 0.05 && rule["reservoirSize"] == 1 && rule["tags"] == json!({})
            },
        )
        .await?;
    }
    see::gone(&there, "p").await
}

#[tokio::test]
async fn what_is_gone_already_holds_nothing_up() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    edit(&there, |state| *state = json!({})).await?;
    delete(&there).await?;
    see::gone(&there, "p").await
}

#[tokio::test]
async fn without_credentials_a_profile_is_released_after_a_while_and_what_stays_is_recorded()
-> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DELETION_TIMEOUT", "3s")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    there
        .aws()
        .control()
        .set_accounts(&[("AKIASOMEBODY", see::ACCOUNT)])
        .await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    let maps = there.namespace().api::<ConfigMap>();
    let record = maps
        .get("tracewright-orphans")
        .await?
        .data
        .context("the record has data")?;
    let key = format!("{}.p", there.namespace().name());
    let text = record
        .get(&key)
        .with_context(|| format!("no {key} in {record:?}"))?;
    for word in [
        "account 123456789012, region us-east-1",
        "Group gone (arn:aws:xray:us-east-1:123456789012:group/gone/",
        "SamplingRule gone (arn:aws:xray:us-east-1:123456789012:sampling-rule/gone), to be deleted",
        "LogGroup /gone (arn:aws:logs:us-east-1:123456789012:log-group:/gone), to be deleted",
        "LogGroup /kept (arn:aws:logs:us-east-1:123456789012:log-group:/kept), to be kept",
    ] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
    assert_eq!(operator.metric("tracewright_orphans_total").await?, 6.0);
    let log = operator.log()?;
    assert!(log.contains("AWS was away for too long"), "{log}");
    assert_eq!(
        names(&see::state(&there).await?, "/xray/groups"),
        ["gone", "kept"]
    );
    Ok(())
}

#[tokio::test]
async fn a_profile_is_released_though_the_record_of_what_stays_is_full() -> Result<()> {
    let there = Installation::new().await?;
    let maps = there.namespace().api::<ConfigMap>();
    let full: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "tracewright-orphans"},
        // A ConfigMap holds a mebibyte.
        "data": {"team.earlier": "x".repeat(1024 * 1024 - 100)},
    }))?;
    maps.create(&Default::default(), &full).await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DELETION_TIMEOUT", "2s")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    there
        .aws()
        .control()
        .set_accounts(&[("AKIASOMEBODY", see::ACCOUNT)])
        .await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    assert_eq!(operator.metric("tracewright_orphans_total").await?, 6.0);
    let log = operator.log()?;
    assert!(
        log.contains("the record of orphans takes no more") && log.contains("LogGroup /kept"),
        "{log}"
    );
    Ok(())
}

/// Not every partition, and hardly any emulator, has the newest operations.
#[tokio::test]
async fn an_aws_that_cannot_list_log_groups_by_tags_holds_no_deletion_up() -> Result<()> {
    for (status, code) in [
        (400, "UnknownOperationException"),
        (501, "InternalFailure"),
        // As moto answers.
        (500, ""),
    ] {
        let there = Installation::new().await?;
        let fault = Fault::error("logs.ListLogGroups", status, code);
        there.aws().control().inject(&fault).await?;
        let mut operator = there.operator().start()?;
        operator.ready().await?;
        there.apply("p", spec()).await?;
        ready(&there, "p").await?;
        delete(&there).await?;
        see::gone(&there, "p").await?;
        let state = see::state(&there).await?;
        assert_eq!(names(&state, "/logs/logGroups"), ["/kept"], "{code}");
        assert_eq!(
            part(&there, "/logs/logGroups/~1kept/tags").await?,
            json!({})
        );
        assert_eq!(operator.metric("tracewright_orphans_total").await?, 0.0);
    }
    Ok(())
}

/// Some emulators have CloudWatch Logs and half of X-Ray.
#[tokio::test]
async fn an_aws_without_x_ray_lets_a_profile_go_that_never_had_anything_there() -> Result<()> {
    let there = Installation::new().await?;
    let fault = Fault::error("xray.GetSamplingRules", 404, "");
    there.aws().control().inject(&fault).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let logs = json!({"logs": {"groups": [{"name": "/going", "deletionPolicy": "Delete"}]}});
    there.apply("p", logs).await?;
    ready(&there, "p").await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    assert!(names(&see::state(&there).await?, "/logs/logGroups").is_empty());
    assert_eq!(operator.metric("tracewright_orphans_total").await?, 0.0);
    Ok(())
}

#[tokio::test]
async fn while_aws_is_away_a_profile_that_goes_says_why_it_waits_and_goes_when_aws_is_back()
-> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let denied = Fault::error("xray.DeleteGroup", 403, "AccessDeniedException");
    there.aws().control().inject(&denied).await?;
    delete(&there).await?;
    see::until(&there.profiles(), "p", "it says why it waits", |profile| {
        let ready = see::condition(profile, "Ready")?;
        (ready.reason == "Deleting"
            && ready
                .message
                .contains("xray.DeleteGroup failed: AccessDenied"))
        .then_some(())
    })
    .await?;
    there.aws().control().clear_faults().await?;
    see::gone(&there, "p").await?;
    assert_eq!(names(&see::state(&there).await?, "/xray/groups"), ["kept"]);
    Ok(())
}

#[tokio::test]
async fn a_profile_that_never_reached_aws_goes_at_once() -> Result<()> {
    let there = Installation::new().await?;
    there
        .aws()
        .control()
        .set_accounts(&[("AKIASOMEBODY", see::ACCOUNT)])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    see::synced(&there, "p", "False CredentialsMissing").await?;
    delete(&there).await?;
    see::gone(&there, "p").await?;
    eventually(LONG, "nothing was left behind", async || {
        match there
            .namespace()
            .api::<ConfigMap>()
            .get_opt("tracewright-orphans")
            .await
        {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn of_a_log_group_that_cannot_be_deleted_the_sentence_of_aws_is_told() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .apply(
            "p",
            json!({"logs": {"groups": [{"name": "/l", "deletionPolicy": "Delete"}]}}),
        )
        .await?;
    ready(&there, "p").await?;
    // Protected after the last look: AWS refuses, and the next look sees why.
    let fault = there
        .aws()
        .control()
        .inject(&Fault::error(
            "logs.DeleteLogGroup",
            400,
            "ValidationException",
        ))
        .await?;
    delete(&there).await?;
    see::until(&there.profiles(), "p", "it says why it waits", |profile| {
        let item = see::item(profile, "/l")?;
        item.message
            .as_ref()?
            .contains("logs.DeleteLogGroup failed: ValidationException")
            .then_some(())
    })
    .await?;
    edit(&there, |state| {
        state["logs"]["logGroups"]["/l"]["deletionProtectionEnabled"] = json!(true)
    })
    .await?;
    there.aws().control().remove(fault).await?;
    see::gone(&there, "p").await?;
    assert_eq!(part(&there, "/logs/logGroups/~1l/tags").await?, json!({}));
    Ok(())
}
