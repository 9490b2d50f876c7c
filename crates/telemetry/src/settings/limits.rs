//! `OTEL_BSP_*` and the span limits.

use super::environment::Environment;
use std::time::Duration;

/// How spans are batched for OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batching {
    pub(crate) delay: Duration,
    /// How long one batch may take with all its retries.
    pub(crate) export_timeout: Duration,
    pub(crate) queue_spans: usize,
    pub(crate) batch_spans: usize,
    pub(crate) concurrent_exports: usize,
}

impl Batching {
    /// More than this many spans are not kept in memory, whatever the variable says.
    const MAX_QUEUE: u64 = 1_000_000;
    /// A delay of nothing would leave the thread no pause.
    const MIN_DELAY: Duration = Duration::from_millis(1);

    pub(super) fn read(env: &mut Environment) -> Self {
        let queue = env.number(&["OTEL_BSP_MAX_QUEUE_SIZE"], 2_048, 1..=Self::MAX_QUEUE);
        let mut batch = env.number(
            &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
            512.min(queue),
            1..=Self::MAX_QUEUE,
        );
        if batch > queue {
            env.refuse(
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                format!("a batch is at most the queue of {queue}; {queue} holds"),
            );
            batch = queue;
        }
        Self {
            delay: env
                .milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"], 5_000)
                .max(Self::MIN_DELAY),
            export_timeout: env.timeout(&["OTEL_BSP_EXPORT_TIMEOUT"], 30_000),
            queue_spans: queue as usize,
            batch_spans: batch as usize,
            concurrent_exports: env.number(&["OTEL_BSP_MAX_CONCURRENT_EXPORTS"], 1, 1..=64)
                as usize,
        }
    }
}

/// How much one span may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) attributes: u32,
    pub(crate) events: u32,
    pub(crate) links: u32,
    pub(crate) event_attributes: u32,
    pub(crate) link_attributes: u32,
    /// The longest text of an attribute, in characters.
    pub(crate) value_chars: Option<usize>,
}

impl Limits {
    pub(super) fn read(env: &mut Environment) -> Self {
        const UNLIMITED: u64 = u32::MAX as u64;
        let mut count =
            |name| env.number(&[name, "OTEL_ATTRIBUTE_COUNT_LIMIT"], 128, 0..=UNLIMITED) as u32;
        let attributes = count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT");
        let event_attributes = count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT");
        let link_attributes = count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT");
        let length = [
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ];
        let value_chars = env.number(&length, UNLIMITED, 0..=UNLIMITED);
        Self {
            attributes,
            events: env.number(&["OTEL_SPAN_EVENT_COUNT_LIMIT"], 128, 0..=UNLIMITED) as u32,
            links: env.number(&["OTEL_SPAN_LINK_COUNT_LIMIT"], 128, 0..=UNLIMITED) as u32,
            event_attributes,
            link_attributes,
            value_chars: (value_chars < UNLIMITED).then_some(value_chars as usize),
        }
    }
}
