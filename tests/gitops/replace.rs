//! What takes the variables away: they come back, but nobody is fought for ever.

use anyhow::Result;
use serde_json::json;
use support::workloads::{names, value};

use super::repository::{KIND, Repository, generation, injected};

async fn back(repository: &Repository) -> Result<()> {
    repository
        .team
        .until(KIND, "web", "the variables are back", |object| match value(
            object,
            "OTEL_SERVICE_NAME",
        ) {
            Some("shop") => Ok(()),
            _ => Err(format!("{:?}", names(object))),
        })
        .await?;
    repository.team.injected("p").await?;
    injected(&repository.live().await?, &["OWN"]);
    Ok(())
}

#[tokio::test]
async fn an_undone_rollout_loses_the_variables_and_has_them_again_in_the_next() -> Result<()> {
    let repository = Repository::new().await?;
    let before = repository.deployed(&[]).await?;
    let undo = ["rollout", "undo", "deployment/web"];
    repository.kubectl(&undo).await?.ok()?;
    back(&repository).await?;
    // Undone, and done again.
    let after = repository.live().await?;
    assert_eq!(generation(&after)?, generation(&before)? + 2);
    Ok(())
}

#[tokio::test]
async fn who_replaces_again_and_again_is_not_fought() -> Result<()> {
    let repository = Repository::new().await?;
    repository.deployed(&[]).await?;
    for _ in 0..2 {
        repository
            .with(&Repository::manifest(), &["replace"])
            .await?
            .ok()?;
        back(&repository).await?;
    }
    repository
        .with(&Repository::manifest(), &["replace"])
        .await?
        .ok()?;
    let item = repository
        .team
        .item("p", "web", "Skipped EnvContested")
        .await?;
    assert!(
        item.message
            .is_some_and(|message| message.contains("tracewright.dev/inject")),
        "says what to do"
    );
    repository
        .team
        .condition("p", "WorkloadsInjected", "False EnvContested")
        .await?;
    repository.team.told("p", &["Warning EnvContested"]).await?;

    // It rests, whatever else happens.
    let replaced = generation(&repository.live().await?)?;
    let scale = ["scale", "deployment/web", "--replicas=1"];
    repository.kubectl(&scale).await?.ok()?;
    repository
        .team
        .until(
            KIND,
            "web",
            "it is scaled",
            |object| match object["status"]["replicas"].as_i64() {
                Some(1) => Ok(()),
                other => Err(format!("{other:?}")),
            },
        )
        .await?;
    let object = repository.live().await?;
    assert_eq!(names(&object), ["OWN"]);
    assert_eq!(generation(&object)?, replaced + 1);

    // Who opts out is no contest any more, and a changed profile tries again.
    let out = ["annotate", "deployment/web", "tracewright.dev/inject=false"];
    repository.kubectl(&out).await?.ok()?;
    repository.team.item("p", "web", "Skipped OptedOut").await?;
    let back_in = ["annotate", "deployment/web", "tracewright.dev/inject-"];
    repository.kubectl(&back_in).await?.ok()?;
    repository
        .team
        .item("p", "web", "Skipped EnvContested")
        .await?;
    let spec = json!({"service": {"name": "shop"}, "workloads": {"selector": {"matchLabels": {"app": "web"}}}});
    repository.team.profile("p", spec).await?;
    back(&repository).await
}
