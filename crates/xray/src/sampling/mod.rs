//! Central sampling as the X-Ray SDKs do it: rules, statistics, time and random numbers in, decision out.
//!
//! [`Rules`] holds the rules of one load, compiled for matching, and the live counters; [`Fallback`] decides while there
//! are none. Both are shared between threads without a lock, and deciding allocates nothing. What is asked of and
//! answered by the service is in [`wire`].
//!
//! The X-Ray SDKs and the OpenTelemetry samplers read the same rules differently. This module follows the X-Ray SDKs:
//! patterns ignore case (OpenTelemetry's are case-sensitive), rules with attributes, a resource ARN other than `*` or a
//! version other than 1 are skipped (OpenTelemetry evaluates them), and a rule's `ServiceName` is compared with the
//! segment's name, which dynamic naming changes (OpenTelemetry compares it with `service.name`).

mod fallback;
mod matcher;
mod pattern;
mod reservoir;
mod rules;
pub mod wire;

pub use fallback::{FALLBACK_PER_SECOND, FALLBACK_RATE, Fallback};
pub use pattern::matches_pattern;
pub use rules::{Decision, RULES_TTL_SECONDS, Rules};

/// What is known of a request when its decision is made. What is `None` or empty matches every pattern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The HTTP method.
    pub method: Option<&'a str>,
    /// The URL's path, without the query.
    pub path: Option<&'a str>,
    /// The segment's name.
    pub service: Option<&'a str>,
    /// The segment's origin, such as `AWS::EKS::Container`.
    pub service_type: Option<&'a str>,
}
