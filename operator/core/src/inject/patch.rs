//! Changes → strategic merge patch. (Kubernetes, "Strategic Merge Patch": lists of containers and variables are merged
//! by `name`; `$patch: delete` removes an item and `$setElementOrder/env` orders the list.)

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tracewright_xray::contract::annotation;

use super::Record;
use crate::env::{Hash, Rendered, Value as Source};
use crate::workload::{Form, Workload, WorkloadKind};

/// A strategic merge patch of one workload. The API server refuses it with 409 if the workload has changed since it
/// was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// The patch.
    pub body: Value,
    /// Whether the pods are replaced: the pod template changes, and the workload is not a CronJob, whose next Job
    /// simply starts with it.
    pub restarts_pods: bool,
    /// Names of the variables that are written or removed, each once.
    pub variables: BTreeSet<String>,
}

/// What changes in one container's `env`.
#[derive(Clone, Debug, Default)]
pub(super) struct Change<'a> {
    /// Entries to write, each with the form that an entry of ours of this name has now.
    pub set: Vec<(&'a Rendered, Option<Form>)>,
    /// Names to remove.
    pub delete: Vec<&'a str>,
    /// Names of the whole list, in order; empty if the list is not touched or will be empty.
    pub order: Vec<&'a str>,
    /// What the record says afterwards.
    pub keep: BTreeMap<String, Hash>,
}

/// The patch that makes the changes, by container, and sets the record and the pod template's hash. `None` if the
/// workload is so already.
pub(super) fn build(
    workload: &Workload,
    changes: &BTreeMap<&str, Change<'_>>,
    record: Option<&Record>,
    hash: Option<String>,
) -> Option<Patch> {
    let containers: Vec<_> = workload
        .containers
        .iter()
        .filter_map(|container| {
            container_patch(&container.name, changes.get(container.name.as_str())?)
        })
        .collect();
    let mut template = Map::new();
    if workload.env_hash != hash {
        template.insert(
            "metadata".into(),
            json!({"annotations": {annotation::ENV_HASH: hash}}),
        );
    }
    if !containers.is_empty() {
        template.insert("spec".into(), json!({"containers": containers}));
    }
    let mut metadata = json!({"resourceVersion": workload.resource_version});
    let restarts_pods = !template.is_empty() && workload.kind != WorkloadKind::CronJob;
    let record = record.map(|record| Record {
        workload_generation: generation(workload, restarts_pods),
        ..record.clone()
    });
    let recorded = workload.record == record && workload.marked == record.is_some();
    if recorded && template.is_empty() {
        return None;
    }
    if !recorded {
        metadata["annotations"] =
            json!({annotation::INJECTED: record.as_ref().map(Record::to_annotation)});
    }
    let mut body = json!({"metadata": metadata});
    if !template.is_empty() {
        let path = workload.kind.template_path();
        let nested = path.iter().rev().fold(
            Value::Object(template),
            |inner, field| json!({*field: inner}),
        );
        for (field, value) in nested.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
    }
    let variables = changes.values().flat_map(|change| {
        let set = change.set.iter().map(|(entry, _)| entry.name.as_str());
        set.chain(change.delete.iter().copied())
    });
    Some(Patch {
        body,
        restarts_pods,
        variables: variables.map(str::to_owned).collect(),
    })
}

/// The generation that the last patch of the template made. That of this one is known beforehand: the API server counts by
/// one, and the patch applies to the version that was read or not at all.
fn generation(workload: &Workload, restarts_pods: bool) -> Option<i64> {
    if restarts_pods {
        return Some(workload.generation + 1);
    }
    workload.record.as_ref()?.workload_generation
}

fn container_patch(name: &str, change: &Change<'_>) -> Option<Value> {
    let set = change
        .set
        .iter()
        .map(|(entry, now)| entry_patch(entry, *now));
    let delete = change
        .delete
        .iter()
        .map(|name| json!({"name": name, "$patch": "delete"}));
    let env: Vec<_> = set.chain(delete).collect();
    if env.is_empty() && change.order.is_empty() {
        return None;
    }
    let mut patch = json!({"name": name});
    if !env.is_empty() {
        patch["env"] = env.into();
    }
    if !change.order.is_empty() {
        patch["$setElementOrder/env"] = change
            .order
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
    }
    Some(patch)
}

/// One entry. A merge keeps fields that it does not name, so a value of another form is removed by name.
fn entry_patch(entry: &Rendered, now: Option<Form>) -> Value {
    let mut patch = entry.to_json();
    match (&entry.value, now) {
        (Source::Literal(_), Some(Form::FieldRef | Form::SecretKeyRef | Form::Other)) => {
            patch["valueFrom"] = Value::Null;
        }
        (Source::FieldRef(_) | Source::SecretKeyRef(_), Some(Form::Literal)) => {
            patch["value"] = Value::Null
        }
        (Source::FieldRef(_), Some(Form::SecretKeyRef)) => {
            patch["valueFrom"]["secretKeyRef"] = Value::Null
        }
        (Source::SecretKeyRef(_), Some(Form::FieldRef)) => {
            patch["valueFrom"]["fieldRef"] = Value::Null
        }
        (_, None | Some(Form::Empty))
        | (Source::Literal(_), Some(Form::Literal))
        | (Source::FieldRef(_), Some(Form::FieldRef | Form::Other))
        | (Source::SecretKeyRef(_), Some(Form::SecretKeyRef | Form::Other)) => {}
    }
    patch
}
