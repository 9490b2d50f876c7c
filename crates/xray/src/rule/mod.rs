//! Sampling rules: what they say, in which order they are tried, which request each matches, and which never match.
//!
//! Two families of clients read the same rules and differ; [`Client`] says how. Everything here takes one of them, or
//! reports for which of them it holds.
//!
//! ```
//! use tracewright_xray::rule::{Client, Request, RuleSet, SamplingRule, unreachable};
//!
//! let all = SamplingRule { rule_name: "all".into(), priority: 10, ..SamplingRule::factory_default() };
//! let home = SamplingRule { rule_name: "home".into(), priority: 20, url_path: "/api/*/home".into(), ..all.clone() };
//! let rules = RuleSet::new([home, all, SamplingRule::factory_default()]);
//!
//! let request = Request { path: Some("/api/activities/home"), ..Request::default() };
//! assert_eq!(rules.first_match(&request, Client::XRaySdk).map(|rule| &*rule.rule_name), Some("all"));
//! assert_eq!(
//!     unreachable(&rules)[0].to_string(),
//!     "sampling rule `home` (priority 20) is never reached: `all` (priority 10) is tried before it and matches every \
//!      request that it matches; give `home` a priority below 10, or narrow `all`"
//! );
//! ```

mod finding;
mod set;
pub mod wildcard;

pub use finding::{
    Finding, FindingKind, ServiceNames, equal_priorities, ignored, name_cannot_match, unreachable,
};
pub use set::{Request, RuleSet};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::name::DEFAULT_RULE;

/// A sampling rule, with the names and in the shape of X-Ray's API.
///
/// Source: [`SamplingRule`](https://docs.aws.amazon.com/xray/latest/api/API_SamplingRule.html).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRule {
    /// Name, unique in account and region.
    pub rule_name: String,
    /// ARN; absent until the rule is created.
    #[serde(rename = "RuleARN", default, skip_serializing_if = "Option::is_none")]
    pub rule_arn: Option<String>,
    /// 1 to 9999, lower ones are tried first; `Default` has 10000.
    pub priority: i32,
    /// Share of the matching requests that are traced once the reservoir is used up, from 0 to 1.
    pub fixed_rate: f64,
    /// Matching requests per second that are traced in any case, over all clients together.
    pub reservoir_size: i32,
    /// Pattern of the service's name: the segment's name in X-Ray SDKs, `service.name` in OpenTelemetry.
    pub service_name: String,
    /// Pattern of the service's type, such as `AWS::EKS::Container`.
    pub service_type: String,
    /// Pattern of the request's host.
    pub host: String,
    /// Pattern of the request's method.
    #[serde(rename = "HTTPMethod")]
    pub http_method: String,
    /// Pattern of the request's path.
    #[serde(rename = "URLPath")]
    pub url_path: String,
    /// Pattern of the ARN of the resource on which the service runs.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: String,
    /// Patterns of span attributes, by key.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Version of the rule's format: 1.
    pub version: i32,
    /// How far the rate may rise while anomalies are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling_rate_boost: Option<SamplingRateBoost>,
}

/// A bound on adaptive sampling.
///
/// Source: [`SamplingRateBoost`](https://docs.aws.amazon.com/xray/latest/api/API_SamplingRateBoost.html).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRateBoost {
    /// Highest rate, from 0 to 1.
    pub max_rate: f64,
    /// Minutes from one boost to the next.
    pub cooldown_window_minutes: i32,
}

impl SamplingRule {
    /// X-Ray's own rule `Default` as every account starts with it: one request per second, then 5 %.
    ///
    /// Source: [Configuring sampling rules](https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html).
    #[must_use]
    pub fn factory_default() -> Self {
        let any = || "*".to_owned();
        Self {
            rule_name: DEFAULT_RULE.to_owned(),
            rule_arn: None,
            priority: 10_000,
            fixed_rate: 0.05,
            reservoir_size: 1,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            resource_arn: any(),
            attributes: BTreeMap::new(),
            version: 1,
            sampling_rate_boost: None,
        }
    }

    /// Whether this is X-Ray's own rule, which is tried last and matches everything.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.rule_name == DEFAULT_RULE
    }

    /// Why clients of this family never look at the rule, if so.
    #[must_use]
    pub fn ignored_by(&self, client: Client) -> Option<Ignored> {
        if self.version != 1 {
            return Some(Ignored::Version);
        }
        match client {
            Client::OpenTelemetry => None,
            Client::XRaySdk if self.resource_arn != "*" => Some(Ignored::ResourceArn),
            Client::XRaySdk if !self.attributes.is_empty() => Some(Ignored::Attributes),
            Client::XRaySdk if self.service_type.is_empty() => Some(Ignored::ServiceType),
            Client::XRaySdk => None,
        }
    }
}

/// The two families of clients that decide by sampling rules.
///
/// | | X-Ray SDKs | OpenTelemetry samplers |
/// |---|---|---|
/// | patterns | without regard to case | with regard to case (Node.js: without) |
/// | a request without a value | every pattern matches | only `*` matches |
/// | an empty value | as no value | a text like others |
/// | `ResourceARN` other than `*`, `Attributes` | the rule is ignored | evaluated |
/// | `Version` other than 1 | the rule is ignored | the rule is ignored |
/// | `ServiceName` is compared with | the segment's name, which dynamic naming changes | `service.name` |
///
/// Read from `aws-xray-sdk` 2.15 for Python (`core/sampling`, `core/utils/search_pattern.py`) and from the remote
/// samplers of OpenTelemetry Python, Go and Node.js for AWS. Tests replay the answers of the first and of its sibling for
/// Node.js, and of OpenTelemetry Python's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// The X-Ray SDKs, and this project's telemetry library.
    XRaySdk,
    /// OpenTelemetry SDKs with an X-Ray remote sampler.
    OpenTelemetry,
}

impl Client {
    /// Both families.
    pub const ALL: &'static [Self] = &[Self::XRaySdk, Self::OpenTelemetry];

    /// The character that stands for all that the client takes to be the same.
    pub(super) fn fold(self, c: char) -> char {
        match self {
            Self::OpenTelemetry => c,
            Self::XRaySdk => {
                let mut lower = c.to_lowercase();
                // The one character whose lower case is two (`İ`) is the same as itself only.
                match (lower.next(), lower.next()) {
                    (Some(lower), None) => lower,
                    _ => c,
                }
            }
        }
    }
}

/// Why a client ignores a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// `Version` is not 1.
    Version,
    /// `ResourceARN` is not `*`.
    ResourceArn,
    /// `Attributes` are not empty.
    Attributes,
    /// `ServiceType` is empty.
    ServiceType,
}
