//! The resource as kubectl shows it: columns, names, explanations; and the documents made of it.

#[path = "../generate/reference.rs"]
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::{ControlPlane, Namespace};
use tracewright_core::crd;

const GROUP: &str = "/apis/tracewright.dev/v1alpha1";
const MAX_BYTES: usize = 200 * 1024;

fn definition() -> Result<Value> {
    Ok(serde_json::to_value(crd::definition())?)
}

async fn namespace() -> Result<Namespace> {
    let control_plane = ControlPlane::shared().await?;
    support::installation::install(control_plane.client().await?).await?;
    Ok(Namespace::create(control_plane, "resource").await?)
}

async fn ask(
    namespace: &Namespace,
    method: &str,
    path: &str,
    accept: &str,
    body: &Value,
) -> Result<Value> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept)
        .header(
            "content-type",
            if method == "PATCH" {
                "application/merge-patch+json"
            } else {
                "application/json"
            },
        )
        .body(if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body)?
        })?;
    Ok(namespace.client().request(request).await?)
}

#[test]
fn the_definition_stays_far_below_what_etcd_and_kubectl_take() -> Result<()> {
    let bytes = definition()?.to_string().len();
    ensure!(bytes <= MAX_BYTES, "{bytes} bytes");
    Ok(())
}

#[test]
fn kubectl_explain_has_a_text_for_every_field() -> Result<()> {
    fn walk(schema: &Value, path: &str, fields: &mut usize, mute: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            *fields += 1;
            if field["description"]
                .as_str()
                .is_none_or(|text| text.trim().is_empty())
            {
                mute.push(path.clone());
            }
            walk(field, &path, fields, mute);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                walk(&schema[below], path, fields, mute);
            }
        }
    }
    let definition = definition()?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    ensure!(
        schema["description"].is_string(),
        "the resource itself has no text"
    );
    let (mut fields, mut mute) = (0, Vec::new());
    walk(schema, "", &mut fields, &mut mute);
    ensure!(fields > 100, "{fields} fields");
    ensure!(mute.is_empty(), "no text: {mute:?}");
    Ok(())
}

#[tokio::test]
async fn kubectl_finds_the_resource_by_its_short_name_and_category() -> Result<()> {
    let namespace = namespace().await?;
    let found = ask(&namespace, "GET", GROUP, "application/json", &Value::Null).await?;
    let resources = found["resources"]
        .as_array()
        .context("a list of resources")?;
    let resource = resources
        .iter()
        .find(|resource| resource["name"] == "observabilityprofiles");
    let resource = resource.context("the resource is served")?;
    ensure!(resource["shortNames"] == json!(["obsp"]), "{resource}");
    ensure!(
        resource["categories"] == json!(["observability"]),
        "{resource}"
    );
    ensure!(resource["namespaced"] == true, "{resource}");
    Ok(())
}

#[tokio::test]
async fn kubectl_get_shows_what_the_status_says() -> Result<()> {
    let namespace = namespace().await?;
    let profiles = format!(
        "{GROUP}/namespaces/{}/observabilityprofiles",
        namespace.name()
    );
    let profile = json!({
        "apiVersion": "tracewright.dev/v1alpha1",
        "kind": "ObservabilityProfile",
        "metadata": {"name": "shown"},
        "spec": {"mode": "Preview"},
    });
    ask(&namespace, "POST", &profiles, "application/json", &profile).await?;
    let status = json!({"status": {
        "region": "us-east-1",
        "summary": {"xray": "1/2", "logs": "3/4", "workloads": "5/6"},
        "conditions": [{
            "type": "Ready", "status": "Unknown", "reason": "Preview", "message": "Nothing is written.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    }});
    ask(
        &namespace,
        "PATCH",
        &format!("{profiles}/shown/status"),
        "application/json",
        &status,
    )
    .await?;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let table = ask(&namespace, "GET", &profiles, table, &Value::Null).await?;
    let cells = table["rows"][0]["cells"].as_array().context("a row")?;
    let columns = table["columnDefinitions"]
        .as_array()
        .context("columns")?
        .iter()
        .zip(cells);
    let shown: Vec<_> = columns
        .filter(|(column, _)| column["name"] != "Age")
        .map(|(column, cell)| {
            (
                plain(&column["name"]),
                column["priority"].as_i64(),
                plain(cell),
            )
        })
        .collect();
    let expected = [
        ("Name", 0, "shown"),
        ("Ready", 0, "Unknown"),
        ("Mode", 0, "Preview"),
        ("XRay", 0, "1/2"),
        ("Logs", 0, "3/4"),
        ("Workloads", 0, "5/6"),
        ("Region", 1, "us-east-1"),
        ("Message", 1, "Nothing is written."),
    ];
    let expected =
        expected.map(|(name, priority, cell)| (name.to_owned(), Some(priority), cell.to_owned()));
    ensure!(shown == expected, "{shown:?}");
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

#[test]
fn the_reference_of_the_resource_is_current() -> Result<()> {
    let written = fs::read_to_string(file(reference::FILE)).context(reference::FILE)?;
    ensure!(
        written == reference::profile(),
        "{} is stale: run `make generate`",
        reference::FILE
    );
    Ok(())
}

#[test]
fn the_definition_to_apply_is_current_and_the_chart_installs_the_same() -> Result<()> {
    for name in [
        "crds/observabilityprofiles.yaml",
        "charts/tracewright/files/observabilityprofiles.yaml",
    ] {
        let written = fs::read_to_string(file(name)).context(name)?;
        let written: Value = serde_saphyr::from_str(&written).context(name)?;
        ensure!(
            written == definition()?,
            "{name} is stale: run `make generate`"
        );
    }
    Ok(())
}
