//! The chart of the service with its own profile.

use anyhow::{Result, ensure};

use super::install::{credentials, install, service_values};
use super::profile::ready;
use super::receiver::arrive;
use super::traffic;
use crate::cluster::{AWS, Cluster, JOURNAL};

const RELEASE: &str = "journal";

/// One command after the Secrets: service, profile, receiver, AWS objects, variables. Names in AWS are the account's, so this
/// second case of the cluster has its own.
pub async fn the_journals_case_takes_one_command(cluster: &Cluster) -> Result<()> {
    credentials(cluster, JOURNAL).await?;
    cluster
        .secret(JOURNAL, "honeycomb", &[("api-key", "e2e-key")])
        .await?;
    let mut values = service_values(cluster);
    values.extend([
        "replicas=1".to_owned(),
        "profile.serviceName=journal".to_owned(),
        "profile.group=Journal".to_owned(),
        "profile.samplingRule.name=Journal".to_owned(),
        "profile.samplingRule.fixedRate=1".to_owned(),
        "profile.logGroup.name=journal".to_owned(),
        "profile.logGroup.deletionPolicy=Delete".to_owned(),
        format!("profile.honeycomb.endpoint=http://otlp.{AWS}:4318"),
        "profile.receiver.kind=collector".to_owned(),
        "profile.receiver.replicas=1".to_owned(),
        format!("profile.receiver.endpoint=http://aws.{AWS}:4566"),
    ]);
    install(cluster, RELEASE, "charts/activities", JOURNAL, &values).await?;
    ready(cluster, JOURNAL, RELEASE).await?;
    cluster.rolled_out(JOURNAL, RELEASE).await?;
    traffic::central(cluster, JOURNAL, RELEASE).await?;
    let ids = traffic::ask(cluster, JOURNAL, RELEASE, 3).await?;
    arrive(cluster, &ids).await?;

    // Uninstalled while the operator runs, nothing of it stays, in the cluster or in AWS.
    cluster
        .helm(&[
            "uninstall",
            RELEASE,
            "--namespace",
            JOURNAL,
            "--wait",
            "--timeout",
            "240s",
        ])
        .await?;
    cluster.delete_namespace(JOURNAL).await?;
    let state = crate::aws::state(cluster).await?;
    for (kind, object) in [
        ("group", &state["xray"]["groups"]["Journal"]),
        ("rule", &state["xray"]["samplingRules"]["Journal"]),
        ("log group", &state["logs"]["logGroups"]["journal"]),
    ] {
        ensure!(object.is_null(), "the {kind} is still there: {object}");
    }
    Ok(())
}
