//! A deletion gives AWS its time: what was waited for before does not count, nor does an AWS that only answers slowly.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use support::Installation;
use support::aws::Fault;

use super::see::{self, ready};

fn spec() -> Value {
    json!({
        "service": {"name": "backend"},
        "aws": {"region": see::REGION},
        "xray": {"groups": [{"name": "g"}]},
        "logs": {"groups": [{"name": "/l", "deletionPolicy": "Delete"}]},
    })
}

async fn nothing_left_behind(there: &Installation) -> Result<()> {
    let orphans = there
        .namespace()
        .api::<ConfigMap>()
        .get_opt("tracewright-orphans")
        .await?;
    ensure!(orphans.is_none(), "{orphans:?}");
    let state = see::state(there).await?;
    ensure!(state["xray"]["groups"]["g"].is_null(), "{state}");
    ensure!(state["logs"]["logGroups"]["/l"].is_null(), "{state}");
    Ok(())
}

/// Waits until the deletion says why it waits.
async fn waits_for(there: &Installation, expected: &str) -> Result<()> {
    see::until(&there.profiles(), "p", expected, |profile| {
        let ready = see::condition(profile, "Ready")?;
        (ready.reason == "Deleting" && see::verdict(profile, "AwsSynced") == expected).then_some(())
    })
    .await
}

#[tokio::test]
async fn an_aws_that_throttles_is_not_away() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .hurried_operator()
        .await?
        .env("TRACEWRIGHT_DELETION_TIMEOUT", "2s")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let control = there.aws().control();
    control.inject(&Fault::throttle("xray.DeleteGroup")).await?;
    there.profiles().delete("p", &Default::default()).await?;
    waits_for(&there, "False Throttled").await?;
    // Two more runs come and go, long after the time that AWS may stay away.
    tokio::time::sleep(Duration::from_secs(8)).await;
    see::until(&there.profiles(), "p", "it is there", |_| Some(())).await?;
    control.clear_faults().await?;
    see::gone(&there, "p").await?;
    nothing_left_behind(&there).await
}

#[tokio::test]
async fn time_that_passed_before_aws_was_asked_does_not_count() -> Result<()> {
    let there = Installation::new().await?;
    let launch = there.operator().env("TRACEWRIGHT_DELETION_TIMEOUT", "8s");
    let mut operator = launch.start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    operator.stop().await?;
    there.profiles().delete("p", &Default::default()).await?;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let denied = Fault::error("xray.DeleteGroup", 403, "AccessDeniedException");
    there.aws().control().inject(&denied).await?;
    let mut operator = launch.start()?;
    operator.ready().await?;
    waits_for(&there, "False AccessDenied").await?;
    there.aws().control().clear_faults().await?;
    see::gone(&there, "p").await?;
    nothing_left_behind(&there).await
}
