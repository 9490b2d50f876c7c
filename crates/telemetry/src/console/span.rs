//! A span as one line of JSON, with the members of the OpenTelemetry SDK for Python's console exporter.

use super::time::write_time;
use super::writer::{Console, Stream};
use crate::metrics::{Exporter, Metrics};
use crate::otlp::cut;
use crate::settings::{Limits, Resource};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use std::cell::RefCell;

/// Writes ended spans to the console.
#[derive(Debug)]
pub(crate) struct SpanLines {
    console: Console,
    /// `,"resource":{…}}` and the line feed: the same for all spans.
    end: Vec<u8>,
    value_chars: Option<usize>,
    exported: Counter,
    dropped: Counter,
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl SpanLines {
    pub(crate) fn new(
        console: Console,
        resource: &Resource,
        limits: Limits,
        metrics: &Metrics,
    ) -> Self {
        let mut end = b",\"resource\":{\"attributes\":".to_vec();
        attributes(&mut end, &resource.attributes, None);
        end.extend_from_slice(b"}}\n");
        Self {
            console,
            end,
            value_chars: limits.value_chars,
            exported: metrics.exported(Exporter::Console),
            dropped: metrics.dropped(Exporter::Console, "queue_full"),
        }
    }

    pub(crate) fn write(&self, span: &SpanData) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            write_span(line, span, self.value_chars);
            line.extend_from_slice(&self.end);
            if self.console.write(Stream::Spans, line) {
                self.exported.inc();
            } else {
                self.dropped.inc();
            }
        });
    }
}

/// The span's object without its last members.
fn write_span(out: &mut Vec<u8>, span: &SpanData, value_chars: Option<usize>) {
    out.extend_from_slice(b"{\"name\":");
    json(out, &*span.name);
    out.extend_from_slice(b",\"context\":");
    context(out, &span.span_context);
    out.extend_from_slice(match span.span_kind {
        SpanKind::Internal => b",\"kind\":\"SpanKind.INTERNAL\",\"parent_id\":".as_slice(),
        SpanKind::Server => b",\"kind\":\"SpanKind.SERVER\",\"parent_id\":",
        SpanKind::Client => b",\"kind\":\"SpanKind.CLIENT\",\"parent_id\":",
        SpanKind::Producer => b",\"kind\":\"SpanKind.PRODUCER\",\"parent_id\":",
        SpanKind::Consumer => b",\"kind\":\"SpanKind.CONSUMER\",\"parent_id\":",
    });
    if span.parent_span_id == SpanId::INVALID {
        out.extend_from_slice(b"null");
    } else {
        hex(out, &span.parent_span_id.to_bytes());
    }
    out.extend_from_slice(b",\"start_time\":\"");
    write_time(out, span.start_time);
    out.extend_from_slice(b"\",\"end_time\":\"");
    write_time(out, span.end_time);
    out.extend_from_slice(match &span.status {
        Status::Unset => b"\",\"status\":{\"status_code\":\"UNSET\"".as_slice(),
        Status::Ok => b"\",\"status\":{\"status_code\":\"OK\"",
        Status::Error { .. } => b"\",\"status\":{\"status_code\":\"ERROR\"",
    });
    if let Status::Error { description } = &span.status
        && !description.is_empty()
    {
        out.extend_from_slice(b",\"description\":");
        json(out, description.as_ref());
    }
    out.extend_from_slice(b"},\"attributes\":");
    attributes(out, &span.attributes, value_chars);
    out.extend_from_slice(b",\"events\":");
    list(out, span.events.iter(), |out, event| {
        out.extend_from_slice(b"{\"name\":");
        json(out, &*event.name);
        out.extend_from_slice(b",\"timestamp\":\"");
        write_time(out, event.timestamp);
        out.extend_from_slice(b"\",\"attributes\":");
        attributes(out, &event.attributes, value_chars);
        out.push(b'}');
    });
    out.extend_from_slice(b",\"links\":");
    list(out, span.links.iter(), |out, link| {
        out.extend_from_slice(b"{\"context\":");
        context(out, &link.span_context);
        out.extend_from_slice(b",\"attributes\":");
        attributes(out, &link.attributes, value_chars);
        out.push(b'}');
    });
}

fn context(out: &mut Vec<u8>, context: &SpanContext) {
    out.extend_from_slice(b"{\"trace_id\":");
    hex(out, &context.trace_id().to_bytes());
    out.extend_from_slice(b",\"span_id\":");
    hex(out, &context.span_id().to_bytes());
    out.extend_from_slice(b",\"trace_state\":");
    json(out, context.trace_state().header().as_str());
    out.push(b'}');
}

fn attributes(out: &mut Vec<u8>, attributes: &[KeyValue], value_chars: Option<usize>) {
    out.push(b'{');
    for (n, KeyValue { key, value, .. }) in attributes.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json(out, key.as_str());
        out.push(b':');
        match value {
            Value::Bool(value) => json(out, value),
            Value::I64(value) => json(out, value),
            Value::F64(value) => json(out, value),
            Value::Array(Array::Bool(values)) => json(out, values),
            Value::Array(Array::I64(values)) => json(out, values),
            Value::Array(Array::F64(values)) => json(out, values),
            Value::Array(Array::String(values)) => {
                list(out, values, |out, value| {
                    json(out, cut(value.as_str(), value_chars))
                });
            }
            other => json(out, cut(&other.as_str(), value_chars)),
        }
    }
    out.push(b'}');
}

fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("texts, numbers and booleans are always JSON");
}

/// The bytes as hexadecimal digits between quotes.
fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in bytes {
        out.extend_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{Event, Link, TraceFlags, TraceId, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use serde_json::json;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_span_is_one_line_of_json() {
        let own = SpanContext::new(
            TraceId::from(1),
            SpanId::from(2),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        let at = |micros: u64| UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_000 + micros);
        let mut events = SpanEvents::default();
        events.events.push(Event::new(
            "exception",
            at(1),
            vec![KeyValue::new("exception.type", "E")],
            0,
        ));
        let mut links = SpanLinks::default();
        links.links.push(Link::new(own.clone(), vec![], 0));
        let span = SpanData {
            span_context: own,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: "GET \"/\"\n".into(),
            start_time: at(0),
            end_time: at(250_000),
            attributes: vec![
                KeyValue::new("text", "é\u{1}"),
                KeyValue::new("n", 3),
                KeyValue::new("f", f64::NAN),
                KeyValue::new("b", true),
                KeyValue::new("texts", Value::Array(Array::String(vec!["abc".into()]))),
            ],
            dropped_attributes_count: 0,
            events,
            links,
            status: Status::error("why"),
            instrumentation_scope: InstrumentationScope::default(),
        };
        let mut line = Vec::new();
        write_span(&mut line, &span, Some(2));
        line.push(b'}');
        assert!(!line.contains(&b'\n'));
        let id = json!({"trace_id": "00000000000000000000000000000001", "span_id": "0000000000000002", "trace_state": ""});
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&line).unwrap(),
            json!({
                "name": "GET \"/\"\n",
                "context": id,
                "kind": "SpanKind.SERVER",
                "parent_id": null,
                "start_time": "2023-11-14T22:13:20.000000Z",
                "end_time": "2023-11-14T22:13:20.250000Z",
                "status": {"status_code": "ERROR", "description": "why"},
                "attributes": {"text": "é\u{1}", "n": 3, "f": null, "b": true, "texts": ["ab"]},
                "events": [{"name": "exception", "timestamp": "2023-11-14T22:13:20.000001Z", "attributes": {"exception.type": "E"}}],
                "links": [{"context": id, "attributes": {}}],
            })
        );
    }
}
