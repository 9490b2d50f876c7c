//! Values: what the schema knows is what the chart has, and nothing else is taken.

#[path = "../generate/values.rs"]
mod page;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::chart;

const CHARTS: [&str; 2] = ["tracewright", "activities"];

fn read(chart: &str) -> Result<(Value, Value)> {
    let folder = chart::folder(chart);
    let values = std::fs::read_to_string(folder.join("values.yaml"))?;
    let schema = std::fs::read_to_string(folder.join("values.schema.json"))?;
    Ok((
        serde_saphyr::from_str(&values)?,
        serde_json::from_str(&schema)?,
    ))
}

/// Compares keys of values and schema, level by level.
fn compare(path: &str, values: &Value, schema: &Value) -> Result<()> {
    let Some(properties) = schema["properties"].as_object() else {
        return Ok(());
    };
    if schema["additionalProperties"] != json!(false) {
        return Ok(());
    }
    let keys = |value: &serde_json::Map<String, Value>| -> BTreeSet<String> {
        value
            .keys()
            .filter(|key| *key != "global")
            .cloned()
            .collect()
    };
    // A list of Kubernetes' own, such as resources, has no defaults for all of its keys.
    let values = values
        .as_object()
        .with_context(|| format!("{path} is no map"))?;
    let (written, known) = (keys(values), keys(properties));
    ensure!(
        written.is_subset(&known),
        "{path}: {written:?} is not within {known:?}"
    );
    if !path.ends_with("resources") {
        ensure!(
            written == known,
            "{path}: values.yaml has {written:?}, the schema {known:?}"
        );
    }
    for key in &written {
        compare(&format!("{path}.{key}"), &values[key], &properties[key])?;
    }
    Ok(())
}

#[test]
fn every_value_has_a_default_and_a_schema() -> Result<()> {
    for chart in CHARTS {
        let (values, schema) = read(chart)?;
        compare(chart, &values, &schema)?;
    }
    Ok(())
}

#[test]
fn the_page_of_values_is_up_to_date() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let written = std::fs::read_to_string(root.join(page::FILE))?;
    ensure!(
        written == page::read(&root)?,
        "{} is stale: run `make generate`",
        page::FILE
    );
    Ok(())
}

/// All paths at which the schema says what keys there are.
fn places(path: Vec<String>, schema: &Value, found: &mut Vec<Vec<String>>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    found.push(path.clone());
    for (key, schema) in properties {
        places(path.iter().chain([key]).cloned().collect(), schema, found);
    }
}

