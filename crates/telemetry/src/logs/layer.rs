//! The `tracing` layer: one text line on the console, one JSON event for CloudWatch, both with the trace's id.

use super::batch::MAX_MESSAGE_BYTES;
use super::queue::LogQueue;
use crate::console::{Console, Stream, write_time};
use crate::ids::xray_trace_id;
use crate::xray::{Decision, Recorder};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Write as _};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;

thread_local! {
    static IS_TELEMETRY_THREAD: Cell<bool> = const { Cell::new(false) };
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Declares the current thread one of the library's own: what it logs, and what the HTTP and AWS clients log on it, is never
/// shipped, or shipping would feed itself.
pub(crate) fn mark_telemetry_thread() {
    IS_TELEMETRY_THREAD.set(true);
}

/// Takes every log record that the filter lets through.
#[derive(Debug)]
pub(crate) struct LogLayer {
    console: Console,
    shipper: Option<Arc<LogQueue>>,
    /// Knows what X-Ray has, if it is on.
    recorder: Option<Arc<Recorder>>,
    dropped_lines: Counter,
}

impl LogLayer {
    /// `dropped_lines` counts what the console has no room for.
    pub(crate) fn new(
        console: Console,
        shipper: Option<Arc<LogQueue>>,
        recorder: Option<Arc<Recorder>>,
        dropped_lines: Counter,
    ) -> Self {
        Self {
            console,
            shipper,
            recorder,
            dropped_lines,
        }
    }

    fn is_sampled_for_xray(&self, context: &Context) -> bool {
        match (context.get::<Decision>(), &self.recorder) {
            (Some(decision), _) => decision.sampled,
            (None, Some(recorder)) => recorder.has_sampled(context),
            (None, None) => false,
        }
    }
}

/// A record's parts, in buffers that are used again.
#[derive(Default)]
struct Scratch {
    message: String,
    /// ` key=value` for each field.
    text: String,
    /// `,"key":value` for each field.
    json: Vec<u8>,
    line: Vec<u8>,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: tracing_subscriber::layer::Context<'_, S>) {
        let now = SystemTime::now();
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        // A record that is written while one is being written, by a value's own formatting, finds the buffers taken.
        SCRATCH.with(|scratch| {
            let Ok(mut scratch) = scratch.try_borrow_mut() else {
                return;
            };
            scratch.clear();
            event.record(&mut *scratch);
            let shipper = self.shipper.as_ref().filter(|_| !IS_TELEMETRY_THREAD.get());
            let (span, sampled_for_xray) = Context::map_current(|context| {
                let span = context.span().span_context().clone();
                (span, shipper.is_some() && self.is_sampled_for_xray(context))
            });
            scratch.write_line(now, metadata, &span);
            if !self.console.write(Stream::Logs, &scratch.line) {
                self.dropped_lines.inc();
            }
            if let Some(shipper) = shipper {
                if scratch.message.is_empty() && scratch.json.is_empty() {
                    shipper.push(0, "");
                    return;
                }
                scratch.write_event(metadata, &span, sampled_for_xray);
                let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                let text = std::str::from_utf8(&scratch.line).unwrap_or_default();
                shipper.push(i64::try_from(since.as_millis()).unwrap_or(i64::MAX), text);
            }
        });
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.message.clear();
        self.text.clear();
        self.json.clear();
        self.line.clear();
    }

    /// `2026-11-24T10:00:00.123456Z INFO target: message key=value trace_id=…`
    fn write_line(
        &mut self,
        now: SystemTime,
        metadata: &tracing::Metadata<'_>,
        span: &SpanContext,
    ) {
        let Self {
            message,
            text,
            line,
            ..
        } = self;
        write_time(line, now);
        write!(line, " {:>5} {}: ", metadata.level(), metadata.target()).expect(TO_VECTOR);
        // One record is one line.
        for part in [&*message, &*text] {
            if part.contains(['\n', '\r']) {
                line.extend_from_slice(part.replace('\n', "\\n").replace('\r', "\\r").as_bytes());
            } else {
                line.extend_from_slice(part.as_bytes());
            }
        }
        if span.is_valid() {
            write!(
                line,
                " trace_id={} span_id={}",
                span.trace_id(),
                span.span_id()
            )
            .expect(TO_VECTOR);
        }
        line.push(b'\n');
    }

    /// `{"level":…,"target":…,"message":…,"trace_id":…,"span_id":…,"xray_trace_id":…,<fields>}`, which stays JSON however long
    /// the record is: what is too much of its text and fields is left out, and `"truncated":true` says so.
    fn write_event(
        &mut self,
        metadata: &tracing::Metadata<'_>,
        span: &SpanContext,
        sampled_for_xray: bool,
    ) {
        const TRUNCATED: &[u8] = b",\"truncated\":true";
        let mut ids = String::new();
        if span.is_valid() {
            write!(
                ids,
                ",\"trace_id\":\"{}\",\"span_id\":\"{}\"",
                span.trace_id(),
                span.span_id()
            )
            .expect(TO_STRING);
            // X-Ray's console looks for its own spelling.
            if let Some(id) = xray_trace_id(span.trace_id()).filter(|_| sampled_for_xray) {
                write!(ids, ",\"xray_trace_id\":\"{id}\"").expect(TO_STRING);
            }
        }
        let Self {
            message,
            json,
            line,
            ..
        } = self;
        let write = |line: &mut Vec<u8>, message: &str, fields: &[&[u8]]| {
            line.clear();
            write!(line, "{{\"level\":\"{}\",\"target\":", metadata.level()).expect(TO_VECTOR);
            write_json(line, metadata.target());
            line.extend_from_slice(b",\"message\":");
            write_json(line, message);
            line.extend_from_slice(ids.as_bytes());
            fields
                .iter()
                .for_each(|field| line.extend_from_slice(field));
            line.push(b'}');
        };
        write(line, message, &[json]);
        if line.len() <= MAX_MESSAGE_BYTES {
            return;
        }
        let fields = if json.len() > MAX_MESSAGE_BYTES / 2 {
            b"".as_slice()
        } else {
            json
        };
        write(line, "", &[fields, TRUNCATED]);
        let room = MAX_MESSAGE_BYTES.saturating_sub(line.len());
        write(line, cut_for_json(message, room), &[fields, TRUNCATED]);
    }

    fn field(
        &mut self,
        field: &Field,
        value: &(impl Serialize + ?Sized),
        text: fmt::Arguments<'_>,
    ) {
        let name = field.name();
        // What the bridge from `log` adds; it is in the metadata.
        if name.starts_with("log.") {
            return;
        }
        write!(self.text, " {name}={text}").expect(TO_STRING);
        let taken = [
            "level",
            "target",
            "message",
            "trace_id",
            "span_id",
            "xray_trace_id",
        ]
        .contains(&name);
        self.json
            .extend_from_slice(if taken { b",\"fields." } else { b",\"" });
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
        write_json(&mut self.json, value);
    }
}

impl Visit for Scratch {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write_debug(&mut self.message, value);
        } else {
            let mut text = String::new();
            write_debug(&mut text, value);
            self.field(field, &text, format_args!("{text}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.field(field, value, format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &value, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, &value, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, &value, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, &value, format_args!("{value}"));
    }
}

/// What stands for the rest of a value whose own formatting gives up.
const UNWRITABLE: &str = "<cannot be written>";

fn write_debug(out: &mut String, value: &dyn Debug) {
    if write!(out, "{value:?}").is_err() {
        out.push_str(UNWRITABLE);
    }
}

const TO_STRING: &str = "writing to a string cannot fail";
const TO_VECTOR: &str = "writing to a vector cannot fail";

/// The longest beginning of `text` that takes at most `room` bytes between the quotes of a JSON string.
fn cut_for_json(text: &str, mut room: usize) -> &str {
    for (at, c) in text.char_indices() {
        let length = match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..'\u{20}' => 6,
            c => c.len_utf8(),
        };
        match room.checked_sub(length) {
            Some(left) => room = left,
            None => return &text[..at],
        }
    }
    text
}

fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("texts, numbers and booleans are always JSON");
}

#[cfg(test)]
mod tests;
