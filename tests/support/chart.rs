//! The charts as helm renders them, and the rights that the operator's chart grants.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::cache::program;

/// The Kubernetes version that charts are rendered for.
pub const KUBE_VERSION: &str = "1.37.2";

/// The folder of a chart.
#[must_use]
pub fn folder(chart: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../charts")
        .join(chart)
}

/// Runs helm with values on its standard input: `--values -` is among the arguments where they are wanted.
///
/// # Errors
/// helm has not been built, or fails; the error has all that it printed.
pub async fn helm(arguments: &[&str], values: &Value) -> Result<String> {
    let mut child = Command::new(program("helm")?)
        .args(arguments)
        .env("HELM_MAX_HISTORY", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(values.to_string().as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "helm {}: {}\n{text}{errors}",
            arguments.join(" "),
            output.status
        );
    }
    Ok(text)
}

/// The manifest of a release.
///
/// # Errors
/// The chart refuses the values.
pub async fn manifest(
    chart: &str,
    release: &str,
    namespace: &str,
    values: &Value,
) -> Result<String> {
    let folder = folder(chart);
    let folder = folder.to_str().context("the checkout's path is UTF-8")?;
    let arguments = [
        "template",
        release,
        folder,
        "--namespace",
        namespace,
        "--kube-version",
        KUBE_VERSION,
        "--values",
        "-",
    ];
    helm(&arguments, values).await
}

/// The objects of a release.
///
/// # Errors
/// The chart refuses the values, or renders what is no YAML.
pub async fn render(
    chart: &str,
    release: &str,
    namespace: &str,
    values: &Value,
) -> Result<Vec<Value>> {
    objects(&manifest(chart, release, namespace, values).await?)
}

/// The objects of a manifest.
///
/// # Errors
/// It is no YAML.
pub fn objects(manifest: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest)?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// Gives a service account the rights that the operator's chart grants, all namespaces and receivers included.
///
/// # Errors
/// The chart cannot be rendered, or the API server refuses.
pub async fn grant(client: &Client, namespace: &str, account: &str) -> Result<()> {
    apply(client, &rights(namespace, account).await?).await
}

/// Applies objects.
///
/// # Errors
/// The API server refuses one.
pub async fn apply(client: &Client, objects: &[Value]) -> Result<()> {
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        api(client, object)?
            .patch(
                name,
                &PatchParams::apply("tests").force(),
                &Patch::Apply(object),
            )
            .await?;
    }
    Ok(())
}

/// Takes them away again.
///
/// # Errors
/// The API server refuses.
pub async fn revoke(client: &Client, namespace: &str, account: &str) -> Result<()> {
    for object in rights(namespace, account).await? {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        api(client, &object)?
            .delete(&name, &DeleteParams::default())
            .await?;
    }
    Ok(())
}

/// The same with values of the chart, for rights that are fewer.
///
/// # Errors
/// The chart cannot be rendered, or the API server refuses.
pub async fn grant_by(
    client: &Client,
    namespace: &str,
    account: &str,
    values: &Value,
) -> Result<()> {
    let mut values = values.clone();
    values["serviceAccount"] = json!({"create": false, "name": account});
    let release = format!("{namespace}-{account}");
    let mut rights = render("tracewright", &release, namespace, &values).await?;
    rights.retain(is_right);
    apply(client, &rights).await
}

/// The chart's RBAC objects for a service account that exists.
async fn rights(namespace: &str, account: &str) -> Result<Vec<Value>> {
    // Rendered once a process: helm takes longer than what is done with it.
    const PLACES: [&str; 3] = ["the-release", "the-namespace", "the-account"];
    static RENDERED: OnceCell<String> = OnceCell::const_new();
    let values = json!({"serviceAccount": {"create": false, "name": PLACES[2]}});
    let rendered = RENDERED
        .get_or_try_init(|| manifest("tracewright", PLACES[0], PLACES[1], &values))
        .await?;
    let release = format!("{namespace}-{account}");
    let text = rendered
        .replace(PLACES[0], &release)
        .replace(PLACES[1], namespace)
        .replace(PLACES[2], account);
    let mut rights = objects(&text)?;
    rights.retain(is_right);
    Ok(rights)
}

fn is_right(object: &Value) -> bool {
    object["apiVersion"] == "rbac.authorization.k8s.io/v1"
}

/// Where an object belongs, by its own account.
///
/// # Errors
/// It has no apiVersion or kind.
pub fn api(client: &Client, object: &Value) -> Result<Api<DynamicObject>> {
    let version = object["apiVersion"].as_str().context("an apiVersion")?;
    let kind = object["kind"].as_str().context("a kind")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let plural = match kind {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        "Ingress" => "ingresses".to_owned(),
        other => format!("{}s", other.to_lowercase()),
    };
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}
