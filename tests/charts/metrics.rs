//! What the ServiceMonitor and the PrometheusRule name is what the operator serves.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde_json::{Value, json};
use support::{Installation, LONG, chart, eventually};

async fn objects() -> Result<Vec<Value>> {
    let values = json!({"metrics": {"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}}});
    chart::render("tracewright", "example", "team", &values).await
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    objects
        .iter()
        .find(|object| object["kind"] == kind)
        .with_context(|| format!("the chart renders no {kind}"))
}

#[tokio::test]
async fn every_metric_of_the_rules_is_in_a_scrape() -> Result<()> {
    let objects = objects().await?;
    let rules = of_kind(&objects, "PrometheusRule")?.to_string();
    let name = Regex::new(r"\btracewright_[a-z_]+")?;
    let named: BTreeSet<&str> = name.find_iter(&rules).map(|found| found.as_str()).collect();
    ensure!(named.len() >= 5, "the rules are read wrongly: {named:?}");

    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({
        "service": {"name": "backend"},
        "xray": {"groups": [{"name": "Charts"}]},
    });
    there.apply("charts", spec).await?;
    let url = operator.metrics_url();
    eventually(LONG, "all metrics of the rules are served", async || {
        let text = async { reqwest::get(&url).await?.text().await };
        let text = text.await.map_err(|error| error.to_string())?;
        let missing: Vec<&&str> = named
            .iter()
            .filter(|name| {
                !text.lines().any(|line| {
                    line.strip_prefix(**name)
                        .is_some_and(|rest| rest.starts_with(['{', ' ']))
                })
            })
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("missing: {missing:?}"))
        }
    })
    .await?;
    Ok(())
}

/// Where no pod is left there is no series, and with two releases one that works must not hide one that does not.
#[tokio::test]
async fn alerts_are_about_this_release_and_no_pod_is_no_leader() -> Result<()> {
    let objects = objects().await?;
    let service = of_kind(&objects, "Service")?["metadata"]["name"]
        .as_str()
        .context("a name")?;
    let labels = format!("namespace=\"team\", service=\"{service}\"");
    let rules = &of_kind(&objects, "PrometheusRule")?["spec"]["groups"][0]["rules"];
    let mut absent = false;
    for rule in rules.as_array().context("rules")? {
        let expression = rule["expr"].as_str().context("an expression")?;
        ensure!(
            expression.matches("tracewright_").count() == expression.matches(&labels).count(),
            "{} takes in other releases: {expression}",
            rule["alert"]
        );
        absent |= expression.contains(&format!("== 0 or absent(tracewright_leader{{{labels}}})"));
    }
    ensure!(absent, "nothing tells when no pod is left: {rules}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    ensure!(
        std::fs::read_to_string(page)?.contains("or absent(tracewright_leader{"),
        "docs/metrics.md asks for a sum only, which is nothing where no pod is left"
    );
    Ok(())
}

#[tokio::test]
async fn the_monitor_selects_the_service_and_a_port_that_it_has() -> Result<()> {
    let objects = objects().await?;
    let monitor = of_kind(&objects, "ServiceMonitor")?;
    let service = of_kind(&objects, "Service")?;
    let selector = monitor["spec"]["selector"]["matchLabels"]
        .as_object()
        .context("a selector")?;
    for (label, value) in selector {
        ensure!(
            service["metadata"]["labels"][label] == *value,
            "the Service has no {label}={value}"
        );
    }
    let port = &monitor["spec"]["endpoints"][0]["port"];
    let ports = service["spec"]["ports"].as_array().context("ports")?;
    ensure!(
        ports.iter().any(|one| one["name"] == *port),
        "the Service has no port {port}"
    );
    Ok(())
}
