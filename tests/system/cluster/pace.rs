//! How many workloads roll out at a time, seen over the watch and not only at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use kube::api::{DeleteParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use support::workloads::{CRASH_WITH_ENV, Team, entry, manifest, traces_of_ours};
use support::{Installation, eventually};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;
const WORKLOADS: usize = 100;
const PER_PROFILE: usize = 4;
const GLOBAL: usize = 6;
const PATIENCE: Duration = Duration::from_secs(400);

/// As `kubectl rollout status` judges.
fn rolling(object: &Value) -> bool {
    let status = &object["status"];
    let number = |field: &str| status[field].as_i64().unwrap_or_default();
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or_default();
    status["observedGeneration"] != object["metadata"]["generation"]
        || [
            number("updatedReplicas"),
            number("replicas"),
            number("availableReplicas"),
        ] != [wanted; 3]
}

/// How many were rolling out at the same time.
#[derive(Debug, Default)]
struct Most {
    in_one_profile: usize,
    in_all: usize,
}

/// Watches until all workloads are as wanted and have rolled out.
async fn watch(team: &Team, from: &str, wanted: impl Fn(&Value) -> bool) -> Result<Most> {
    let workloads = team.workloads(KIND);
    let mut states: BTreeMap<String, (String, bool, bool)> = BTreeMap::new();
    let mut most = Most::default();
    let mut from = from.to_owned();
    loop {
        let events = workloads.watch(&WatchParams::default(), &from).await?;
        futures::pin_mut!(events);
        while let Some(event) = events.try_next().await? {
            let object = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => object,
                WatchEvent::Bookmark(_) => continue,
                other => anyhow::bail!("{other:?}"),
            };
            let name = object.metadata.name.clone().context("has a name")?;
            from = object.metadata.resource_version.clone().unwrap_or(from);
            let object = serde_json::to_value(object)?;
            let of = object["metadata"]["labels"]["of"]
                .as_str()
                .unwrap_or_default();
            states.insert(name, (of.to_owned(), rolling(&object), wanted(&object)));
            let all: Vec<&str> = states
                .values()
                .filter(|(_, rolling, _)| *rolling)
                .map(|(of, ..)| of.as_str())
                .collect();
            most.in_all = most.in_all.max(all.len());
            for profile in ["a", "b"] {
                let of = all.iter().filter(|of| **of == profile).count();
                most.in_one_profile = most.in_one_profile.max(of);
            }
            let done = states
                .values()
                .filter(|(_, rolling, wanted)| *wanted && !rolling);
            if done.count() == 2 * WORKLOADS {
                return Ok(most);
            }
        }
    }
}

async fn version(team: &Team) -> Result<String> {
    let list = team.workloads(KIND).list(&Default::default()).await?;
    list.metadata
        .resource_version
        .context("a list has a version")
}

