//! Namespaces, stand-ins and charts.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tracewright_core::crd::ObservabilityProfile;

use crate::cluster::{AWS, Cluster, JOURNAL, OPERATOR, RELEASE, SERVICE, is_ready};

/// Values of the operator's chart, the same for each upgrade.
pub fn operator_values(cluster: &Cluster) -> Vec<String> {
    vec![
        format!("image.repository={}", cluster.image("tracewright")),
        format!(
            "receivers.collectorImage={}:{}",
            cluster.image("otelcol"),
            cluster.collector
        ),
        "operator.region=us-east-1".to_owned(),
        "operator.clusterName=e2e".to_owned(),
        format!("operator.awsEndpointUrl=http://aws.{AWS}:4566"),
        // Drift is repaired while somebody watches.
        "operator.driftInterval=15s".to_owned(),
        "aws.credentialsSecret=aws".to_owned(),
        "resources.requests.cpu=20m".to_owned(),
    ]
}

/// `helm upgrade --install` of a chart, waiting until it runs.
pub async fn install(
    cluster: &Cluster,
    release: &str,
    chart: &str,
    namespace: &str,
    values: &[String],
) -> Result<()> {
    let mut arguments = vec![
        "upgrade",
        "--install",
        release,
        chart,
        "--namespace",
        namespace,
        "--wait",
        "--timeout",
        "240s",
    ];
    for value in values {
        arguments.extend(["--set", value]);
    }
    cluster.helm(&arguments).await.map(drop)
}

pub async fn namespaces_refuse_what_is_not_restricted(cluster: &Cluster) -> Result<()> {
    clean(cluster).await?;
    for namespace in [AWS, OPERATOR, SERVICE, JOURNAL] {
        cluster.make_namespace(namespace).await?;
    }
    let root: Pod = serde_json::from_value(json!({
        "metadata": {"name": "root"},
        "spec": {"containers": [{"name": "root", "image": "any", "securityContext": {"runAsUser": 0}}]},
    }))?;
    let answer = cluster
        .api::<Pod>(SERVICE)
        .create(&PostParams::default(), &root)
        .await;
    ensure!(
        matches!(&answer, Err(kube::Error::Api(status)) if status.code == 403),
        "a pod that runs as root is admitted: {answer:?}"
    );
    Ok(())
}

pub async fn the_stand_ins_for_aws_and_honeycomb_run(cluster: &Cluster) -> Result<()> {
    let manifest = std::fs::read_to_string(cluster.root().join("tests/e2e/stand-ins.yaml"))?
        .replace(
            "aws-emulator:VERSION",
            &format!("{}:{}", cluster.image("aws-emulator"), cluster.version),
        )
        .replace(
            "otelcol:COLLECTOR",
            &format!("{}:{}", cluster.image("otelcol"), cluster.collector),
        );
    cluster.apply(AWS, &manifest).await?;
    for deployment in ["aws", "otlp"] {
        cluster.rolled_out(AWS, deployment).await?;
    }
    Ok(())
}

pub async fn the_operators_chart_installs(cluster: &Cluster) -> Result<()> {
    credentials(cluster, OPERATOR).await?;
    install(
        cluster,
        "tracewright",
        "charts/tracewright",
        OPERATOR,
        &operator_values(cluster),
    )
    .await?;
    let pods = cluster
        .pods(OPERATOR, "app.kubernetes.io/name=tracewright")
        .await?;
    ensure!(
        pods.len() == 2 && pods.iter().all(is_ready),
        "not two ready pods: {pods:?}"
    );
    Ok(())
}

pub async fn the_services_chart_installs(cluster: &Cluster) -> Result<()> {
    credentials(cluster, SERVICE).await?;
    cluster
        .secret(SERVICE, "honeycomb", &[("api-key", "e2e-key")])
        .await?;
    let mut values = service_values(cluster);
    values.push("profile.enabled=false".to_owned());
    install(cluster, RELEASE, "charts/activities", SERVICE, &values).await
}

/// Removes what an earlier run left: first its operator, then what waits for that operator.
async fn clean(cluster: &Cluster) -> Result<()> {
    cluster.delete_namespace(OPERATOR).await?;
    for namespace in [SERVICE, JOURNAL] {
        let profiles = cluster.api::<ObservabilityProfile>(namespace);
        let left = match profiles.list(&ListParams::default()).await {
            Ok(left) => left.items,
            // The resource is not installed.
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        for profile in left {
            let free = json!({"metadata": {"finalizers": null}});
            profiles
                .patch(
                    &profile.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(&free),
                )
                .await?;
        }
    }
    for namespace in [SERVICE, JOURNAL, AWS] {
        cluster.delete_namespace(namespace).await?;
    }
    Ok(())
}

/// Values of the service's chart.
pub fn service_values(cluster: &Cluster) -> Vec<String> {
    vec![
        format!("image.repository={}", cluster.image("activities")),
        format!("aws.endpointUrl=http://aws.{AWS}:4566"),
        "aws.credentialsSecret=aws".to_owned(),
    ]
}

/// The Secret with credentials of the emulated account.
pub async fn credentials(cluster: &Cluster, namespace: &str) -> Result<()> {
    let entries = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
    ];
    cluster.secret(namespace, "aws", &entries).await
}
