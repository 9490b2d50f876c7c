//! Quotas are looked at before anything is made, and rates are kept; what AWS throttles or aborts comes through all the
//! same.

use anyhow::Result;
use serde_json::{Value, json};
use support::Installation;
use support::aws::Fault;
use tracewright_core::crd::status::ItemState;

use super::see::{
    self, counts, edit, in_state, look_again, mark, ready, synced, take_away, writes,
};

fn rules(names: &[&str]) -> Value {
    let rules: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, priority)| json!({"name": name, "priority": priority, "fixedRate": 0.1, "reservoirSize": 1}))
        .collect();
    json!({"service": {"name": "backend"}, "xray": {"samplingRules": rules}})
}

fn groups(names: &[&str]) -> Value {
    let groups: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    json!({"service": {"name": "backend"}, "xray": {"groups": groups}})
}

#[tokio::test]
async fn a_full_quota_is_told_and_not_tried() -> Result<()> {
    let there = Installation::new().await?;
    edit(&there, |state| {
        for number in 0..24 {
            state["xray"]["samplingRules"][format!("theirs-{number}")] =
                json!({"priority": 5000 + number});
        }
    })
    .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    // Twenty-four are there, and rule Default does not count: one fits.
    there.apply("p", rules(&["a", "b"])).await?;
    in_state(&there, "p", "a", ItemState::Synced).await?;
    let sentence = in_state(&there, "p", "b", ItemState::QuotaExceeded).await?;
    assert!(
        sentence.contains("25 of 25") && sentence.contains("L-8C0C998A"),
        "{sentence}"
    );
    synced(&there, "p", "False QuotaExceeded").await?;
    let advice = see::until(&there.profiles(), "p", "the quota is advice", |profile| {
        see::condition(profile, "Advisories")
            .filter(|it| it.status == "True")
            .map(|it| it.message.clone())
    })
    .await?;
    assert!(advice.contains("25 of 25 sampling rules"), "{advice}");
    look_again(&there, "p").await?;
    assert_eq!(
        writes(&there, 0).await?,
        counts([("xray.CreateSamplingRule", 1)])
    );

    take_away(&there, "/xray/samplingRules", "theirs-7").await?;
    look_again(&there, "p").await?;
    in_state(&there, "p", "b", ItemState::Synced).await?;
    assert_eq!(
        writes(&there, 0).await?,
        counts([("xray.CreateSamplingRule", 2)])
    );
    Ok(())
}

#[tokio::test]
async fn at_a_full_quota_a_group_can_be_renamed() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_QUOTA_GROUPS", "2")
        .start()?;
    operator.ready().await?;
    there.apply("p", groups(&["a", "b"])).await?;
    ready(&there, "p").await?;
    there.apply("p", groups(&["a", "c"])).await?;
    ready(&there, "p").await?;
    let held = see::part(&there, "/xray/groups").await?;
    assert!(held["b"].is_null() && held["c"].is_object(), "{held}");
    Ok(())
}

