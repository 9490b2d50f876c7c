//! Rules of injection, one by one; what holds for every workload is in `property`.

mod merge;
mod property;
mod rules;

use super::*;
use crate::workload::WorkloadKind;
use serde::de::DeserializeSeed;

fn spec(yaml: &str) -> ObservabilityProfileSpec {
    serde_saphyr::from_str(yaml).expect("is a spec")
}

fn read(kind: WorkloadKind, object: &serde_json::Value) -> Workload {
    kind.deserialize(object).expect("is a workload")
}

fn demand(spec: &ObservabilityProfileSpec, generation: i64) -> Demand<'_> {
    Demand { profile: "shop", generation, spec, receiver: Some("shop-xray:2000"), region: Some("us-east-1") }
}

/// What is observed around a workload: one readable ConfigMap, and all Secrets are there.
struct World {
    holder: Option<&'static str>,
    namespace: BTreeMap<String, String>,
    env_from: BTreeMap<EnvFromSource, BTreeSet<String>>,
    missing: BTreeSet<SecretKey>,
}

impl World {
    fn new() -> Self {
        let keys = BTreeSet::from(["SERVICE_NAME".to_owned(), "OWN".to_owned()]);
        Self {
            holder: Some("shop"),
            namespace: BTreeMap::new(),
            env_from: BTreeMap::from([(EnvFromSource::ConfigMap("settings".into()), keys)]),
            missing: BTreeSet::new(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            holder: self.holder,
            namespace_annotations: &self.namespace,
            env_from: &self.env_from,
            missing_secrets: &self.missing,
        }
    }
}