#[tokio::test]
async fn both_bounds_hold_while_two_hundred_workloads_are_injected_and_rid_again() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    for number in 0..2 * WORKLOADS {
        let mut manifest = manifest(KIND, &format!("web-{number:03}"));
        manifest["spec"]["replicas"] = 1.into();
        manifest["metadata"]["labels"]["of"] = ["a", "b"][number % 2].into();
        team.create(&manifest).await?;
    }
    eventually(PATIENCE, "all workloads have their first pod", async || {
        let list = team
            .workloads(KIND)
            .list(&Default::default())
            .await
            .map_err(|error| error.to_string())?;
        let objects = list
            .items
            .into_iter()
            .filter_map(|one| serde_json::to_value(one).ok());
        match objects.filter(rolling).count() {
            0 => Ok(()),
            left => Err(format!("{left} have not")),
        }
    })
    .await?;

    let launch = there
        .operator()
        .env("TRACEWRIGHT_MAX_CONCURRENT_ROLLOUTS", GLOBAL.to_string());
    let mut operator = launch.start()?;
    operator.ready().await?;
    let audit = there.control_plane().audit_mark()?;
    let from = version(&team).await?;
    for name in ["a", "b"] {
        let spec = json!({
            "service": {"name": name},
            "workloads": {"selector": {"matchLabels": {"of": name}}, "rollout": {"maxConcurrent": PER_PROFILE}},
        });
        team.profile(name, spec).await?;
    }
    let injected = watch(&team, &from, traces_of_ours);
    let most = tokio::time::timeout(PATIENCE, injected).await??;
    assert!(
        most.in_one_profile <= PER_PROFILE && most.in_all <= GLOBAL,
        "{most:?}"
    );
    // The bounds were what held it up.
    ensure!(
        most.in_one_profile == PER_PROFILE && most.in_all == GLOBAL,
        "{most:?}"
    );
    for name in ["a", "b"] {
        assert_eq!(team.injected(name).await?, i32::try_from(WORKLOADS)?);
        let status = team.profiles().get(name).await?.status;
        let items = status
            .and_then(|status| status.workloads)
            .context("no workloads")?
            .items;
        assert_eq!(items.len(), 50, "a status names fifty");
    }
    let mut writes = team.writes(&there, audit)?;
    writes.retain(|write| write.starts_with("patch deployments "));
    writes.sort();
    let count = writes.len();
    writes.dedup();
    assert_eq!(
        (count, writes.len()),
        (2 * WORKLOADS, 2 * WORKLOADS),
        "one write each"
    );

    // And back: one profile is deleted, the other selects none any more.
    let from = version(&team).await?;
    team.profiles()
        .delete("a", &DeleteParams::default())
        .await?;
    let spec = json!({
        "service": {"name": "b"},
        "workloads": {"selector": {"matchLabels": {"of": "nobody"}}, "rollout": {"maxConcurrent": PER_PROFILE}},
    });
    team.profile("b", spec).await?;
    let rid = watch(&team, &from, |object| !traces_of_ours(object));
    let most = tokio::time::timeout(PATIENCE, rid).await??;
    assert!(
        most.in_one_profile <= PER_PROFILE && most.in_all <= GLOBAL,
        "{most:?}"
    );
    Ok(())
}

/// A profile that is suspended in mid-rollout gives back its places when its rollouts have ended, and waits for no turn.
#[tokio::test]
async fn a_suspended_profile_keeps_no_place() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    for (name, of) in [("web-1", "a"), ("web-2", "a"), ("web-3", "b")] {
        let mut manifest = manifest(KIND, name);
        manifest["metadata"]["labels"]["of"] = of.into();
        team.create(&manifest).await?;
        team.until(KIND, name, "it is available", |object| {
            if rolling(object) {
                Err(object["status"].to_string())
            } else {
                Ok(())
            }
        })
        .await?;
    }
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_MAX_CONCURRENT_ROLLOUTS", "1")
        .start()?;
    operator.ready().await?;
    let spec = |of: &str, mode: &str| json!({"mode": mode, "service": {"name": of}, "workloads": {"selector": {"matchLabels": {"of": of}}}});
    // Its pods do not start with the variables until the test lets them.
    let crash = |word: Value| json!({"spec": {"template": {"metadata": {"annotations": {CRASH_WITH_ENV: word}}}}});
    let has_variables = |object: &Value| entry(object, "OTEL_SERVICE_NAME").is_some();
    let settles = async |name: &str| {
        team.until(KIND, name, "it has rolled out without", |object| {
            if rolling(object) || has_variables(object) {
                Err(object["status"].to_string())
            } else {
                Ok(())
            }
        })
        .await
    };
    for mode in ["Suspended", "Preview"] {
        team.merge(KIND, "web-1", &crash("OTEL_SERVICE_NAME".into()))
            .await?;
        settles("web-1").await?;
        team.profile("a", spec("a", "Apply")).await?;
        team.until(KIND, "web-1", "it is being changed", |object| {
            if rolling(object) && has_variables(object) {
                Ok(())
            } else {
                Err(object["status"].to_string())
            }
        })
        .await?;
        team.profile("a", spec("a", mode)).await?;
        team.condition("a", "Ready", &format!("Unknown {mode}"))
            .await?;
        team.profile("b", spec("b", "Apply")).await?;
        team.item("b", "web-3", "Pending").await?;
        team.merge(KIND, "web-1", &crash(Value::Null)).await?;
        team.injected("b").await?;
        assert!(!has_variables(&team.get(KIND, "web-2").await?), "{mode}");

        // And from the beginning.
        for name in ["a", "b"] {
            let mut nobody = spec(name, "Apply");
            nobody["workloads"]["selector"]["matchLabels"]["of"] = "nobody".into();
            team.profile(name, nobody).await?;
            team.condition(name, "WorkloadsInjected", "True NoneSelected")
                .await?;
        }
        for name in ["web-1", "web-3"] {
            settles(name).await?;
        }
    }
    Ok(())
}
