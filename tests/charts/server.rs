//! What a real API server makes of the charts.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use serde_json::{Value, json};
use support::{ControlPlane, Namespace, chart, installation};

use crate::cases;

/// The kinds of the Prometheus operator, whose schema cannot be had here: any content is taken.
async fn install_monitoring_kinds(client: &Client) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for (kind, plural) in [
        ("ServiceMonitor", "servicemonitors"),
        ("PrometheusRule", "prometheusrules"),
    ] {
        let name = format!("{plural}.monitoring.coreos.com");
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": "monitoring.coreos.com",
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                }],
            },
        });
        definitions
            .patch(
                &name,
                &PatchParams::apply("tests").force(),
                &Patch::Apply(&definition),
            )
            .await?;
        await_condition(definitions.clone(), &name, is_crd_established()).await?;
    }
    Ok(())
}

/// Kubernetes 1.37: the API server itself, with its strict validation, refuses unknown and wrong fields.
#[tokio::test]
async fn kubernetes_1_37_takes_every_object() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let client = control_plane.client().await?;
    installation::install(client.clone()).await?;
    install_monitoring_kinds(&client).await?;
    let namespace = Namespace::create(control_plane, "charts").await?;
    let params = PatchParams {
        dry_run: true,
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply("tests").force()
    };
    for case in cases::all() {
        let mut values = case.values.clone();
        if values["watchNamespaces"].is_array() {
            values["watchNamespaces"] = json!([namespace.name()]);
        }
        for object in chart::render(case.chart, "example", namespace.name(), &values).await? {
            let name = object["metadata"]["name"].as_str().context("a name")?;
            chart::api(&client, &object)?
                .patch(name, &params, &Patch::Apply(&object))
                .await
                .with_context(|| format!("{}: {} {name}", case.name, object["kind"]))?;
        }
    }
    // The check can fail.
    let wrong = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong", "namespace": namespace.name()}, "dta": {}});
    let answer = chart::api(&client, &wrong)?
        .patch("wrong", &params, &Patch::Apply(&wrong))
        .await;
    ensure!(answer.is_err(), "an unknown field is taken: {answer:?}");
    Ok(())
}

/// Kubernetes 1.33: every object is one of that version's types, and no field is lost on the way through it.
#[tokio::test]
async fn kubernetes_1_33_knows_every_field() -> Result<()> {
    for case in cases::all() {
        for object in chart::render(case.chart, "example", "team", &case.values).await? {
            known_to_1_33(&object).with_context(|| case.name)?;
        }
    }
    let wrong = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong"}, "dta": {"a": "b"}});
    ensure!(known_to_1_33(&wrong).is_err(), "an unknown field is taken");
    Ok(())
}

fn known_to_1_33(object: &Value) -> Result<()> {
    use k8s_openapi::api::{apps, core, networking, policy, rbac};
    let kind = object["kind"].as_str().unwrap_or_default();
    let read = match kind {
        "ConfigMap" => through::<core::v1::ConfigMap>(object),
        "ClusterRole" => through::<rbac::v1::ClusterRole>(object),
        "ClusterRoleBinding" => through::<rbac::v1::ClusterRoleBinding>(object),
        "CustomResourceDefinition" => through::<CustomResourceDefinition>(object),
        "Deployment" => through::<apps::v1::Deployment>(object),
        "Ingress" => through::<networking::v1::Ingress>(object),
        "NetworkPolicy" => through::<networking::v1::NetworkPolicy>(object),
        "ObservabilityProfile" => through::<tracewright_core::crd::ObservabilityProfile>(object),
        "PodDisruptionBudget" => through::<policy::v1::PodDisruptionBudget>(object),
        "Role" => through::<rbac::v1::Role>(object),
        "RoleBinding" => through::<rbac::v1::RoleBinding>(object),
        "Service" => through::<core::v1::Service>(object),
        "ServiceAccount" => through::<core::v1::ServiceAccount>(object),
        // Not Kubernetes' own.
        "ServiceMonitor" | "PrometheusRule" => return Ok(()),
        other => bail!("this test does not know the kind {other:?}: add it"),
    };
    let read = read.with_context(|| format!("{kind} {}", object["metadata"]["name"]))?;
    lost(kind, object, &read)
}

fn through<K: serde::de::DeserializeOwned + serde::Serialize>(object: &Value) -> Result<Value> {
    Ok(serde_json::to_value(serde_json::from_value::<K>(
        object.clone(),
    )?)?)
}

/// Fails on the first field of `object` that `read` does not have.
fn lost(path: &str, object: &Value, read: &Value) -> Result<()> {
    match (object, read) {
        (Value::Object(fields), Value::Object(kept)) => {
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                match kept.get(key) {
                    Some(kept) => lost(&path, value, kept)?,
                    // An empty map or list is the same as none.
                    None if matches!(value, Value::Null)
                        || *value == json!({})
                        || *value == json!([]) => {}
                    None => bail!("{path} is not known"),
                }
            }
        }
        (Value::Array(items), Value::Array(kept)) => {
            ensure!(items.len() == kept.len(), "{path} has lost entries");
            for (index, (item, kept)) in items.iter().zip(kept).enumerate() {
                lost(&format!("{path}[{index}]"), item, kept)?;
            }
        }
        _ => {}
    }
    Ok(())
}
