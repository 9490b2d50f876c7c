//! Applying the workload's manifest again, in every way, and the commands that people use beside it.

use anyhow::Result;
use serde_json::json;
use support::workloads::{names, template};

use super::repository::{KIND, Repository, generation, injected, with_env, with_image};

/// Deploys by one way of `kubectl apply` and goes on by it.
async fn stays(arguments: &[&str]) -> Result<()> {
    let repository = Repository::new().await?;
    let apply = [&["apply"], arguments].concat();
    let before = repository.deployed(arguments).await?;
    injected(&before, &["OWN"]);

    // The same again is nothing.
    repository
        .with(&Repository::manifest(), &apply)
        .await?
        .ok()?;
    assert_eq!(repository.live().await?["spec"], before["spec"]);

    // A new image is one rollout, with the variables.
    let image = with_image(&Repository::manifest(), "example.com/app:2");
    repository.with(&image, &apply).await?.ok()?;
    let after = repository.live().await?;
    injected(&after, &["OWN"]);
    assert_eq!(
        template(&after)["spec"]["containers"][0]["image"],
        "example.com/app:2"
    );
    repository.team.injected("p").await?;
    assert_eq!(
        generation(&repository.live().await?)?,
        generation(&before)? + 1
    );

    // The user's own variables come, change and go as ever.
    let more =
        with_env(json!([{"name": "OWN", "value": "2"}, {"name": "MORE", "value": "$(OWN)"}]));
    repository.with(&more, &apply).await?.ok()?;
    repository.team.injected("p").await?;
    injected(&repository.live().await?, &["OWN", "MORE"]);
    repository.with(&with_env(json!([])), &apply).await?.ok()?;
    repository.team.injected("p").await?;
    injected(&repository.live().await?, &[]);
    Ok(())
}

#[tokio::test]
async fn client_side_apply_leaves_the_variables() -> Result<()> {
    stays(&[]).await
}

#[tokio::test]
async fn server_side_apply_leaves_the_variables() -> Result<()> {
    stays(&["--server-side"]).await
}

#[tokio::test]
async fn forced_server_side_apply_leaves_the_variables() -> Result<()> {
    stays(&[
        "--server-side",
        "--force-conflicts",
        "--field-manager=kustomize-controller",
    ])
    .await
}

#[tokio::test]
async fn set_image_and_scale_leave_the_variables() -> Result<()> {
    let repository = Repository::new().await?;
    let before = repository.deployed(&[]).await?;
    let set_image = ["set", "image", "deployment/web", "app=example.com/app:2"];
    repository.kubectl(&set_image).await?.ok()?;
    let scale = ["scale", "deployment/web", "--replicas=3"];
    repository.kubectl(&scale).await?.ok()?;
    repository.team.injected("p").await?;
    let after = repository.live().await?;
    injected(&after, &["OWN"]);
    assert_eq!(generation(&after)?, generation(&before)? + 2);
    Ok(())
}

#[tokio::test]
async fn an_entry_that_somebody_changes_is_theirs_and_one_that_somebody_removes_comes_back()
-> Result<()> {
    let repository = Repository::new().await?;
    repository.deployed(&[]).await?;
    let set = ["set", "env", "deployment/web", "OTEL_SERVICE_NAME=mine"];
    repository.kubectl(&set).await?.ok()?;
    let item = repository.team.item("p", "web", "Injected UserSet").await?;
    assert_eq!(item.variables, ["OTEL_SERVICE_NAME"]);
    let object = repository.live().await?;
    assert_eq!(
        support::workloads::value(&object, "OTEL_SERVICE_NAME"),
        Some("mine")
    );

    let unset = ["set", "env", "deployment/web", "OTEL_SERVICE_NAME-"];
    repository.kubectl(&unset).await?.ok()?;
    repository
        .team
        .until(
            KIND,
            "web",
            "the profile's value is back",
            |object| match support::workloads::value(object, "OTEL_SERVICE_NAME") {
                Some("shop") => Ok(()),
                _ => Err(format!("{:?}", names(object))),
            },
        )
        .await
}

#[tokio::test]
async fn a_workload_that_is_deleted_and_applied_again_is_injected_again() -> Result<()> {
    let repository = Repository::new().await?;
    repository.deployed(&[]).await?;
    let delete = ["delete", "deployment/web", "--wait"];
    repository.kubectl(&delete).await?.ok()?;
    repository
        .with(&Repository::manifest(), &["apply"])
        .await?
        .ok()?;
    repository
        .team
        .until(KIND, "web", "the variables are there", |object| {
            if names(object).contains(&"OTEL_SERVICE_NAME") {
                Ok(())
            } else {
                Err(format!("{:?}", names(object)))
            }
        })
        .await?;
    repository.team.injected("p").await?;
    Ok(())
}
