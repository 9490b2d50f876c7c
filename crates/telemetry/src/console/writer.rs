//! A thread that writes lines, so that nobody who has one to say waits for a slow pipe.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines are gathered for this long before they are written together: a reader sees them at once, and a thread that is woken
/// for every line costs more than the line.
const GATHER: Duration = Duration::from_millis(50);

/// More than this is not kept in memory for each stream; further lines are dropped.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Where a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output: spans.
    Spans,
    /// Standard error: log lines.
    Logs,
}

/// Takes lines and writes them later, in order.
#[derive(Debug, Clone)]
pub(crate) struct Console(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is something to write, or nothing more will come.
    changed: Condvar,
    /// Told when everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<u8>,
    logs: Vec<u8>,
    writing: bool,
    /// Someone waits for everything to be written.
    hurry: bool,
}

impl Console {
    /// Starts the thread. Without one, which the system may refuse, lines find no room.
    pub(crate) fn start(
        spans: impl Write + Send + 'static,
        logs: impl Write + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            written: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("telemetry-lines".into());
        // The thread lives as long as the process: there is always one more line that may come.
        if thread.spawn(move || writer.run(spans, logs)).is_err() {
            shared.lock().spans = vec![b'\n'; MAX_WAITING_BYTES];
            shared.lock().logs = vec![b'\n'; MAX_WAITING_BYTES];
        }
        Self(shared)
    }

    /// Takes a line, which ends with a line feed. False if there is no room for it.
    pub(crate) fn write(&self, stream: Stream, line: &[u8]) -> bool {
        let was_empty = {
            let mut waiting = self.0.lock();
            let was_empty = waiting.spans.is_empty() && waiting.logs.is_empty();
            let lines = match stream {
                Stream::Spans => &mut waiting.spans,
                Stream::Logs => &mut waiting.logs,
            };
            if lines.len() + line.len() > MAX_WAITING_BYTES {
                return false;
            }
            lines.extend_from_slice(line);
            was_empty
        };
        if was_empty {
            self.0.changed.notify_one();
        }
        true
    }

    /// Waits until everything is written, at most until `deadline`; true if it is.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let mut waiting = self.0.lock();
        waiting.hurry = true;
        self.0.changed.notify_one();
        let time_left = deadline.saturating_duration_since(Instant::now());
        let pending = |waiting: &mut Waiting| {
            waiting.writing || !waiting.spans.is_empty() || !waiting.logs.is_empty()
        };
        let (mut waiting, timeout) = self
            .0
            .written
            .wait_timeout_while(waiting, time_left, pending)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.hurry = false;
        !timeout.timed_out()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut spans_out: impl Write, mut logs_out: impl Write) {
        let (mut spans, mut logs) = (Vec::new(), Vec::new());
        loop {
            let waiting = self.lock();
            let empty = |waiting: &mut Waiting| waiting.spans.is_empty() && waiting.logs.is_empty();
            let waiting = self
                .changed
                .wait_while(waiting, empty)
                .unwrap_or_else(PoisonError::into_inner);
            let (mut waiting, _) = self
                .changed
                .wait_timeout_while(waiting, GATHER, |waiting| !waiting.hurry)
                .unwrap_or_else(PoisonError::into_inner);
            waiting.writing = true;
            std::mem::swap(&mut waiting.spans, &mut spans);
            std::mem::swap(&mut waiting.logs, &mut logs);
            drop(waiting);
            // A closed pipe takes nothing more, and there is nobody left to tell.
            let _ = spans_out.write_all(&spans).and_then(|()| spans_out.flush());
            let _ = logs_out.write_all(&logs).and_then(|()| logs_out.flush());
            spans.clear();
            logs.clear();
            self.lock().writing = false;
            self.written.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Passes on what is written, once it is allowed to.
    struct Gate(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn lines_come_out_in_order_and_each_on_its_stream() {
        let (open, gate) = mpsc::channel();
        drop(open);
        let (spans, written) = mpsc::channel();
        let console = Console::start(Gate(gate, spans), std::io::sink());
        for n in 0..1_000 {
            assert!(console.write(Stream::Spans, format!("{n}\n").as_bytes()));
            assert!(console.write(Stream::Logs, b"log\n"));
        }
        assert!(console.flush(in_a_minute()));
        let text = written.try_iter().flatten().collect::<Vec<u8>>();
        let expected: String = (0..1_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_stuck_pipe_costs_lines_not_time() {
        let (open, gate) = mpsc::channel();
        let (spans, _written) = mpsc::channel();
        let console = Console::start(Gate(gate, spans), std::io::sink());
        let line = [b'x'; 64 * 1024];
        let begin = Instant::now();
        let taken = (0..1_000)
            .filter(|_| console.write(Stream::Spans, &line))
            .count();
        assert!(begin.elapsed() < Duration::from_secs(10));
        assert!(
            taken <= 2 * (MAX_WAITING_BYTES / line.len()),
            "{taken} lines were kept"
        );
        assert!(
            !console.flush(Instant::now() + Duration::from_millis(20)),
            "the pipe is stuck"
        );
        drop(open);
        assert!(console.flush(in_a_minute()));
    }
}
