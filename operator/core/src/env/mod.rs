//! Profile → variables: the ordered list of environment variables for one container of one workload.
//!
//! The list is data and knows nothing of how it is delivered; [`crate::inject`] turns it into patches of pod
//! templates.

mod containers;
mod encode;
mod hash;
mod render;
mod v1;

pub use containers::containers;
pub use encode::references;
pub use hash::{Hash, Hasher};
pub(crate) use hash::{field_ref, literal, secret_key_ref};
pub use render::{RENDER_VERSION, Target, log_group, render, secret_keys, service_name};

use serde_json::json;

/// One variable of a container: what becomes an entry of `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The variable's name.
    pub name: String,
    /// Where its value comes from.
    pub value: Value,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A literal, escaped so that Kubernetes expands only the references that are meant.
    Literal(String),
    /// A field of the pod, by the downward API.
    FieldRef(&'static str),
    /// A key of a Secret of the workload's namespace. The reference is optional: a Secret that is lost later must not
    /// stop a pod.
    SecretKeyRef(SecretKey),
}

/// A key of a Secret in the workload's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretKey {
    /// The Secret's name.
    pub name: String,
    /// The key in the Secret.
    pub key: String,
}

impl Rendered {
    fn literal(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: Value::Literal(value.into()),
        }
    }

    /// The hash by which the entry is recognised in a workload.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut hasher = Hasher::default();
        hasher.text(&self.name);
        match &self.value {
            Value::Literal(value) => literal(hasher, value),
            Value::FieldRef(path) => field_ref(hasher, path),
            Value::SecretKeyRef(SecretKey { name, key }) => secret_key_ref(hasher, name, key, true),
        }
    }

    /// The entry as it stands in a container's `env`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let name = &self.name;
        match &self.value {
            Value::Literal(value) => json!({"name": name, "value": value}),
            Value::FieldRef(path) => {
                json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}})
            }
            Value::SecretKeyRef(secret) => json!({"name": name, "valueFrom": {"secretKeyRef": {
                "name": secret.name, "key": secret.key, "optional": true,
            }}}),
        }
    }

    /// Names that the entry's value refers to as `$(NAME)`.
    #[must_use]
    pub fn references(&self) -> Vec<&str> {
        match &self.value {
            Value::Literal(value) => references(value),
            Value::FieldRef(_) | Value::SecretKeyRef(_) => Vec::new(),
        }
    }
}

/// The hash over all entries of a workload, by container, in order: the value of the pod template's annotation
/// `tracewright.dev/env-hash`.
#[must_use]
pub fn hash_all<'a>(containers: impl IntoIterator<Item = (&'a str, &'a [Rendered])>) -> Hash {
    let mut hasher = Hasher::default();
    for (container, entries) in containers {
        hasher.text(container);
        for entry in entries {
            hasher.text(&entry.hash().to_string());
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
