//! Workloads as they are kept: thousands of them lie in memory and a few are looked at, so each is one piece of
//! compressed bytes, beside what it is looked for by.

use tracewright_core::workload::Workload;

/// A workload, packed.
#[derive(Debug)]
pub struct Packed {
    /// Keys and values of its labels, each ended by a character that occurs in none.
    labels: Box<str>,
    /// The profile whose record it carries.
    profile: Option<Box<str>>,
    bytes: Box<[u8]>,
}

const END: char = '\n';

impl Packed {
    /// Packs it.
    pub(super) fn new(workload: &Workload) -> Self {
        let mut labels = String::new();
        for text in workload.labels.iter().flat_map(|(key, value)| [key, value]) {
            labels.push_str(text);
            labels.push(END);
        }
        let profile = workload.record.as_ref();
        let bytes = borsh::to_vec(workload).expect("memory takes every write");
        Self {
            labels: labels.into_boxed_str(),
            profile: profile.map(|record| record.profile.as_str().into()),
            // Both containers of a pod, and the record, name the same variables.
            bytes: lz4_flex::compress_prepend_size(&bytes).into_boxed_slice(),
        }
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        let mut texts = self.labels.split_terminator(END);
        while let (Some(one), Some(value)) = (texts.next(), texts.next()) {
            if one == key {
                return Some(value);
            }
        }
        None
    }

    /// The profile whose record it carries.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    pub(super) fn unpack(&self) -> Workload {
        let bytes = lz4_flex::decompress_size_prepended(&self.bytes);
        borsh::from_slice(&bytes.expect("it was packed")).expect("it was packed from a workload")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeSeed;
    use serde_json::json;
    use tracewright_core::workload::WorkloadKind;

    fn workload() -> Workload {
        let record = json!({
            "profile": "shop", "generation": 3, "renderVersion": 1,
            "containers": {"app": {"OTEL_SERVICE_NAME": "00000000000000ff"}},
            "reverted": true, "evidence": "exit code 1",
        });
        let object = json!({
            "metadata": {
                "name": "web", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2,
                "labels": {"app": "web", "empty": "", "tier": "front"},
                "annotations": {
                    "tracewright.dev/injected": record.to_string(),
                    "tracewright.dev/skip-env": "A,B",
                },
                "ownerReferences": [{"kind": "Rollout", "name": "r", "controller": true}],
            },
            "spec": {"replicas": 3, "template": {
                "metadata": {"annotations": {"tracewright.dev/env-hash": "h"}},
                "spec": {"containers": [{
                    "name": "app",
                    "env": [
                        {"name": "ONE", "value": "$(TWO)"},
                        {"name": "TWO", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                        {"name": "THREE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
                    ],
                    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}],
                }]},
            }},
            "status": {"replicas": 3, "conditions": [
                {"type": "ReplicaFailure", "status": "True", "message": "quota"},
            ]},
        });
        WorkloadKind::Deployment
            .deserialize(&object)
            .expect("is a workload")
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let workload = workload();
        assert!(workload.record.is_some() && workload.controller.is_some());
        assert_eq!(Packed::new(&workload).unpack(), workload);
    }

    #[test]
    fn labels_and_profile_are_found_without_unpacking() {
        let packed = Packed::new(&workload());
        assert_eq!(packed.label("app"), Some("web"));
        assert_eq!(packed.label("empty"), Some(""));
        assert_eq!(packed.label("tier"), Some("front"));
        // A value is no key.
        assert_eq!(packed.label("web"), None);
        assert_eq!(packed.label(""), None);
        assert_eq!(packed.profile(), Some("shop"));
    }
}
