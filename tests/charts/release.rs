//! A release's life, by helm, on a real API server: the definition is upgraded with the chart and outlives it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use serde_json::json;
use support::chart;
use support::control_plane::Options;
use support::{ControlPlane, Namespace, program};
use tokio::process::Command;

const DEFINITION: &str = "observabilityprofiles.tracewright.dev";

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_definition_is_upgraded_and_outlives_the_release() -> Result<()> {
    let control_plane = ControlPlane::start(Options::without_controllers()).await?;
    let namespace = Namespace::create(&control_plane, "release").await?;
    let kubeconfig = control_plane.kubeconfig().display().to_string();
    // An older chart: one printed column less, another message.
    let older = tempfile::tempdir()?;
    copy(&chart::folder("tracewright"), older.path())?;
    let file = older.path().join("files/observabilityprofiles.yaml");
    let text = fs::read_to_string(&file)?;
    ensure!(
        text.contains("name: Mode"),
        "the definition has no column Mode to remove"
    );
    fs::write(&file, text.replace("name: Mode", "name: OldMode"))?;

    let helm = async |command: &[&str]| {
        let place = ["--namespace", namespace.name(), "--kubeconfig", &kubeconfig];
        chart::helm(&[command, &place].concat(), &json!({})).await
    };
    let definitions: Api<CustomResourceDefinition> = Api::all(namespace.client());
    let columns = async || -> Result<Vec<String>> {
        let definition = definitions.get(DEFINITION).await?;
        let version = definition
            .spec
            .versions
            .into_iter()
            .next()
            .context("a version")?;
        let columns = version.additional_printer_columns.unwrap_or_default();
        Ok(columns.into_iter().map(|column| column.name).collect())
    };
    let (older, newer) = (
        older.path().display().to_string(),
        chart::folder("tracewright").display().to_string(),
    );
    helm(&["install", "tracewright", &older]).await?;
    ensure!(columns().await?.contains(&"OldMode".to_owned()));
    helm(&["upgrade", "tracewright", &newer]).await?;
    let upgraded = columns().await?;
    ensure!(
        upgraded.contains(&"Mode".to_owned()) && !upgraded.contains(&"OldMode".to_owned()),
        "the upgrade left the definition as it was: {upgraded:?}"
    );
    helm(&["uninstall", "tracewright"]).await?;
    columns()
        .await
        .context("the definition went with the release")?;
    // The next release takes it over.
    helm(&["install", "tracewright", &newer]).await?;
    Ok(())
}

/// What README and docs/install.md say of a definition that is there already.
#[tokio::test]
async fn a_definition_that_was_applied_by_hand_is_taken_over_when_helm_is_told_to() -> Result<()> {
    let control_plane = ControlPlane::start(Options::without_controllers()).await?;
    let namespace = Namespace::create(&control_plane, "release").await?;
    let kubeconfig = control_plane.kubeconfig().display().to_string();
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let applied = Command::new(program("kubectl")?)
        .args(["apply", "--server-side", "--kubeconfig", &kubeconfig, "-f"])
        .arg(definitions)
        .output()
        .await?;
    ensure!(applied.status.success(), "{applied:?}");

    let newer = chart::folder("tracewright").display().to_string();
    let helm = async |options: &[&str]| {
        let command = ["upgrade", "--install", "tracewright", &newer];
        let place = ["--namespace", namespace.name(), "--kubeconfig", &kubeconfig];
        chart::helm(&[&command, &place, options].concat(), &json!({})).await
    };
    let Err(refused) = helm(&[]).await else {
        bail!("helm takes the definition over untold: the documents need not say --take-ownership");
    };
    ensure!(
        refused.to_string().contains("ownership"),
        "helm refuses for another reason: {refused}"
    );
    helm(&["--take-ownership"]).await?;
    // The release has it now.
    helm(&[]).await?;
    Ok(())
}