#[tokio::test]
async fn unknown_values_are_refused_wherever_they_stand() -> Result<()> {
    for chart in CHARTS {
        let (_, schema) = read(chart)?;
        let mut found = Vec::new();
        places(Vec::new(), &schema, &mut found);
        ensure!(
            found.len() > 5,
            "the schema of {chart} is read wrongly: {found:?}"
        );
        for path in found {
            let mistake = path.iter().rev().fold(
                json!({"mistake": 1}),
                |inner, key| json!({ key.as_str(): inner }),
            );
            let refused = chart::manifest(chart, "example", "team", &mistake).await;
            let Err(error) = refused else {
                anyhow::bail!("{chart} takes {mistake}");
            };
            ensure!(
                error.to_string().contains("mistake"),
                "{chart} refuses {mistake} without naming it: {error}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn wrong_values_are_refused() -> Result<()> {
    for (chart, values, named) in [
        ("tracewright", json!({"replicas": "two"}), "replicas"),
        (
            "tracewright",
            json!({"image": {"pullPolicy": "Sometimes"}}),
            "pullPolicy",
        ),
        (
            "tracewright",
            json!({"operator": {"awsRateShare": 1.5}}),
            "awsRateShare",
        ),
        (
            "tracewright",
            json!({"operator": {"driftInterval": "soon"}}),
            "driftInterval",
        ),
        (
            "tracewright",
            json!({"operator": {"driftInterval": "0s"}}),
            "driftInterval",
        ),
        (
            "tracewright",
            json!({"operator": {"tagDriftInterval": "0h0m"}}),
            "tagDriftInterval",
        ),
        (
            "tracewright",
            json!({"operator": {"deletionTimeout": ""}}),
            "deletionTimeout",
        ),
        (
            "tracewright",
            json!({"operator": {"deletionTimeout": "5s10m"}}),
            "deletionTimeout",
        ),
        (
            "tracewright",
            json!({"defaultReceiver": {"address": "xray.monitoring"}}),
            "address",
        ),
        (
            "tracewright",
            json!({"operator": {"region": "Frankfurt"}}),
            "region",
        ),
        (
            "tracewright",
            json!({"receivers": {"check": "hope"}}),
            "check",
        ),
        (
            "tracewright",
            json!({"watchNamespaces": ["Shop"]}),
            "watchNamespaces",
        ),
        (
            "tracewright",
            json!({"watchNamespaces": ["shop"]}),
            "operator.clusterName",
        ),
        (
            "tracewright",
            json!({"serviceAccount": {"create": false}}),
            "serviceAccount.name",
        ),
        (
            "tracewright",
            json!({"defaultReceiver": {"run": "daemon"}}),
            "operator.region",
        ),
        (
            "tracewright",
            json!({"defaultReceiver": {"run": "daemon", "address": "a:2000"}, "operator": {"region": "us-east-1"}}),
            "exclude each other",
        ),
        (
            "activities",
            json!({"profile": {"samplingRule": {"fixedRate": 2}}}),
            "fixedRate",
        ),
        (
            "activities",
            json!({"profile": {"logGroup": {"retentionInDays": 2}}}),
            "retentionInDays",
        ),
        (
            "activities",
            json!({"profile": {"receiver": {"kind": "agent"}}}),
            "kind",
        ),
        ("activities", json!({"service": {"type": "Magic"}}), "type"),
    ] {
        let Err(error) = chart::manifest(chart, "example", "team", &values).await else {
            anyhow::bail!("{chart} takes {values}");
        };
        ensure!(
            error.to_string().contains(named),
            "{chart} refuses {values} without naming {named}: {error}"
        );
    }
    Ok(())
}

/// What the definition says of a field of `spec`.
fn field(path: &[&str]) -> Result<Value> {
    let definition = serde_json::to_value(tracewright_core::crd::definition())?;
    let mut found =
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    for key in path {
        found = match *key {
            "items" => &found["items"],
            key => &found["properties"][key],
        };
    }
    ensure!(
        found.is_object(),
        "the definition has no spec.{}",
        path.join(".")
    );
    Ok(found.clone())
}

/// The value becomes an option of the operator, which ends where it is wrong; the field is checked by the API server.
#[test]
fn the_default_receivers_address_is_what_an_external_receivers_may_be() -> Result<()> {
    let address = field(&["xray", "receiver", "external", "address"])?;
    let rule = address["x-kubernetes-validations"][0]["rule"]
        .as_str()
        .context("the address has a rule")?;
    let patterns: Vec<&str> = rule
        .split("self.matches('^")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("$')")?.0))
        .collect();
    ensure!(patterns.len() == 2, "the rule is read wrongly: {rule}");
    let (_, schema) = read("tracewright")?;
    let expected = format!("^({})?$", patterns.join("|"));
    let pattern = &schema["properties"]["defaultReceiver"]["properties"]["address"]["pattern"];
    ensure!(*pattern == *expected, "{pattern} is not {expected}");
    Ok(())
}

#[test]
fn retention_is_what_a_profiles_log_group_may_have() -> Result<()> {
    let expected = field(&["logs", "groups", "items", "retentionInDays"])?;
    let (_, schema) = read("activities")?;
    let log_group = &schema["properties"]["profile"]["properties"]["logGroup"];
    let days = &log_group["properties"]["retentionInDays"]["enum"];
    ensure!(
        days.is_array() && *days == expected["enum"],
        "{days} is not {}",
        expected["enum"]
    );
    Ok(())
}
