//! Who wins: what the user has set, and what they say about injection.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use support::operator::Launch;
use support::workloads::{Team, entry, manifest, names, template_mut, traces_of_ours, value};
use support::{Installation, installation};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;

fn spec(app: &str) -> Value {
    json!({
        "service": {"name": "shop"},
        "workloads": {"selector": {"matchLabels": {"app": app}}},
        "traces": {"otlp": {"endpoint": "http://collector:4318"}, "propagators": ["tracecontext"]},
    })
}

#[tokio::test]
async fn what_the_user_has_set_wins_in_every_form_and_is_reported_by_name() -> Result<()> {
    let team = Team::new().await?;
    team.config_map("settings", json!({"PROPAGATORS": "b3", "OTHER": "1"}))
        .await?;
    team.secret(
        "private",
        json!({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://mine:4318"}),
    )
    .await?;
    let mut manifest = manifest(KIND, "web");
    let container = &mut template_mut(&mut manifest)["spec"]["containers"][0];
    let own = json!([
        {"name": "OTEL_SERVICE_NAME", "value": "mine"},
        {"name": "OTEL_TRACES_EXPORTER", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "OTHER"}}},
    ]);
    container["env"] = own.clone();
    container["envFrom"] = json!([
        {"prefix": "OTEL_", "configMapRef": {"name": "settings"}},
        {"secretRef": {"name": "private"}},
        // One that does not exist has no keys.
        {"configMapRef": {"name": "absent", "optional": true}},
    ]);
    team.create(&manifest).await?;
    team.profile("p", spec("web")).await?;
    team.injected("p").await?;
    let item = team.item("p", "web", "Injected").await?;
    let mut left = item.variables.clone();
    left.sort();
    assert_eq!(
        left,
        [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_PROPAGATORS",
            "OTEL_SERVICE_NAME",
            "OTEL_TRACES_EXPORTER"
        ]
    );
    let object = team.get(KIND, "web").await?;
    for mine in own.as_array().into_iter().flatten() {
        let name = mine["name"].as_str().context("has a name")?;
        assert_eq!(entry(&object, name), Some(mine));
    }
    assert_eq!(entry(&object, "OTEL_EXPORTER_OTLP_ENDPOINT"), None);
    assert_eq!(entry(&object, "OTEL_PROPAGATORS"), None);
    assert_eq!(value(&object, "OTEL_METRICS_EXPORTER"), Some("none"));
    Ok(())
}

#[tokio::test]
async fn opting_out_takes_everything_out_and_opting_in_again_brings_it_back() -> Result<()> {
    let team = Team::new().await?;
    team.create(&manifest(KIND, "web")).await?;
    team.profile("p", spec("web")).await?;
    team.injected("p").await?;
    let annotate =
        |value: Value| json!({"metadata": {"annotations": {"tracewright.dev/inject": value}}});
    team.merge(KIND, "web", &annotate("false".into())).await?;
    team.item("p", "web", "Skipped OptedOut").await?;
    let object = team
        .until(KIND, "web", "nothing of ours is left", |object| {
            if traces_of_ours(object) {
                Err(format!("{:?}", names(object)))
            } else {
                Ok(object.clone())
            }
        })
        .await?;
    assert_eq!(
        object["metadata"]["annotations"]["tracewright.dev/inject"], "false",
        "the user's word is not removed"
    );
    // Who opted out does not make the profile unready.
    team.condition("p", "WorkloadsInjected", "True AllInjected")
        .await?;
    team.merge(KIND, "web", &annotate(Value::Null)).await?;
    team.injected("p").await?;
    Ok(())
}

#[tokio::test]
async fn another_instrumentation_is_left_alone_unless_the_user_wants_both() -> Result<()> {
    let team = Team::new().await?;
    let mut manifest = manifest(KIND, "web");
    template_mut(&mut manifest)["metadata"]["annotations"] =
        json!({"instrumentation.opentelemetry.io/inject-python": "true"});
    team.create(&manifest).await?;
    team.profile("p", spec("web")).await?;
    let item = team
        .item("p", "web", "Skipped OtherInstrumentation")
        .await?;
    let message = item.message.context("says what to do")?;
    assert!(message.contains("inject-python"), "{message}");
    assert!(!traces_of_ours(&team.get(KIND, "web").await?));
    let both = json!({"metadata": {"annotations": {"tracewright.dev/inject": "true"}}});
    team.merge(KIND, "web", &both).await?;
    team.injected("p").await?;
    Ok(())
}

