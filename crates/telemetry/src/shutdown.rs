//! How the tasks of the telemetry thread are told to flush, and by when.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// When `time` from now is over. More time than the clock can count is as good as for ever.
pub(crate) fn deadline_in(time: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(time.min(FOR_EVER)).unwrap_or(now)
}

/// A request to deliver everything that is waiting.
#[derive(Debug, Clone)]
pub(crate) struct Flush {
    pub(crate) deadline: Instant,
    /// Whether the task ends after this.
    pub(crate) closes: bool,
    /// `None` if nobody waits for an answer.
    answer: Option<Answer>,
}

#[derive(Debug, Clone)]
struct Answer {
    tasks: Arc<Tasks>,
    task: usize,
    round: u64,
}

impl Flush {
    /// Tells the one who asked; `complete` is false if something was lost or is still waiting.
    pub(crate) fn done(self, complete: bool) {
        if let Some(Answer { tasks, task, round }) = self.answer {
            let mut state = tasks.lock();
            if self.closes {
                // It was the last answer: nobody waits for the task to be gone.
                state.running.retain(|running| *running != task);
            }
            // Whoever asked may have given up, and somebody else may be asking now.
            if state.round == round {
                state.settle(task, complete);
                tasks.settled.notify_all();
            }
        }
    }

    /// What is left of the time.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A task's end.
#[derive(Debug, Clone)]
pub(crate) struct Flushes {
    requests: watch::Receiver<Option<Request>>,
    task: Arc<Task>,
}

#[derive(Debug, Clone)]
struct Request {
    deadline: Instant,
    closes: bool,
    round: u64,
}

impl Flushes {
    /// Waits for the next request. A [`Flusher`] that is dropped asks to close.
    pub(crate) async fn next(&mut self) -> Flush {
        const UNASKED: Duration = Duration::from_secs(5);
        loop {
            if self.requests.changed().await.is_err() {
                return Flush {
                    deadline: deadline_in(UNASKED),
                    closes: true,
                    answer: None,
                };
            }
            if let Some(request) = self.requests.borrow_and_update().clone() {
                return Flush {
                    deadline: request.deadline,
                    closes: request.closes,
                    answer: Some(Answer {
                        tasks: Arc::clone(&self.task.tasks),
                        task: self.task.number,
                        round: request.round,
                    }),
                };
            }
        }
    }

    /// A view of its own, to which only later requests are news: one that looks does not hide them from the task.
    pub(crate) fn own_view(&self) -> Self {
        let mut view = self.clone();
        view.requests.mark_unchanged();
        view
    }

    /// The deadline of the closing request that is being served. Others end nothing.
    pub(crate) fn closing_deadline(&self) -> Option<Instant> {
        let request = self.requests.borrow();
        let closing = request.as_ref().filter(|request| request.closes);
        closing.map(|request| request.deadline)
    }
}

/// One task, until it ends, however it does.
#[derive(Debug)]
struct Task {
    number: usize,
    tasks: Arc<Tasks>,
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut state = self.tasks.lock();
        state.running.retain(|task| *task != self.number);
        state.settle(self.number, false);
        self.tasks.settled.notify_all();
    }
}

/// Which tasks there are, and which of them owe an answer.
#[derive(Debug, Default)]
struct Tasks {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<usize>,
    /// Those that have not answered the request of this `round`.
    asked: Vec<usize>,
    round: u64,
    /// What those that have answered say.
    complete: bool,
}

impl State {
    fn settle(&mut self, task: usize, complete: bool) {
        let before = self.asked.len();
        self.asked.retain(|asked| *asked != task);
        if self.asked.len() < before {
            self.complete &= complete;
        }
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The asking end.
#[derive(Debug)]
pub(crate) struct Flusher {
    requests: watch::Sender<Option<Request>>,
    tasks: Arc<Tasks>,
    started: AtomicUsize,
    /// One request at a time.
    asking: Mutex<()>,
}

impl Flusher {
    pub(crate) fn new() -> Self {
        Self {
            requests: watch::Sender::new(None),
            tasks: Arc::default(),
            started: AtomicUsize::new(0),
            asking: Mutex::new(()),
        }
    }

    /// For a task, which must answer each request once until it ends.
    pub(crate) fn subscribe(&self) -> Flushes {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        self.tasks.lock().running.push(number);
        Flushes {
            requests: self.requests.subscribe(),
            task: Arc::new(Task {
                number,
                tasks: Arc::clone(&self.tasks),
            }),
        }
    }

    /// Asks all tasks that run and waits for their answers, at most until `deadline`. True if all have delivered everything.
    /// Must not be called on the telemetry thread.
    pub(crate) fn flush(&self, deadline: Instant, closes: bool) -> bool {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.tasks.lock();
        state.round += 1;
        state.complete = true;
        state.asked = state.running.clone();
        let request = Request {
            deadline,
            closes,
            round: state.round,
        };
        drop(state);
        self.requests.send_replace(Some(request));
        // A task notices the deadline itself; the grace is for its answer.
        const GRACE: Duration = Duration::from_millis(200);
        let wait = deadline
            .saturating_duration_since(Instant::now())
            .saturating_add(GRACE);
        let (state, _) = self
            .tasks
            .settled
            .wait_timeout_while(self.tasks.lock(), wait, |state| !state.asked.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        if !closes {
            self.requests.send_replace(None);
        }
        state.asked.is_empty() && state.complete
    }
}

/// What a task takes from, and others put into.
pub(crate) trait Close {
    /// Nobody takes anything any more: what waits and what is still put in is lost, and counted.
    fn close(&self);
}

/// A task's end of a queue, which closes it when the task ends, however it does.
#[derive(Debug)]
pub(crate) struct Consumer<Q: Close>(Arc<Q>);

impl<Q: Close> Consumer<Q> {
    pub(crate) fn new(queue: &Arc<Q>) -> Self {
        Self(Arc::clone(queue))
    }
}

impl<Q: Close> Deref for Consumer<Q> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.0
    }
}

impl<Q: Close> Drop for Consumer<Q> {
    fn drop(&mut self) {
        self.0.close();
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
                    assert!(flush.remaining() <= Duration::from_millis(300));
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

    #[test]
    fn a_task_that_has_ended_or_ends_meanwhile_is_not_waited_for() {
        let flusher = Flusher::new();
        let (ended, ending) = (flusher.subscribe(), flusher.subscribe());
        drop(ended.clone());
        drop(ended);
        let begin = Instant::now();
        let far = || deadline_in(Duration::MAX);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while flusher.tasks.lock().asked.is_empty() {
                    std::thread::yield_now();
                }
                drop(ending);
            });
            assert!(!flusher.flush(far(), false), "it has not answered");
        });
        assert!(flusher.flush(far(), true) && flusher.flush(far(), false));
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_late_answer_is_none_to_a_later_question() {
        let flusher = Flusher::new();
        let mut flushes = flusher.subscribe();
        assert!(!flusher.flush(Instant::now(), true));
        let late = flushes.next().await;
        let again = std::thread::scope(|scope| {
            let asker = scope.spawn(|| flusher.flush(soon(), false));
            while flusher.tasks.lock().round < 2 {
                std::thread::yield_now();
            }
            late.done(true);
            asker.join()
        });
        assert!(!again.unwrap());
    }
}
