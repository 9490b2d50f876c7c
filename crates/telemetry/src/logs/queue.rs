//! Log events on their way to CloudWatch, bounded by number and by size.

use super::batch::{LogEvent, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// More events are not kept; further ones are dropped and counted.
pub(super) const MAX_EVENTS: usize = 50_000;
/// More bytes are not kept either.
pub(super) const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The queue between the threads that log and the one that ships.
#[derive(Debug)]
pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    /// Told when there is enough for a call.
    pub(super) batch_full: Notify,
    full: Counter,
    empty: Counter,
    length: Gauge,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<LogEvent>,
    bytes: usize,
}

impl LogQueue {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            waiting: Mutex::default(),
            batch_full: Notify::new(),
            full: metrics.log_dropped("queue_full"),
            empty: metrics.log_dropped("empty"),
            length: metrics.queue("logs"),
        }
    }

    /// Queues a text with its time in milliseconds since 1970. What is empty or finds no room is dropped and counted.
    pub(super) fn push(&self, timestamp: i64, message: &str) {
        let Some(event) = LogEvent::new(timestamp, message.to_owned()) else {
            self.empty.inc();
            return;
        };
        let size = event.size();
        let is_full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.events.len() >= MAX_EVENTS || waiting.bytes + size > MAX_BYTES {
                self.full.inc();
                return;
            }
            let was_full = waiting.is_full();
            waiting.bytes += size;
            waiting.events.push(event);
            self.length.set(waiting.events.len() as i64);
            waiting.is_full() && !was_full
        };
        if is_full {
            self.batch_full.notify_one();
        }
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> Vec<LogEvent> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        self.length.set(0);
        std::mem::take(&mut waiting.events)
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.events.len() >= MAX_BATCH_EVENTS || self.bytes >= MAX_BATCH_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_or_is_empty_is_dropped_and_counted() {
        let metrics = Metrics::new(&[]);
        let queue = LogQueue::new(&metrics);
        for _ in 0..MAX_EVENTS + 7 {
            queue.push(0, "x");
        }
        queue.push(0, "");
        assert_eq!(metrics.log_dropped("queue_full").get(), 7);
        assert_eq!(metrics.log_dropped("empty").get(), 1);
        assert_eq!(queue.take().len(), MAX_EVENTS);
        let long = "x".repeat(200_000);
        for _ in 0..200 {
            queue.push(0, &long);
        }
        assert!(queue.take().iter().map(LogEvent::size).sum::<usize>() <= MAX_BYTES);
    }
}
