//! Measures `apply-latency`: from the apply of a new profile to its object in AWS, which answers without delay.
//!
//! The time runs from before the request to the API server until AWS has carried the creation out. The client is this
//! program: starting `kubectl` would be measured along otherwise.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;
use support::measurement::Measurement;
use support::{Installation, LONG, eventually};

const PROFILES: usize = 300;
const GOAL_MS: f64 = 150.0;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let profiles = std::env::args()
        .nth(1)
        .map_or(Ok(PROFILES), |number| number.parse())
        .context("how many profiles")?;
    let there = Installation::new().await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    println!("{profiles} profiles with a log group each, one after the other");
    let mut taken = Vec::with_capacity(profiles);
    for number in 0..=profiles {
        let since = there.aws().control().calls(0).await?.last;
        let spec = json!({"logs": {"groups": [{"name": format!("/{number}")}]}});
        let began = Timestamp::now();
        there.apply(&format!("p{number}"), spec).await?;
        let created = eventually(LONG, "the log group is there", async || {
            let calls = there
                .aws()
                .control()
                .calls(since)
                .await
                .map_err(|error| error.to_string())?
                .calls;
            let create = calls
                .into_iter()
                .find(|call| call.operation == "logs.CreateLogGroup");
            create.ok_or("no creation yet".to_owned())
        })
        .await?;
        let created: Timestamp = created.time.parse()?;
        let milliseconds = created.duration_since(began).as_secs_f64() * 1000.0;
        // The first profile waits for the log-in to AWS, which is once for all of them.
        if number > 0 {
            taken.push(milliseconds);
        }
        // The next one has the operator to itself.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reduced = (profiles < PROFILES).then(|| format!("{profiles} profiles"));
    Ok(Measurement::latency("apply-latency", taken, GOAL_MS)
        .reduced_to(reduced)
        .conclude())
}
