//! Kubernetes API → Workload: reads the few fields that matter and skips the rest.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer};
use tracewright_xray::contract::{annotation, label};

use super::claims::Claims;
use super::wire::{Condition, ContainerSpec, EnvVar, EnvVarSource, Object, Spec, Status, Template};
use super::{
    Container, Entry, EnvFrom, EnvFromSource, Form, Progress, Word, Workload, WorkloadKind,
};
use crate::env::{self, Hash, Hasher};
use crate::inject::{Record, instrumentation};

/// Reads a workload of the kind. The kind comes from outside, because objects in a list do not state it.
///
/// ```
/// use serde::de::DeserializeSeed;
/// use tracewright_core::workload::WorkloadKind;
///
/// let object = serde_json::json!({"metadata": {"name": "web"}, "spec": {"template": {}}});
/// let workload = WorkloadKind::Deployment.deserialize(&object)?;
/// assert_eq!(workload.name, "web");
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> DeserializeSeed<'de> for WorkloadKind {
    type Value = Workload;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Workload, D::Error> {
        Ok(Object::deserialize(deserializer)?.into_workload(self))
    }
}

impl EnvVar {
    pub(super) fn hash(&self) -> Option<Hash> {
        let mut hasher = Hasher::default();
        hasher.text(&self.name);
        let Some(source) = &self.value_from else {
            return Some(env::literal(hasher, &self.value));
        };
        match source {
            EnvVarSource {
                field_ref: Some(field),
                ..
            } if matches!(field.api_version.as_str(), "" | "v1") => {
                Some(env::field_ref(hasher, &field.field_path))
            }
            EnvVarSource {
                secret_key_ref: Some(secret),
                ..
            } => Some(env::secret_key_ref(
                hasher,
                &secret.name,
                &secret.key,
                secret.optional,
            )),
            EnvVarSource { .. } => None,
        }
    }

    fn form(&self) -> Form {
        match &self.value_from {
            None if self.value.is_empty() => Form::Empty,
            None => Form::Literal,
            Some(EnvVarSource {
                field_ref: Some(_), ..
            }) => Form::FieldRef,
            Some(EnvVarSource {
                secret_key_ref: Some(_),
                ..
            }) => Form::SecretKeyRef,
            Some(EnvVarSource {
                field_ref: None,
                secret_key_ref: None,
            }) => Form::Other,
        }
    }
}

impl Object {
    fn into_workload(self, kind: WorkloadKind) -> Workload {
        let Self {
            metadata,
            spec,
            status,
        } = self;
        let revision = revision(kind, &metadata.annotations, &status);
        let progress = progress(kind, &spec, status);
        let claims = Claims::read(kind, &metadata.annotations, &metadata.managed_fields);
        let template = match kind {
            WorkloadKind::CronJob => spec.job_template.spec.template,
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
                spec.template
            }
        };
        let Template {
            metadata: mut pods,
            spec,
        } = template;
        let other_instrumentation = instrumentation::found(&metadata.annotations)
            .or_else(|| instrumentation::found(&metadata.labels))
            .or_else(|| instrumentation::found(&pods.annotations))
            .or_else(|| instrumentation::found(&pods.labels));
        Workload {
            kind,
            inject: metadata
                .annotations
                .get(annotation::INJECT)
                .and_then(|text| yes_or_no(text)),
            skip_env: metadata
                .annotations
                .get(annotation::SKIP_ENV)
                .map(|list| names(list))
                .unwrap_or_default(),
            other_instrumentation,
            marked: metadata.annotations.contains_key(annotation::INJECTED),
            record: metadata
                .annotations
                .get(annotation::INJECTED)
                .and_then(|text| Record::read(text)),
            env_hash: pods.annotations.remove(annotation::ENV_HASH),
            revision,
            controller: metadata
                .owner_references
                .into_iter()
                .find(|owner| owner.controller)
                .map(|owner| format!("{}/{}", owner.kind, owner.name))
                .or_else(|| managed_by_us(&metadata.labels)),
            containers: spec
                .containers
                .into_iter()
                .map(|container| container.read(&claims))
                .collect(),
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            deleting: metadata.deletion_timestamp.is_some(),
            labels: metadata.labels,
            progress,
        }
    }
}

/// Anything but "true" and "false" says nothing.
fn yes_or_no(text: &str) -> Option<bool> {
    let text = text.trim();
    [("true", true), ("false", false)]
        .into_iter()
        .find_map(|(word, meaning)| text.eq_ignore_ascii_case(word).then_some(meaning))
}

