//! At rest nothing is written, what is read is shared by all profiles, and only one replica does anything.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use support::operator::Launch;
use support::{Installation, LONG, eventually};

use super::see::{self, counts, mark, ready, writes};

fn spec(name: &str) -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": name}],
            "samplingRules": [{"name": name, "priority": 1, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": format!("/{name}/a"), "retentionInDays": 7}, {"name": format!("/{name}/b")}]},
    })
}

/// Waits until an operation was called so often since a mark.
async fn called(there: &Installation, since: u64, operation: &str, times: u64) -> Result<()> {
    eventually(
        LONG,
        format!("{operation} was called {times} times"),
        async || {
            let calls = there
                .aws()
                .control()
                .calls(since)
                .await
                .map_err(|error| error.to_string())?;
            if calls.of(operation).ok >= times {
                Ok(())
            } else {
                Err(format!("{:?}", calls.counts))
            }
        },
    )
    .await?;
    Ok(())
}

/// The rules of these profiles hide one another, so that there is advice as well, which changes with each new profile.
#[tokio::test]
async fn at_rest_neither_aws_nor_the_api_server_is_written_to() -> Result<()> {
    let there = Installation::new().await?;
    let launch = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .env("TRACEWRIGHT_TAG_DRIFT_INTERVAL", "3s");
    let mut operator = launch.start()?;
    operator.ready().await?;
    for name in ["a", "b", "c"] {
        there.apply(name, spec(name)).await?;
        ready(&there, name).await?;
    }
    // The next check shows the older profiles the rules of the younger ones, so their advice changes once more. It and
    // what follows from it are through when the check after it is.
    called(&there, mark(&there).await?, "xray.GetGroups", 3).await?;
    let (since, audit) = (mark(&there).await?, there.control_plane().audit_mark()?);
    called(&there, since, "xray.GetGroups", 6).await?;
    called(&there, since, "xray.ListTagsForResource", 7).await?;
    assert_eq!(writes(&there, since).await?, counts([]));
    let user = there.operator_user();
    let events = there.control_plane().audit(audit)?;
    let own = events.iter().filter(|event| event.user.username == user);
    let (leases, others): (Vec<_>, Vec<_>) = own
        .filter(|event| !["get", "list", "watch"].contains(&event.verb.as_str()))
        .partition(|event| {
            event
                .object_ref
                .as_ref()
                .is_some_and(|object| object.resource == "leases")
        });
    assert!(
        !leases.is_empty(),
        "the Lease is renewed, so this is the right user"
    );
    let others: Vec<_> = others
        .iter()
        .map(|event| format!("{} {}", event.verb, event.request_uri))
        .collect();
    assert_eq!(others, Vec::<String>::new());
    for name in ["a", "b", "c"] {
        let profile = there.profiles().get(name).await?;
        assert!(
            see::verdict(&profile, "Advisories").starts_with("True "),
            "{:?}",
            profile.status
        );
    }
    Ok(())
}

#[tokio::test]
async fn ten_profiles_are_checked_with_the_calls_of_one() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .hurried_operator()
        .await?
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    operator.ready().await?;
    let names: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
    for name in &names {
        there.apply(name, spec(name)).await?;
    }
    for name in &names {
        ready(&there, name).await?;
    }
    called(
        &there,
        mark(&there).await?,
        "xray.GetSamplingStatisticSummaries",
        1,
    )
    .await?;
    let since = mark(&there).await?;
    called(&there, since, "xray.GetSamplingStatisticSummaries", 4).await?;
    let calls = there.aws().control().calls(since).await?;
    // Twenty log groups fit into one call. A fifth cycle may have begun.
    for operation in [
        "xray.GetGroups",
        "xray.GetSamplingRules",
        "logs.DescribeLogGroups",
    ] {
        let count = calls.of(operation).ok;
        assert!(
            (4..=5).contains(&count),
            "{operation}: {count} in {:?}",
            calls.counts
        );
    }
    assert!(calls.of("").ok <= 20, "{:?}", calls.counts);
    Ok(())
}

