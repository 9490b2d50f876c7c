//! Names of the API, of the operator's own objects, and the ports at which the parts meet.

/// API group of the custom resource.
pub const API_GROUP: &str = "tracewright.dev";

/// API version of the custom resource.
pub const API_VERSION: &str = "v1alpha1";

/// Kind of the custom resource.
pub const KIND: &str = "ObservabilityProfile";

/// Plural of the custom resource.
pub const PLURAL: &str = "observabilityprofiles";

/// Short name of the custom resource.
pub const SHORT_NAME: &str = "obsp";

/// Category of the custom resource (`kubectl get observability`).
pub const CATEGORY: &str = "observability";

/// Finalizer on each profile.
pub const FINALIZER: &str = "tracewright.dev/cleanup";

/// Field manager of every write to the Kubernetes API.
pub const FIELD_MANAGER: &str = "tracewright";

/// Lease that the active replica holds, in the operator's namespace.
pub const LEASE: &str = "tracewright";

/// ConfigMap in the operator's namespace that lists AWS objects left behind by profiles released without credentials.
pub const ORPHANS_CONFIG_MAP: &str = "tracewright-orphans";

/// Appended to a profile's name to name each of its receiver objects; see [`receiver`].
pub const RECEIVER_SUFFIX: &str = "-xray";

/// Name of X-Ray's own sampling rule, which always exists and cannot be deleted
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-configuration.html>).
pub const DEFAULT_RULE: &str = "Default";

/// Name of X-Ray's own group, which can be neither created nor deleted
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-console-groups.html>).
pub const DEFAULT_GROUP: &str = "Default";

/// Port of a receiver, UDP for segments and TCP for the sampling proxy.
pub const RECEIVER_PORT: u16 = 2000;

/// Port of OTLP over HTTP.
pub const OTLP_HTTP_PORT: u16 = 4318;

/// Port of the emulated AWS endpoints.
pub const EMULATOR_PORT: u16 = 4566;

/// Port of the sample service.
pub const SERVICE_PORT: u16 = 4567;

/// Port of the operator's `/metrics`.
pub const METRICS_PORT: u16 = 8080;

/// Port of the operator's `/livez` and `/readyz`.
pub const PROBE_PORT: u16 = 8081;

/// Containers that are never injected unless `workloads.containers` names them: well-known sidecars.
pub const SIDECAR_CONTAINERS: &[&str] = &[
    "istio-proxy",
    "linkerd-proxy",
    "envoy",
    "aws-otel-collector",
    "cloudwatch-agent",
    "xray-daemon",
    "fluent-bit",
    "datadog-agent",
    "vault-agent",
    "cloud-sql-proxy",
];

/// Name of a profile's receiver objects.
///
/// ```
/// use tracewright_xray::contract::name::receiver;
/// assert_eq!(receiver("cruddur"), "cruddur-xray");
/// ```
#[must_use]
pub fn receiver(profile: &str) -> String {
    format!("{profile}{RECEIVER_SUFFIX}")
}
