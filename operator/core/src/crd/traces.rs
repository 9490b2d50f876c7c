//! `spec.traces`: exporters, propagators and sampler of the workloads' OpenTelemetry SDK.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{maps, rules};

/// Where the service's spans go and how its SDK is set up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Traces {
    /// Exports spans by the OpenTelemetry protocol, for example to Honeycomb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,

    /// Also prints each span to the container's standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<bool>,

    /// OTEL_PROPAGATORS, injected only when written. `xray` must be last, because a later propagator overrides what
    /// an earlier one extracted. SDKs without an X-Ray propagator refuse to start with `xray`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("!('xray' in self) || self[size(self) - 1] == 'xray'")
        .message("xray must be the last of spec.traces.propagators, because a later propagator overrides an earlier one: write for example [tracecontext, baggage, xray]"))]
    #[x_kube(validation = Rule::new("!('none' in self) || size(self) == 1")
        .message("none must be the only entry of spec.traces.propagators: remove the others, or remove none"))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub propagators: Option<Vec<Propagator>>,

    /// OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, injected only when written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,

    /// More `OTEL_*` and `AWS_XRAY_*` variables with literal values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
}

/// An OpenTelemetry protocol endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Otlp {
    /// OTEL_EXPORTER_OTLP_ENDPOINT: the base URL; SDKs append `/v1/traces` for the HTTP protocols.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::url("spec.traces.otlp.endpoint", "https://api.honeycomb.io"))]
    #[x_kube(validation = Rule::new("!self.matches('/v1/(traces|metrics|logs)/?$')")
        .message("spec.traces.otlp.endpoint must be the base URL without /v1/traces, which SDKs append themselves"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('#') && !self.matches('^[a-z]+://[^/]*@')")
        .message("spec.traces.otlp.endpoint must have no user, query or fragment: put keys into spec.traces.otlp.headers"))]
    pub endpoint: String,

    /// OTEL_EXPORTER_OTLP_PROTOCOL.
    #[serde(default)]
    pub protocol: Protocol,

    /// OTEL_EXPORTER_OTLP_COMPRESSION, injected only when written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,

    /// OTEL_EXPORTER_OTLP_CERTIFICATE: absolute path, in the container, of a PEM file with the certificate
    /// authorities to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('/')")
        .message("spec.traces.otlp.certificateFile must be an absolute path in the container, for example /etc/tls/ca.crt"))]
    pub certificate_file: Option<String>,

    /// OTEL_EXPORTER_OTLP_HEADERS: headers sent with each export, for example an API key out of a Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.all(h, self.exists_one(o, o.name.lowerAscii().replace('.', '-').replace('_', '-') == h.name.lowerAscii().replace('.', '-').replace('_', '-')))")
        .message("two entries of spec.traces.otlp.headers have the same name: upper and lower case, '-', '_' and '.' do not tell names apart"))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Vec<Header>,
}

/// OTLP transport. (OpenTelemetry specification, "OpenTelemetry Protocol Exporter".)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// Protobuf over HTTP, usually port 4318.
    #[default]
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// JSON over HTTP, usually port 4318.
    #[serde(rename = "http/json")]
    HttpJson,
    /// gRPC, usually port 4317.
    #[serde(rename = "grpc")]
    Grpc,
}

/// OTLP compression. (OpenTelemetry specification, "OpenTelemetry Protocol Exporter".)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = maps::explained_by_field)]
pub enum Compression {
    /// Gzip.
    Gzip,
    /// None.
    None,
}

/// One header of the OTLP exports: a literal value or a key of a Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)")
    .message("a header needs exactly one of value and valueFrom: keep API keys in a Secret and write valueFrom.secretKeyRef"))]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The header's name, for example `x-honeycomb-team`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')")
        .message("a header's name must hold only A-Z a-z 0-9 . _ - and begin and end with a letter or digit, for example x-honeycomb-team"))]
    pub name: String,

    /// The header's literal value; it is percent-encoded where it is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[\\\\x20-\\\\x7E]*$')")
        .message("a header's value must hold printable ASCII characters only"))]
    pub value: Option<String>,

    /// Where the header's value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HeaderSource>,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSource {
    /// A key of a Secret in the profile's namespace. The value is used as it is, so characters that the
    /// OTEL_EXPORTER_OTLP_HEADERS syntax reserves (`,` `;` `%` and space) must already be percent-encoded in it.
    pub secret_key_ref: SecretKeySelector,
}

/// A key of a Secret in the profile's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeySelector {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("secretKeyRef.name", "Secret"))]
    pub name: String,

    /// The key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
        .message("secretKeyRef.key must be a key of a Secret: A-Z a-z 0-9 - _ ."))]
    pub key: String,
}

