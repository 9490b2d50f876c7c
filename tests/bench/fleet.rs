//! Measures `fleet`: how many writes each of 5,000 workloads takes until all have the variables, at the default pace, from
//! the API server's audit log; and what else the operator asks of the API server meanwhile.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use kube::api::PostParams;
use serde_json::json;
use support::measurement::Measurement;
use support::workloads::{Team, manifest, traces_of_ours};
use support::{Installation, eventually};
use tracewright_core::workload::WorkloadKind;

const WORKLOADS: usize = 5000;
/// Workloads of one profile, and profiles of one namespace.
const OF_A_PROFILE: usize = 100;
const OF_A_NAMESPACE: usize = 10;
const KIND: WorkloadKind = WorkloadKind::Deployment;
/// Requests of this program at a time.
const REQUESTS: usize = 16;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let workloads = std::env::args()
        .nth(1)
        .map_or(Ok(WORKLOADS), |number| number.parse())
        .context("how many workloads")?;
    let patience =
        Duration::from_secs(120) + Duration::from_millis(400) * u32::try_from(workloads)?;
    let there = Installation::with_controllers().await?;
    let profiles = workloads.div_ceil(OF_A_PROFILE);
    let mut teams = Vec::new();
    for _ in 0..profiles.div_ceil(OF_A_NAMESPACE) {
        teams.push(Team::of(&there).await?);
    }
    let place = |number: usize| {
        let profile = number / OF_A_PROFILE;
        (&teams[profile / OF_A_NAMESPACE], format!("p{profile}"))
    };
    let began = Instant::now();
    futures::stream::iter(0..workloads)
        .map(|number| {
            let (team, profile) = place(number);
            let mut manifest = manifest(KIND, &format!("web-{number}"));
            // Rollouts are the controllers' own; pods would be measured along.
            manifest["spec"]["replicas"] = 0.into();
            manifest["metadata"]["labels"]["of"] = profile.into();
            async move {
                let object = serde_json::from_value(manifest)?;
                team.workloads(KIND)
                    .create(&PostParams::default(), &object)
                    .await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(REQUESTS)
        .try_collect::<()>()
        .await?;
    eventually(
        patience,
        "every Deployment was seen by its controller",
        async || {
            let mut unseen = 0;
            for team in &teams {
                let list = team
                    .workloads(KIND)
                    .list(&Default::default())
                    .await
                    .map_err(|error| error.to_string())?;
                let seen = |object: &serde_json::Value| object["status"]["observedGeneration"] == 1;
                unseen += list.items.iter().filter(|one| !seen(&one.data)).count();
            }
            if unseen == 0 {
                Ok(())
            } else {
                Err(format!("{unseen} were not"))
            }
        },
    )
    .await?;
    println!(
        "{workloads} Deployments of {profiles} profiles in {} namespaces, made in {:.0} s",
        teams.len(),
        began.elapsed().as_secs_f64()
    );

    let audit = there.control_plane().audit_mark()?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let began = Instant::now();
    for number in 0..profiles {
        let (team, profile) = place(number * OF_A_PROFILE);
        let spec = json!({
            "service": {"name": profile},
            "workloads": {"selector": {"matchLabels": {"of": profile}}},
            "traces": {"otlp": {"endpoint": "http://collector:4318"}},
        });
        team.profile(&profile, spec).await?;
    }
    eventually(patience, "every workload is injected", async || {
        let mut injected = 0;
        for team in &teams {
            let list = team
                .profiles()
                .list(&Default::default())
                .await
                .map_err(|error| error.to_string())?;
            let status = list.items.into_iter().filter_map(|profile| profile.status);
            let counts = status.filter_map(|status| status.workloads);
            injected += counts.map(|counts| counts.injected).sum::<i32>();
        }
        if usize::try_from(injected).is_ok_and(|injected| injected == workloads) {
            Ok(())
        } else {
            Err(format!("{injected} are"))
        }
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();

    let mut written = BTreeMap::new();
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    let user = there.operator_user();
    for event in there.control_plane().audit(audit)? {
        let Some(object) = event.object_ref else {
            continue;
        };
        if event.user.username != user || event.stage != "ResponseComplete" {
            continue;
        }
        let resource = [object.resource.as_str(), object.subresource.as_str()];
        let resource = resource.join("/").trim_end_matches('/').to_owned();
        *calls
            .entry(format!("{} {resource}", event.verb))
            .or_default() += 1;
        if resource == "deployments" && event.verb == "patch" {
            *written
                .entry((object.namespace, object.name))
                .or_insert(0_u64) += 1;
        }
    }
    for (call, count) in &calls {
        println!(
            "{count:6} {call} ({:.3} of each workload)",
            *count as f64 / workloads as f64
        );
    }
    let mut with = 0;
    for team in &teams {
        for object in team.workloads(KIND).list(&Default::default()).await? {
            with += usize::from(traces_of_ours(&serde_json::to_value(object)?));
        }
    }
    ensure!(
        with == workloads && written.len() == workloads,
        "{with} have the variables, {} were written",
        written.len()
    );
    println!("all were injected in {seconds:.0} s");
    let most = written.values().max().copied().unwrap_or_default() as f64;
    let reduced = (workloads < WORKLOADS).then(|| format!("{workloads} workloads"));
    Ok(
        Measurement::at_most("fleet", most, "writes of a workload (most)", 1.0)
            .reduced_to(reduced)
            .conclude(),
    )
}
