//! Whether any client matched the rules of a profile: condition `TrafficSeen`, and requests per rule as metrics.

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_xray::config::Credentials;
use aws_sdk_xray::primitives::DateTime;
use aws_sdk_xray::types::SamplingStatisticsDocument;
use serde_json::{Value, json};
use support::{Installation, LONG, Operator, eventually};

use super::see::{self, mark, ready, until, verdict};

fn spec(rule: &str) -> Value {
    json!({
        "service": {"name": rule},
        "xray": {"samplingRules": [{"name": rule, "priority": 9000, "fixedRate": 0.1, "reservoirSize": 5}]},
    })
}

/// Reports requests as a sampler does that obeys a rule.
async fn report(there: &Installation, rule: &str, requests: i32, sampled: i32) -> Result<()> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(see::REGION))
        .credentials_provider(Credentials::new(
            "AKIATRACEWRIGHTTEST1",
            "any",
            None,
            None,
            "tests",
        ))
        .endpoint_url(there.aws().url())
        .load()
        .await;
    let statistics = SamplingStatisticsDocument::builder()
        .rule_name(rule)
        .client_id("0123456789abcdef01234567")
        .timestamp(DateTime::from(std::time::SystemTime::now()))
        .request_count(requests)
        .sampled_count(sampled)
        .borrow_count(0)
        .build()?;
    let answer = aws_sdk_xray::Client::new(&config)
        .get_sampling_targets()
        .sampling_statistics_documents(statistics)
        .send()
        .await?;
    let target = answer.sampling_target_documents().first();
    assert_eq!(target.and_then(|target| target.rule_name()), Some(rule));
    Ok(())
}

async fn seen(there: &Installation, name: &str, expected: &str) -> Result<String> {
    until(&there.profiles(), name, expected, |profile| {
        let told = see::current(profile) && verdict(profile, "TrafficSeen") == expected;
        told.then(|| see::condition(profile, "TrafficSeen"))
            .flatten()
            .map(|it| it.message.clone())
    })
    .await
}

async fn counted(operator: &Operator, rule: &str, expected: (f64, f64)) -> Result<()> {
    let labels = format!(
        "{{account=\"{}\",region=\"{}\",rule=\"{rule}\"}}",
        see::ACCOUNT,
        see::REGION
    );
    eventually(LONG, format!("{rule} has {expected:?}"), async || {
        let metric = async |name: &str| {
            let sample = format!("tracewright_sampling_rule_{name}{labels}");
            operator
                .metric(&sample)
                .await
                .map_err(|error| error.to_string())
        };
        let found = (metric("requests").await?, metric("sampled").await?);
        if found == expected {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn the_first_request_that_matches_a_rule_is_told_and_stays_told() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    operator.ready().await?;
    there.apply("busy", spec("busy")).await?;
    there.apply("quiet", spec("quiet")).await?;
    let mut grouped = spec("busy");
    grouped["xray"] = json!({"groups": [{"name": "busy"}]});
    there.apply("none", grouped).await?;
    for name in ["busy", "quiet", "none"] {
        ready(&there, name).await?;
    }
    let sentence = seen(&there, "busy", "False NoMatchYet").await?;
    assert!(sentence.contains("TCP port 2000"), "{sentence}");
    seen(&there, "none", "Unknown NotDeclared").await?;

    report(&there, "busy", 100, 14).await?;
    assert_eq!(
        seen(&there, "busy", "True RuleMatched").await?,
        "requests matched busy"
    );
    counted(&operator, "busy", (100.0, 14.0)).await?;
    report(&there, "busy", 20, 6).await?;
    counted(&operator, "busy", (120.0, 20.0)).await?;
    seen(&there, "quiet", "False NoMatchYet").await?;
    counted(&operator, "quiet", (0.0, 0.0)).await?;

    // AWS tells of the last minutes only, and a quiet night is no news.
    see::edit(&there, |state| state["xray"]["statistics"] = json!([])).await?;
    counted(&operator, "busy", (0.0, 0.0)).await?;
    seen(&there, "busy", "True RuleMatched").await?;
    // Whether a changed profile's rules match is another question.
    let mut changed = spec("busy");
    changed["xray"]["samplingRules"][0]["urlPath"] = json!("/other/*");
    there.apply("busy", changed).await?;
    seen(&there, "busy", "False NoMatchYet").await?;
    Ok(())
}

#[tokio::test]
async fn one_call_per_account_and_check_tells_of_all_rules_and_a_rule_that_went_is_forgotten()
-> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .hurried_operator()
        .await?
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    operator.ready().await?;
    for name in ["a", "b", "c"] {
        there.apply(name, spec(name)).await?;
        ready(&there, name).await?;
        report(&there, name, 10, 1).await?;
    }
    for name in ["a", "b", "c"] {
        seen(&there, name, "True RuleMatched").await?;
        counted(&operator, name, (10.0, 1.0)).await?;
    }
    let since = mark(&there).await?;
    let calls = eventually(LONG, "three checks have passed", async || {
        let calls = there
            .aws()
            .control()
            .calls(since)
            .await
            .map_err(|error| error.to_string())?;
        let checks = calls.of("xray.GetGroups").ok;
        if checks >= 3 {
            Ok(calls)
        } else {
            Err(format!("{checks} have"))
        }
    })
    .await?;
    let (checks, summaries) = (
        calls.of("xray.GetGroups").ok,
        calls.of("xray.GetSamplingStatisticSummaries").ok,
    );
    assert!(checks.abs_diff(summaries) <= 1, "{:?}", calls.counts);

    there.profiles().delete("a", &Default::default()).await?;
    see::gone(&there, "a").await?;
    eventually(LONG, "nothing is told of rule a", async || {
        let text = reqwest::get(operator.metrics_url())
            .await
            .context("metrics")?
            .text()
            .await?;
        let named = text.lines().find(|line| line.contains("rule=\"a\""));
        named.map_or(Ok(()), |line| Err(anyhow::anyhow!("{line}")))
    })
    .await?;
    counted(&operator, "b", (10.0, 1.0)).await
}
