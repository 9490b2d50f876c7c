//! Receiver: the address that workloads send X-Ray segments to, and the objects that run it.
//!
//! All objects are named `<profile>-xray`, belong to the profile by owner reference, and are written whole by
//! server-side apply: nobody else has a say in them.

mod collector;
mod daemon;
mod objects;

use std::fmt;

use kube::ResourceExt;
use serde_json::Value;
use tracewright_xray::contract::{label, name};

use crate::crd::{ObservabilityProfile, ObservabilityProfileSpec, Receiver, ReceiverPods};

/// What the operator brings along for all receivers.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// Image of the AWS X-Ray daemon, where the profile names none.
    pub daemon_image: &'a str,
    /// Image of the OpenTelemetry Collector, where the profile names none.
    pub collector_image: &'a str,
    /// The AWS region, the profile's or the operator's.
    pub region: &'a str,
    /// The operator's own namespace, from which it asks the receiver whether it is ready.
    pub operator_namespace: &'a str,
}

/// One object of a receiver, as it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The object's kind.
    pub kind: ObjectKind,
    /// The object, with apiVersion and kind.
    pub body: Value,
}

/// Kinds of a receiver's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// The pods' identity.
    ServiceAccount,
    /// The configuration file.
    ConfigMap,
    /// Who may reach the pods.
    NetworkPolicy,
    /// The address.
    Service,
    /// The pods, behind the Service.
    Deployment,
    /// The pods, one per node.
    DaemonSet,
    /// How many pods a drain may take at once.
    PodDisruptionBudget,
}

impl ObjectKind {
    /// All kinds, in the order in which they are applied. An object of the receiver's name and one of these kinds
    /// that is ours and not among [`objects`] is to be deleted.
    pub const ALL: [Self; 7] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::NetworkPolicy,
        Self::Service,
        Self::Deployment,
        Self::DaemonSet,
        Self::PodDisruptionBudget,
    ];

    /// The kind's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }

    /// The kind's apiVersion.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::ServiceAccount | Self::ConfigMap | Self::Service => "v1",
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::Deployment | Self::DaemonSet => "apps/v1",
            Self::PodDisruptionBudget => "policy/v1",
        }
    }

    /// The kind's name in URLs.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceaccounts",
            Self::ConfigMap => "configmaps",
            Self::NetworkPolicy => "networkpolicies",
            Self::Service => "services",
            Self::Deployment => "deployments",
            Self::DaemonSet => "daemonsets",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The address of the receiver that a profile's workloads use: AWS_XRAY_DAEMON_ADDRESS.
///
/// `None`: X-Ray is off for them, because the profile has no `spec.xray` at all, or names no receiver and the
/// operator has none to offer. A receiver that the operator runs is in the workloads' own namespace, so that its
/// short name is enough.
#[must_use]
pub fn address(
    profile: &str,
    spec: &ObservabilityProfileSpec,
    operator_default: Option<&str>,
) -> Option<String> {
    match &spec.xray.as_ref()?.receiver {
        None => operator_default.map(str::to_owned),
        Some(Receiver {
            external: Some(external),
            ..
        }) => Some(external.address.clone()),
        Some(Receiver { .. }) => Some(format!(
            "{}:{}",
            name::receiver(profile),
            name::RECEIVER_PORT
        )),
    }
}

/// The part of a receiver's address that serves sampling rules: `host:port` of `tcp:host:port udp:host:port`, in
/// either order, or the address itself.
#[must_use]
pub fn tcp_address(address: &str) -> &str {
    address
        .split_whitespace()
        .find_map(|part| part.strip_prefix("tcp:"))
        .unwrap_or(address)
}

/// Where the operator asks a receiver for sampling rules, as `host:port`: the workloads of `namespace` know it by
/// `address`, in which a name without a dot is a Service beside them. `None`: the address is the pod's own, and nobody else
/// can ask there.
#[must_use]
pub fn asked_at(address: &str, namespace: &str) -> Option<String> {
    let (host, port) = tcp_address(address).rsplit_once(':')?;
    match host {
        "localhost" | "127.0.0.1" | "[::1]" => None,
        host if host.contains(['.', ':']) => Some(format!("{host}:{port}")),
        host => Some(format!("{host}.{namespace}.svc:{port}")),
    }
}

