//! Log records of `tracing` and `log`: to the console, and in batches to CloudWatch Logs.

mod batch;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod layer;
mod queue;
mod shipper;

#[cfg(feature = "cloudwatch")]
pub(crate) use cloudwatch::CloudWatch;
pub(crate) use layer::{LogLayer, mark_telemetry_thread};
pub(crate) use queue::LogQueue;
#[cfg(feature = "cloudwatch")]
pub(crate) use shipper::run;
