//! Rollouts: how one stands, judged from the workload and its pods, and which workload may be changed next.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::crd::ObservabilityProfileSpec;
use crate::identity::ProfileRef;
use crate::workload::{Workload, WorkloadKind};

/// How a workload's rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// All pods have the current template and are available.
    Complete,
    /// Pods are being replaced.
    Rolling,
    /// Pods with an older template stay until somebody deletes them: the update strategy is `OnDelete`, or a
    /// StatefulSet's partition holds them back.
    Stale,
    /// Pods with an older template stay until the rollout is resumed.
    Paused,
    /// The rollout does not get on.
    Failed(Evidence),
}

/// Why a rollout is taken for failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the workload's own controller says.
    pub controller: Option<String>,
    /// A pod of the current template that fails.
    pub pod: Option<PodFailure>,
}

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

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pod = self.pod.as_ref().map(ToString::to_string);
        let parts: Vec<_> = self.controller.iter().cloned().chain(pod).collect();
        f.write_str(&parts.join("; "))
    }
}

impl fmt::Display for PodFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {} of pod {}: {}", self.container, self.pod, self.reason)?;
        if let Some(code) = self.exit_code {
            write!(f, ", exit code {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Judges a workload's rollout. `failing` are those of its pods with the current template that fail, see [`failure`];
/// they need only be read while the rollout is not complete.
///
/// A Deployment fails by its own progress deadline. The other kinds have none and fail by a pod whose failure lasts.
#[must_use]
pub fn judge(workload: &Workload, failing: &[PodFailure]) -> Rollout {
    let progress = &workload.progress;
    if workload.kind == WorkloadKind::CronJob {
        return Rollout::Complete;
    }
    if progress.observed_generation < workload.generation {
        return Rollout::Rolling;
    }
    let updated = progress.updated >= progress.desired;
    if progress.paused && !updated {
        return Rollout::Paused;
    }
    if let Some(evidence) = evidence(workload, failing) {
        return Rollout::Failed(evidence);
    }
    if progress.on_delete && !updated {
        return Rollout::Stale;
    }
    if progress.partition > 0 && !updated {
        let due = (progress.desired - progress.partition).max(0);
        let done = progress.updated >= due && progress.available >= progress.desired;
        return if done { Rollout::Stale } else { Rollout::Rolling };
    }
    // As `kubectl rollout status` judges: all new, none old, all available.
    let complete =
        updated && progress.current <= progress.updated && progress.available >= progress.desired;
    if complete { Rollout::Complete } else { Rollout::Rolling }
}

fn evidence(workload: &Workload, failing: &[PodFailure]) -> Option<Evidence> {
    let progress = &workload.progress;
    let lasting = failing.iter().find(|pod| pod.lasting);
    if workload.kind == WorkloadKind::Deployment {
        let deadline = progress.deadline_exceeded.as_ref()?;
        let controller = match &progress.replica_failure {
            Some(failure) => format!("{deadline} {failure}"),
            None => deadline.clone(),
        };
        return Some(Evidence { controller: Some(controller), pod: lasting.or(failing.first()).cloned() });
    }
    lasting.map(|pod| Evidence { controller: None, pod: Some(pod.clone()) })
}

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
pub fn failure(workload: &Workload, pod: &serde_json::Value) -> Result<Option<PodFailure>, serde_json::Error> {
    let Pod { metadata, status } = Pod::deserialize(pod)?;
    let hash = metadata.annotations.get(tracewright_xray::contract::annotation::ENV_HASH);
    if hash != workload.env_hash.as_ref() {
        return Ok(None);
    }
    let ended = status.phase == "Failed";
    let containers = status.init_container_statuses.into_iter().chain(status.container_statuses);
    Ok(containers.into_iter().find_map(|container| container.failure(&metadata.name, ended)))
}

impl ContainerStatus {
    fn failure(self, pod: &str, pod_ended: bool) -> Option<PodFailure> {
        let Self { name, restart_count, state, last_state } = self;
        let lasting = pod_ended || restart_count >= RESTARTS;
        let failure = |reason, exit_code, message, lasting| PodFailure {
            pod: pod.to_owned(),
            container: name.clone(),
            reason,
            exit_code,
            message,
            lasting,
        };
        if let Some(ended) = state.terminated.filter(|ended| ended.exit_code != 0) {
            return Some(failure(ended.reason, Some(ended.exit_code), ended.message, lasting));
        }
        let waiting = state.waiting?;
        if HOPELESS.contains(&waiting.reason.as_str()) {
            return Some(failure(waiting.reason, None, waiting.message, true));
        }
        let ended = last_state.terminated?;
        // What the process said last tells more than that the kubelet waits.
        let message = if ended.message.is_empty() { waiting.message } else { ended.message };
        Some(failure(waiting.reason, Some(ended.exit_code), message, lasting))
    }
}

/// How many workloads of a profile may be rolling out at the same time: `spec.workloads.rollout.maxConcurrent`.
#[must_use]
pub fn max_concurrent(spec: &ObservabilityProfileSpec) -> usize {
    /// Unset.
    const DEFAULT: usize = 5;
    let written = spec.workloads.as_ref().and_then(|workloads| workloads.rollout.as_ref()?.max_concurrent);
    written.and_then(|written| usize::try_from(written).ok()).unwrap_or(DEFAULT)
}

/// Where a workload stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Failed after our last change, and there is a new one to make: it has its place already and goes first.
    Mend,
    /// There is a change to make.
    Due,
    /// Is rolling out.
    Rolling,
    /// Failed after our change, and there is nothing new to write. It keeps its profile's place, so that a change
    /// that breaks workloads breaks `maxConcurrent` of them and not all, but does not hold up other profiles.
    Failed,
}

/// One workload in the queue. Workloads whose change restarts no pods need no place and are not in it, nor are those
/// that must wait because they are paused or somebody else's rollout is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<K> {
    /// The profile that holds the workload.
    pub profile: ProfileRef,
    /// The profile's own bound, see [`max_concurrent`].
    pub max_concurrent: usize,
    /// The workload.
    pub key: K,
    /// Where it stands.
    pub stage: Stage,
}

