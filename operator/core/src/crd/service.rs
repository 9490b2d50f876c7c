//! `spec.service` and `spec.aws`: who the service is, and whose account holds its objects.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::maps;

/// The identity under which the service appears in traces, rules and groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// `service.name`: becomes OTEL_SERVICE_NAME, the default `serviceName` of each sampling rule and the default
    /// filter `service("<name>")` of each group. Unset: each workload's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9 _.:/%&#=+\\\\-@]+$')")
        .message("spec.service.name may hold only A-Z a-z 0-9, space and _ . : / % & # = + - @, the characters that an X-Ray segment name may have"))]
    #[x_kube(validation = Rule::new("self.trim() == self")
        .message("spec.service.name must not begin or end with a space"))]
    pub name: Option<String>,

    /// `service.namespace`: groups services of one system, for example `cruddur`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub namespace: Option<String>,

    /// More resource attributes, for example `deployment.environment.name: production`. Values are percent-encoded
    /// where they are injected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "maps::resource_attributes")]
    pub attributes: BTreeMap<String, String>,
}

/// The AWS account and region of the objects of a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Aws {
    /// The AWS region, for example `us-east-1`. Unset: the operator's own. Once AWS was reached it stays, or goes back to
    /// the one in `status.region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$')")
        .message("spec.aws.region must be the code of an AWS region, for example us-east-1"))]
    pub region: Option<String>,

    /// ARN of a role that is assumed for the calls of this profile only. The namespace must allow it by the
    /// annotation `tracewright.dev/allowed-role-arns`. Unset: the operator's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 600))]
    #[x_kube(validation = Rule::new("self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$')")
        .message("spec.aws.roleArn must be the ARN of an IAM role, for example arn:aws:iam::123456789012:role/observability"))]
    pub role_arn: Option<String>,
}
