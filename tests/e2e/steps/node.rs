//! The loss of the machine under everything.

use anyhow::{Result, bail};
use support::eventually;

use super::profile::{PROFILE, ready};
use super::{NotRun, traffic};
use crate::aws;
use crate::cluster::{AWS, Cluster, OPERATOR, PATIENCE, RELEASE, SERVICE};
use crate::probe::Probe;

/// The emulator keeps everything in memory, so AWS comes back empty: the operator makes all of it again.
pub async fn everything_comes_back_after_the_nodes_restart(cluster: &Cluster) -> Result<()> {
    let Some(command) = &cluster.restart_nodes else {
        bail!(NotRun(
            "TRACEWRIGHT_E2E_RESTART_NODES says no command that restarts the nodes of this cluster"
        ));
    };
    cluster.shell(command).await?;
    eventually(PATIENCE, "the API server answers", async || {
        cluster.client.apiserver_version().await
    })
    .await?;
    for (namespace, deployment) in [
        ("kube-system", "coredns"),
        (AWS, "aws"),
        (AWS, "otlp"),
        (OPERATOR, "tracewright"),
        (SERVICE, "cruddur-xray"),
        (SERVICE, RELEASE),
    ] {
        cluster.rolled_out(namespace, deployment).await?;
    }
    // Ready is not the same as resolvable: the cluster's DNS takes a while longer.
    eventually(PATIENCE, "names are resolved", async || {
        let target = format!("{RELEASE}:4567");
        let probe = Probe::start(cluster, SERVICE, &["requests", &target, "/livez", "1"])
            .await
            .map_err(|error| error.to_string())?;
        let printed = probe.finish().await.map_err(|error| error.to_string())?;
        if printed.lines().all(|line| line.contains(" 200 ")) {
            Ok(())
        } else {
            Err(printed)
        }
    })
    .await?;
    eventually(PATIENCE, "AWS has the objects again", async || {
        let state = aws::state(cluster)
            .await
            .map_err(|error| error.to_string())?;
        let objects = [
            &state["xray"]["groups"]["Cruddur"],
            &state["xray"]["samplingRules"]["Cruddur"],
            &state["logs"]["logGroups"]["cruddur"],
        ];
        if objects.iter().all(|object| object.is_object()) {
            Ok(())
        } else {
            Err(format!("{objects:?}"))
        }
    })
    .await?;
    ready(cluster, SERVICE, PROFILE).await?;
    traffic::central(cluster, SERVICE, RELEASE).await?;
    let ids = traffic::ask(cluster, SERVICE, RELEASE, 3).await?;
    // Some, not all: until it asks again, the service samples by the rules that AWS had when it started.
    eventually(
        PATIENCE,
        "a request's trace is in X-Ray",
        async || match aws::traces(cluster, &ids).await {
            Ok(there) if there.is_empty() => Err(format!("none of {} requests", ids.len())),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
    )
    .await?;
    Ok(())
}
