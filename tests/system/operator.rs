//! The operator as a process: it says when it is ready, stands still when held, and ends when told to.

use std::time::Duration;

use anyhow::{Context, Result};
use support::operator::Launch;
use support::{Installation, SHORT, eventually};

#[tokio::test]
async fn an_operator_gets_ready_and_ends_on_sigterm() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let metrics = reqwest::get(operator.metrics_url()).await?.text().await?;
    assert!(metrics.contains("tracewright_build_info"), "{metrics}");

    operator.process().pause()?;
    let answer = reqwest::Client::new().get(operator.ready_url());
    let answer = answer.timeout(Duration::from_secs(1)).send().await;
    assert!(answer.is_err(), "it answers while it is held: {answer:?}");
    operator.process().resume()?;
    eventually(SHORT, "it answers again", async || {
        reqwest::get(operator.ready_url()).await?.error_for_status()
    })
    .await?;

    let status = operator.stop().await?;
    assert!(status.success(), "{status}: {}", operator.log()?);
    Ok(())
}

#[tokio::test]
async fn an_operator_that_cannot_start_fails_with_the_end_of_its_log() -> Result<()> {
    let mut operator = Launch::new("/nowhere/kubeconfig").start()?;
    let error = operator.ready().await.err().context("it is ready")?;
    let told = error.to_string();
    assert!(told.contains("ended by itself"), "{told}");
    assert!(told.contains("set KUBECONFIG"), "{told}");
    Ok(())
}
