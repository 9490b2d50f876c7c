//! The emulator under the AWS SDKs for Rust, under raw HTTP, and under its control interface.

mod accounts;
mod clock;
mod control;
mod faults;
mod limits;
mod logs_describe;
mod logs_events;
mod logs_groups;
mod logs_policies;
mod logs_read;
mod support;
mod wire;
mod xray_account;
mod xray_graph;
mod xray_groups;
mod xray_rules;
mod xray_sampling;
mod xray_traces;
