//! A token bucket for one AWS operation of one account and region, shared by everything that calls it and fair between
//! namespaces.
//!
//! Tokens come at a share of AWS's documented rate. A namespace that asks for many does not delay one that asks for
//! few: waiting namespaces take turns. The rate halves when AWS throttles all the same, and comes back in steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// The least share of its rate that a bucket is throttled down to.
const LEAST_SHARE: f64 = 0.1;
/// How much of the rate comes back at once, and how often.
const RECOVERY_STEP: f64 = 0.1;
const RECOVERY_INTERVAL: Duration = Duration::from_secs(10);
/// Throttles within this time of each other shrink the bucket once.
const SHRINK_INTERVAL: Duration = Duration::from_secs(1);

/// A rate in calls per second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls per second.
    pub per_second: f64,
    /// Calls at once.
    pub burst: f64,
}

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    refilled: Instant,
    /// Share of the rate that AWS has left us; 1 unless it throttled.
    share: f64,
    changed: Instant,
    waiting: BTreeMap<String, VecDeque<oneshot::Sender<()>>>,
    /// Namespaces with waiters, in the order of their turns.
    turns: VecDeque<String>,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let now = Instant::now();
        Self {
            rate,
            state: Mutex::new(State {
                tokens: rate.burst,
                refilled: now,
                share: 1.0,
                changed: now,
                waiting: BTreeMap::new(),
                turns: VecDeque::new(),
            }),
        }
    }

    /// Takes a token for a namespace, waiting for its turn. Returns how long it waited. Dropping the future gives the
    /// turn to the next.
    ///
    /// The number of waiters is bounded by the callers: reconciles run at a bounded concurrency, each with at most as
    /// many calls at once as a profile has objects.
    pub async fn take(&self, namespace: &str) -> Duration {
        let started = Instant::now();
        let mut turn = {
            let mut state = self.lock();
            let (sender, receiver) = oneshot::channel();
            state.enqueue(namespace, sender);
            receiver
        };
        loop {
            let next = self.lock().serve(self.rate);
            tokio::select! {
                biased;
                // The sender lives in the queue until it is used, so an error means the bucket itself is gone.
                _ = &mut turn => return started.elapsed(),
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// AWS throttled a call that a token was taken for: slow down.
    pub fn shrink(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.refill(self.rate, now);
        state.tokens = 0.0;
        if state.share == 1.0 || now.duration_since(state.changed) >= SHRINK_INTERVAL {
            state.share = (state.share / 2.0).max(LEAST_SHARE);
            state.changed = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is complete before anything can panic, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, namespace: &str, sender: oneshot::Sender<()>) {
        let queue = self.waiting.entry(namespace.to_owned()).or_default();
        if queue.is_empty() {
            self.turns.push_back(namespace.to_owned());
        }
        queue.push_back(sender);
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        while self.share < 1.0 && now.duration_since(self.changed) >= RECOVERY_INTERVAL {
            self.share = (self.share + RECOVERY_STEP).min(1.0);
            self.changed += RECOVERY_INTERVAL;
        }
        let elapsed = now.duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate.per_second * self.share).min(rate.burst);
        self.refilled = now;
    }

    /// Gives tokens to those whose turn it is, and says when the next token is due.
    fn serve(&mut self, rate: Rate) -> Instant {
        let now = Instant::now();
        self.refill(rate, now);
        while self.tokens >= 1.0 {
            let Some(namespace) = self.turns.pop_front() else {
                break;
            };
            let Some(queue) = self.waiting.get_mut(&namespace) else {
                continue;
            };
            let sender = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&namespace);
            } else {
                self.turns.push_back(namespace);
            }
            // A waiter that gave up takes no token.
            if sender.is_some_and(|sender| sender.send(()).is_ok()) {
                self.tokens -= 1.0;
            }
        }
        let missing = (1.0 - self.tokens).max(0.0);
        now + Duration::from_secs_f64(
            (missing / (rate.per_second * self.share)).clamp(0.000_5, 60.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn order(bucket: Arc<Bucket>, asks: &[&'static str]) -> Vec<&'static str> {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for namespace in asks.iter().copied() {
            let (bucket, sender) = (bucket.clone(), sender.clone());
            tasks.push(tokio::spawn(async move {
                bucket.take(namespace).await;
                sender.send(namespace).ok();
            }));
            tokio::task::yield_now().await;
        }
        drop(sender);
        let mut served = Vec::new();
        while let Some(namespace) = receiver.recv().await {
            served.push(namespace);
        }
        served
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_served_at_once_and_the_rest_at_the_rate() {
        let bucket = Arc::new(Bucket::new(Rate {
            per_second: 5.0,
            burst: 5.0,
        }));
        let started = Instant::now();
        for _ in 0..5 {
            bucket.take("a").await;
        }
        assert!(started.elapsed() < Duration::from_millis(10));
        for _ in 0..10 {
            bucket.take("a").await;
        }
        let elapsed = started.elapsed().as_secs_f64();
        assert!((1.99..2.02).contains(&elapsed), "{elapsed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_asks_for_many_does_not_delay_one_that_asks_for_few() {
        let bucket = Arc::new(Bucket::new(Rate {
            per_second: 1.0,
            burst: 1.0,
        }));
        bucket.take("warm-up").await;
        let served = order(
            bucket,
            &["many", "many", "many", "many", "many", "many", "few"],
        )
        .await;
        assert!(
            served
                .iter()
                .position(|namespace| *namespace == "few")
                .unwrap()
                <= 1,
            "{served:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_takes_no_token() {
        let bucket = Bucket::new(Rate {
            per_second: 1.0,
            burst: 1.0,
        });
        bucket.take("a").await;
        for _ in 0..20 {
            tokio::time::timeout(Duration::from_millis(1), bucket.take("a"))
                .await
                .unwrap_err();
        }
        let started = Instant::now();
        bucket.take("b").await;
        assert!(started.elapsed() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_halves_the_rate_and_it_comes_back() {
        let bucket = Bucket::new(Rate {
            per_second: 10.0,
            burst: 1.0,
        });
        bucket.take("a").await;
        bucket.shrink();
        let started = Instant::now();
        for _ in 0..5 {
            bucket.take("a").await;
        }
        let slow = started.elapsed().as_secs_f64();
        assert!((0.99..1.05).contains(&slow), "{slow}");
        tokio::time::sleep(RECOVERY_INTERVAL * 6).await;
        bucket.take("a").await;
        let started = Instant::now();
        for _ in 0..10 {
            bucket.take("a").await;
        }
        let fast = started.elapsed().as_secs_f64();
        assert!((0.99..1.05).contains(&fast), "{fast}");
    }
}
