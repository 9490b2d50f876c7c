//! What cannot be as it is declared: found before AWS is asked where that is possible, and told in AWS's words where not.

use anyhow::Result;
use serde_json::{Value, json};
use support::Installation;
use support::aws::Fault;
use tracewright_core::crd::status::ItemState;

use super::see::{
    self, counts, edit, in_state, look_again, mark, part, ready, synced, until, writes,
};

fn log_group(more: Value) -> Value {
    let mut group = json!({"name": "/l"});
    if let (Some(group), Value::Object(more)) = (group.as_object_mut(), more) {
        group.extend(more);
    }
    json!({"aws": {"region": see::REGION}, "logs": {"groups": [group]}})
}

#[tokio::test]
async fn a_broken_filter_expression_is_shown_with_its_place_and_not_sent() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({
        "service": {"name": "backend"},
        "xray": {"groups": [{"name": "broken", "filterExpression": "service(\"backend\" AND fault"}, {"name": "fine"}]},
    });
    there.apply("p", spec).await?;
    let sentence = synced(&there, "p", "False InvalidFilterExpression").await?;
    assert!(
        sentence.contains("X-Ray group broken has an invalid filterExpression"),
        "{sentence}"
    );
    in_state(&there, "p", "broken", ItemState::Invalid).await?;
    in_state(&there, "p", "fine", ItemState::Synced).await?;
    assert_eq!(writes(&there, 0).await?, counts([("xray.CreateGroup", 1)]));
    Ok(())
}

/// A group that is there already keeps its expression and stays ours while its entry is broken.
#[tokio::test]
async fn an_entry_that_breaks_changes_nothing_until_it_is_mended() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = |expression: &str| json!({"xray": {"groups": [{"name": "g", "filterExpression": expression}]}});
    there.apply("p", spec("fault")).await?;
    ready(&there, "p").await?;
    let mark = mark(&there).await?;
    there.apply("p", spec("fault AND (")).await?;
    in_state(&there, "p", "g", ItemState::Invalid).await?;
    let profile = there.profiles().get("p").await?;
    let item = see::item(&profile, "g").cloned();
    assert!(item.is_some_and(|item| item.arn.is_some() && item.deletion_policy.is_some()));
    assert_eq!(writes(&there, mark).await?, counts([]));
    there.apply("p", spec("error")).await?;
    ready(&there, "p").await?;
    assert_eq!(
        part(&there, "/xray/groups/g/filterExpression").await?,
        "error"
    );
    // X-Ray does not look at old traces again.
    let advice = until(&there.profiles(), "p", "the change is advice", |profile| {
        let advice = see::condition(profile, "Advisories")?;
        (advice.reason == "ExpressionChanged").then(|| advice.message.clone())
    })
    .await?;
    assert!(advice.contains("X-Ray group g"), "{advice}");
    Ok(())
}

