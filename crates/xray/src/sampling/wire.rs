//! What the samplers ask X-Ray and what it answers, as JSON.
//!
//! Source: [`GetSamplingRules`](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingRules.html) and
//! [`GetSamplingTargets`](https://docs.aws.amazon.com/xray/latest/api/API_GetSamplingTargets.html). Members that no sampler
//! reads are skipped.

use crate::rule::SamplingRule;
use serde::{Deserialize, Serialize};

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
    #[serde(default)]
    sampling_rule_records: Vec<SamplingRuleRecord>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SamplingRuleRecord {
    sampling_rule: serde_json::Value,
}

impl SamplingRules {
    /// The rules in the order they came in. One that cannot be read is left out; the others still count.
    pub fn rules(self) -> impl Iterator<Item = SamplingRule> {
        let records = self.sampling_rule_records.into_iter();
        records.filter_map(|record| serde_json::from_value(record.sampling_rule).ok())
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
