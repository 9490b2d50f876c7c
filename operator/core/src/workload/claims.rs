//! Which entries a workload's user wrote down in a manifest of their own, even if the operator wrote the same before.
//!
//! A variable that is injected first and added to the user's manifest with the same value later belongs to the user:
//! taking it away on un-injection would lose what they wrote. Two places tell of it: the fields of managers that
//! *apply* (server-side apply), and the annotation that client-side apply keeps. Managers that *update* are no
//! evidence: `kubectl rollout undo` becomes one for every entry that it brings back.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tracewright_xray::contract::name::FIELD_MANAGER;

use super::WorkloadKind;
use super::wire::Template;
use crate::env::Hash;

/// Where client-side apply keeps the manifest that was applied last. (kubectl, `LastAppliedConfigAnnotation`.)
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// One entry of `metadata.managedFields`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedFieldsEntry {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    fields_v1: Value,
}

/// Entries that manifests list, by container and variable.
#[derive(Default)]
pub(super) struct Claims {
    /// Server-side apply: the live value is the manifest's, or its manager would not own it any more.
    applied: BTreeSet<(String, String)>,
    /// Client-side apply: the manifest's value, which may differ from the live one.
    last_applied: BTreeMap<(String, String), Option<Hash>>,
}

impl Claims {
    pub(super) fn read(
        kind: WorkloadKind,
        annotations: &BTreeMap<String, String>,
        managed_fields: &[ManagedFieldsEntry],
    ) -> Self {
        let mut claims = Self::default();
        managed_fields
            .iter()
            .filter(|entry| entry.operation == "Apply" && entry.manager != FIELD_MANAGER)
            .for_each(|entry| claims.read_applied(kind, &entry.fields_v1));
        if let Some(manifest) = annotations.get(LAST_APPLIED) {
            claims.read_last_applied(kind, manifest);
        }
        claims
    }

    pub(super) fn contains(&self, container: &str, variable: &str, hash: Option<Hash>) -> bool {
        let key = (container.to_owned(), variable.to_owned());
        self.applied.contains(&key)
            || self
                .last_applied
                .get(&key)
                .is_some_and(|written| *written == hash)
    }

    /// Reads a field set in the form `{"f:spec": {"f:template": …{"k:{\"name\":\"c\"}": {"f:env": …}}}}`. (Kubernetes
    /// API reference, FieldsV1.)
    fn read_applied(&mut self, kind: WorkloadKind, fields: &Value) {
        let path = kind.template_path().iter().chain(&["spec", "containers"]);
        let containers = path.fold(fields, |fields, field| &fields[format!("f:{field}")]);
        for (container, fields) in items(containers) {
            for (variable, fields) in items(&fields["f:env"]) {
                if !fields["f:value"].is_null() || !fields["f:valueFrom"].is_null() {
                    self.applied.insert((container.clone(), variable));
                }
            }
        }
    }

    fn read_last_applied(&mut self, kind: WorkloadKind, manifest: &str) {
        // A manifest that cannot be read claims nothing: nobody but its own tool knows what it means.
        let Ok(manifest) = serde_json::from_str::<Value>(manifest) else {
            return;
        };
        let template = kind
            .template_path()
            .iter()
            .fold(&manifest, |fields, field| &fields[*field]);
        let Ok(template) = Template::deserialize(template) else {
            return;
        };
        for container in template.spec.containers {
            for variable in container.env {
                let hash = variable.hash();
                self.last_applied
                    .insert((container.name.clone(), variable.name), hash);
            }
        }
    }
}

/// Items of a list in a field set, by the value of their key `name`.
fn items(fields: &Value) -> impl Iterator<Item = (String, &Value)> {
    #[derive(Deserialize)]
    struct Key {
        name: String,
    }
    fields
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, fields)| {
            let key: Key = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
            Some((key.name, fields))
        })
}
