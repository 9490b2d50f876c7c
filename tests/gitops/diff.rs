//! Tools that compare the manifest with the live object find no difference after an injection.

use anyhow::Result;
use serde_json::Value;

use super::repository::{Repository, with_image};

/// As Argo CD compares: three-way, of the manifest applied last, the manifest and the live object. `kubectl diff` makes the
/// same three-way patch (`CreateThreeWayMergePatch`) and ends with 1 where it is not empty.
#[tokio::test]
async fn a_three_way_diff_with_the_manifest_applied_last_is_empty() -> Result<()> {
    let repository = Repository::new().await?;
    repository.deployed(&[]).await?;
    let none = repository
        .with(&Repository::manifest(), &["diff"])
        .await?
        .ok()?;
    assert_eq!(none, "");
    let image = with_image(&Repository::manifest(), "example.com/app:2");
    let some = repository.with(&image, &["diff"]).await?;
    assert_eq!(some.code, Some(1), "{some:?}");
    assert!(
        some.output.contains("+") && !some.output.contains("-        - name: OTEL_"),
        "the image, and no variable that would go: {}",
        some.output
    );
    Ok(())
}

/// As Flux compares, and Argo CD with server-side diff: the result of a server-side apply that is not carried out.
#[tokio::test]
async fn a_server_side_dry_run_changes_nothing() -> Result<()> {
    let repository = Repository::new().await?;
    let flux = [
        "--server-side",
        "--force-conflicts",
        "--field-manager=kustomize-controller",
    ];
    let live = repository.deployed(&flux).await?;
    let dry_run = [
        &["apply"],
        &flux[..],
        &["--dry-run=server", "--output=json"],
    ]
    .concat();
    let would = repository
        .with(&Repository::manifest(), &dry_run)
        .await?
        .ok()?;
    let would: Value = serde_json::from_str(&would)?;
    assert_eq!(would["spec"], live["spec"]);
    for field in ["annotations", "labels", "generation"] {
        assert_eq!(would["metadata"][field], live["metadata"][field], "{field}");
    }
    let none = repository
        .with(&Repository::manifest(), &[&["diff"], &flux[..]].concat())
        .await?
        .ok()?;
    assert_eq!(none, "");
    Ok(())
}