/// The pods of the receiver that a profile of this name has, as a label selector.
#[must_use]
pub fn pod_selector(profile: &str) -> String {
    format!(
        "{}={},{}={profile}",
        label::APP_NAME,
        label::APP_NAME_RECEIVER,
        label::APP_INSTANCE
    )
}

/// The objects of a profile's receiver, in the order in which they are applied. None where it runs elsewhere.
#[must_use]
pub fn objects(profile: &ObservabilityProfile, defaults: &Defaults<'_>) -> Vec<Object> {
    let receiver = profile
        .spec
        .xray
        .as_ref()
        .and_then(|xray| xray.receiver.as_ref());
    let runtime = match receiver {
        Some(Receiver {
            daemon: Some(daemon),
            ..
        }) => daemon::runtime(daemon, defaults),
        Some(Receiver {
            collector: Some(collector),
            ..
        }) => {
            let otlp = profile
                .spec
                .traces
                .as_ref()
                .and_then(|traces| traces.otlp.as_ref());
            collector::runtime(collector, otlp, defaults)
        }
        Some(Receiver { external: _, .. }) | None => return Vec::new(),
    };
    objects::build(profile, &runtime, defaults)
}

/// Whether an object is the profile's. One that exists under the receiver's name and is not is left alone.
///
/// Ours is what the profile owns, and what an earlier profile of its name left when it was deleted in mode Suspended:
/// that has our labels and no owner.
#[must_use]
pub fn owned_by(profile: &ObservabilityProfile, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array();
    if owners.is_none_or(Vec::is_empty) {
        let labelled = |key: &str, value: &str| metadata["labels"][key].as_str() == Some(value);
        return labelled(label::APP_MANAGED_BY, label::APP_MANAGED_BY_TRACEWRIGHT)
            && labelled(label::PROFILE, &profile.name_any());
    }
    let uid = profile.metadata.uid.as_deref();
    uid.is_some()
        && owners
            .into_iter()
            .flatten()
            .any(|owner| owner["uid"].as_str() == uid)
}

/// A merge patch that takes out what others added to the lists and maps of an object of ours, which applying leaves alone:
/// ports and selector of a Service, files of a ConfigMap. `None`: nothing was added. What others add to the pods stays.
#[must_use]
pub fn without_additions(wanted: &Value, current: &Value) -> Option<Value> {
    let additions = |pointer: &str| -> Option<serde_json::Map<String, Value>> {
        let (wanted, current) = (wanted.pointer(pointer)?, current.pointer(pointer)?);
        let added = current.as_object()?.keys();
        let added = added.filter(|key| wanted.get(key.as_str()).is_none());
        let nulls: serde_json::Map<_, _> = added.map(|key| (key.clone(), Value::Null)).collect();
        (!nulls.is_empty()).then_some(nulls)
    };
    let ports = |object: &Value| {
        object
            .pointer("/spec/ports")
            .and_then(Value::as_array)
            .map(Vec::len)
    };
    let mut patch = serde_json::Map::new();
    if let Some(data) = additions("/data") {
        patch.insert("data".to_owned(), data.into());
    }
    let mut spec = serde_json::Map::new();
    // A Deployment's selector has another form, and cannot change.
    if ports(wanted).is_some() {
        if let Some(selector) = additions("/spec/selector") {
            spec.insert("selector".to_owned(), selector.into());
        }
        if ports(wanted) != ports(current) {
            spec.insert("ports".to_owned(), wanted["spec"]["ports"].clone());
        }
    }
    if !spec.is_empty() {
        patch.insert("spec".to_owned(), spec.into());
    }
    (!patch.is_empty()).then(|| patch.into())
}

/// What differs between the programs that may be a receiver.
struct Runtime<'a> {
    pods: &'a ReceiverPods,
    container: &'static str,
    image: &'a str,
    /// File name of the configuration, in [`objects::CONFIG_DIRECTORY`].
    config_file: &'static str,
    config: String,
    /// Arguments that name the configuration file.
    args: Vec<String>,
    /// Variables beside the AWS credentials.
    env: Vec<Value>,
    /// Memory that is reserved and memory that is granted at most, where the profile says nothing.
    memory: (&'static str, &'static str),
}

/// A configuration as YAML.
fn yaml(config: &Value) -> String {
    serde_saphyr::to_string(config).expect("plain data with string keys")
}

#[cfg(test)]
mod tests;
