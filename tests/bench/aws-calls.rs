//! Measures `aws-calls`: how many AWS calls one steady check takes of 1,000 log groups, 25 groups and 25 rules in 100
//! profiles. The cycle that reads tags again is counted apart.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::ListParams;
use serde_json::{Value, json};
use support::aws::Call;
use support::measurement::Measurement;
use support::{Installation, eventually};

const PROFILES: usize = 100;
const LOG_GROUPS_PER_PROFILE: usize = 10;
const X_RAY_OBJECTS: usize = 25;
const GOAL: f64 = 25.0;
/// Checks that are counted; the dearest is the result.
const CHECKS: usize = 3;
/// Long enough for every profile to be made on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);
/// The last call of a check but for tags.
const LAST: &str = "xray.GetSamplingStatisticSummaries";

fn spec(number: usize) -> Value {
    let log_groups: Vec<_> = (0..LOG_GROUPS_PER_PROFILE)
        .map(|index| json!({"name": format!("/team-{number}/{index}"), "retentionInDays": 7}))
        .collect();
    let mut spec =
        json!({"service": {"name": format!("service-{number}")}, "logs": {"groups": log_groups}});
    if number < X_RAY_OBJECTS {
        let rule = json!({"name": format!("rule-{number}"), "priority": number + 1, "fixedRate": 0.1, "reservoirSize": 1});
        spec["xray"] =
            json!({"groups": [{"name": format!("group-{number}")}], "samplingRules": [rule]});
    }
    spec
}

async fn all_ready(there: &Installation, profiles: usize) -> Result<()> {
    eventually(
        PATIENCE,
        format!("{profiles} profiles are ready"),
        async || {
            let list = there
                .profiles()
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let ready = list.items.iter().filter(|profile| {
                let conditions = profile.status.iter().flat_map(|status| &status.conditions);
                conditions
                    .into_iter()
                    .any(|it| it.type_ == "Ready" && it.status == "True")
            });
            let ready = ready.count();
            if ready == profiles {
                Ok(())
            } else {
                Err(format!("{ready} are"))
            }
        },
    )
    .await?;
    Ok(())
}

/// The calls after `since`, once there have been so many checks in them.
async fn checks(there: &Installation, since: u64, checks: usize) -> Result<Vec<Call>> {
    let calls = eventually(
        PATIENCE,
        format!("{checks} checks have passed"),
        async || {
            let calls = there
                .aws()
                .control()
                .calls(since)
                .await
                .map_err(|error| error.to_string())?;
            let passed = calls.of(LAST).ok as usize;
            if passed >= checks && calls.lost == 0 {
                Ok(calls.calls)
            } else {
                Err(format!("{passed} checks, {} calls lost", calls.lost))
            }
        },
    );
    Ok(calls.await?)
}

fn is_tag_call(call: &Call) -> bool {
    call.operation.ends_with(".ListTagsForResource") || call.operation == "logs.ListLogGroups"
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let profiles = std::env::args()
        .nth(1)
        .map_or(Ok(PROFILES), |number| number.parse())
        .context("how many profiles")?;
    let there = Installation::new().await?;
    let launch = there
        .hurried_operator()
        .await?
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "10s");
    let mut operator = launch.start()?;
    operator.ready().await?;
    println!(
        "{} log groups, {} groups and as many rules in {profiles} profiles",
        profiles * LOG_GROUPS_PER_PROFILE,
        profiles.min(X_RAY_OBJECTS)
    );
    stream::iter(0..profiles)
        .map(async |number| there.apply(&format!("p{number}"), spec(number)).await)
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;
    all_ready(&there, profiles).await?;
    println!("all are ready");

    // A new operator knows no tags: its first check reads all of them.
    operator.stop().await?;
    let since = there.aws().control().calls(0).await?.last;
    let mut operator = launch.start()?;
    operator.ready().await?;
    let calls = checks(&there, since, 2).await?;
    let tags = calls.iter().filter(|call| is_tag_call(call)).count();
    println!("a tag cycle: {tags} calls");

    let since = there.aws().control().calls(0).await?.last;
    let calls = checks(&there, since, CHECKS + 1).await?;
    let ends: Vec<usize> = (0..calls.len())
        .filter(|index| calls[*index].operation == LAST)
        .collect();
    let dearest = ends
        .windows(2)
        .map(|ends| &calls[ends[0] + 1..=ends[1]])
        .max_by_key(|check| check.len())
        .context("no check")?;
    let mut operations: Vec<&str> = dearest.iter().map(|call| call.operation.as_str()).collect();
    operations.sort_unstable();
    for run in operations.chunk_by(|a, b| a == b) {
        println!("{:>5} {}", run.len(), run[0]);
    }
    ensure!(
        !dearest.iter().any(is_tag_call),
        "tags were read within a check"
    );
    let reduced = (profiles < PROFILES).then(|| format!("{profiles} profiles"));
    Ok(
        Measurement::at_most("aws-calls", dearest.len() as f64, "calls per check", GOAL)
            .reduced_to(reduced)
            .conclude(),
    )
}
