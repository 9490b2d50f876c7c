//! Two replicas and one Lease: who writes, how fast the other takes over, and that nobody writes without it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::{Value, json};
use support::aws::Fault;
use support::operator::Operator;
use support::{Component, Installation, LONG, SHORT, eventually};
use tracewright_core::crd::status::ItemState;

use super::see::{at_rest, told, writes_of};
use crate::aws::see::{counts, in_state, mark, ready, writes};

/// A holder that is gone is noticed after ten seconds, and others look every two. (And a busy test machine.)
const HAND_OVER: Duration = Duration::from_secs(15);
/// One that says farewell is noticed at the next look.
const FAREWELL: Duration = Duration::from_secs(6);

fn spec(name: &str) -> Value {
    json!({"logs": {"groups": [{"name": format!("/{name}"), "retentionInDays": 7}]}})
}

async fn holder(there: &Installation) -> Result<Option<String>> {
    let lease = there
        .namespace()
        .api::<Lease>()
        .get_opt("tracewright")
        .await?;
    Ok(lease
        .and_then(|lease| lease.spec)
        .and_then(|spec| spec.holder_identity))
}

async fn leads(operator: &Operator) -> Result<(), String> {
    match operator.metric("tracewright_leader ").await {
        Ok(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Two replicas, of which `a` holds the Lease.
async fn replicas(there: &Installation) -> Result<(Operator, Operator)> {
    let launch = async |name: &str| {
        let replica = there.replica(name).await?;
        anyhow::Ok(replica.env("TRACEWRIGHT_LOG", "info,tracewright=debug"))
    };
    let mut a = launch("a").await?.start()?;
    a.ready().await?;
    eventually(SHORT, "the first replica leads", async || leads(&a).await).await?;
    let mut b = launch("b").await?.start()?;
    b.ready().await?;
    Ok((a, b))
}

/// Waits until a replica writes: a new profile is ready. How long that took since `began`.
async fn writes_after(
    there: &Installation,
    began: Instant,
    profile: &str,
    replica: &Operator,
) -> Result<Duration> {
    eventually(LONG, "the other replica leads", async || {
        leads(replica).await
    })
    .await?;
    let took = began.elapsed();
    ready(there, profile).await?;
    Ok(took)
}

#[tokio::test]
async fn the_other_replica_takes_over_from_one_that_is_killed() -> Result<()> {
    let there = Installation::new().await?;
    let (mut a, b) = replicas(&there).await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    let began = Instant::now();
    a.process().kill()?;
    there.apply("q", spec("q")).await?;
    let took = writes_after(&there, began, "q", &b).await?;
    assert!(took < HAND_OVER, "{took:?}");
    assert_eq!(holder(&there).await?.as_deref(), Some("b"));
    Ok(())
}

#[tokio::test]
async fn the_other_replica_takes_over_at_once_from_one_that_is_told_to_end() -> Result<()> {
    let there = Installation::new().await?;
    let (mut a, b) = replicas(&there).await?;
    let began = Instant::now();
    let status = a.stop().await?;
    assert!(status.success(), "{status}");
    there.apply("p", spec("p")).await?;
    let took = writes_after(&there, began, "p", &b).await?;
    assert!(took < FAREWELL, "{took:?}");
    Ok(())
}

/// What was begun is ended before the Lease is given back, so that never two write.
#[tokio::test]
async fn the_lease_is_given_back_after_the_last_write() -> Result<()> {
    let there = Installation::new().await?;
    let (mut a, b) = replicas(&there).await?;
    there
        .aws()
        .control()
        .inject(&Fault::delay("logs.CreateLogGroup", 2500))
        .await?;
    let since = mark(&there).await?;
    there.apply("p", spec("p")).await?;
    eventually(SHORT, "the creation is under way", async || {
        let log = a.log().map_err(|error| error.to_string())?;
        if log.contains("writing") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await?;
    let mut seen = Vec::new();
    let look = async || -> Result<(Option<String>, bool)> {
        // In this order: a Lease that is given back in between belongs to a write that is done.
        let held = holder(&there).await?;
        let made = writes(&there, since).await?;
        Ok((held, made.contains_key("logs.PutRetentionPolicy")))
    };
    let watching = async {
        loop {
            seen.push(look().await?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let status = tokio::select! {
        status = a.stop() => status?,
        failed = watching => return failed,
    };
    assert!(status.success(), "{}", a.log()?);
    // The retention follows the creation, which takes its time: all by the one that was told to end.
    let before = seen.iter().filter(|(_, done)| !done);
    assert!(before.clone().count() > 10, "{seen:?}");
    for (held, _) in before {
        assert_eq!(held.as_deref(), Some("a"), "{seen:?}");
    }
    ready(&there, "p").await?;
    eventually(SHORT, "the other replica leads", async || leads(&b).await).await?;
    assert_eq!(
        writes(&there, since).await?,
        counts([("logs.CreateLogGroup", 1), ("logs.PutRetentionPolicy", 1)])
    );
    Ok(())
}

#[tokio::test]
async fn a_replica_that_was_held_up_writes_nothing_to_the_cluster_when_it_goes_on() -> Result<()> {
    let there = Installation::new().await?;
    let (mut a, b) = replicas(&there).await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    // Its Events follow the status, and a request that is on the wire has been made.
    tokio::time::sleep(Duration::from_secs(1)).await;
    a.process().pause()?;
    let (began, held) = (Instant::now(), there.control_plane().audit_mark()?);
    // It is told of these while it is held, and gets to them when it goes on.
    for name in ["q", "r", "s"] {
        there.apply(name, spec(name)).await?;
    }
    let took = writes_after(&there, began, "q", &b).await?;
    assert!(took < HAND_OVER, "{took:?}");
    for name in ["r", "s"] {
        ready(&there, name).await?;
    }
    a.process().resume()?;
    eventually(SHORT, "it has noticed", async || {
        let log = a.log().map_err(|error| error.to_string())?;
        if log.contains("lost the lease") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await?;
    there.apply("t", spec("t")).await?;
    ready(&there, "t").await?;
    let own = writes_of(&there, held, &there.user("a"))?;
    assert!(own.is_empty(), "{:?}", told(&own));
    let others = writes_of(&there, held, &there.user("b"))?;
    assert!(
        !others.is_empty(),
        "the audit log knows nothing of the other"
    );
    Ok(())
}

/// The API server does not refuse, it does not answer: as behind a network that swallows everything.
#[tokio::test]
async fn a_leader_whose_api_server_falls_silent_knows_that_it_no_longer_leads() -> Result<()> {
    let mut there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    eventually(SHORT, "it leads", async || leads(&operator).await).await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    let api_server = there
        .control_plane_mut()
        .process_mut(Component::ApiServer)
        .context("no API server")?;
    api_server.pause()?;
    let began = Instant::now();
    eventually(SHORT, "it has noticed", async || {
        match operator.metric("tracewright_leader ").await {
            Ok(0.0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    // Six seconds of validity, and a look that takes at most three.
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    let api_server = there
        .control_plane_mut()
        .process_mut(Component::ApiServer)
        .context("no API server")?;
    api_server.resume()?;
    eventually(SHORT, "it leads again", async || leads(&operator).await).await?;
    there.apply("q", spec("q")).await?;
    in_state(&there, "q", "/q", ItemState::Synced).await?;
    Ok(())
}

/// At rest replicas write nothing but the Lease, and a replica that does not lead not even that.
#[tokio::test]
async fn at_rest_only_the_leader_writes_and_only_the_lease() -> Result<()> {
    let there = Installation::new().await?;
    let (_a, _b) = replicas(&there).await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    at_rest(&there, &there.user("a")).await?;
    let since = there.control_plane().audit_mark()?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let events = there.control_plane().audit(since)?;
    let leases = |replica: &str| {
        let user = there.user(replica);
        let own = events.iter().filter(|event| event.user.username == user);
        own.filter(|event| event.verb == "update").count()
    };
    assert!((3..=6).contains(&leases("a")), "{}", leases("a"));
    assert_eq!(leases("b"), 0);
    for replica in ["a", "b"] {
        let own = writes_of(&there, since, &there.user(replica))?;
        assert!(own.is_empty(), "{:?}", told(&own));
    }
    Ok(())
}