#[tokio::test]
async fn variables_that_the_user_does_not_want_are_taken_out_and_come_back() -> Result<()> {
    let team = Team::new().await?;
    team.create(&manifest(KIND, "web")).await?;
    team.profile("p", spec("web")).await?;
    team.injected("p").await?;
    let skip =
        |list: Value| json!({"metadata": {"annotations": {"tracewright.dev/skip-env": list}}});
    team.merge(
        KIND,
        "web",
        &skip("OTEL_PROPAGATORS, TRACEWRIGHT_POD_NAME".into()),
    )
    .await?;
    let object = team
        .until(KIND, "web", "they are out", |object| {
            match entry(object, "OTEL_PROPAGATORS") {
                None => Ok(object.clone()),
                Some(entry) => Err(entry.to_string()),
            }
        })
        .await?;
    assert_eq!(entry(&object, "TRACEWRIGHT_POD_NAME"), None);
    assert_eq!(
        entry(&object, "OTEL_RESOURCE_ATTRIBUTES"),
        None,
        "it would refer to a helper that is not there"
    );
    assert_eq!(value(&object, "OTEL_SERVICE_NAME"), Some("shop"));
    team.merge(KIND, "web", &skip(Value::Null)).await?;
    team.until(KIND, "web", "they are back", |object| {
        entry(object, "OTEL_RESOURCE_ATTRIBUTES")
            .map(drop)
            .ok_or_else(|| format!("{:?}", names(object)))
    })
    .await?;
    Ok(())
}

/// Rights of an operator that may read no Secret.
async fn without_secrets(there: &Installation) -> Result<Launch> {
    let namespace = there.namespace();
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "modest"}}))?;
    let post = PostParams::default();
    namespace.api().create(&post, &account).await?;
    let role: ClusterRole = serde_json::from_value(json!({
        "metadata": {"name": "modest"},
        "rules": [
            {"apiGroups": ["tracewright.dev", "apps", "batch", "events.k8s.io", "coordination.k8s.io"], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["namespaces", "configmaps", "pods"], "verbs": ["*"]},
        ],
    }))?;
    Api::all(namespace.client()).create(&post, &role).await?;
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "modest"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "modest"},
        "subjects": [{"kind": "ServiceAccount", "name": "modest", "namespace": namespace.name()}],
    }))?;
    Api::all(namespace.client()).create(&post, &binding).await?;
    let kubeconfig = there
        .control_plane()
        .kubeconfig_as(namespace.name(), "modest")
        .await?;
    Ok(Launch::new(kubeconfig)
        .aws(there.aws())
        .env("POD_NAMESPACE", namespace.name())
        .env("TRACEWRIGHT_CLUSTER_NAME", installation::CLUSTER))
}

#[tokio::test]
async fn an_env_from_that_may_not_be_read_keeps_the_workload_as_it_is() -> Result<()> {
    let there = Installation::new().await?;
    let team = Team::of(&there).await?;
    team.secret("private", json!({"OTEL_SERVICE_NAME": "mine"}))
        .await?;
    let mut manifest = manifest(WorkloadKind::CronJob, "job");
    template_mut(&mut manifest)["spec"]["containers"][0]["envFrom"] =
        json!([{"secretRef": {"name": "private"}}]);
    team.create(&manifest).await?;
    let mut operator = without_secrets(&there).await?.start()?;
    operator.ready().await?;
    team.profile("p", spec("job")).await?;
    let item = team.item("p", "job", "Skipped EnvFromUnreadable").await?;
    let message = item.message.context("says what to do")?;
    assert!(message.contains("Secret private"), "{message}");
    assert!(!traces_of_ours(
        &team.get(WorkloadKind::CronJob, "job").await?
    ));
    Ok(())
}
