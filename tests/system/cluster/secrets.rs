//! A Secret that a header names: it appears, changes and is gone.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use support::Installation;
use support::operator::Operator;
use support::workloads::{Team, manifest, template, traces_of_ours};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;

fn spec(app: &str, on_change: &str) -> Value {
    json!({
        "service": {"name": "shop"},
        "workloads": {
            "selector": {"matchLabels": {"app": app}},
            "rollout": {"onSecretChange": on_change},
        },
        "traces": {"otlp": {
            "endpoint": "https://api.honeycomb.io",
            "headers": [{"name": "x-team", "valueFrom": {"secretKeyRef": {"name": "honeycomb", "key": "api-key"}}}],
        }},
    })
}

/// An operator that looks every two seconds.
async fn watchful(there: &Installation) -> Result<Operator> {
    let launch = there.operator().env("TRACEWRIGHT_DRIFT_INTERVAL", "2s");
    let mut operator = launch.start()?;
    operator.ready().await?;
    Ok(operator)
}

#[tokio::test]
async fn the_first_injection_waits_for_the_secret_and_its_key() -> Result<()> {
    let team = Team::new().await?;
    team.create(&manifest(KIND, "web")).await?;
    team.profile("p", spec("web", "Report")).await?;
    let item = team.item("p", "web", "Pending SecretMissing").await?;
    let message = item.message.context("says which")?;
    assert!(message.contains("honeycomb/api-key"), "{message}");
    team.condition("p", "WorkloadsInjected", "False SecretMissing")
        .await?;
    team.secret("honeycomb", json!({"another": "k"})).await?;
    assert!(!traces_of_ours(&team.get(KIND, "web").await?));
    team.secret("honeycomb", json!({"another": "k", "api-key": "k"}))
        .await?;
    team.injected("p").await?;
    Ok(())
}

#[tokio::test]
async fn a_changed_secret_is_reported_until_the_pods_are_restarted_and_a_lost_one_restarts_nobody()
-> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    let _operator = watchful(&there).await?;
    team.secret("honeycomb", json!({"api-key": "one"})).await?;
    team.create(&manifest(KIND, "web")).await?;
    team.profile("p", spec("web", "Report")).await?;
    team.injected("p").await?;
    team.condition("p", "Advisories", "False None").await?;
    let before = team.get(KIND, "web").await?;

    team.secret("honeycomb", json!({"api-key": "two"})).await?;
    let advice = team
        .condition("p", "Advisories", "True SecretChanged")
        .await?;
    assert!(
        advice.contains("Deployment web") && advice.contains("honeycomb"),
        "{advice}"
    );
    assert_eq!(team.get(KIND, "web").await?["spec"], before["spec"]);
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    team.merge(KIND, "web", &restart).await?;
    team.condition("p", "Advisories", "False None").await?;

    let before = team.get(KIND, "web").await?;
    team.namespace()
        .api::<Secret>()
        .delete("honeycomb", &DeleteParams::default())
        .await?;
    let advice = team
        .condition("p", "Advisories", "True SecretChanged")
        .await?;
    assert!(advice.contains("no key api-key any more"), "{advice}");
    team.injected("p").await?;
    assert_eq!(team.get(KIND, "web").await?["spec"], before["spec"]);
    // A pod that starts now does start.
    team.delete_pods().await?;
    team.until(KIND, "web", "its pods are back", |object| {
        match object["status"]["availableReplicas"].as_i64() {
            Some(2) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test]
async fn restart_rolls_workloads_out_for_a_changed_value_and_for_nothing_else() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let team = Team::of(&there).await?;
    let _operator = watchful(&there).await?;
    team.secret("honeycomb", json!({"api-key": "one"})).await?;
    team.create(&manifest(KIND, "web")).await?;
    team.create(&manifest(WorkloadKind::CronJob, "web")).await?;
    team.profile("p", spec("web", "Restart")).await?;
    assert_eq!(team.injected("p").await?, 2);
    let before = team.get(KIND, "web").await?;
    let job = team.get(WorkloadKind::CronJob, "web").await?;

    team.secret("honeycomb", json!({"api-key": "two"})).await?;
    let generation = before["metadata"]["generation"].as_i64();
    let after = team
        .until(KIND, "web", "it is restarted", |object| {
            let now = object["metadata"]["generation"].as_i64();
            if now > generation {
                Ok(object.clone())
            } else {
                Err(format!("generation {now:?}"))
            }
        })
        .await?;
    team.injected("p").await?;
    assert_eq!(
        template(&after)["spec"],
        template(&before)["spec"],
        "nothing but the hash has changed"
    );
    team.condition("p", "Advisories", "False None").await?;
    assert_eq!(
        team.get(WorkloadKind::CronJob, "web").await?["spec"],
        job["spec"],
        "a CronJob's next Job reads its Secrets anyway"
    );

    // Another key, and then the loss of the Secret.
    let before = team.get(KIND, "web").await?;
    team.secret("honeycomb", json!({"api-key": "two", "another": "k"}))
        .await?;
    team.namespace()
        .api::<Secret>()
        .delete("honeycomb", &DeleteParams::default())
        .await?;
    team.condition("p", "Advisories", "True SecretChanged")
        .await?;
    assert_eq!(team.get(KIND, "web").await?["spec"], before["spec"]);
    Ok(())
}