fn names(list: &str) -> BTreeSet<String> {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// A receiver is ours even where its owner reference was removed.
fn managed_by_us(labels: &BTreeMap<String, String>) -> Option<String> {
    let ours = labels
        .get(label::APP_MANAGED_BY)
        .is_some_and(|by| by == label::APP_MANAGED_BY_TRACEWRIGHT);
    let profile = labels.get(label::PROFILE).filter(|_| ours)?;
    Some(format!("ObservabilityProfile/{profile}"))
}

impl ContainerSpec {
    fn read(self, claims: &Claims) -> Container {
        let Self {
            name,
            env,
            env_from,
        } = self;
        let env = env
            .into_iter()
            .map(|variable| {
                let (hash, form) = (variable.hash(), variable.form());
                Entry {
                    form,
                    hash,
                    references: env::references(&variable.value)
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                    claimed: claims.contains(&name, &variable.name, hash),
                    name: variable.name,
                }
            })
            .collect();
        let env_from = env_from
            .into_iter()
            .filter_map(|entry| {
                let source = match (entry.config_map_ref, entry.secret_ref) {
                    (Some(config_map), _) => EnvFromSource::ConfigMap(config_map.name),
                    (None, Some(secret)) => EnvFromSource::Secret(secret.name),
                    (None, None) => return None,
                };
                Some(EnvFrom {
                    source,
                    prefix: entry.prefix,
                })
            })
            .collect();
        Container {
            name,
            env,
            env_from,
        }
    }
}

/// (Kubernetes: the Deployment controller's annotation, the StatefulSet's status, and what the API server counts for a
/// DaemonSet.)
fn revision(
    kind: WorkloadKind,
    annotations: &BTreeMap<String, String>,
    status: &Status,
) -> Option<String> {
    let counted = |key| annotations.get(key).cloned();
    match kind {
        WorkloadKind::Deployment => counted("deployment.kubernetes.io/revision"),
        WorkloadKind::DaemonSet => counted("deprecated.daemonset.template.generation"),
        WorkloadKind::StatefulSet => {
            Some(status.update_revision.clone()).filter(|revision| !revision.is_empty())
        }
        WorkloadKind::CronJob => None,
    }
}

fn progress(kind: WorkloadKind, spec: &Spec, status: Status) -> Progress {
    let condition = |kind: &str, state: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.r#type == kind && condition.status == state)
    };
    let common = Progress {
        paused: spec.paused,
        on_delete: spec.update_strategy.r#type == "OnDelete",
        observed_generation: status.observed_generation,
        // The API server sets 1 where a manifest leaves `replicas` out.
        desired: spec.replicas.unwrap_or(1),
        current: status.replicas,
        updated: status.updated_replicas,
        available: status.available_replicas,
        ..Progress::default()
    };
    match kind {
        WorkloadKind::Deployment => Progress {
            deadline_exceeded: condition("Progressing", "False")
                .filter(|condition| condition.reason == "ProgressDeadlineExceeded")
                .map(|condition| condition.message.clone()),
            replica_failure: condition("ReplicaFailure", "True")
                .map(|condition| condition.message.clone()),
            word: deployment_word(&status),
            ..common
        },
        WorkloadKind::StatefulSet => Progress {
            partition: spec
                .update_strategy
                .rolling_update
                .as_ref()
                .map_or(0, |rolling| rolling.partition),
            word: stateful_set_word(&common, &status),
            ..common
        },
        WorkloadKind::DaemonSet => Progress {
            desired: status.desired_number_scheduled,
            current: status.current_number_scheduled,
            updated: status.updated_number_scheduled,
            available: status.number_available,
            ..common
        },
        WorkloadKind::CronJob => Progress::default(),
    }
}

/// (Kubernetes, `pkg/controller/deployment/progress.go`: the condition Progressing. Once it says that the new ReplicaSet
/// was available it says so until the template changes.)
fn deployment_word(status: &Status) -> Word {
    let progressing = |condition: &&Condition| condition.r#type == "Progressing";
    match status.conditions.iter().find(progressing) {
        None => Word::None,
        // No deadline counts meanwhile.
        Some(condition) if condition.reason == "DeploymentPaused" => Word::None,
        Some(condition) if condition.reason == "NewReplicaSetAvailable" => {
            Word::Complete(condition.message.clone())
        }
        Some(_) => Word::Rolling,
    }
}

/// (Kubernetes, `pkg/controller/statefulset/stateful_set_utils.go`, `completeUpdate`: the update revision becomes the
/// current one when all pods have it and are ready.)
fn stateful_set_word(progress: &Progress, status: &Status) -> Word {
    if progress.on_delete || status.update_revision.is_empty() {
        return Word::None;
    }
    // Ready is not available while `minReadySeconds` count.
    let settling = status.ready_replicas >= progress.desired;
    if status.current_revision != status.update_revision
        || (settling && progress.available < progress.desired)
    {
        return Word::Rolling;
    }
    Word::Complete(status.current_revision.clone())
}
