//! The console: spans as JSON lines on standard output, log lines on standard error, written off the request's thread.

mod span;
mod time;
mod writer;

pub(crate) use span::SpanLines;
pub(crate) use time::write_time;
pub(crate) use writer::{Console, Stream};
