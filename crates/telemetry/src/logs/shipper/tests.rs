//! Shipping against a sink that answers as it is told.

use super::*;
use crate::shutdown::Flusher;
use std::collections::VecDeque;
use std::sync::Mutex;

type Answer = Result<Rejected, PutError>;

/// Answers `put` from a list, then takes everything; `None` hangs.
#[derive(Default)]
struct Sink {
    answers: Mutex<VecDeque<Option<Answer>>>,
    put: Mutex<Vec<usize>>,
    created: Mutex<usize>,
    group_is_missing: bool,
}

impl LogSink for Arc<Sink> {
    async fn put(&self, events: &[LogEvent]) -> Answer {
        let answer = self.answers.lock().unwrap().pop_front();
        self.put.lock().unwrap().push(events.len());
        match answer {
            Some(Some(answer)) => answer,
            Some(None) => std::future::pending().await,
            None => Ok(Rejected::default()),
        }
    }

    async fn create_stream(&self) -> Result<(), PutError> {
        *self.created.lock().unwrap() += 1;
        if self.group_is_missing {
            Err(PutError::Passing("no group".into()))
        } else {
            Ok(())
        }
    }
}

struct Shipping {
    sink: Arc<Sink>,
    queue: Arc<LogQueue>,
    metrics: Arc<Metrics>,
    flusher: Flusher,
}

impl Shipping {
    fn start(sink: Sink, answers: impl IntoIterator<Item = Option<Answer>>) -> Self {
        *sink.answers.lock().unwrap() = answers.into_iter().collect();
        let sink = Arc::new(sink);
        let metrics = Arc::new(Metrics::new(&[]));
        let queue = Arc::new(LogQueue::new(&metrics));
        let flusher = Flusher::new();
        let task = run(
            Consumer::new(&queue),
            Arc::clone(&sink),
            Arc::clone(&metrics),
            flusher.subscribe(),
        );
        std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(task);
        });
        Self {
            sink,
            queue,
            metrics,
            flusher,
        }
    }

    fn log(&self, count: usize) {
        for _ in 0..count {
            self.queue.push(now_ms(), "x");
        }
    }

    fn flush(&self, milliseconds: u64) -> bool {
        self.ask(milliseconds, false)
    }

    fn ask(&self, milliseconds: u64, closes: bool) -> bool {
        self.flusher
            .flush(deadline_in(Duration::from_millis(milliseconds)), closes)
    }

    /// The end's deadline may pass before the task has come to it.
    fn wait_until_lost(&self, events: u64) {
        let begin = Instant::now();
        while self.metrics.log_dropped("shutdown").get() < events || self.held() > 0 {
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::yield_now();
        }
        assert_eq!(self.metrics.log_dropped("shutdown").get(), events);
    }

    /// What is neither delivered nor lost.
    fn held(&self) -> i64 {
        self.metrics.queue("logs").get()
    }
}

#[test]
fn a_flush_ships_what_waits() {
    let shipping = Shipping::start(Sink::default(), []);
    shipping.log(3);
    assert!(shipping.flush(60_000));
    assert_eq!(*shipping.sink.put.lock().unwrap(), [3]);
    assert_eq!(shipping.metrics.log_sent("flush").get(), 3);
}

#[test]
fn a_full_batch_is_shipped_without_waiting_for_the_interval() {
    let shipping = Shipping::start(Sink::default(), []);
    let begin = Instant::now();
    shipping.log(10_000);
    while shipping.metrics.log_sent("full").get() < 10_000 {
        assert!(begin.elapsed() < SEND_INTERVAL, "the batch waits");
        std::thread::yield_now();
    }
}

#[test]
fn the_stream_is_created_when_it_is_missing() {
    let shipping = Shipping::start(Sink::default(), [Some(Err(PutError::NoStream))]);
    shipping.log(1);
    assert!(shipping.flush(60_000));
    assert_eq!(*shipping.sink.created.lock().unwrap(), 1);
    assert_eq!(shipping.metrics.log_sent("flush").get(), 1);
}

fn without_group() -> Shipping {
    Shipping::start(
        Sink {
            group_is_missing: true,
            ..Sink::default()
        },
        (0..5).map(|_| Some(Err(PutError::NoStream))),
    )
}

#[test]
fn a_flush_that_finds_no_group_leaves_the_events_for_later() {
    let shipping = without_group();
    shipping.log(2);
    assert!(!shipping.flush(1_000));
    assert!(
        *shipping.sink.created.lock().unwrap() >= 2,
        "it was tried again"
    );
    shipping.log(1);
    assert_eq!(shipping.held(), 3);
    assert_eq!(shipping.metrics.log_dropped("shutdown").get(), 0);
    assert!(shipping.flush(60_000), "the group is there now");
    assert_eq!(shipping.held(), 0);
}

#[test]
fn what_is_not_delivered_at_the_end_is_counted() {
    let shipping = without_group();
    shipping.log(2);
    assert!(!shipping.ask(400, true));
    shipping.log(1);
    shipping.wait_until_lost(3);
    assert!(shipping.ask(60_000, true), "there is nothing left to do");
}

#[test]
fn throttling_is_waited_out() {
    let throttled = || Some(Err(PutError::Passing("ThrottlingException".into())));
    let shipping = Shipping::start(Sink::default(), [throttled(), throttled()]);
    shipping.log(1);
    assert!(shipping.flush(60_000));
    assert_eq!(shipping.sink.put.lock().unwrap().len(), 3);
}

#[test]
fn a_refused_batch_is_dropped_and_the_next_one_sent() {
    let shipping = Shipping::start(
        Sink::default(),
        [Some(Err(PutError::Refused(
            "InvalidParameterException".into(),
        )))],
    );
    shipping.log(2);
    assert!(!shipping.flush(60_000));
    assert_eq!(shipping.metrics.log_dropped("refused").get(), 2);
    shipping.log(1);
    assert!(shipping.flush(60_000));
}

#[test]
fn rejected_ranges_are_counted() {
    let rejected = Rejected {
        too_new: 1,
        too_old: 2,
        expired: 3,
    };
    let shipping = Shipping::start(Sink::default(), [Some(Ok(rejected))]);
    shipping.log(10);
    assert!(!shipping.flush(60_000));
    let metrics = &shipping.metrics;
    let counts = ["too_new", "too_old", "expired"].map(|cause| metrics.log_rejected(cause).get());
    assert_eq!((counts, metrics.log_sent("flush").get()), ([1, 2, 3], 4));
}

#[test]
fn a_sink_that_hangs_does_not_hold_up_a_flush_beyond_its_deadline() {
    for closes in [false, true] {
        let shipping = Shipping::start(Sink::default(), [None]);
        shipping.log(4);
        let begin = Instant::now();
        assert!(!shipping.ask(300, closes));
        assert!(begin.elapsed() < Duration::from_secs(3));
        if closes {
            shipping.wait_until_lost(4);
        } else {
            assert_eq!(shipping.held(), 4);
        }
    }
}

#[test]
fn a_flush_during_a_shipment_asks_for_what_was_logged_since_too() {
    let passing = || Some(Err(PutError::Passing("ThrottlingException".into())));
    let shipping = Shipping::start(Sink::default(), [passing(), passing()]);
    shipping.log(10_000);
    while shipping.sink.put.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    shipping.log(1);
    assert!(shipping.flush(60_000));
    assert_eq!(shipping.held(), 0);
    assert_eq!(shipping.metrics.log_sent("full").get(), 10_000);
    assert_eq!(shipping.metrics.log_sent("flush").get(), 1);
}
