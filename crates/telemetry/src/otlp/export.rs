//! The task that takes batches from the queue and posts them until they are delivered, refused, or too old.

use super::client::{Client, SendError};
use super::encode;
use super::queue::{Batch, SpanQueue};
use crate::health::Health;
use crate::metrics::{Exporter, Metrics};
use crate::random::random;
use crate::settings::Batching;
use crate::shutdown::{Close, Consumer, Flush, Flushes, deadline_in};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

/// The first wait before another try; each further one is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// The longest wait that nobody asked for.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// Exports what the queue holds until a closing flush.
pub(crate) async fn run(
    queue: Consumer<SpanQueue>,
    client: Client,
    resource: Vec<u8>,
    batching: Batching,
    metrics: Arc<Metrics>,
    mut flushes: Flushes,
) {
    let exporter = Arc::new(Export {
        client,
        resource,
        timeout: batching.export_timeout,
        health: Health::new("OTLP export"),
        metrics,
        flushes: flushes.clone(),
    });
    let mut exports = JoinSet::new();
    let mut timer = tokio::time::interval(batching.delay);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    timer.tick().await;
    let mut delay_is_over = false;
    loop {
        let has_room = exports.len() < batching.concurrent_exports;
        tokio::select! {
            biased;
            flush = flushes.next() => {
                let closes = flush.closes;
                export_all(&queue, &exporter, &mut exports, batching.concurrent_exports, flush).await;
                if closes {
                    return;
                }
            }
            Some(_) = exports.join_next(), if !exports.is_empty() => {}
            () = queue.batch_full.notified(), if has_room => {}
            _ = timer.tick(), if has_room => delay_is_over = true,
        }
        while exports.len() < batching.concurrent_exports {
            match queue.take(delay_is_over) {
                Some(batch) => drop(exports.spawn(exporter.clone().deliver(batch))),
                None => {
                    delay_is_over = false;
                    break;
                }
            }
        }
    }
}

/// Takes what nobody can export, so that it is counted, until a closing flush.
pub(crate) async fn discard(
    queue: Consumer<SpanQueue>,
    batching: Batching,
    metrics: Arc<Metrics>,
    mut flushes: Flushes,
) {
    let lost = metrics.dropped(Exporter::Otlp, "no_client");
    loop {
        let flush = tokio::select! {
            flush = flushes.next() => Some(flush),
            () = sleep(batching.delay) => None,
        };
        let spans: u64 = std::iter::from_fn(|| queue.take(true))
            .map(|batch| batch.spans as u64)
            .sum();
        lost.inc_by(spans);
        if let Some(flush) = flush {
            let closes = flush.closes;
            flush.done(spans == 0);
            if closes {
                return;
            }
        }
    }
}

/// Exports everything, at most until the deadline, and answers the request. What is left goes on if the task does.
async fn export_all(
    queue: &SpanQueue,
    exporter: &Arc<Export>,
    exports: &mut JoinSet<bool>,
    concurrent: usize,
    flush: Flush,
) {
    let deadline = flush.deadline.into();
    let mut complete = true;
    loop {
        while exports.len() < concurrent
            && let Some(batch) = queue.take(true)
        {
            exports.spawn(exporter.clone().deliver(batch));
        }
        match timeout_at(deadline, exports.join_next()).await {
            Ok(None) => break,
            Ok(Some(delivered)) => complete &= matches!(delivered, Ok(true)),
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    if flush.closes {
        // What is still under way is lost with its task, which counts it.
        exports.shutdown().await;
        queue.close();
    }
    flush.done(complete);
}

struct Export {
    client: Client,
    resource: Vec<u8>,
    timeout: Duration,
    health: Health,
    metrics: Arc<Metrics>,
    flushes: Flushes,
}

/// A batch that is counted as lost, should its task end before it is delivered.
struct InFlight {
    spans: u64,
    metrics: Arc<Metrics>,
    settled: bool,
}

impl InFlight {
    fn settle(mut self, rejected: u64, cause: &'static str) {
        self.settled = true;
        let rejected = rejected.min(self.spans);
        self.metrics
            .exported(Exporter::Otlp)
            .inc_by(self.spans - rejected);
        if rejected > 0 {
            self.metrics.dropped(Exporter::Otlp, cause).inc_by(rejected);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.settled {
            self.metrics
                .dropped(Exporter::Otlp, "shutdown")
                .inc_by(self.spans);
        }
    }
}

impl Export {
    /// Delivers a batch; true if the receiver took all of it. The batch counts as under way from the call on, even if the
    /// future is dropped before it is polled.
    fn deliver(self: Arc<Self>, batch: Batch) -> impl Future<Output = bool> {
        let spans = batch.spans as u64;
        let in_flight = InFlight {
            spans,
            metrics: Arc::clone(&self.metrics),
            settled: false,
        };
        self.deliver_counted(batch, in_flight)
    }

    async fn deliver_counted(self: Arc<Self>, batch: Batch, in_flight: InFlight) -> bool {
        let body = self
            .client
            .body(encode::request(&self.resource, &batch.scopes));
        drop(batch);
        match self.post_until_settled(body).await {
            Ok(partial) => {
                self.metrics.succeeded(Exporter::Otlp);
                self.health.good();
                if partial.rejected_spans > 0 {
                    tracing::warn!(
                        rejected = partial.rejected_spans,
                        reason = partial.error_message,
                        "the OTLP receiver rejected spans of a batch"
                    );
                }
                in_flight.settle(partial.rejected_spans, "rejected");
                partial.rejected_spans == 0
            }
            Err(error) => {
                self.health.bad(&error);
                let all = in_flight.spans;
                in_flight.settle(all, error.cause());
                false
            }
        }
    }

    /// Posts a body until it is accepted, refused, or the time is over, which the end of the task may shorten.
    async fn post_until_settled(&self, body: Vec<u8>) -> Result<encode::PartialSuccess, SendError> {
        let latest = deadline_in(self.timeout);
        let mut flushes = self.flushes.own_view();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let deadline = flushes
                .closing_deadline()
                .map_or(latest, |deadline| deadline.min(latest));
            let time_left = deadline.saturating_duration_since(Instant::now());
            let error = match self.client.post(body.clone(), time_left).await {
                Ok(partial) => return Ok(partial),
                Err(error) => error,
            };
            self.health.bad(&error);
            // Exporters that failed together shall not come back together.
            let own_wait = backoff.mul_f64(0.75 + 0.5 * random::<f64>());
            let wait = error
                .retry_after()
                .map_or(own_wait, |asked| asked.max(own_wait));
            if !error.is_retryable() || wait >= deadline.saturating_duration_since(Instant::now()) {
                return Err(error);
            }
            tokio::select! {
                () = sleep(wait) => {}
                // The time may have become shorter; there is one more try.
                _ = flushes.next() => {}
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }
}
