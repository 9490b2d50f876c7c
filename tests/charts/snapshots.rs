//! What the charts render, word for word: a change of a template shows in a review.

use anyhow::{Result, ensure};
use serde_json::json;
use support::chart;

use crate::cases;

/// The CustomResourceDefinition is generated and compared with its source elsewhere.
const DEFINITION: &str = "kind: CustomResourceDefinition";

#[tokio::test]
async fn the_templates_render_as_reviewed() -> Result<()> {
    for case in cases::all() {
        let manifest = chart::manifest(case.chart, "example", "team", &case.values).await?;
        let reviewed: String = manifest
            .split("---\n")
            .filter(|document| !document.contains(DEFINITION))
            .collect::<Vec<_>>()
            .join("---\n");
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(case.name, reviewed);
        });
    }
    Ok(())
}

#[tokio::test]
async fn the_charts_pass_helms_own_strict_check() -> Result<()> {
    for case in cases::all() {
        let folder = chart::folder(case.chart);
        let folder = folder.display().to_string();
        let arguments = [
            "lint",
            "--strict",
            &folder,
            "--kube-version",
            chart::KUBE_VERSION,
            "--values",
            "-",
        ];
        chart::helm(&arguments, &case.values).await?;
    }
    Ok(())
}

/// A hook's object belongs to no release, and `lookup` renders something else where there is no cluster: Argo CD and Flux
/// render without one.
#[tokio::test]
async fn there_are_no_hooks_and_nothing_depends_on_a_cluster() -> Result<()> {
    for case in cases::all() {
        let manifest = chart::manifest(case.chart, "example", "team", &case.values).await?;
        ensure!(
            !manifest.contains("helm.sh/hook"),
            "{} has a hook",
            case.name
        );
        for entry in std::fs::read_dir(chart::folder(case.chart).join("templates"))? {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            ensure!(
                !text.contains("lookup"),
                "{} looks something up",
                path.display()
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_definition_is_the_generated_one_and_is_kept() -> Result<()> {
    let objects = chart::render("tracewright", "example", "team", &json!({})).await?;
    let mut definition = objects
        .into_iter()
        .find(|object| object["kind"] == "CustomResourceDefinition")
        .ok_or_else(|| anyhow::anyhow!("the chart has no CustomResourceDefinition"))?;
    let keep = definition["metadata"]["annotations"]["helm.sh/resource-policy"].take();
    ensure!(
        keep == "keep",
        "helm uninstall would delete it, and all profiles with it: {keep}"
    );
    let generated = serde_json::to_value(tracewright_core::crd::definition())?;
    ensure!(
        definition["spec"] == generated["spec"],
        "the chart has another definition: run `make generate`"
    );
    Ok(())
}
