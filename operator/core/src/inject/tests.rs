//! Rules of injection, one by one on a Deployment; what holds for every workload is in `property`.

mod merge;
mod ownership;
mod patches;
mod property;
mod records;
mod secrets;
mod skips;

use super::*;
use crate::workload::WorkloadKind;
use merge::apply;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};
use tracewright_xray::contract::{condition, skip};

fn spec(yaml: &str) -> ObservabilityProfileSpec {
    serde_saphyr::from_str(yaml).expect("is a spec")
}

fn read(kind: WorkloadKind, object: &Value) -> Workload {
    kind.deserialize(object).expect("is a workload")
}

fn demand(spec: &ObservabilityProfileSpec, generation: i64) -> Demand<'_> {
    Demand {
        profile: "shop",
        generation,
        spec,
        receiver: Some("shop-xray:2000"),
        region: Some("us-east-1"),
    }
}

/// What is observed around a workload: one readable ConfigMap, and all Secrets are there.
struct World {
    holder: Option<&'static str>,
    namespace: BTreeMap<String, String>,
    env_from: BTreeMap<EnvFromSource, BTreeSet<String>>,
    missing: BTreeSet<SecretKey>,
    secrets: BTreeMap<SecretKey, Hash>,
}

impl World {
    fn new() -> Self {
        let keys = BTreeSet::from(["SERVICE_NAME".to_owned(), "OWN".to_owned()]);
        Self {
            holder: Some("shop"),
            namespace: BTreeMap::new(),
            env_from: BTreeMap::from([(EnvFromSource::ConfigMap("settings".into()), keys)]),
            missing: BTreeSet::new(),
            secrets: BTreeMap::new(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            holder: self.holder,
            namespace_annotations: &self.namespace,
            env_from: &self.env_from,
            missing_secrets: &self.missing,
            secrets: &self.secrets,
        }
    }
}

const SHOP: &str = "{service: {name: shop}, traces: {console: true}}";

const WITH_SECRET: &str = "{traces: {otlp: {endpoint: 'http://c', headers: [{name: x-team, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}";

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "ns", "resourceVersion": "7", "generation": 1},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "i", "env": [{"name": "A", "value": "1"}]}]}}},
    })
}

fn decided(object: &Value, yaml: &str, generation: i64, world: &World) -> Injection {
    let spec = spec(yaml);
    decide(
        &read(WorkloadKind::Deployment, object),
        &demand(&spec, generation),
        &world.facts(),
    )
}

fn patch(injection: Injection) -> Patch {
    match injection.action {
        Action::Patch(patch) => patch,
        other => panic!("not a patch: {other:?}"),
    }
}

fn skipped(injection: Injection) -> Skip {
    match injection.action {
        Action::Skip(skip) => skip,
        other => panic!("not skipped: {other:?}"),
    }
}

fn injected(object: &Value, yaml: &str, generation: i64) -> Value {
    let patch = patch(decided(object, yaml, generation, &World::new()));
    apply(object, &patch.body).expect("the patch applies")
}

fn entries(object: &Value) -> &Vec<Value> {
    object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .expect("has env")
}

fn entry<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    entries(object).iter().find(|entry| entry["name"] == name)
}

fn entry_mut<'a>(object: &'a mut Value, name: &str) -> &'a mut Value {
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("has env");
    env.iter_mut()
        .find(|entry| entry["name"] == name)
        .expect("is there")
}

fn record(object: &Value) -> Record {
    let text = object["metadata"]["annotations"]["tracewright.dev/injected"].as_str();
    Record::read(text.expect("is injected")).expect("is a record")
}

fn names(left: &[Left], reason: &str) -> Vec<String> {
    left.iter()
        .filter(|left| left.reason == reason)
        .map(|left| left.variable.clone())
        .collect()
}
