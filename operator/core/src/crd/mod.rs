//! The resource: `ObservabilityProfile` of `tracewright.dev/v1alpha1`, its schema and its validation rules.
//!
//! A field that AWS, OpenTelemetry or Kubernetes constrains carries the constraint here, as schema or as CEL, with
//! a sentence that says what to write. What CEL cannot know is decided by [`crate::desired`].

mod definition;
mod logs;
mod maps;
mod rules;
mod service;
pub mod status;
mod traces;
mod workloads;
mod xray;

pub use definition::definition;
pub use logs::{LogGroup, LogGroupClass, Logs};
pub use service::{Aws, Service};
pub use status::ObservabilityProfileStatus;
pub use traces::{
    Compression, EnvVar, Header, HeaderSource, Otlp, Propagator, Protocol, Sampler, SamplerType,
    SecretKeySelector, Traces,
};
pub use workloads::{
    LabelSelector, LabelSelectorRequirement, OnFailure, OnSecretChange, Rollout, SelectorOperator,
    Workloads,
};
pub use xray::{
    Collector, Daemon, ExternalReceiver, Group, Insights, Receiver, ReceiverPods, ReceiverWorkload,
    Resources, SamplingRateBoost, SamplingRule, SecretReference, XRay,
};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the operator writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// AWS objects, receivers and workloads are kept as the profile says.
    #[default]
    Apply,
    /// Nothing but status is written: `status.plan` says what Apply would do. What exists stays.
    Preview,
    /// Nothing is done at all. What exists stays; deleting the profile then retains everything.
    Suspended,
}

/// What to do with an AWS object of the same name that this profile did not create.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Leave it alone and report it (state `Foreign`).
    #[default]
    Reject,
    /// Take it over and keep it as declared. Allowed by the namespace annotation `tracewright.dev/allow-adopt`.
    Adopt,
    /// It must exist. It is read and never written.
    Observe,
}

/// What becomes of an AWS object when its entry or its profile is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = maps::explained_by_field)]
pub enum DeletionPolicy {
    /// It is deleted.
    Delete,
    /// It stays, without our tags.
    Retain,
}

/// One declaration of a service's observability: AWS X-Ray groups and sampling rules, CloudWatch log groups, the
/// X-Ray receiver, and the OpenTelemetry and X-Ray environment variables of the selected workloads.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tracewright.dev",
    version = "v1alpha1",
    kind = "ObservabilityProfile",
    plural = "observabilityprofiles",
    shortname = "obsp",
    category = "observability",
    namespaced,
    status = "ObservabilityProfileStatus",
    derive = "PartialEq",
    doc = "One declaration of a service's observability: AWS X-Ray groups and sampling rules, CloudWatch log groups, the X-Ray receiver, and the OpenTelemetry and X-Ray environment variables of the selected workloads.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')")
        .message("metadata.name must be at most 50 characters of a-z, 0-9 and '-', begin with a letter and end with a letter or digit, because the receiver's Service is named <name>-xray"),
    validation = rules::region_stays(),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "XRay", type_ = "string", json_path = ".status.summary.xray"),
    printcolumn(name = "Logs", type_ = "string", json_path = ".status.summary.logs"),
    printcolumn(name = "Workloads", type_ = "string", json_path = ".status.summary.workloads"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.region", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = "1")
)]
#[x_kube(validation = Rule::new("!has(self.xray) || !has(self.xray.groups) || (has(self.service) && has(self.service.name)) || self.xray.groups.all(g, has(g.filterExpression) || (has(g.adoptionPolicy) && g.adoptionPolicy == 'Observe'))")
    .message("without spec.service.name each entry of spec.xray.groups needs its own filterExpression: write service(\"<name>\"), or set spec.service.name"))]
#[x_kube(validation = Rule::new("!has(self.xray) || !has(self.xray.samplingRules) || (has(self.service) && has(self.service.name)) || self.xray.samplingRules.all(r, has(r.serviceName) || r.name == 'Default' || (has(r.adoptionPolicy) && r.adoptionPolicy == 'Observe'))")
    .message("without spec.service.name each entry of spec.xray.samplingRules needs its own serviceName: write the service's name or \"*\", or set spec.service.name"))]
#[x_kube(validation = Rule::new("!has(self.xray) || !has(self.xray.receiver) || !has(self.xray.receiver.collector) || !has(self.xray.receiver.collector.exportToOtlp) || !self.xray.receiver.collector.exportToOtlp || (has(self.traces) && has(self.traces.otlp))")
    .message("spec.xray.receiver.collector.exportToOtlp needs spec.traces.otlp: set its endpoint, or remove exportToOtlp"))]
#[x_kube(validation = Rule::new("!has(self.aws) || !has(self.aws.region) || !has(self.logs) || !has(self.logs.groups) || self.logs.groups.all(g, !has(g.kmsKeyArn) || g.kmsKeyArn.contains(':kms:' + self.aws.region + ':'))")
    .message("the kmsKeyArn of a log group must be a key of spec.aws.region, because CloudWatch Logs takes no key of another region"))]
#[serde(rename_all = "camelCase")]
pub struct ObservabilityProfileSpec {
    /// Whether the operator writes: `Apply` keeps everything as declared, `Preview` only fills `status.plan`,
    /// `Suspended` does nothing.
    #[serde(default)]
    pub mode: Mode,

    /// The identity under which the service appears in traces, rules and groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,

    /// Which workloads of this namespace receive the environment variables, and how they are rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Workloads>,

    /// Where the service's spans go and how its SDK is set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Traces>,

    /// The AWS account and region of the objects of this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,

    /// AWS X-Ray: groups, sampling rules and the receiver that the workloads send segments to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xray: Option<XRay>,

    /// CloudWatch Logs: log groups and the one that the workloads write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
}