/// A context propagator. (OpenTelemetry specification, "Environment Variable Specification", OTEL_PROPAGATORS.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Propagator {
    /// W3C Trace Context.
    Tracecontext,
    /// W3C Baggage.
    Baggage,
    /// B3 single header.
    B3,
    /// B3 multiple headers.
    B3multi,
    /// Jaeger.
    Jaeger,
    /// OpenTracing.
    Ottrace,
    /// AWS X-Ray (`X-Amzn-Trace-Id`).
    Xray,
    /// No propagator.
    None,
}

/// The SDK's sampler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!(self.type in ['traceidratio', 'parentbased_traceidratio']) || (has(self.argument) && self.argument.matches('^(0(\\\\.[0-9]+)?|1(\\\\.0+)?)$'))")
    .message("a ratio sampler needs an argument between 0 and 1, for example \"0.1\""))]
#[x_kube(validation = Rule::new("!(self.type in ['always_on', 'always_off', 'parentbased_always_on', 'parentbased_always_off']) || !has(self.argument)")
    .message("the always_on and always_off samplers take no argument: remove spec.traces.sampler.argument, or write type traceidratio"))]
#[x_kube(validation = Rule::new("self.type != 'xray' || !has(self.argument) || self.argument.matches('^(endpoint=https?://[^,=]+(,polling_interval=[1-9][0-9]*)?|polling_interval=[1-9][0-9]*)$')")
    .message("the xray sampler's argument must be endpoint=http://<host>:<port>,polling_interval=<seconds>; leave it out to use the profile's receiver"))]
#[x_kube(validation = Rule::new("!(self.type in ['jaeger_remote', 'parentbased_jaeger_remote']) || (has(self.argument) && self.argument.contains('endpoint='))")
    .message("the jaeger_remote sampler needs an argument such as endpoint=http://<host>:14250,pollingIntervalMs=5000,initialSamplingRate=0.25"))]
#[serde(rename_all = "camelCase")]
pub struct Sampler {
    /// OTEL_TRACES_SAMPLER. `xray` puts all spans under the X-Ray sampling rules; only some SDKs have it.
    #[serde(rename = "type")]
    pub type_: SamplerType,

    /// OTEL_TRACES_SAMPLER_ARG: the ratio, or the settings of a remote sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub argument: Option<String>,
}

/// A sampler of the SDK. (OpenTelemetry specification, "Environment Variable Specification", OTEL_TRACES_SAMPLER.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplerType {
    /// Every span.
    AlwaysOn,
    /// No span.
    AlwaysOff,
    /// A share of the traces.
    #[serde(rename = "traceidratio")]
    TraceIdRatio,
    /// The parent's decision, else every span.
    #[serde(rename = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// The parent's decision, else no span.
    #[serde(rename = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// The parent's decision, else a share of the traces.
    #[serde(rename = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
    /// Jaeger's remote sampler.
    JaegerRemote,
    /// The parent's decision, else Jaeger's remote sampler.
    #[serde(rename = "parentbased_jaeger_remote")]
    ParentBasedJaegerRemote,
    /// The sampling rules of AWS X-Ray, read through the receiver.
    Xray,
}

/// A variable with a literal value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable's name, `OTEL_…` or `AWS_XRAY_…`, without a field of its own in the profile.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^(OTEL|AWS_XRAY)_[A-Z0-9_]+$')")
        .message("spec.traces.env may set only variables whose names begin with OTEL_ or AWS_XRAY_; others belong to the workload itself"))]
    #[x_kube(validation = Rule::new("!(self in ['OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES', 'AWS_XRAY_TRACING_NAME'])")
        .message("OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and AWS_XRAY_TRACING_NAME come from spec.service: write spec.service.name and spec.service.attributes"))]
    #[x_kube(validation = Rule::new("!(self in ['OTEL_TRACES_EXPORTER', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_COMPRESSION', 'OTEL_EXPORTER_OTLP_CERTIFICATE', 'OTEL_PROPAGATORS', 'OTEL_TRACES_SAMPLER', 'OTEL_TRACES_SAMPLER_ARG'])")
        .message("this variable has a field of its own: write spec.traces.otlp, spec.traces.console, spec.traces.propagators or spec.traces.sampler"))]
    #[x_kube(validation = Rule::new("!(self in ['AWS_XRAY_DAEMON_ADDRESS', 'AWS_XRAY_URL'])")
        .message("AWS_XRAY_DAEMON_ADDRESS and AWS_XRAY_URL come from spec.xray: write spec.xray.receiver and spec.xray.dynamicNaming"))]
    pub name: String,

    /// The literal value. `$(…)` is not expanded.
    #[schemars(length(max = 4096))]
    pub value: String,
}
