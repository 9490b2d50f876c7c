//! Central sampling as the X-Ray SDKs do it: rules, statistics, time and random numbers in, decision out.
//!
//! [`Rules`] holds the rules of one load, compiled for matching, and the live counters; [`Fallback`] decides while there
//! are none. Both are shared between threads without a lock, and deciding allocates nothing. What is asked of and
//! answered by the service is in [`wire`].
//!
//! Of the two families of clients that [`Client`](crate::rule::Client) describes, this is
//! [`Client::XRaySdk`](crate::rule::Client::XRaySdk): patterns ignore case, rules with attributes are skipped, and a
//! rule's `ServiceName` is compared with the segment's name.

mod fallback;
mod matcher;
mod pattern;
mod reservoir;
mod rules;
pub mod wire;

pub use fallback::{FALLBACK_PER_SECOND, FALLBACK_RATE, Fallback};
pub use rules::{Decision, RULES_TTL_SECONDS, Rules};
