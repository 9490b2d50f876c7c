//! The ground that the other tests stand on: is this control plane a real one?

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use serde_json::{Value, json};
use support::{ControlPlane, LONG, Namespace, SHORT, eventually};

fn deployment(annotations: Value, env: Value) -> Result<Deployment> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": annotations},
                "spec": {"containers": [{"name": "web", "image": "example.com/web:1", "env": env}]},
            },
        },
    }))?)
}

fn config_map(name: &str) -> Result<ConfigMap> {
    Ok(serde_json::from_value(json!({"metadata": {"name": name}}))?)
}

/// All replicas are of the newest template and ready.
async fn rolled_out(deployments: &Api<Deployment>, name: &str) -> Result<(), String> {
    let deployment = deployments
        .get(name)
        .await
        .map_err(|error| error.to_string())?;
    let status = deployment.status.clone().unwrap_or_default();
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let done = status.observed_generation == deployment.metadata.generation
        && [
            status.updated_replicas,
            status.ready_replicas,
            status.replicas,
        ] == [replicas; 3];
    if done {
        Ok(())
    } else {
        Err(format!("{status:?}"))
    }
}

#[tokio::test]
async fn the_api_server_answers_and_its_nodes_are_ready() -> Result<()> {
    let client = ControlPlane::shared().await?.client().await?;
    let version = client.apiserver_version().await?;
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "37")
    );
    let nodes = Api::<Node>::all(client)
        .list(&ListParams::default())
        .await?;
    assert_eq!(nodes.items.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_deployment_rolls_out_and_again_when_its_template_changes() -> Result<()> {
    let namespace = Namespace::create(ControlPlane::shared().await?, "rollout").await?;
    let deployments = namespace.api::<Deployment>();
    deployments
        .create(&PostParams::default(), &deployment(json!({}), json!([]))?)
        .await?;
    eventually(LONG, "the Deployment is rolled out", async || {
        rolled_out(&deployments, "web").await
    })
    .await?;

    let new_image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "example.com/web:2"}]}}}});
    deployments
        .patch(
            "web",
            &PatchParams::default(),
            &Patch::Strategic(&new_image),
        )
        .await?;
    eventually(LONG, "the new image is rolled out", async || {
        rolled_out(&deployments, "web").await
    })
    .await?;
    let pods = namespace.api::<Pod>();
    eventually(SHORT, "only pods of the new image are left", async || {
        let pods = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let images = |pod: &Pod| {
            pod.spec
                .iter()
                .flat_map(|spec| spec.containers.clone())
                .filter_map(|one| one.image)
                .collect()
        };
        let images: Vec<Vec<String>> = pods.items.iter().map(images).collect();
        if images == [["example.com/web:2"], ["example.com/web:2"]] {
            Ok(())
        } else {
            Err(format!("{images:?}"))
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_pod_crashes_with_the_variable_it_names_and_not_without() -> Result<()> {
    let namespace = Namespace::create(ControlPlane::shared().await?, "crash").await?;
    let deployments = namespace.api::<Deployment>();
    let annotation = json!({"tests.tracewright.dev/crash-with-env": "OTEL_PROPAGATORS"});
    let env = json!([{"name": "OTHER", "value": "1"}]);
    deployments
        .create(&PostParams::default(), &deployment(annotation, env)?)
        .await?;
    eventually(LONG, "it is rolled out without the variable", async || {
        rolled_out(&deployments, "web").await
    })
    .await?;

    let variable = json!([{"name": "web", "env": [{"name": "OTEL_PROPAGATORS", "value": "xray"}]}]);
    let variable = json!({"spec": {"template": {"spec": {"containers": variable}}}});
    deployments
        .patch("web", &PatchParams::default(), &Patch::Strategic(&variable))
        .await?;
    let pods = namespace.api::<Pod>();
    eventually(SHORT, "a pod is in CrashLoopBackOff", async || {
        let pods = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let statuses = pods
            .items
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.container_statuses.clone())
            .flatten();
        let waiting: Vec<_> = statuses
            .filter_map(|status| status.state?.waiting?.reason)
            .collect();
        if waiting.contains(&"CrashLoopBackOff".to_owned()) {
            Ok(())
        } else {
            Err(format!("{waiting:?}"))
        }
    })
    .await?;
    let status = deployments.get("web").await?.status.unwrap_or_default();
    ensure!(
        status.ready_replicas == Some(2),
        "the old pods serve on: {status:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_belongs_to_a_deleted_owner_is_collected() -> Result<()> {
    let namespace = Namespace::create(ControlPlane::shared().await?, "collect").await?;
    let maps = namespace.api::<ConfigMap>();
    let owner = maps
        .create(&PostParams::default(), &config_map("owner")?)
        .await?;
    let mut owned = config_map("owned")?;
    owned.metadata.owner_references = Some(vec![serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid,
    }))?]);
    maps.create(&PostParams::default(), &owned).await?;
    maps.create(&PostParams::default(), &config_map("stranger")?)
        .await?;

    let background = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    maps.delete("owner", &background).await?;
    eventually(LONG, "the owned ConfigMap is gone", async || {
        match maps.get_opt("owned").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    maps.get("stranger").await?;
    Ok(())
}

#[tokio::test]
async fn a_namespace_goes_with_everything_in_it() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let namespace = Namespace::create(control_plane, "leave").await?;
    let deployments = namespace.api::<Deployment>();
    deployments
        .create(&PostParams::default(), &deployment(json!({}), json!([]))?)
        .await?;
    eventually(LONG, "the Deployment is rolled out", async || {
        rolled_out(&deployments, "web").await
    })
    .await?;
    let pods = namespace.api::<Pod>();
    namespace.delete().await?;
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_no_more() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let namespace = Namespace::create(control_plane, "rights").await?;
    let account = serde_json::from_value(json!({"metadata": {"name": "reader"}}))?;
    namespace
        .api::<ServiceAccount>()
        .create(&PostParams::default(), &account)
        .await?;
    let role = serde_json::from_value(json!({
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}],
    }))?;
    namespace
        .api::<Role>()
        .create(&PostParams::default(), &role)
        .await?;
    let binding = serde_json::from_value(json!({
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace.name()}],
    }))?;
    namespace
        .api::<RoleBinding>()
        .create(&PostParams::default(), &binding)
        .await?;

    let mark = control_plane.audit_mark()?;
    let client = control_plane.client_as(namespace.name(), "reader").await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace.name());
    eventually(SHORT, "the role is in force", async || {
        maps.list(&ListParams::default()).await
    })
    .await?;
    let refused = maps
        .create(&PostParams::default(), &config_map("new")?)
        .await
        .err();
    let code = refused.and_then(|error| match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    });
    assert_eq!(code, Some(403));

    let user = format!("system:serviceaccount:{}:reader", namespace.name());
    let asked = eventually(SHORT, "the audit log has both requests", async || {
        let events = control_plane
            .audit(mark)
            .map_err(|error| error.to_string())?;
        let own = events
            .into_iter()
            .filter(|event| event.user.username == user);
        let asked: BTreeSet<_> = own
            .filter_map(|event| {
                Some((
                    event.verb,
                    event.object_ref?.resource,
                    event.response_status?.code,
                ))
            })
            .collect();
        if asked.len() >= 2 {
            Ok(asked)
        } else {
            Err(format!("{asked:?}"))
        }
    })
    .await?;
    assert!(
        asked.contains(&("list".to_owned(), "configmaps".to_owned(), 200)),
        "{asked:?}"
    );
    assert!(
        asked.contains(&("create".to_owned(), "configmaps".to_owned(), 403)),
        "{asked:?}"
    );
    Ok(())
}

#[tokio::test]
async fn pod_security_is_enforced_where_a_namespace_asks_for_it() -> Result<()> {
    let namespace = Namespace::create(ControlPlane::shared().await?, "restricted").await?;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(namespace.client());
    let label =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces
        .patch(
            namespace.name(),
            &PatchParams::default(),
            &Patch::Merge(&label),
        )
        .await?;
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "root"},
        "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
    }))?;
    let pods = namespace.api::<Pod>();
    let refused = pods
        .create(&PostParams::default(), &pod)
        .await
        .err()
        .context("the pod was admitted")?;
    assert!(
        refused
            .to_string()
            .contains("violates PodSecurity \"restricted"),
        "{refused}"
    );
    Ok(())
}
