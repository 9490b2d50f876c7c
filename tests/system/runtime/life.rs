//! From start to end: what the probes say, what the log looks like, and that an operator that is told to end does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::aws::Fault;
use support::{Component, Installation, SHORT, eventually};

use crate::aws::see::{mark, ready};

fn spec(name: &str) -> Value {
    json!({"logs": {"groups": [{"name": format!("/{name}")}]}})
}

async fn probe(url: &str) -> Result<(u16, String)> {
    let answer = reqwest::Client::new()
        .get(url)
        .timeout(Duration::from_secs(5))
        .send()
        .await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Without an API server there is nothing to list: the operator waits for it, alive and not ready, and says for what.
#[tokio::test]
async fn it_is_ready_when_the_first_lists_are_in_and_not_before() -> Result<()> {
    let mut there = Installation::new().await?;
    // Without --cluster-name it would have to ask for the cluster's id first.
    there.control_plane_mut().stop(Component::ApiServer);
    let mut operator = there.operator().start()?;
    let (code, told) = eventually(SHORT, "it answers", async || {
        probe(&operator.ready_url()).await
    })
    .await?;
    assert_eq!(code, 503, "{told}");
    assert!(told.contains("the first list of"), "{told}");
    let alive = operator.ready_url().replace("readyz", "livez");
    assert_eq!(probe(&alive).await?, (200, "ok\n".to_owned()));
    there
        .control_plane_mut()
        .restart(Component::ApiServer)
        .await?;
    operator.ready().await?;
    assert_eq!(
        probe(&operator.ready_url()).await?,
        (200, "ok\n".to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn an_operator_whose_aws_hangs_ends_in_time_all_the_same() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    there.aws().control().inject(&Fault::hang("logs.*")).await?;
    let since = mark(&there).await?;
    there.apply("q", spec("q")).await?;
    crate::aws::see::request(&there, "p").await?;
    eventually(SHORT, "a call hangs", async || {
        let calls = there
            .aws()
            .control()
            .calls(since)
            .await
            .map_err(|error| error.to_string())?;
        if calls.last > since {
            Ok(())
        } else {
            Err("no call".to_owned())
        }
    })
    .await?;
    let began = Instant::now();
    let status = operator.stop().await?;
    assert!(status.success(), "{status}");
    // Fifteen seconds for what is under way, three for the Lease.
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    Ok(())
}

#[tokio::test]
async fn the_log_is_text_for_people_or_json_for_machines() -> Result<()> {
    let there = Installation::new().await?;
    there.apply("p", spec("p")).await?;
    let mut text = there.operator().start()?;
    text.ready().await?;
    ready(&there, "p").await?;
    text.stop().await?;
    let log = text.log()?;
    let line = log
        .lines()
        .find(|line| line.contains("starting version="))
        .context("no line")?;
    assert!(line.contains(" INFO starting version="), "{line}");
    assert!(!log.contains('\u{1b}'), "colours in a file: {log}");

    let mut json = there
        .operator()
        .env("TRACEWRIGHT_LOG_FORMAT", "json")
        .start()?;
    json.ready().await?;
    json.stop().await?;
    let log = json.log()?;
    let mut messages = Vec::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for key in ["timestamp", "level", "target", "message"] {
            assert!(entry[key].is_string(), "{line}");
        }
        messages.extend(entry["message"].as_str().map(str::to_owned));
    }
    for expected in ["starting", "holds the lease", "stopping", "stopped"] {
        assert!(messages.iter().any(|it| it == expected), "{messages:?}");
    }
    Ok(())
}
