//! What the operator tells of itself: every metric that is promised, no names in them, and Events only for what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;
use support::operator::Operator;
use support::{Installation, LONG, eventually};
use tracewright_core::receiver::ObjectKind;
use tracewright_xray::contract::metric::OPERATOR;

use super::see::{at_rest, deploy, object, receiver, told, variable, writes_of};
use crate::aws::see::{ready, request};

async fn scrape(operator: &Operator) -> Result<String> {
    let answer = reqwest::get(operator.metrics_url()).await?;
    Ok(answer.error_for_status()?.text().await?)
}

/// Samples as name and labels.
fn samples(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, _) = line.rsplit_once(' ').unwrap_or((line, ""));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",");
            let labels = labels.filter_map(|label| {
                let (key, value) = label.split_once("=\"")?;
                Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
            });
            (name.to_owned(), labels.collect())
        })
        .collect()
}

/// An operator with one profile that has everything, whose names occur nowhere else.
async fn working() -> Result<(Installation, Operator)> {
    let there = Installation::with_controllers().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "2s")
        .start()?;
    operator.ready().await?;
    deploy(there.namespace(), "workload-name").await?;
    let spec = json!({
        "service": {"name": "service-name"},
        "workloads": {"selector": {"matchLabels": {"app": "workload-name"}}},
        "traces": {"otlp": {"endpoint": "http://endpoint-name:4318"}},
        "xray": {
            "receiver": {"daemon": {}},
            "groups": [{"name": "group-name"}],
            "samplingRules": [{"name": "rule-name", "priority": 9000, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": "log-group-name", "retentionInDays": 7}]},
    });
    there.apply("profile-name", spec).await?;
    ready(&there, "profile-name").await?;
    Ok((there, operator))
}

#[tokio::test]
async fn every_promised_metric_is_there_with_its_labels_and_none_with_a_name() -> Result<()> {
    let (there, operator) = working().await?;
    let text = eventually(LONG, "the census has counted", async || {
        let text = scrape(&operator).await.map_err(|error| error.to_string())?;
        let counted = [
            "tracewright_workloads{state=\"injected\"} 1",
            "tracewright_aws_objects{kind=\"Group\",state=\"Synced\"} 1",
            "tracewright_profiles{condition=\"Ready\",status=\"True\"} 1",
            "tracewright_sampling_rule_requests{",
            "tracewright_quota_used_ratio{quota=\"groups\"",
        ];
        if counted.iter().all(|part| text.contains(part)) {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await?;
    let samples = samples(&text);
    for metric in OPERATOR {
        // A histogram has its samples under three names.
        let of = |name: &str| {
            name == metric.name
                || ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|part| name.strip_suffix(part) == Some(metric.name))
        };
        let mut found = samples.iter().filter(|(name, _)| of(name)).peekable();
        assert!(
            found.peek().is_some(),
            "{} is not there:\n{text}",
            metric.name
        );
        for (name, labels) in found {
            let labels: BTreeSet<_> = labels.keys().map(String::as_str).collect();
            let mut expected: BTreeSet<_> = metric.labels.iter().copied().collect();
            if name.ends_with("_bucket") {
                expected.insert("le");
            }
            if metric.name == "tracewright_build_info" {
                expected.insert("version");
            }
            assert_eq!(labels, expected, "{name}");
        }
    }
    // The one label that holds a name: of rules in AWS, whose quota bounds them.
    for (name, labels) in &samples {
        for (key, value) in labels {
            let rule = name.starts_with("tracewright_sampling_rule_") && key == "rule";
            let named = value.contains("-name") || value.contains(there.namespace().name());
            assert!(!named || rule, "{name} {key}={value}");
        }
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    let age = |kind: &str| format!("tracewright_watch_age_seconds{{kind=\"{kind}\"}}");
    for kind in [
        "ObservabilityProfile",
        "Namespace",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "CronJob",
    ] {
        assert!(text.contains(&age(kind)), "{kind}:\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_that_is_gone_leaves_no_series_behind() -> Result<()> {
    let (there, operator) = working().await?;
    let seen = async |expected: bool| {
        eventually(
            LONG,
            format!("the rule has a series: {expected}"),
            async || {
                let text = scrape(&operator).await.map_err(|error| error.to_string())?;
                if text.contains("rule=\"rule-name\"") == expected {
                    Ok(())
                } else {
                    Err(text)
                }
            },
        )
        .await
    };
    seen(true).await?;
    there
        .apply(
            "profile-name",
            json!({"logs": {"groups": [{"name": "log-group-name"}]}}),
        )
        .await?;
    ready(&there, "profile-name").await?;
    seen(false).await?;
    Ok(())
}

async fn events(there: &Installation) -> Result<Vec<(String, i32)>> {
    let events = there
        .namespace()
        .api::<Event>()
        .list(&ListParams::default())
        .await?;
    let ours = events
        .items
        .into_iter()
        .filter(|event| event.reporting_controller.as_deref() == Some("tracewright"));
    let mut told: Vec<_> = ours
        .map(|event| {
            let count = event.series.map_or(1, |series| series.count);
            (event.reason.unwrap_or_default(), count)
        })
        .collect();
    told.sort();
    Ok(told)
}

/// Drift checks, repairs and a restart: what is as it was is told once, and written never again.
#[tokio::test]
async fn what_is_not_new_is_no_event_and_no_write() -> Result<()> {
    let (there, mut operator) = working().await?;
    at_rest(&there, &there.operator_user()).await?;
    let before = there.profiles().get("profile-name").await?;
    let events_before = events(&there).await?;
    assert!(
        events_before
            .iter()
            .any(|(reason, _)| reason == "Reconciled"),
        "{events_before:?}"
    );
    let since = there.control_plane().audit_mark()?;
    // At least two drift checks, and looks by request.
    for _ in 0..3 {
        request(&there, "profile-name").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(events(&there).await?, events_before);
    let own = writes_of(&there, since, &there.operator_user())?;
    assert!(own.is_empty(), "{:?}", told(&own));

    operator.stop().await?;
    let since = there.control_plane().audit_mark()?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "2s")
        .start()?;
    operator.ready().await?;
    eventually(LONG, "it has looked", async || {
        match operator.metric("tracewright_reconciles_total").await {
            Ok(count) if count >= 3.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    assert_eq!(events(&there).await?, events_before);
    let after = there.profiles().get("profile-name").await?;
    assert_eq!(after.status, before.status);
    // The receiver's objects are applied once after a start, because nothing remembers what was applied.
    let own = writes_of(&there, since, &there.operator_user())?;
    let beside: Vec<_> = told(&own)
        .into_iter()
        .filter(|it| !it.contains("profile-name-xray"))
        .collect();
    assert_eq!(beside, Vec::<String>::new());
    receiver(&there, "profile-name", "True Available").await?;
    let address = variable(
        there.namespace(),
        "workload-name",
        "AWS_XRAY_DAEMON_ADDRESS",
    )
    .await?;
    assert_eq!(address.as_deref(), Some("profile-name-xray:2000"));
    let generation = &object(
        there.namespace(),
        ObjectKind::Deployment,
        "profile-name-xray",
    )
    .await?["metadata"]["generation"];
    assert_eq!(*generation, 1);
    Ok(())
}
