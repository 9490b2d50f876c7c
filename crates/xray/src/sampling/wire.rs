//! What the samplers ask X-Ray and what it answers, as JSON.
//!
//! Source: [`GetSamplingRules`](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingRules.html) and
//! [`GetSamplingTargets`](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingTargets.html). Members that no sampler
//! reads are skipped.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where `GetSamplingRules` is posted to, with `{}`.
pub const GET_SAMPLING_RULES_PATH: &str = "/GetSamplingRules";
/// Where `GetSamplingTargets` is posted to.
pub const GET_SAMPLING_TARGETS_PATH: &str = "/SamplingTargets";
/// The most statistics documents of one `GetSamplingTargets`.
pub const MAX_STATISTICS_DOCUMENTS: usize = 25;

/// The answer of `GetSamplingRules`. Like the X-Ray SDKs, the samplers do not ask for a second page.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRules {
    /// All rules, in no order.
    #[serde(default)]
    pub sampling_rule_records: Vec<SamplingRuleRecord>,
}

/// One rule with its dates, which are skipped.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRuleRecord {
    /// The rule.
    pub sampling_rule: SamplingRule,
}

/// A rule as the samplers read it. A member that is absent makes the rule one that the X-Ray SDKs skip.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SamplingRule {
    /// The name, unique in an account and region.
    pub rule_name: String,
    /// Lower ones first.
    pub priority: i32,
    /// The rate once the reservoir is used up, 0 to 1.
    pub fixed_rate: f64,
    /// Traces a second of all clients together.
    pub reservoir_size: i64,
    /// Pattern of the segment's name.
    pub service_name: String,
    /// Pattern of the segment's origin.
    pub service_type: String,
    /// Pattern of the `Host` header.
    pub host: String,
    /// Pattern of the method.
    #[serde(rename = "HTTPMethod")]
    pub http_method: String,
    /// Pattern of the path.
    #[serde(rename = "URLPath")]
    pub url_path: String,
    /// Pattern of the resource; the X-Ray SDKs know only `*`.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: String,
    /// Attributes; the X-Ray SDKs skip rules that have any.
    pub attributes: Option<BTreeMap<String, String>>,
    /// Always 1.
    pub version: i64,
}

impl SamplingRule {
    /// Whether the X-Ray SDKs use the rule.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.version == 1
            && self.resource_arn == "*"
            && !self.service_type.is_empty()
            && self.attributes.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

/// What is posted to `GetSamplingTargets`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingTargetsRequest<'a> {
    /// At most [`MAX_STATISTICS_DOCUMENTS`].
    pub sampling_statistics_documents: &'a [SamplingStatistics<'a>],
}

/// What happened to one rule since its last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingStatistics<'a> {
    /// The rule.
    pub rule_name: &'a str,
    /// 24 hexadecimal digits, the same for the life of the process.
    #[serde(rename = "ClientID")]
    pub client_id: &'a str,
    /// Requests that matched.
    pub request_count: u64,
    /// Of those, the ones sampled on borrowed reservoir.
    pub borrow_count: u64,
    /// Of those, the ones sampled on quota or rate.
    pub sampled_count: u64,
    /// The second of the report, since 1970.
    pub timestamp: u32,
}

/// The answer of `GetSamplingTargets`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SamplingTargets {
    /// One target for each rule reported.
    pub sampling_target_documents: Vec<SamplingTarget>,
    /// When a rule was last changed, in seconds since 1970.
    pub last_rule_modification: Option<f64>,
}

/// How one rule is to sample from now on. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SamplingTarget {
    /// The rule.
    pub rule_name: String,
    /// The rate once the quota is used up.
    pub fixed_rate: Option<f64>,
    /// This client's share of the reservoir, in traces a second.
    pub reservoir_quota: Option<u32>,
    /// Until when the quota holds, in seconds since 1970.
    #[serde(rename = "ReservoirQuotaTTL")]
    pub reservoir_quota_ttl: Option<f64>,
    /// Seconds until the next report.
    pub interval: Option<u32>,
}
