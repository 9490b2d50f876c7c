//! The example of the journal's service: every variable, name by name and value by value.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};
use support::workloads::Ground;
use support::{LONG, SHORT, eventually, installation};
use tracewright_core::crd::ObservabilityProfile;

fn helper(name: &str, field: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}})
}

/// What the contract says of this example, and then the workload's own.
fn expected() -> Value {
    let literal = |name: &str, value: &str| json!({"name": name, "value": value});
    json!([
        helper("TRACEWRIGHT_POD_NAME", "metadata.name"),
        helper("TRACEWRIGHT_NODE_NAME", "spec.nodeName"),
        {"name": "TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM", "valueFrom": {"secretKeyRef": {"name": "honeycomb", "key": "api-key", "optional": true}}},
        literal("OTEL_SERVICE_NAME", "backend-flask"),
        literal(
            "OTEL_RESOURCE_ATTRIBUTES",
            "aws.log.group.names=cruddur,k8s.container.name=backend-flask,k8s.deployment.name=backend-flask,k8s.namespace.name=cruddur,k8s.node.name=$(TRACEWRIGHT_NODE_NAME),k8s.pod.name=$(TRACEWRIGHT_POD_NAME)",
        ),
        literal("OTEL_TRACES_EXPORTER", "otlp,console"),
        literal("OTEL_METRICS_EXPORTER", "none"),
        literal("OTEL_LOGS_EXPORTER", "none"),
        literal("OTEL_EXPORTER_OTLP_ENDPOINT", "https://api.honeycomb.io"),
        literal("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        literal("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=$(TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM)"),
        literal("OTEL_PROPAGATORS", "tracecontext,baggage,xray"),
        literal("AWS_XRAY_DAEMON_ADDRESS", "cruddur-xray:2000"),
        literal("AWS_XRAY_TRACING_NAME", "backend-flask"),
        literal("TRACEWRIGHT_AWS_REGION", "us-east-1"),
        literal("TRACEWRIGHT_LOG_GROUP", "cruddur"),
        literal("TRACEWRIGHT_LOG_STREAM", "$(TRACEWRIGHT_POD_NAME)/backend-flask"),
        literal("FRONTEND_URL", "https://cruddur.example/$(OTEL_SERVICE_NAME)"),
    ])
}

#[tokio::test]
async fn the_example_s_workload_has_exactly_the_variables_of_the_contract() -> Result<()> {
    let ground = Ground::shared().await?;
    let client = ground.there.control_plane().client().await?;
    let post = PostParams::default();
    // The example names its namespace.
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "cruddur"}}))?;
    Api::all(client.clone()).create(&post, &namespace).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "cruddur");
    for (name, values) in [
        ("honeycomb", json!({"api-key": "k"})),
        (
            "aws",
            json!({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}),
        ),
    ] {
        let secret = json!({"metadata": {"name": name}, "stringData": values});
        secrets
            .create(&post, &serde_json::from_value(secret)?)
            .await?;
    }
    let labels = json!({"app": "backend-flask"});
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "cruddur");
    let deployment = json!({
        "metadata": {"name": "backend-flask", "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "backend-flask", "image": "example.com/backend-flask:1",
                    "env": [{"name": "FRONTEND_URL", "value": "https://cruddur.example/$(OTEL_SERVICE_NAME)"}],
                }]},
            },
        },
    });
    deployments
        .create(&post, &serde_json::from_value(deployment)?)
        .await?;

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cruddur.yaml");
    let example: ObservabilityProfile = serde_saphyr::from_str(&std::fs::read_to_string(example)?)?;
    let profiles: Api<ObservabilityProfile> = Api::namespaced(client.clone(), "cruddur");
    let spec = serde_json::to_value(&example.spec)?;
    installation::apply(&profiles, "cruddur", spec).await?;

    eventually(LONG, "the example is Ready", async || {
        let profile = profiles
            .get("cruddur")
            .await
            .map_err(|error| error.to_string())?;
        let status = profile.status.ok_or("no status")?;
        let ready = status
            .conditions
            .iter()
            .any(|it| it.type_ == "Ready" && it.status == "True");
        if ready {
            Ok(())
        } else {
            Err(format!("{:?}", status.conditions))
        }
    })
    .await?;
    let object = serde_json::to_value(deployments.get("backend-flask").await?)?;
    let env = &object["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(*env, expected());

    let pods: Api<Pod> = Api::namespaced(client, "cruddur");
    let selected = ListParams::default().labels("app=backend-flask");
    let pods = eventually(SHORT, "only the new pods are left", async || {
        let pods = pods
            .list(&selected)
            .await
            .map_err(|error| error.to_string())?
            .items;
        if pods.len() == 2 {
            Ok(pods)
        } else {
            Err(format!("{} pods", pods.len()))
        }
    })
    .await?;
    for pod in pods {
        let pod = serde_json::to_value(pod)?;
        assert_eq!(pod["spec"]["containers"][0]["env"], expected());
    }

    let annotations = &object["metadata"]["annotations"];
    let record = annotations["tracewright.dev/injected"].as_str();
    let record: Value = serde_json::from_str(record.context("no record")?)?;
    assert_eq!(record["profile"], "cruddur");
    assert_eq!(record["generation"], 1);
    assert_eq!(record["renderVersion"], 1);
    assert_eq!(record["reverted"], false);
    let recorded = record["containers"]["backend-flask"].as_object();
    let recorded = recorded.context("the container is not recorded")?;
    // Everything but the workload's own.
    assert_eq!(recorded.len(), 17);
    assert!(!recorded.contains_key("FRONTEND_URL"));
    let status = profiles.get("cruddur").await?.status.unwrap_or_default();
    let listed = status.injection.map(|injection| injection.env);
    let all = expected();
    let all = all.as_array().into_iter().flatten().take(17);
    let all: Vec<_> = all
        .filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(listed, Some(all));
    Ok(())
}