#[tokio::test]
async fn a_quota_that_only_aws_knows_is_told_and_not_hammered() -> Result<()> {
    let there = Installation::new().await?;
    there
        .aws()
        .control()
        .set_limit("xray.samplingRules", 1)
        .await?;
    there.aws().control().set_limit("logs.logGroups", 0).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let mut spec = rules(&["a", "b"]);
    spec["logs"] = json!({"groups": [{"name": "/l"}]});
    there.apply("p", spec).await?;
    let sentence = synced(&there, "p", "False QuotaExceeded").await?;
    assert!(
        sentence.contains("RuleLimitExceededException")
            && sentence.contains("LimitExceededException"),
        "{sentence}"
    );
    in_state(&there, "p", "/l", ItemState::QuotaExceeded).await?;
    let tried = writes(&there, 0).await?;
    assert_eq!(
        tried,
        counts([("xray.CreateSamplingRule", 2), ("logs.CreateLogGroup", 1)])
    );
    there
        .aws()
        .control()
        .set_limit("xray.samplingRules", 25)
        .await?;
    there
        .aws()
        .control()
        .set_limit("logs.logGroups", 25)
        .await?;
    look_again(&there, "p").await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn throttled_calls_come_through_and_none_is_tried_more_than_five_times_in_a_row() -> Result<()>
{
    let there = Installation::new().await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    for (operation, seed) in [("xray.*", 1), ("logs.*", 2)] {
        there
            .aws()
            .control()
            .inject(&Fault::throttle(operation).probability(0.3, seed))
            .await?;
    }
    let mut spec = rules(&["a", "b", "c"]);
    spec["xray"]["groups"] = json!([{"name": "a"}, {"name": "b"}]);
    spec["logs"] = json!({"groups": (0..10).map(|number| json!({"name": format!("/{number}"), "retentionInDays": 7})).collect::<Vec<_>>()});
    there.apply("p", spec).await?;
    ready(&there, "p").await?;
    let calls = there.aws().control().calls(0).await?;
    assert!(calls.of("").throttled > 0, "{:?}", calls.counts);
    // What went through was sent once.
    for (operation, expected) in [
        ("xray.CreateSamplingRule", 3),
        ("xray.CreateGroup", 2),
        ("logs.CreateLogGroup", 10),
        ("logs.PutRetentionPolicy", 10),
    ] {
        assert_eq!(calls.of(operation).ok, expected, "{operation}");
    }
    Ok(())
}

#[tokio::test]
async fn an_aws_that_throttles_everything_is_told_and_left_in_peace() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    there
        .aws()
        .control()
        .inject(&Fault::throttle("xray.GetSamplingRules"))
        .await?;
    there.apply("p", rules(&["a"])).await?;
    let sentence = synced(&there, "p", "False Throttled").await?;
    assert!(sentence.contains("xray.GetSamplingRules"), "{sentence}");
    let tried = there
        .aws()
        .control()
        .calls(0)
        .await?
        .of("xray.GetSamplingRules")
        .throttled;
    assert!((5..=10).contains(&tried), "{tried} calls until it was told");
    there.aws().control().clear_faults().await?;
    ready(&there, "p").await?;
    Ok(())
}

/// CloudWatch Logs takes one write at a time for each log group.
#[tokio::test]
async fn a_log_group_that_somebody_else_is_writing_is_written_a_moment_later() -> Result<()> {
    let there = Installation::new().await?;
    there
        .aws()
        .control()
        .set_limit("logGroupWriteMs", 50)
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .aws()
        .control()
        .inject(&Fault::error("logs.*RetentionPolicy", 400, "OperationAbortedException").times(2))
        .await?;
    let spec =
        json!({"logs": {"groups": [{"name": "/l", "retentionInDays": 7, "tags": {"team": "a"}}]}});
    there.apply("p", spec).await?;
    ready(&there, "p").await?;
    let tried = writes(&there, 0).await?;
    assert_eq!(tried.get("logs.CreateLogGroup"), Some(&1));
    assert!(
        (3..=6).contains(tried.get("logs.PutRetentionPolicy").unwrap_or(&0)),
        "{tried:?}"
    );
    Ok(())
}

/// The emulator throttles whoever is faster than what AWS documents.
#[tokio::test]
async fn at_the_operators_own_pace_aws_never_throttles() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let names: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut spec = rules(&names);
    spec["xray"]["groups"] = groups(&names)["xray"]["groups"].clone();
    spec["logs"] = json!({"groups": (0..30).map(|number| json!({"name": format!("/{number}"), "retentionInDays": 7})).collect::<Vec<_>>()});
    let since = mark(&there).await?;
    there.apply("p", spec).await?;
    ready(&there, "p").await?;
    let calls = there.aws().control().calls(since).await?.of("");
    assert_eq!((calls.throttled, calls.error), (0, 0));
    let expected = [
        ("xray.CreateGroup", 10),
        ("xray.CreateSamplingRule", 10),
        ("logs.CreateLogGroup", 30),
        ("logs.PutRetentionPolicy", 30),
    ];
    assert_eq!(writes(&there, since).await?, counts(expected));
    Ok(())
}