/// X-Ray answers every failure alike, so a refusal is believed only when it lasts.
#[tokio::test]
async fn what_x_ray_refuses_is_pending_at_first_and_then_invalid_in_its_words() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let fault = Fault::error("xray.CreateSamplingRule", 400, "InvalidRequestException");
    let fault = there.aws().control().inject(&fault).await?;
    let rule = json!({"name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1});
    there
        .apply(
            "p",
            json!({"service": {"name": "backend"}, "xray": {"samplingRules": [rule]}}),
        )
        .await?;
    let sentence = in_state(&there, "p", "r", ItemState::Pending).await?;
    assert!(sentence.contains("looked at again"), "{sentence}");
    let sentence = in_state(&there, "p", "r", ItemState::Invalid).await?;
    assert!(
        sentence
            .contains("sampling rule r: xray.CreateSamplingRule failed: InvalidRequestException"),
        "{sentence}"
    );
    let tried = writes(&there, 0).await?["xray.CreateSamplingRule"];
    assert!((2..=8).contains(&tried), "{tried}");
    there.aws().control().remove(fault).await?;
    look_again(&there, "p").await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn what_cloudwatch_logs_refuses_is_told_at_once_in_its_words() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    // A key of another account passes the schema.
    let spec = |account: &str| {
        log_group(json!({"kmsKeyArn": format!("arn:aws:kms:us-east-1:{account}:key/1")}))
    };
    there.apply("p", spec("999999999999")).await?;
    let sentence = in_state(&there, "p", "/l", ItemState::Invalid).await?;
    assert!(
        sentence.contains("logs.CreateLogGroup failed: InvalidParameterException")
            && sentence.contains("KMS key"),
        "{sentence}"
    );
    // It is not tried again until something changes, which each drift check may have seen.
    let calls = there.aws().control().calls(0).await?;
    let tries = calls.of("logs.CreateLogGroup").error;
    let checks = calls.of("xray.GetSamplingStatisticSummaries").ok;
    assert!((1..=1 + checks).contains(&tries), "{:?}", calls.counts);
    there.apply("p", spec(see::ACCOUNT)).await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn a_log_group_of_another_class_is_left_as_it_is_with_a_sentence() -> Result<()> {
    let there = Installation::new().await?;
    there.allow(&[("tracewright.dev/allow-adopt", "*")]).await?;
    edit(&there, |state| {
        state["logs"]["logGroups"]["/l"] = json!({"class": "INFREQUENT_ACCESS"})
    })
    .await?;
    let before = see::state(&there).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .apply(
            "p",
            log_group(
                json!({"class": "STANDARD", "retentionInDays": 7, "adoptionPolicy": "Adopt"}),
            ),
        )
        .await?;
    let sentence = in_state(&there, "p", "/l", ItemState::Invalid).await?;
    assert!(
        sentence.contains("has the class INFREQUENT_ACCESS, not STANDARD"),
        "{sentence}"
    );
    assert_eq!(writes(&there, 0).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    Ok(())
}

/// Under an account policy `PutRetentionPolicy` succeeds and has no effect, and AWS shows the policy's number.
#[tokio::test]
async fn a_retention_that_an_account_policy_overrides_is_advice_and_not_written_again() -> Result<()>
{
    let there = Installation::new().await?;
    edit(&there, |state| {
        state["logs"]["accountPolicies"] = json!([{
            "policyName": "keep-for-audit",
            "policyType": "RETENTION_POLICY",
            "policyDocument": json!({"retentionInDays": 365, "enforcementMode": "RETROACTIVE"}).to_string(),
        }]);
    })
    .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .apply("p", log_group(json!({"retentionInDays": 7})))
        .await?;
    ready(&there, "p").await?;
    look_again(&there, "p").await?;
    let advice = until(
        &there.profiles(),
        "p",
        "the override is advice",
        |profile| {
            let advice = see::condition(profile, "Advisories")
                .filter(|it| it.reason == "RetentionOverridden")?;
            Some(advice.message.clone())
        },
    )
    .await?;
    assert!(
        advice.contains("365 days, not 7 days") && advice.contains("keep-for-audit"),
        "{advice}"
    );
    look_again(&there, "p").await?;
    ready(&there, "p").await?;
    let written = writes(&there, 0).await?;
    assert_eq!(
        written.get("logs.PutRetentionPolicy"),
        Some(&1),
        "{written:?}"
    );

    // Without the policy the number that was saved counts again, and another one is written.
    edit(&there, |state| state["logs"]["accountPolicies"] = json!([])).await?;
    let mark = mark(&there).await?;
    there
        .apply("p", log_group(json!({"retentionInDays": 30})))
        .await?;
    look_again(&there, "p").await?;
    assert_eq!(
        part(&there, "/logs/logGroups/~1l/retentionInDays").await?,
        30
    );
    assert_eq!(
        writes(&there, mark).await?,
        counts([("logs.PutRetentionPolicy", 1)])
    );
    Ok(())
}

#[tokio::test]
async fn more_tags_than_an_object_may_have_are_refused_in_the_words_of_aws() -> Result<()> {
    let there = Installation::new().await?;
    there.allow(&[("tracewright.dev/allow-adopt", "*")]).await?;
    edit(&there, |state| {
        let tags: serde_json::Map<_, _> = (0..48)
            .map(|number| (format!("tag-{number}"), json!("x")))
            .collect();
        state["logs"]["logGroups"]["/l"] = json!({"tags": tags});
    })
    .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .apply("p", log_group(json!({"adoptionPolicy": "Adopt"})))
        .await?;
    let sentence = in_state(&there, "p", "/l", ItemState::Invalid).await?;
    assert!(
        sentence.contains("logs.TagResource failed: TooManyTagsException"),
        "{sentence}"
    );
    Ok(())
}
