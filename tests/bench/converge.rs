//! Measures `converge`: the time in which 1,000 log groups with a retention come to be, at the rates that AWS documents
//! and an operator that takes all of them, compared with the least time that those rates allow.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::measurement::Measurement;
use support::{Installation, eventually};

const LOG_GROUPS: usize = 1_000;
/// As many as one profile may declare.
const LOG_GROUPS_PER_PROFILE: usize = 50;
const GOAL: f64 = 1.03;
/// `PutRetentionPolicy`: five a second, and five at once. (Amazon CloudWatch Logs quotas.)
const PER_SECOND: f64 = 5.0;
const BURST: f64 = 5.0;

fn spec(number: usize, log_groups: usize) -> Value {
    let names =
        number * LOG_GROUPS_PER_PROFILE..log_groups.min((number + 1) * LOG_GROUPS_PER_PROFILE);
    let log_groups: Vec<_> = names
        .map(|name| json!({"name": format!("/{name}"), "retentionInDays": 7}))
        .collect();
    json!({"logs": {"groups": log_groups}})
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let log_groups = std::env::args()
        .nth(1)
        .map_or(Ok(LOG_GROUPS), |number| number.parse())
        .context("how many log groups")?;
    let there = Installation::new().await?;
    let profiles = log_groups.div_ceil(LOG_GROUPS_PER_PROFILE);
    for number in 0..profiles {
        there
            .apply(&format!("p{number}"), spec(number, log_groups))
            .await?;
    }
    let floor = (log_groups as f64 - BURST) / PER_SECOND;
    println!(
        "{log_groups} log groups in {profiles} profiles; at the documented rates that takes at least {floor:.0} s"
    );
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_AWS_RATE_SHARE", "1.0")
        .start()?;
    operator.ready().await?;
    let progress = Instant::now();
    let mut told = 0;
    let calls = eventually(
        Duration::from_secs_f64(floor * 2.0 + 60.0),
        "every retention is written",
        async || {
            let calls = there
                .aws()
                .control()
                .calls(0)
                .await
                .map_err(|error| error.to_string())?;
            let done = calls.of("logs.PutRetentionPolicy").ok as usize;
            if done / 100 > told {
                told = done / 100;
                println!(
                    "{done} retentions after {:.0} s",
                    progress.elapsed().as_secs_f64()
                );
            }
            if done >= log_groups {
                Ok(calls)
            } else {
                Err(format!("{done} are"))
            }
        },
    )
    .await?;
    let at = |call: Option<&support::aws::Call>| -> Result<Timestamp> {
        Ok(call.context("no write")?.time.parse()?)
    };
    let first = at(calls
        .calls
        .iter()
        .find(|call| call.operation == "logs.CreateLogGroup"))?;
    let last = at(calls
        .calls
        .iter()
        .rfind(|call| call.operation == "logs.PutRetentionPolicy" && call.status == 200))?;
    let seconds = last.duration_since(first).as_secs_f64();
    let throttled = calls.of("").throttled;
    println!(
        "{seconds:.1} s from the first creation to the last retention, {throttled} calls throttled"
    );
    let reduced = (log_groups < LOG_GROUPS).then(|| format!("{log_groups} log groups"));
    Ok(
        Measurement::at_most("converge", seconds / floor, "x the floor", GOAL)
            .reduced_to(reduced)
            .conclude(),
    )
}
