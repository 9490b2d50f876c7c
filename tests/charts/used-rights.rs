//! Compares the rights that the operator's chart grants with those that a whole test run used: `make test` runs it last. The
//! operators of the tests live with the chart's own roles, so a right that is missing has failed a test before.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::json;
use support::chart;
use support::rights::{self, Right};

/// What no test can use, and why it is granted.
const UNUSED: [(&str, &str, &str); 1] = [
    // Only OpenShift's admission asks for it, of whoever sets an owner reference that blocks deletion.
    (
        "tracewright.dev",
        "observabilityprofiles/finalizers",
        "update",
    ),
];

/// What Kubernetes itself grants to everybody who is authenticated. (Its ClusterRole `system:basic-user`.)
const EVERYBODY: (&str, &str, &str) = ("authentication.k8s.io", "selfsubjectreviews", "create");

/// Compares the chart's rights with those that a test run used.
#[derive(Parser)]
struct Arguments {
    /// The folder that the run's tests had in TRACEWRIGHT_USED_RIGHTS
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let folder = Arguments::parse().folder;
    let used = rights::kept(&folder).with_context(|| folder.display().to_string())?;
    if used.is_empty() {
        bail!("no test kept what it used in {}", folder.display());
    }
    let roles = chart::render("tracewright", "any", "any", &json!({})).await?;
    let granted = rights::granted(&roles);
    fn parts(right: &Right) -> (&str, &str, &str) {
        (&right.group, &right.resource, &right.verb)
    }
    let excused: BTreeSet<Right> = granted
        .iter()
        .filter(|right| UNUSED.contains(&parts(right)))
        .cloned()
        .collect();
    let unused: Vec<&Right> = granted
        .iter()
        .filter(|right| !used.contains(right) && !excused.contains(right))
        .collect();
    let needless: Vec<&Right> = excused
        .iter()
        .filter(|right| used.contains(right))
        .collect();
    let missing: Vec<&Right> = used
        .iter()
        .filter(|right| !granted.contains(right) && parts(right) != EVERYBODY)
        .collect();
    for (what, rights) in [
        ("granted by the chart and used by no test", &unused),
        ("excused as unused and used", &needless),
        ("used and not granted by the chart", &missing),
    ] {
        for right in rights {
            println!("{what}: {right}");
        }
    }
    if unused.is_empty() && needless.is_empty() && missing.is_empty() {
        println!(
            "the chart grants {} rights; {} were used, and {} cannot be",
            granted.len(),
            granted.len() - excused.len(),
            excused.len()
        );
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
