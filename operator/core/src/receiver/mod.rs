//! Receiver: the address that workloads send X-Ray segments to, and the objects that run it.
//!
//! All objects are named `<profile>-xray`, belong to the profile by owner reference, and are written whole by
//! server-side apply: nobody else has a say in them.

mod collector;
mod daemon;
mod objects;

use std::fmt;

use serde_json::Value;
use tracewright_xray::contract::name;

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
#[must_use]
pub fn owned_by(profile: &ObservabilityProfile, object: &Value) -> bool {
    let uid = profile.metadata.uid.as_deref();
    let owners = object["metadata"]["ownerReferences"].as_array();
    uid.is_some()
        && owners
            .into_iter()
            .flatten()
            .any(|owner| owner["uid"].as_str() == uid)
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