/// A replica whose calls can be told apart by its key.
fn replica(there: &Installation, name: &str) -> Launch {
    there
        .operator()
        .env("POD_NAME", name)
        .env("AWS_ACCESS_KEY_ID", key(name))
}

fn key(name: &str) -> String {
    format!("AKIA{}", name.to_uppercase())
}

/// Both keys are of the same account as far as the operator is told, and are counted by it; `spare` is somebody else's
/// account, so that its calls are seen.
async fn calls_of(there: &Installation, account: &str) -> Result<usize> {
    let calls = there.aws().control().calls(0).await?.calls;
    Ok(calls.iter().filter(|call| call.account == account).count())
}

#[tokio::test]
async fn a_standby_calls_no_aws_until_it_is_its_turn() -> Result<()> {
    const SPARE: &str = "222222222222";
    let there = Installation::new().await?;
    let keys = [key("first"), key("spare")];
    there
        .aws()
        .control()
        .set_accounts(&[(&keys[0], see::ACCOUNT), (&keys[1], SPARE)])
        .await?;
    let mut first = replica(&there, "first")
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    first.ready().await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    let mut spare = replica(&there, "spare")
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    spare.ready().await?;
    assert_eq!(
        (
            first.metric("tracewright_leader ").await?,
            spare.metric("tracewright_leader ").await?
        ),
        (1.0, 0.0)
    );
    there
        .apply("q", json!({"logs": {"groups": [{"name": "/q"}]}}))
        .await?;
    ready(&there, "q").await?;
    called(&there, mark(&there).await?, "xray.GetGroups", 3).await?;
    assert_eq!(calls_of(&there, SPARE).await?, 0);

    first.stop().await?;
    eventually(LONG, "the standby has taken over", async || {
        let calls = calls_of(&there, SPARE)
            .await
            .map_err(|_| "the calls could not be read")?;
        if calls > 0 {
            Ok(())
        } else {
            Err("it called nothing")
        }
    })
    .await?;
    assert_eq!(spare.metric("tracewright_leader ").await?, 1.0);
    Ok(())
}

/// A replica that was held up, as by a frozen machine, must not write with a Lease that another has meanwhile.
#[tokio::test]
async fn a_replica_that_was_held_up_writes_nothing_when_it_goes_on() -> Result<()> {
    let there = Installation::new().await?;
    let (held, next) = ("111111111111", see::ACCOUNT);
    let keys = [key("held"), key("next")];
    there
        .aws()
        .control()
        .set_accounts(&[(&keys[0], held), (&keys[1], next)])
        .await?;
    let mut first = replica(&there, "held").start()?;
    first.ready().await?;
    there
        .apply("p", json!({"logs": {"groups": [{"name": "/p"}]}}))
        .await?;
    ready(&there, "p").await?;
    let mut second = replica(&there, "next").start()?;
    second.ready().await?;
    first.process().pause()?;
    // It is told of this while it is held, and gets to it when it goes on.
    there
        .apply("q", json!({"logs": {"groups": [{"name": "/q"}]}}))
        .await?;
    ready(&there, "q").await?;
    let before = calls_of(&there, held).await?;
    first.process().resume()?;
    eventually(LONG, "it has noticed", async || {
        let leads = first
            .metric("tracewright_leader ")
            .await
            .map_err(|error| error.to_string())?;
        let log = first.log().map_err(|error| error.to_string())?;
        if leads == 0.0 && log.contains("lost the lease") {
            Ok(())
        } else {
            Err(format!("{leads}"))
        }
    })
    .await?;
    // More than one period of its own renewals.
    let since = mark(&there).await?;
    there
        .apply("r", json!({"logs": {"groups": [{"name": "/r"}]}}))
        .await?;
    ready(&there, "r").await?;
    called(&there, since, "logs.CreateLogGroup", 1).await?;
    tokio::time::timeout(Duration::from_secs(3), async {
        loop {
            let calls = calls_of(&there, held).await?;
            anyhow::ensure!(
                calls == before,
                "{} calls of a replica without the Lease",
                calls - before
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap_or(Ok(()))
}
