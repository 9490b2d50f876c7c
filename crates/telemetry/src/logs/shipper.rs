//! The task that ships log events: batches by count, bytes and time, tried again until CloudWatch takes them or they are too old.

use super::batch::{Batches, LogEvent, batches};
use super::queue::{Load, LogQueue};
use crate::health::Health;
use crate::metrics::{Exporter, Metrics};
use crate::random::random;
use crate::shutdown::{Close, Consumer, Flush, Flushes, deadline_in};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::{sleep, timeout};

/// Events wait at most this long for company.
const SEND_INTERVAL: Duration = Duration::from_secs(5);
/// A batch is tried for this long; meanwhile the queue fills up to its bounds.
const MAX_RETRY_TIME: Duration = Duration::from_secs(300);
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Where batches go.
pub(crate) trait LogSink: Send + Sync {
    /// Delivers a batch that keeps CloudWatch's limits.
    fn put(&self, events: &[LogEvent]) -> impl Future<Output = Result<Rejected, PutError>> + Send;

    /// Creates the stream; never the group, which is the profile's to create.
    fn create_stream(&self) -> impl Future<Output = Result<(), PutError>> + Send;
}

/// How many events of an accepted batch were rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) too_new: u64,
    pub(crate) too_old: u64,
    pub(crate) expired: u64,
}

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// The stream is not there yet, or the group is missing.
    #[error("the log stream does not exist")]
    NoStream,
    /// Another try may help.
    #[error("{0}")]
    Passing(String),
    /// No try will help.
    #[error("{0}")]
    Refused(String),
}

/// Ships what the queue holds until a closing flush. Another flush that finds no end in time leaves everything as it is.
pub(crate) async fn run(
    queue: Consumer<LogQueue>,
    sink: impl LogSink,
    metrics: Arc<Metrics>,
    mut flushes: Flushes,
) {
    let shipper = Shipper {
        queue,
        sink,
        health: Health::new("shipping logs to CloudWatch"),
        metrics,
        flushes: flushes.clone(),
    };
    let mut asked: Option<Flush> = None;
    let mut complete = true;
    loop {
        let cause = if asked.is_some() {
            "flush"
        } else {
            tokio::select! {
                biased;
                flush = flushes.next() => {
                    asked = Some(flush);
                    "flush"
                }
                () = shipper.queue.batch_full.notified() => "full",
                () = sleep(SEND_INTERVAL) => "interval",
            }
        };
        let mut shipping = pin!(shipper.ship_all(cause));
        let mut came_late = false;
        loop {
            let is_closing = asked.as_ref().is_some_and(|flush| flush.closes);
            let time_left = asked.as_ref().map_or(MAX_RETRY_TIME, Flush::remaining);
            tokio::select! {
                biased;
                shipped = &mut shipping => {
                    complete &= shipped;
                    break;
                }
                flush = flushes.next(), if !is_closing => {
                    asked = Some(flush);
                    came_late = true;
                    complete = true;
                }
                () = sleep(time_left), if asked.is_some() => {
                    came_late = false;
                    if is_closing {
                        complete = false;
                        break;
                    }
                    if let Some(flush) = asked.take() {
                        flush.done(false);
                    }
                }
            }
        }
        if came_late {
            // What was logged since the shipping began is asked for too.
            continue;
        }
        if let Some(flush) = asked.take() {
            let closes = flush.closes;
            if closes {
                shipper.queue.close();
            }
            flush.done(complete);
            if closes {
                return;
            }
        }
        complete = true;
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

struct Shipper<S> {
    queue: Consumer<LogQueue>,
    sink: S,
    health: Health,
    metrics: Arc<Metrics>,
    flushes: Flushes,
}

impl<S: LogSink> Shipper<S> {
    /// Ships what waits now; true if CloudWatch took all of it.
    async fn ship_all(&self, cause: &'static str) -> bool {
        let taken = self.queue.take();
        let mut outside = Load::of(&taken);
        let Batches {
            batches,
            too_old,
            too_new,
        } = batches(taken, now_ms());
        for batch in &batches {
            let Load { events, bytes } = Load::of(batch);
            outside.events -= events;
            outside.bytes -= bytes;
        }
        self.queue.settle(outside);
        self.metrics.log_dropped("too_old").inc_by(too_old);
        self.metrics.log_dropped("too_new").inc_by(too_new);
        let mut complete = too_old + too_new == 0;
        for batch in batches {
            complete &= self.ship(&batch, cause).await;
            self.queue.settle(Load::of(&batch));
        }
        complete
    }

    /// Ships one batch; true if CloudWatch took all of it.
    async fn ship(&self, batch: &[LogEvent], cause: &'static str) -> bool {
        let events = batch.len() as u64;
        match self.put_until_settled(batch).await {
            Ok(rejected) => {
                let Rejected {
                    too_new,
                    too_old,
                    expired,
                } = rejected;
                for (count, cause) in [
                    (too_new, "too_new"),
                    (too_old, "too_old"),
                    (expired, "expired"),
                ] {
                    if count > 0 {
                        self.metrics.log_rejected(cause).inc_by(count);
                    }
                }
                let count = (too_new + too_old + expired).min(events);
                if count > 0 {
                    tracing::warn!(
                        too_new,
                        too_old,
                        expired,
                        "CloudWatch rejected log events of a batch"
                    );
                }
                self.metrics.log_sent(cause).inc_by(events - count);
                self.metrics.succeeded(Exporter::CloudWatch);
                self.health.good();
                count == 0
            }
            Err(cause) => {
                self.metrics.log_dropped(cause).inc_by(events);
                false
            }
        }
    }

    /// Tries until the batch is taken or refused, or the time is over, which a closing flush may shorten. The error is the
    /// cause to be counted.
    async fn put_until_settled(&self, batch: &[LogEvent]) -> Result<Rejected, &'static str> {
        let latest = deadline_in(MAX_RETRY_TIME);
        let mut backoff = FIRST_BACKOFF;
        let mut may_create = true;
        let mut flushes = self.flushes.own_view();
        loop {
            let deadline = flushes
                .closing_deadline()
                .map_or(latest, |deadline| deadline.min(latest));
            let time_left = deadline.saturating_duration_since(Instant::now());
            let mut attempt = timeout(time_left, self.sink.put(batch)).await;
            if matches!(attempt, Ok(Err(PutError::NoStream))) && may_create {
                match timeout(time_left, self.sink.create_stream()).await {
                    Ok(Ok(())) => {
                        may_create = false;
                        continue;
                    }
                    Ok(Err(error)) => attempt = Ok(Err(error)),
                    Err(elapsed) => attempt = Err(elapsed),
                }
            }
            may_create = true;
            match attempt {
                Ok(Ok(rejected)) => return Ok(rejected),
                Ok(Err(error @ PutError::Refused(_))) => {
                    self.health.bad(&error);
                    return Err("refused");
                }
                Ok(Err(error)) => self.health.bad(&error),
                Err(_) => self.health.bad(&"no answer in time"),
            }
            let wait = backoff.mul_f64(0.75 + 0.5 * random::<f64>());
            if wait >= deadline.saturating_duration_since(Instant::now()) {
                return Err(if deadline < latest {
                    "shutdown"
                } else {
                    "unreachable"
                });
            }
            tokio::select! {
                () = sleep(wait) => {}
                _ = flushes.next() => {}
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }
}

#[cfg(test)]
mod tests;
