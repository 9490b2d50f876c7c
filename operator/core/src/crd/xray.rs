//! `spec.xray`: groups, sampling rules and the receiver.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdoptionPolicy, DeletionPolicy, maps, rules};

/// AWS X-Ray: groups, sampling rules and the receiver that the workloads send segments to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct XRay {
    /// AWS_XRAY_URL: a host pattern (`*` and `?`). An X-Ray SDK that is set up for dynamic naming names a segment
    /// after the request's Host when it matches, and then neither rules nor groups of the service's own name apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9*?._:-]+$')")
        .message("spec.xray.dynamicNaming must be a host pattern of A-Z a-z 0-9 . _ : - with the wildcards * and ?, for example *.example.com"))]
    pub dynamic_naming: Option<String>,

    /// What receives X-Ray segments on UDP 2000 and serves sampling rules on TCP 2000. Unset: the operator's default
    /// receiver, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Receiver>,

    /// X-Ray groups. AWS allows 25 of them per account and region, for all tools together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 25))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<Group>,

    /// X-Ray sampling rules, and the rule `Default`. AWS allows 25 custom rules per account and region by default,
    /// for all tools together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 26))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sampling_rules: Vec<SamplingRule>,
}

/// An X-Ray group: a named filter over traces. (AWS X-Ray API, CreateGroup.)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The group's name, unique in the account and region. Case-sensitive.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9-]+$')")
        .message("a group's name must be 1 to 32 letters, digits and dashes"))]
    #[x_kube(validation = Rule::new("self != 'Default'")
        .message("Default is a group of AWS X-Ray itself and cannot be managed: choose another name"))]
    pub name: String,

    /// Which traces belong to the group, for example `service("backend") AND responsetime > 2`. Unset:
    /// `service("<spec.service.name>")`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.trim() != ''")
        .message("filterExpression must not be blank: write for example service(\"backend\"), or leave it out"))]
    pub filter_expression: Option<String>,

    /// X-Ray Insights. Unset: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,

    /// Tags. Only these keys are managed; unset ones are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::tags")]
    pub tags: BTreeMap<String, String>,

    /// What to do when a group of this name exists that this profile did not create.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// What becomes of the group when this entry or the profile is removed. Unset: `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// X-Ray Insights of a group. (AWS X-Ray API, InsightsConfiguration.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.notifications) || !self.notifications || self.enabled")
    .message("insights.notifications need insights.enabled: true"))]
#[serde(rename_all = "camelCase")]
pub struct Insights {
    /// Whether X-Ray looks for insights in the group.
    pub enabled: bool,

    /// Whether insights are announced on Amazon EventBridge. Unset: left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<bool>,
}

/// An X-Ray sampling rule. (AWS X-Ray API, SamplingRule.)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.name == 'Default' || self.adoptionPolicy == 'Observe' || has(self.priority)")
    .message("a sampling rule needs priority: write 1 to 9999; the lowest is asked first"))]
#[x_kube(validation = Rule::new("self.adoptionPolicy == 'Observe' || (has(self.fixedRate) && has(self.reservoirSize))")
    .message("a sampling rule needs fixedRate (0 to 1) and reservoirSize (traces per second, 0 or more)"))]
#[x_kube(validation = Rule::new("self.name != 'Default' || !(has(self.priority) || has(self.serviceName) || has(self.serviceType) || has(self.host) || has(self.httpMethod) || has(self.urlPath) || has(self.resourceArn) || (has(self.attributes) && size(self.attributes) > 0) || has(self.rateBoost))")
    .message("of the rule Default only fixedRate and reservoirSize can be managed: AWS refuses every other field; remove them"))]
#[x_kube(validation = Rule::new("self.name != 'Default' || !has(self.deletionPolicy)")
    .message("the rule Default cannot be deleted, it is restored to rate 0.05 and reservoir 1: remove deletionPolicy"))]
#[serde(rename_all = "camelCase")]
pub struct SamplingRule {
    /// The rule's name, unique in the account and region. `Default` manages the rate and reservoir of the rule that
    /// every account has, if the namespace annotation `tracewright.dev/allow-adopt` allows it.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.trim() == self")
        .message("a sampling rule's name must not begin or end with a space"))]
    pub name: String,

    /// Rules are asked in ascending order of priority, and of name where priorities are equal. 1 to 9999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 9999")
        .message("priority must be 1 to 9999; the lowest is asked first"))]
    pub priority: Option<i32>,

    /// The share of matching requests that are sampled after the reservoir is used up. 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 0.0 && self <= 1.0")
        .message("fixedRate must be a share between 0 and 1, for example 0.1 for ten percent"))]
    pub fixed_rate: Option<f64>,

    /// Matching requests sampled per second, over all services together, before `fixedRate` applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 0")
        .message("reservoirSize must be 0 or more: how many matching requests are sampled per second before fixedRate applies"))]
    pub reservoir_size: Option<i32>,

    /// Pattern (`*`, `?`) of the service's name as it appears in segments. Unset: `spec.service.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub service_name: Option<String>,

    /// Pattern of the service's type, for example `AWS::EKS::Container`. Unset: `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub service_type: Option<String>,

    /// Pattern of the request's Host header. Unset: `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub host: Option<String>,

    /// Pattern of the request's method. Unset: `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10))]
    pub http_method: Option<String>,

    /// Pattern of the request's path. Unset: `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub url_path: Option<String>,

    /// Pattern of the ARN of the AWS resource the service runs on. Unset: `*`. X-Ray SDKs ignore a rule in which it is
    /// anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub resource_arn: Option<String>,

    /// Span attributes that must match. X-Ray SDKs ignore a rule that has any; OpenTelemetry samplers obey it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::rule_attributes")]
    pub attributes: BTreeMap<String, String>,

    /// Adaptive sampling: how far anomalies may raise the rate. AWS has no way to remove a boost; leaving it out after
    /// it was set turns it down to `maxRate: 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_boost: Option<SamplingRateBoost>,

    /// Tags. Only these keys are managed; unset ones are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::tags")]
    pub tags: BTreeMap<String, String>,

    /// What to do when a rule of this name exists that this profile did not create.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// What becomes of the rule when this entry or the profile is removed. Unset: `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Adaptive sampling of a rule. (AWS X-Ray API, SamplingRateBoost.)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SamplingRateBoost {
    /// The highest rate that a boost may reach. 0 to 1.
    #[x_kube(validation = Rule::new("self >= 0.0 && self <= 1.0")
        .message("rateBoost.maxRate must be a share between 0 and 1, for example 0.5 for fifty percent"))]
    pub max_rate: f64,

    /// Minutes after a boost before there may be another. At least 1.
    #[x_kube(validation = Rule::new("self >= 1")
        .message("rateBoost.cooldownWindowMinutes must be 1 or more"))]
    pub cooldown_window_minutes: i32,
}

