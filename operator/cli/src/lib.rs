//! The operator and its commands: all input and output.

pub mod apply;
pub mod aws;
pub mod lease;
pub mod metrics;
