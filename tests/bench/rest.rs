//! Measures `rest`: what is written in twelve drift cycles and one tag cycle in which nothing changes, to AWS and to the
//! API server, the Lease excepted.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::json;
use support::measurement::Measurement;
use support::{Installation, LONG, eventually};

const CYCLES: u64 = 12;
const INTERVAL: Duration = Duration::from_secs(5);

/// A profile with everything: AWS objects, a receiver and a workload.
fn spec(number: usize) -> serde_json::Value {
    let name = format!("app-{number}");
    json!({
        "service": {"name": name},
        "workloads": {"selector": {"matchLabels": {"app": name}}},
        "traces": {"otlp": {
            "endpoint": "https://api.honeycomb.io",
            "headers": [{"name": "x-honeycomb-team", "valueFrom": {"secretKeyRef": {"name": "honeycomb", "key": "api-key"}}}],
        }},
        "xray": {
            "receiver": {"daemon": {}},
            "groups": [{"name": name}],
            "samplingRules": [{"name": name, "priority": 9000 + number, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": name, "retentionInDays": 7}]},
    })
}

const PROFILES: usize = 5;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let cycles = std::env::args()
        .nth(1)
        .map_or(Ok(CYCLES), |number| number.parse())
        .context("how many cycles")?;
    let there = Installation::with_controllers().await?;
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"name": "honeycomb"}, "stringData": {"api-key": "x"}}),
    )?;
    there
        .namespace()
        .api()
        .create(&PostParams::default(), &secret)
        .await?;
    let launch = there
        .operator()
        .env(
            "TRACEWRIGHT_DRIFT_INTERVAL",
            format!("{}s", INTERVAL.as_secs()),
        )
        .env(
            "TRACEWRIGHT_TAG_DRIFT_INTERVAL",
            format!("{}s", INTERVAL.as_secs() * (cycles / 2).max(1)),
        )
        // The test cluster's pods run nothing that could be asked.
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods");
    let mut operator = launch.start()?;
    operator.ready().await?;
    for number in 0..PROFILES {
        let name = format!("app-{number}");
        let labels = json!({"app": name});
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
                },
            },
        }))?;
        there
            .namespace()
            .api()
            .create(&PostParams::default(), &deployment)
            .await?;
        there.apply(&name, spec(number)).await?;
    }
    eventually(LONG, "all profiles are ready", async || {
        let list = there
            .profiles()
            .list(&Default::default())
            .await
            .map_err(|error| error.to_string())?;
        let waiting = list.items.iter().find_map(|profile| {
            let conditions = profile.status.iter().flat_map(|status| &status.conditions);
            let ready = conditions
                .into_iter()
                .any(|it| it.type_ == "Ready" && it.status == "True");
            (!ready).then(|| format!("{:?}", profile.status))
        });
        waiting.map_or(Ok(()), Err)
    })
    .await?;
    println!(
        "{PROFILES} profiles with AWS objects, receiver and workload are ready; {cycles} drift cycles follow"
    );

    // The Events about what has just become ready follow the status by a moment.
    let now = there.aws().control().calls(0).await?.last;
    let since = passed(&there, now, 2).await?;
    let audit = there.control_plane().audit_mark()?;
    passed(&there, since, cycles).await?;
    let calls = there.aws().control().calls(since).await?;
    let reads = |operation: &str| {
        ["Get", "List", "Describe"]
            .iter()
            .any(|read| operation.contains(&format!(".{read}")))
    };
    let aws: Vec<_> = calls
        .counts
        .iter()
        .filter(|(operation, _)| !reads(operation))
        .collect();
    let aws_writes: u64 = aws
        .iter()
        .map(|(_, counts)| counts.ok + counts.throttled + counts.error)
        .sum();
    let tags = calls.of("xray.ListTagsForResource").ok;
    println!(
        "{} AWS calls, of them {tags} for the tags of X-Ray objects; writes: {aws:?}",
        calls.of("").ok
    );
    anyhow::ensure!(tags >= PROFILES as u64 * 2, "there was no tag cycle");

    let user = there.operator_user();
    let events = there.control_plane().audit(audit)?;
    let own = events.iter().filter(|event| {
        event.user.username == user && !["get", "list", "watch"].contains(&event.verb.as_str())
    });
    let is_lease = |resource: &str| resource == "leases";
    let (leases, others): (Vec<_>, Vec<_>) = own.partition(|event| {
        event
            .object_ref
            .as_ref()
            .is_some_and(|object| is_lease(&object.resource))
    });
    println!("{} writes of the Lease", leases.len());
    for event in &others {
        println!("{} {}", event.verb, event.request_uri);
    }
    anyhow::ensure!(
        !leases.is_empty(),
        "the audit log knows nothing of this operator"
    );
    let reduced = (cycles < CYCLES).then(|| format!("{cycles} cycles"));
    let value = aws_writes as f64 + others.len() as f64;
    Ok(Measurement::at_most("rest", value, "writes", 0.0)
        .reduced_to(reduced)
        .conclude())
}

/// Waits for so many drift cycles; the number of the last call.
async fn passed(there: &Installation, since: u64, cycles: u64) -> Result<u64> {
    let patience = INTERVAL * u32::try_from(cycles)? * 2 + Duration::from_secs(60);
    let last = eventually(
        patience,
        format!("{cycles} drift cycles have passed"),
        async || {
            let calls = there
                .aws()
                .control()
                .calls(since)
                .await
                .map_err(|error| error.to_string())?;
            // Once in each cycle.
            let passed = calls.of("xray.GetSamplingStatisticSummaries").ok;
            if passed >= cycles {
                Ok(calls.last)
            } else {
                Err(format!("{passed} have"))
            }
        },
    );
    Ok(last.await?)
}
