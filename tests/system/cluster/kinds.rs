//! Every kind of workload is injected, and nothing else in it changes.

use anyhow::{Context, Result};
use serde_json::json;
use support::workloads::{Team, env, manifest, names, template, template_mut, users, value};
use tracewright_core::workload::WorkloadKind;

#[tokio::test]
async fn every_kind_is_injected_and_its_pods_have_the_variables() -> Result<()> {
    let team = Team::new().await?;
    for kind in WorkloadKind::ALL {
        let mut manifest = manifest(kind, &kind.as_str().to_lowercase());
        manifest["metadata"]["labels"]["group"] = "all".into();
        team.create(&manifest).await?;
    }
    let spec = json!({"service": {"name": "shop"}, "workloads": {"selector": {"matchLabels": {"group": "all"}}}});
    team.profile("p", spec).await?;
    assert_eq!(team.injected("p").await?, 4);
    for (kind, attribute) in [
        (WorkloadKind::Deployment, "k8s.deployment.name=deployment"),
        (
            WorkloadKind::StatefulSet,
            "k8s.statefulset.name=statefulset",
        ),
        (WorkloadKind::DaemonSet, "k8s.daemonset.name=daemonset"),
        (WorkloadKind::CronJob, "k8s.cronjob.name=cronjob"),
    ] {
        let object = team.get(kind, &kind.as_str().to_lowercase()).await?;
        let attributes = value(&object, "OTEL_RESOURCE_ATTRIBUTES").context("no attributes")?;
        assert!(attributes.contains(attribute), "{kind}: {attributes}");
        assert_eq!(names(&object).last(), Some(&"OWN"), "{kind}");
    }
    // A Deployment's and a StatefulSet's two, and the DaemonSet's on both nodes. The CronJob has not run.
    let pods = team.pods().await?;
    let pods: Vec<_> = pods
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect();
    assert_eq!(pods.len(), 6);
    for pod in pods {
        let pod = serde_json::to_value(pod)?;
        let env = pod["spec"]["containers"][0]["env"].as_array();
        let named = |name| env.into_iter().flatten().any(|entry| entry["name"] == name);
        assert!(named("OTEL_SERVICE_NAME"), "{}", pod["metadata"]["name"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_service_without_a_name_is_called_after_each_workload() -> Result<()> {
    let team = Team::new().await?;
    for name in ["one", "two"] {
        let mut manifest = manifest(WorkloadKind::CronJob, name);
        manifest["metadata"]["labels"]["group"] = "all".into();
        team.create(&manifest).await?;
    }
    let spec = json!({"workloads": {"selector": {"matchLabels": {"group": "all"}}}});
    team.profile("p", spec).await?;
    team.injected("p").await?;
    for name in ["one", "two"] {
        let object = team.get(WorkloadKind::CronJob, name).await?;
        assert_eq!(value(&object, "OTEL_SERVICE_NAME"), Some(name));
    }
    Ok(())
}

/// `hostnameOverride` and `resources` of pods are newer than the version of the API that the operator is compiled with.
#[tokio::test]
async fn only_the_selected_containers_change_and_fields_that_the_operator_does_not_know_stay()
-> Result<()> {
    let team = Team::new().await?;
    let mut manifest = manifest(WorkloadKind::Deployment, "web");
    let pods = &mut template_mut(&mut manifest)["spec"];
    pods["hostnameOverride"] = "web".into();
    pods["initContainers"] = json!([
        {"name": "migrate", "image": "i", "env": [{"name": "A", "value": "1"}]},
        {"name": "native-sidecar", "image": "i", "restartPolicy": "Always"},
    ]);
    let containers = pods["containers"].as_array_mut().context("no containers")?;
    containers.push(json!({"name": "worker", "image": "i"}));
    containers
        .push(json!({"name": "istio-proxy", "image": "i", "env": [{"name": "B", "value": "1"}]}));
    let before = team.create(&manifest).await?;
    assert_eq!(
        template(&before)["spec"]["hostnameOverride"],
        "web",
        "the API server keeps the field"
    );
    let select = json!({"selector": {"matchLabels": {"app": "web"}}});
    team.profile(
        "p",
        json!({"service": {"name": "shop"}, "workloads": select}),
    )
    .await?;
    team.injected("p").await?;
    let after = team.get(WorkloadKind::Deployment, "web").await?;
    let ours: Vec<_> = env(&after, "worker")
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert!(ours.contains(&"OTEL_SERVICE_NAME") && names(&after).contains(&"OTEL_SERVICE_NAME"));
    assert_eq!(users(&after, &ours), users(&before, &[]));
    assert_eq!(
        env(&after, "istio-proxy"),
        [json!({"name": "B", "value": "1"})]
    );

    // Named containers only, sidecars among them.
    let mut select = select;
    select["containers"] = json!(["istio-proxy"]);
    team.profile(
        "p",
        json!({"service": {"name": "shop"}, "workloads": select}),
    )
    .await?;
    team.injected("p").await?;
    let after = team.get(WorkloadKind::Deployment, "web").await?;
    assert_eq!(names(&after), ["OWN"]);
    assert!(env(&after, "worker").is_empty());
    assert_eq!(env(&after, "istio-proxy").len(), ours.len() + 1);
    assert_eq!(users(&after, &ours), users(&before, &[]));
    Ok(())
}
