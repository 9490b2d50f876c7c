//! OTLP over HTTP: spans are encoded as they end, queued in batches, and posted by a task of the telemetry thread.

mod client;
mod encode;
mod export;
mod protobuf;
mod queue;

pub(crate) use client::Client;
pub(crate) use encode::{cut, resource};
pub(crate) use export::{discard, run};
pub(crate) use queue::SpanQueue;
