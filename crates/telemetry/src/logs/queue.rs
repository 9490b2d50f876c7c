//! Log events on their way to CloudWatch, bounded by number and by size.

use super::batch::{LogEvent, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::metrics::Metrics;
use crate::shutdown::Close;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// More events are not kept, those that are being shipped included; further ones are dropped and counted.
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
    shut_down: Counter,
    length: Gauge,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<LogEvent>,
    bytes: usize,
    /// What has been taken and is neither delivered nor lost.
    shipping: Load,
    /// Nobody takes anything any more.
    closed: bool,
}

/// How much some events are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Load {
    pub(super) fn of(events: &[LogEvent]) -> Self {
        Self {
            events: events.len(),
            bytes: events.iter().map(LogEvent::size).sum(),
        }
    }
}

impl LogQueue {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            waiting: Mutex::default(),
            batch_full: Notify::new(),
            full: metrics.log_dropped("queue_full"),
            empty: metrics.log_dropped("empty"),
            shut_down: metrics.log_dropped("shutdown"),
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
            let mut waiting = self.lock();
            let held = waiting.held();
            if held.events >= MAX_EVENTS || held.bytes + size > MAX_BYTES {
                self.full.inc();
                return;
            }
            if waiting.closed {
                self.shut_down.inc();
                return;
            }
            let was_full = waiting.is_full();
            waiting.bytes += size;
            waiting.events.push(event);
            self.length.set(held.events as i64 + 1);
            waiting.is_full() && !was_full
        };
        if is_full {
            self.batch_full.notify_one();
        }
    }

    /// Everything that waits. It counts against the bounds until it is said to be [settled](Self::settle).
    pub(super) fn take(&self) -> Vec<LogEvent> {
        let mut waiting = self.lock();
        let events = std::mem::take(&mut waiting.events);
        waiting.shipping.events += events.len();
        waiting.shipping.bytes += std::mem::take(&mut waiting.bytes);
        events
    }

    /// Notes that events that were taken are delivered, or lost.
    pub(super) fn settle(&self, load: Load) {
        let mut waiting = self.lock();
        let shipping = &mut waiting.shipping;
        shipping.events = shipping.events.saturating_sub(load.events);
        shipping.bytes = shipping.bytes.saturating_sub(load.bytes);
        self.length.set(waiting.held().events as i64);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Close for LogQueue {
    fn close(&self) {
        let mut waiting = self.lock();
        self.shut_down.inc_by(waiting.held().events as u64);
        self.length.set(0);
        *waiting = Waiting {
            closed: true,
            ..Waiting::default()
        };
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.events.len() >= MAX_BATCH_EVENTS || self.bytes >= MAX_BATCH_BYTES
    }

    /// All that counts against the bounds.
    fn held(&self) -> Load {
        Load {
            events: self.events.len() + self.shipping.events,
            bytes: self.bytes + self.shipping.bytes,
        }
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
        let taken = queue.take();
        assert_eq!(taken.len(), MAX_EVENTS);
        queue.settle(Load::of(&taken));
        let long = "x".repeat(200_000);
        for _ in 0..200 {
            queue.push(0, &long);
        }
        assert!(queue.take().iter().map(LogEvent::size).sum::<usize>() <= MAX_BYTES);
    }
    #[test]
    fn what_is_being_shipped_counts_until_it_is_settled() {
        let metrics = Metrics::new(&[]);
        let queue = LogQueue::new(&metrics);
        for _ in 0..MAX_EVENTS {
            queue.push(0, "x");
        }
        let taken = queue.take();
        queue.push(0, "x");
        assert_eq!(metrics.log_dropped("queue_full").get(), 1);
        assert_eq!(metrics.queue("logs").get(), MAX_EVENTS as i64);
        queue.settle(Load::of(&taken[1..]));
        queue.push(0, "x");
        assert_eq!(metrics.log_dropped("queue_full").get(), 1);
        assert_eq!(metrics.queue("logs").get(), 2);
        queue.close();
        queue.push(0, "x");
        assert_eq!(metrics.log_dropped("shutdown").get(), 3);
        assert_eq!(metrics.queue("logs").get(), 0);
    }
}
