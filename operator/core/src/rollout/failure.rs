//! Pod → evidence: whether a pod fails, and with what last words.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use tracewright_xray::contract::annotation;

use crate::workload::Workload;

/// The last state of a failing container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailure {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// Kubernetes' reason, for example `CrashLoopBackOff`.
    pub reason: String,
    /// The process's exit code, where it ran.
    pub exit_code: Option<i32>,
    /// The container runtime's or the process's own words.
    pub message: String,
    /// Whether it is beyond the first attempts: the pod has ended, the container was restarted several times, or it
    /// waits for what no later try brings.
    pub lasting: bool,
}

impl fmt::Display for PodFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "container {} of pod {}: {}",
            self.container, self.pod, self.reason
        )?;
        if let Some(code) = self.exit_code {
            write!(f, ", exit code {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Characters of the words of a process that are kept. A termination message may have four thousand.
const MAX_MESSAGE: usize = 256;

/// Restarts of a container after which its failure lasts. Fewer may be the wait for something that it depends on.
const RESTARTS: i32 = 3;

/// Reasons to wait that no later try makes go away. (Kubernetes, `pkg/kubelet/container/sync_result.go` and
/// `pkg/kubelet/images/types.go`.)
const HOPELESS: &[&str] = &[
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

#[derive(Deserialize)]
struct Pod {
    metadata: PodMeta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
struct PodMeta {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    phase: String,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    #[serde(default)]
    restart_count: i32,
    #[serde(default)]
    state: ContainerState,
    #[serde(default)]
    last_state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    reason: String,
    message: String,
    exit_code: i32,
}

/// Whether a pod of the current template fails, told by the annotation that the template and its pods share, and how.
///
/// # Errors
/// If the value is no pod.
pub fn failure(
    workload: &Workload,
    pod: &serde_json::Value,
) -> Result<Option<PodFailure>, serde_json::Error> {
    let Pod { metadata, status } = Pod::deserialize(pod)?;
    let hash = metadata.annotations.get(annotation::ENV_HASH);
    if hash != workload.env_hash.as_ref() {
        return Ok(None);
    }
    let ended = status.phase == "Failed";
    let containers = status
        .init_container_statuses
        .into_iter()
        .chain(status.container_statuses);
    Ok(containers
        .into_iter()
        .find_map(|container| container.failure(&metadata.name, ended)))
}

impl ContainerStatus {
    fn failure(self, pod: &str, pod_ended: bool) -> Option<PodFailure> {
        let Self {
            name,
            restart_count,
            state,
            last_state,
        } = self;
        let lasting = pod_ended || restart_count >= RESTARTS;
        let failure = |reason, exit_code, message: String, lasting| PodFailure {
            pod: pod.to_owned(),
            container: name.clone(),
            reason,
            exit_code,
            message: message.trim().chars().take(MAX_MESSAGE).collect(),
            lasting,
        };
        if let Some(ended) = state.terminated.filter(|ended| ended.exit_code != 0) {
            return Some(failure(
                ended.reason,
                Some(ended.exit_code),
                ended.message,
                lasting,
            ));
        }
        let waiting = state.waiting?;
        if HOPELESS.contains(&waiting.reason.as_str()) {
            return Some(failure(waiting.reason, None, waiting.message, true));
        }
        let ended = last_state.terminated?;
        // What the process said last tells more than that the kubelet waits.
        let message = if ended.message.is_empty() {
            waiting.message
        } else {
            ended.message
        };
        Some(failure(
            waiting.reason,
            Some(ended.exit_code),
            message,
            lasting,
        ))
    }
}
