//! Runs `e2e-probe` in the cluster: in a pod of its own, or beside a container whose process it looks at.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, LogParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::eventually;

use crate::cluster::{Cluster, PATIENCE};

/// One line of a probe that sends.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The HTTP status; `None` for segments, which get no answer.
    pub status: Option<String>,
    /// The X-Ray trace id.
    pub trace: String,
}

/// A probe's pod.
pub struct Probe {
    pods: Api<Pod>,
    name: String,
}

impl Probe {
    /// Starts it.
    pub async fn start(cluster: &Cluster, namespace: &str, arguments: &[&str]) -> Result<Self> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"generateName": "probe-", "labels": {"app": "probe"}},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container(cluster, arguments)],
            },
        }))?;
        let pods: Api<Pod> = cluster.api(namespace);
        let made = pods.create(&PostParams::default(), &pod).await?;
        Ok(Self {
            pods,
            name: made.name_any(),
        })
    }

    /// What it has printed so far; nothing while it is being started.
    pub async fn output(&self) -> Result<String> {
        match self.pods.logs(&self.name, &LogParams::default()).await {
            Ok(text) => Ok(text),
            Err(kube::Error::Api(status)) if status.code == 400 => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// What it has sent so far.
    pub async fn sent(&self) -> Result<Vec<Sent>> {
        self.output().await?.lines().map(read).collect()
    }

    /// Waits for its end, gives what it printed, and deletes it.
    pub async fn finish(self) -> Result<String> {
        let ended = eventually(
            PATIENCE,
            format!("the pod {} has ended", self.name),
            async || {
                let pod = self
                    .pods
                    .get(&self.name)
                    .await
                    .map_err(|error| error.to_string())?;
                match pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref())
                {
                    Some("Succeeded") => Ok(true),
                    Some("Failed") => Ok(false),
                    _ => Err(format!("{:?}", pod.status)),
                }
            },
        )
        .await?;
        let output = self.output().await?;
        if !ended {
            bail!("the pod {} failed: {output}", self.name);
        }
        self.stop().await?;
        Ok(output)
    }

    /// Deletes it, ended or not.
    pub async fn stop(self) -> Result<()> {
        self.pods
            .delete(&self.name, &DeleteParams::default())
            .await?;
        Ok(())
    }
}

/// The variables with which a container's process was started. The container has no shell, so a probe is put beside it that
/// sees its processes and runs as the same user.
pub async fn environ(
    cluster: &Cluster,
    pod: &Pod,
    container_name: &str,
) -> Result<Vec<(String, String)>> {
    let pods: Api<Pod> = cluster.api(&pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let mut probe = container(cluster, &["environ"]);
    probe["name"] = format!("environ-{}", jiff::Timestamp::now().as_millisecond()).into();
    probe["targetContainerName"] = container_name.into();
    let probe_name = probe["name"].as_str().unwrap_or_default().to_owned();
    if let Value::Object(fields) = &mut probe {
        // Ephemeral containers may have none.
        fields.remove("resources");
    }
    let patch = json!({"spec": {"ephemeralContainers": [probe]}});
    pods.patch_ephemeral_containers(&name, &PatchParams::default(), &Patch::Strategic(&patch))
        .await
        .context("the probe is put beside the container")?;
    let params = LogParams {
        container: Some(probe_name),
        ..LogParams::default()
    };
    let text = eventually(
        PATIENCE,
        format!("the probe beside {name} has printed"),
        async || match pods.logs(&name, &params).await {
            Ok(text) if !text.is_empty() => Ok(text),
            Ok(_) => Err("nothing yet".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    )
    .await?;
    if let Some(error) = text.strip_prefix("error: ") {
        bail!("the probe beside {name}: {error}");
    }
    let entries = text.lines().filter_map(|line| line.split_once('='));
    Ok(entries
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn container(cluster: &Cluster, arguments: &[&str]) -> Value {
    json!({
        "name": "probe",
        "image": format!("{}:{}", cluster.image("e2e-probe"), cluster.version),
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    })
}

fn read(line: &str) -> Result<Sent> {
    let parts: Vec<&str> = line.split(' ').collect();
    let (at, status, trace) = match parts[..] {
        [at, trace] => (at, None, trace),
        [at, status, trace] => (at, Some(status.to_owned()), trace),
        _ => bail!("the probe printed {line:?}"),
    };
    Ok(Sent {
        at: at
            .parse()
            .with_context(|| format!("the probe printed {line:?}"))?,
        status,
        trace: trace.to_owned(),
    })
}