/// Which workloads to change now, so that at most `max_global` are rolling out at the same time. Profiles take turns, so that one with many workloads does not keep the others
/// waiting; within a profile the order is that of the places.
#[must_use]
pub fn next<K: Clone>(max_global: usize, places: &[Place<K>]) -> Vec<K> {
    let mut queues: BTreeMap<&ProfileRef, Queue<'_, K>> = BTreeMap::new();
    for place in places {
        let queue = queues.entry(&place.profile).or_default();
        queue.limit = place.max_concurrent;
        match place.stage {
            Stage::Mend => queue.mend.push(&place.key),
            Stage::Due => queue.due.push(&place.key),
            Stage::Rolling | Stage::Failed => queue.taken += 1,
        }
    }
    let rolling = places.iter().filter(|place| place.stage == Stage::Rolling).count();
    let mut free = max_global.saturating_sub(rolling);
    let mut turns: Vec<_> = queues.into_values().map(Queue::into_turns).collect();
    let mut chosen = Vec::new();
    while free > 0 {
        let before = chosen.len();
        for turn in &mut turns {
            if free > 0
                && let Some(key) = turn.next()
            {
                chosen.push(key.clone());
                free -= 1;
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    chosen
}

struct Queue<'a, K> {
    limit: usize,
    taken: usize,
    mend: Vec<&'a K>,
    due: Vec<&'a K>,
}

impl<K> Default for Queue<'_, K> {
    fn default() -> Self {
        Self { limit: 0, taken: 0, mend: Vec::new(), due: Vec::new() }
    }
}

impl<'a, K> Queue<'a, K> {
    fn into_turns(self) -> impl Iterator<Item = &'a K> {
        let free = self.limit.saturating_sub(self.taken);
        self.mend.into_iter().chain(self.due).take(free)
    }
}

#[cfg(test)]
mod tests;
