//! Measures `edit-latency`: from an edit of a profile to the patched template of its one workload, whose last rollout has
//! ended.
//!
//! The time runs from before the request to the API server until this program's own watch shows the template with the new
//! value.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{Stream, TryStreamExt};
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use serde_json::{Value, json};
use support::measurement::Measurement;
use support::workloads::{Ground, Team, manifest, value};
use tracewright_core::workload::WorkloadKind;

const EDITS: usize = 200;
const GOAL_MS: f64 = 100.0;
const KIND: WorkloadKind = WorkloadKind::Deployment;

fn spec(number: usize) -> Value {
    json!({
        "service": {"name": "shop"},
        "workloads": {"selector": {"matchLabels": {"app": "web"}}},
        "traces": {
            "otlp": {"endpoint": "http://collector:4318"},
            "env": [{"name": "OTEL_BSP_SCHEDULE_DELAY", "value": number.to_string()}],
        },
    })
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let edits = std::env::args()
        .nth(1)
        .map_or(Ok(EDITS), |number| number.parse())
        .context("how many edits")?;
    let ground = Ground::new().await?;
    let team = Team::of(&ground.there).await?;
    let mut web = manifest(KIND, "web");
    web["spec"]["replicas"] = 1.into();
    let made = team.create(&web).await?;
    let version = made["metadata"]["resourceVersion"]
        .as_str()
        .context("has a version")?
        .to_owned();
    team.profile("p", spec(0)).await?;
    team.injected("p").await?;
    println!("{edits} edits of a profile with one workload, each after the last one's rollout");

    let workloads = team.workloads(KIND);
    let events = workloads.watch(&WatchParams::default(), &version).await?;
    let mut events = std::pin::pin!(events);
    let mut taken = Vec::with_capacity(edits);
    for number in 1..=edits {
        let began = Instant::now();
        team.profile("p", spec(number)).await?;
        patched(&mut events, number).await?;
        taken.push(began.elapsed().as_secs_f64() * 1000.0);
        team.injected("p").await?;
        // The next one has the operator to itself.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reduced = (edits < EDITS).then(|| format!("{edits} edits"));
    Ok(Measurement::latency("edit-latency", taken, GOAL_MS)
        .reduced_to(reduced)
        .conclude())
}

/// Waits until the template has this edit's value.
async fn patched(
    events: &mut (impl Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin),
    number: usize,
) -> Result<()> {
    let wanted = number.to_string();
    while let Some(event) = events.try_next().await? {
        let WatchEvent::Modified(object) = event else {
            continue;
        };
        let object = serde_json::to_value(object)?;
        if value(&object, "OTEL_BSP_SCHEDULE_DELAY") == Some(&wanted) {
            return Ok(());
        }
    }
    bail!("the watch ended");
}
