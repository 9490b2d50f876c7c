//! Log records of `tracing` and `log`: to the console, and in batches to CloudWatch Logs.

// Without the feature nothing is shipped; what prepares shipping has no user then.
#[cfg_attr(not(feature = "cloudwatch"), allow(dead_code))]
mod batch;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod layer;
#[cfg_attr(not(feature = "cloudwatch"), allow(dead_code))]
mod queue;
#[cfg_attr(not(feature = "cloudwatch"), allow(dead_code))]
mod shipper;

#[cfg(feature = "cloudwatch")]
pub(crate) use cloudwatch::CloudWatch;
pub(crate) use layer::{LogLayer, mark_telemetry_thread};
pub(crate) use queue::LogQueue;
#[cfg(feature = "cloudwatch")]
pub(crate) use shipper::run;

#[cfg(test)]
mod random_inputs;
