//! How the tasks of the telemetry thread are told to flush, and by when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A request to deliver everything that is waiting.
#[derive(Debug, Clone)]
pub(crate) struct Flush {
    pub(crate) deadline: Instant,
    /// Whether the task ends after this.
    pub(crate) closes: bool,
    done: mpsc::Sender<bool>,
}

impl Flush {
    /// Tells the one who asked; `complete` is false if something was lost or is still waiting.
    pub(crate) fn done(self, complete: bool) {
        // Whoever asked may have given up.
        let _ = self.done.send(complete);
    }

    /// What is left of the time.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A task's end.
#[derive(Debug, Clone)]
pub(crate) struct Flushes(watch::Receiver<Option<Flush>>);

impl Flushes {
    /// Waits for the next request. A [`Flusher`] that is dropped asks to close.
    pub(crate) async fn next(&mut self) -> Flush {
        const UNASKED: Duration = Duration::from_secs(5);
        loop {
            if self.0.changed().await.is_err() {
                let (done, _) = mpsc::channel();
                return Flush {
                    deadline: Instant::now() + UNASKED,
                    closes: true,
                    done,
                };
            }
            if let Some(flush) = self.0.borrow_and_update().clone() {
                return flush;
            }
        }
    }

    /// The deadline of the request that is being served.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.borrow().as_ref().map(|flush| flush.deadline)
    }
}

/// The asking end.
#[derive(Debug)]
pub(crate) struct Flusher {
    requests: watch::Sender<Option<Flush>>,
    tasks: AtomicUsize,
    /// One request at a time.
    asking: Mutex<()>,
}

impl Flusher {
    pub(crate) fn new() -> Self {
        Self {
            requests: watch::Sender::new(None),
            tasks: AtomicUsize::new(0),
            asking: Mutex::new(()),
        }
    }

    /// For a task, which must answer each request once.
    pub(crate) fn subscribe(&self) -> Flushes {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        Flushes(self.requests.subscribe())
    }

    /// Asks all tasks and waits for their answers, at most until `deadline`. True if all have delivered everything. Must not
    /// be called on the telemetry thread.
    pub(crate) fn flush(&self, deadline: Instant, closes: bool) -> bool {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, answers) = mpsc::channel();
        self.requests.send_replace(Some(Flush {
            deadline,
            closes,
            done,
        }));
        // A task notices the deadline itself; the grace is for its answer.
        const GRACE: Duration = Duration::from_millis(200);
        let wait = || deadline.saturating_duration_since(Instant::now()) + GRACE;
        let tasks = self.tasks.load(Ordering::Relaxed);
        let answered: Vec<bool> = (0..tasks)
            .map_while(|_| answers.recv_timeout(wait()).ok())
            .collect();
        if !closes {
            self.requests.send_replace(None);
        }
        answered.len() == tasks && answered.into_iter().all(|complete| complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flush_waits_for_every_task_and_tells_what_they_say() {
        let flusher = Flusher::new();
        assert!(flusher.flush(soon(), false), "there is no task");
        for complete in [true, false] {
            let mut flushes = flusher.subscribe();
            tokio::spawn(async move {
                loop {
                    let flush = flushes.next().await;
                    assert!(
                        flushes.deadline().is_some()
                            && flush.remaining() <= Duration::from_millis(300)
                    );
                    flush.done(complete);
                }
            });
        }
        tokio::task::block_in_place(|| {
            assert!(!flusher.flush(soon(), false), "one of two is incomplete")
        });
    }

    #[tokio::test]
    async fn tasks_close_when_nobody_is_left_to_ask_them() {
        let flusher = Flusher::new();
        let mut flushes = flusher.subscribe();
        drop(flusher);
        assert!(flushes.next().await.closes);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_task_that_hangs_is_not_waited_for_beyond_the_deadline() {
        let flusher = Flusher::new();
        let _silent = flusher.subscribe();
        let begin = Instant::now();
        tokio::task::block_in_place(|| assert!(!flusher.flush(soon(), true)));
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}
