//! Measures `memory`: the most that an operator ever had resident, with 1,000 profiles and 5,000 workloads of at least 8 KB
//! each: after the first list, and after ten minutes of drift checks.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};
use support::measurement::Measurement;
use support::operator::Operator;
use support::{Installation, Namespace, eventually};
use tracewright_core::crd::ObservabilityProfile;

const PROFILES: usize = 1_000;
const WORKLOADS_PER_PROFILE: usize = 5;
const NAMESPACES: usize = 50;
const WORKLOAD_BYTES: usize = 8 << 10;
const SOAK_SECONDS: u64 = 600;
const GOAL_MB: f64 = 60.0;
/// Objects that are made at the same time.
const AT_ONCE: usize = 32;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |what: &'static str, default: u64| {
        arguments
            .next()
            .map_or(Ok(default), |number| number.parse())
            .context(what)
    };
    let profiles = usize::try_from(number("how many profiles", PROFILES as u64)?)?;
    let soak = number("how many seconds", SOAK_SECONDS)?;
    let there = Installation::new().await?;
    let mut namespaces = Vec::new();
    for _ in 0..NAMESPACES {
        namespaces.push(Namespace::create(there.control_plane(), "memory").await?);
    }
    stream::iter(0..profiles)
        .map(|number| populate(&namespaces[number % NAMESPACES], number))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let smallest = smallest(&there).await?;
    let workloads = profiles * WORKLOADS_PER_PROFILE;
    println!(
        "{profiles} profiles and {workloads} workloads in {NAMESPACES} namespaces; the smallest workload has {smallest} bytes"
    );
    ensure!(
        smallest >= WORKLOAD_BYTES,
        "a workload of {smallest} bytes is too small"
    );

    let mut operator = there
        .hurried_operator()
        .await?
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "60s")
        // No controller rolls out here, and every workload is to carry the variables.
        .env("TRACEWRIGHT_MAX_CONCURRENT_ROLLOUTS", workloads.to_string())
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
        .start()?;
    // That many objects take a while on a busy machine.
    eventually(
        Duration::from_secs(300),
        "the first lists are in",
        async || reqwest::get(operator.ready_url()).await?.error_for_status(),
    )
    .await?;
    tell(&mut operator, "until the first lists are in")?;
    let ready = "tracewright_profiles{condition=\"Ready\"";
    counted(&mut operator, ready, profiles).await?;
    tell(&mut operator, "until every profile is reconciled")?;
    let rolling = "tracewright_workloads{state=\"rolling\"";
    counted(&mut operator, rolling, workloads).await?;
    tell(&mut operator, "until every workload has the variables")?;
    for minute in 0..soak.div_ceil(60) {
        let seconds = (soak - minute * 60).min(60);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        tell(&mut operator, &format!("after {} s", minute * 60 + seconds))?;
    }
    operator.process().check()?;
    let reduced = (profiles < PROFILES || soak < SOAK_SECONDS)
        .then(|| format!("{profiles} profiles, {soak} s"));
    let value = peak(&mut operator)?;
    Ok(Measurement::at_most("memory", value, "MB", GOAL_MB)
        .reduced_to(reduced)
        .conclude())
}

/// Waits until a metric has counted all.
async fn counted(operator: &mut Operator, metric: &str, all: usize) -> Result<()> {
    eventually(Duration::from_secs(900), metric, async || {
        let counted = operator.metric(metric).await;
        match counted.map_err(|error| error.to_string())? {
            counted if counted as usize == all => Ok(()),
            counted => Err(format!("{counted} of {all}")),
        }
    })
    .await?;
    Ok(())
}

/// A profile about workloads and a log group, and its workloads as a cluster's users have them: applied by one client, with
/// fields that others have touched since.
async fn populate(namespace: &Namespace, number: usize) -> Result<()> {
    let app = format!("app-{number}");
    let deployments: Api<Deployment> = namespace.api();
    for replica in 0..WORKLOADS_PER_PROFILE {
        let deployment: Deployment = serde_json::from_value(workload(&app, replica))?;
        deployments
            .create(&PostParams::default(), &deployment)
            .await?;
    }
    let profiles: Api<ObservabilityProfile> = namespace.api();
    let spec = json!({
        "service": {"name": app, "namespace": "shop", "attributes": {"team": "payments", "tier": "backend"}},
        "workloads": {
            "selector": {"matchLabels": {"app": app}},
            "rollout": {"maxConcurrent": WORKLOADS_PER_PROFILE},
        },
        "traces": {
            "otlp": {"endpoint": "https://api.honeycomb.io"},
            "propagators": ["tracecontext", "baggage", "xray"],
        },
        "logs": {"groups": [{"name": format!("/apps/{app}"), "retentionInDays": 7}]},
    });
    support::installation::apply(&profiles, &app, spec).await?;
    Ok(())
}

/// Two containers with variables, probes, volumes and resources.
fn workload(app: &str, replica: usize) -> Value {
    let env: Vec<Value> = (0..24)
        .map(|number| {
            json!({"name": format!("SETTING_{number}"), "value": format!("value-{number}-of-{app}")})
        })
        .collect();
    let container = |name: &str| {
        json!({
            "name": name,
            "image": format!("registry.example.com/shop/{name}:1.{replica}"),
            "env": env,
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
            "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 20},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
        })
    };
    let labels = json!({"app": app, "app.kubernetes.io/part-of": "shop", "app.kubernetes.io/version": "1.0"});
    json!({
        "metadata": {"name": format!("{app}-{replica}"), "labels": labels, "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "example.com/description": "x".repeat(512),
        }},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": app, "replica": replica.to_string()}},
            "template": {
                "metadata": {"labels": {"app": app, "replica": replica.to_string()}},
                "spec": {
                    "containers": [container("web"), container("worker")],
                    "volumes": [{"name": "config", "configMap": {"name": "app-config"}}],
                },
            },
        },
    })
}

/// The size of the smallest workload as the API server sends it, `managedFields` included. One page is as good as all:
/// they differ in digits of their names.
async fn smallest(there: &Installation) -> Result<usize> {
    let deployments: Api<Deployment> = Api::all(there.namespace().client());
    let page = deployments.list(&ListParams::default().limit(200)).await?;
    let sizes = page.items.iter().map(|one| {
        ensure!(
            one.metadata.managed_fields.is_some(),
            "a workload has no managedFields"
        );
        Ok(serde_json::to_vec(one)?.len())
    });
    sizes
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .min()
        .context("no workload")
}

fn tell(operator: &mut Operator, when: &str) -> Result<()> {
    println!(
        "{:.1} MB at most {when}; {:.1} MB now, of them {:.1} MB of the program's file",
        peak(operator)?,
        memory(operator, "VmRSS:")?,
        memory(operator, "RssFile:")?
    );
    Ok(())
}

fn peak(operator: &mut Operator) -> Result<f64> {
    memory(operator, "VmHWM:")
}

/// A line of the process's status, in MB of a million bytes.
fn memory(operator: &mut Operator, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", operator.process().id()))?;
    let kilobytes = status
        .lines()
        .find_map(|found| found.strip_prefix(line)?.trim().strip_suffix(" kB"))
        .with_context(|| format!("no {line} in {status}"))?;
    Ok(kilobytes.trim().parse::<f64>()? * 1024.0 / 1e6)
}