/// What receives X-Ray segments: exactly one of `daemon`, `collector` and `external`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.daemon), has(self.collector), has(self.external)].exists_one(x, x)")
    .message("spec.xray.receiver needs exactly one of daemon, collector and external"))]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    /// Runs the AWS X-Ray daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<Daemon>,

    /// Runs an OpenTelemetry Collector with the `awsxray` receiver and exporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collector: Option<Collector>,

    /// Uses a receiver that runs already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalReceiver>,
}

/// The AWS X-Ray daemon as receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Daemon {
    /// How the receiver's pods run.
    #[serde(flatten)]
    pub pods: ReceiverPods,
}

/// An OpenTelemetry Collector as receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Collector {
    /// Also sends what the receiver gets to `spec.traces.otlp`, so that services that only know X-Ray appear there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_to_otlp: Option<bool>,

    /// How the receiver's pods run.
    #[serde(flatten)]
    pub pods: ReceiverPods,
}

/// How the pods of a receiver run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!(has(self.serviceAccountName) && has(self.serviceAccountAnnotations))")
    .message("write serviceAccountName to use a ServiceAccount that exists, or serviceAccountAnnotations to have one made, not both"))]
#[x_kube(validation = Rule::new("!has(self.replicas) || !has(self.workload) || self.workload == 'Deployment'")
    .message("replicas apply to a Deployment only: a DaemonSet runs one pod per node; remove replicas"))]
#[serde(rename_all = "camelCase")]
pub struct ReceiverPods {
    /// `Deployment` (default) behind a Service, or `DaemonSet` with node-local traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<ReceiverWorkload>,

    /// Container image. Unset: the operator's default for this kind of receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("!self.matches('[[:space:]]')")
        .message("image must be an image reference without spaces, for example public.ecr.aws/xray/aws-xray-daemon:3.6.6"))]
    pub image: Option<String>,

    /// Pods of a Deployment. Unset: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 100")
        .message("replicas must be 1 to 100"))]
    pub replicas: Option<i32>,

    /// CPU and memory of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Labels of the nodes that the pods may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::labels")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "maps::tolerations")]
    pub tolerations: Vec<Toleration>,

    /// PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("priorityClassName", "PriorityClass"))]
    pub priority_class_name: Option<String>,

    /// A ServiceAccount that exists, for example with an EKS Pod Identity association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("serviceAccountName", "ServiceAccount"))]
    pub service_account_name: Option<String>,

    /// Annotations of the ServiceAccount that is made for the receiver, for example `eks.amazonaws.com/role-arn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "maps::annotations")]
    pub service_account_annotations: Option<BTreeMap<String, String>>,

    /// A Secret of this namespace with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary
    /// credentials, AWS_SESSION_TOKEN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<SecretReference>,

    /// URL that replaces the AWS X-Ray endpoint, for example a VPC endpoint or an emulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::url("endpoint", "https://vpce-0123-xray.us-east-1.vpce.amazonaws.com"))]
    pub endpoint: Option<String>,
}

/// What kind of workload runs a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = maps::explained_by_field)]
pub enum ReceiverWorkload {
    /// A Deployment.
    #[default]
    Deployment,
    /// A DaemonSet.
    DaemonSet,
}

/// CPU and memory of a container, by resource name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What is reserved for each pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::quantities")]
    pub requests: BTreeMap<String, IntOrString>,

    /// What each pod may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::quantities")]
    pub limits: BTreeMap<String, IntOrString>,
}

/// A Secret of the profile's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("credentialsSecret.name", "Secret"))]
    pub name: String,
}

/// A receiver that runs already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalReceiver {
    /// AWS_XRAY_DAEMON_ADDRESS: `host:port`, or `tcp:host:port udp:host:port` where they differ.
    #[schemars(length(min = 3, max = 512))]
    #[x_kube(validation = rules::daemon_address())]
    pub address: String,
}
