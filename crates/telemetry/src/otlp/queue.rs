//! Spans on their way to OTLP: encoded, in batches, bounded.

use super::encode;
use crate::metrics::{Exporter, Metrics};
use crate::settings::{Batching, Limits};
use crate::shutdown::Close;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::trace::SpanData;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Encoded spans by scope.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) scopes: Vec<(InstrumentationScope, Vec<u8>)>,
    pub(crate) spans: usize,
}

impl Batch {
    fn push(&mut self, scope: &InstrumentationScope, span: &[u8]) {
        let known = self.scopes.iter_mut().find(|(known, _)| known == scope);
        match known {
            Some((_, spans)) => spans.extend_from_slice(span),
            None => self.scopes.push((scope.clone(), span.to_vec())),
        }
        self.spans += 1;
    }
}

/// The queue between the threads that end spans and the one that exports them.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    waiting: Mutex<Waiting>,
    /// Told when a batch is full.
    pub(super) batch_full: Notify,
    batching: Batching,
    value_chars: Option<usize>,
    dropped: Counter,
    shut_down: Counter,
    length: Gauge,
}

#[derive(Debug, Default)]
struct Waiting {
    full: VecDeque<Batch>,
    open: Batch,
    spans: usize,
    /// Nobody takes anything any more.
    closed: bool,
}

thread_local! {
    /// Where a span is encoded before the queue is locked.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl SpanQueue {
    pub(crate) fn new(batching: Batching, limits: Limits, metrics: &Metrics) -> Self {
        Self {
            waiting: Mutex::default(),
            batch_full: Notify::new(),
            batching,
            value_chars: limits.value_chars,
            dropped: metrics.dropped(Exporter::Otlp, "queue_full"),
            shut_down: metrics.dropped(Exporter::Otlp, "shutdown"),
            length: metrics.queue("otlp"),
        }
    }

    /// Encodes a span and queues it; if the queue is full, the span is dropped and counted.
    pub(crate) fn push(&self, span: &SpanData) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            encode::span(scratch, span, self.value_chars);
            let is_full = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.spans >= self.batching.queue_spans {
                    self.dropped.inc();
                    return;
                }
                if waiting.closed {
                    self.shut_down.inc();
                    return;
                }
                waiting.spans += 1;
                self.length.set(waiting.spans as i64);
                waiting.open.push(&span.instrumentation_scope, scratch);
                let is_full = waiting.open.spans >= self.batching.batch_spans;
                if is_full {
                    let full = std::mem::take(&mut waiting.open);
                    waiting.full.push_back(full);
                }
                is_full
            };
            if is_full {
                self.batch_full.notify_one();
            }
        });
    }

    /// The next full batch; if there is none and `partial` is true, what there is.
    pub(super) fn take(&self, partial: bool) -> Option<Batch> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = match waiting.full.pop_front() {
            Some(batch) => batch,
            None if partial && waiting.open.spans > 0 => std::mem::take(&mut waiting.open),
            None => return None,
        };
        waiting.spans -= batch.spans;
        self.length.set(waiting.spans as i64);
        Some(batch)
    }
}

impl Close for SpanQueue {
    fn close(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.shut_down.inc_by(waiting.spans as u64);
        self.length.set(0);
        *waiting = Waiting {
            closed: true,
            ..Waiting::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Defaults, Settings};
    use opentelemetry::trace::{
        SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    };
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use std::time::UNIX_EPOCH;

    fn span(scope: &'static str) -> SpanData {
        SpanData {
            span_context: SpanContext::new(
                TraceId::from(1),
                SpanId::from(2),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "work".into(),
            start_time: UNIX_EPOCH,
            end_time: UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder(scope).build(),
        }
    }

    fn queue(metrics: &Metrics) -> SpanQueue {
        let (settings, _) = Settings::read(
            [],
            Defaults {
                service_name: None,
                log_filter: "info",
            },
        );
        let batching = Batching {
            queue_spans: 5,
            batch_spans: 2,
            ..settings.batching
        };
        SpanQueue::new(batching, settings.limits, metrics)
    }

    #[test]
    fn full_batches_come_first_and_the_rest_when_asked_for() {
        let queue = queue(&Metrics::new(&[]));
        for scope in ["a", "b", "a"] {
            queue.push(&span(scope));
        }
        let batch = queue.take(false).unwrap();
        assert_eq!((batch.spans, batch.scopes.len()), (2, 2));
        assert!(queue.take(false).is_none());
        assert_eq!(queue.take(true).unwrap().spans, 1);
        assert!(queue.take(true).is_none());
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let metrics = Metrics::new(&[]);
        let queue = queue(&metrics);
        for _ in 0..9 {
            queue.push(&span("a"));
        }
        assert_eq!(metrics.dropped(Exporter::Otlp, "queue_full").get(), 4);
        assert_eq!(metrics.queue("otlp").get(), 5);
        let spans: usize = std::iter::from_fn(|| queue.take(true))
            .map(|batch| batch.spans)
            .sum();
        assert_eq!(spans, 5);
        assert_eq!(metrics.queue("otlp").get(), 0);
    }

    #[test]
    fn what_waits_or_comes_when_nobody_takes_it_any_more_is_counted() {
        let metrics = Metrics::new(&[]);
        let queue = queue(&metrics);
        for _ in 0..3 {
            queue.push(&span("a"));
        }
        queue.close();
        queue.push(&span("a"));
        assert_eq!(metrics.dropped(Exporter::Otlp, "shutdown").get(), 4);
        assert_eq!(metrics.queue("otlp").get(), 0);
        assert!(queue.take(true).is_none());
    }
}
