//! Spans as OTLP protocol buffers, written straight into bytes.
//!
//! A span is encoded when it ends, on the thread that ended it: what waits to be exported is then a few hundred bytes
//! instead of dozens of small allocations, and no thread frees what another has allocated. The field numbers are those of
//! [`opentelemetry/proto/trace/v1/trace.proto`](https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto).

use super::protobuf::{
    Content, Members, bytes, chosen_bytes, chosen_number, fixed32, fixed64, length, message, number,
};
use crate::attributes::keep_last;
use opentelemetry::trace::{SpanContext, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use std::time::{SystemTime, UNIX_EPOCH};

/// The `spans` member of `ScopeSpans` for one span. Texts are cut to `value_chars` characters.
pub(crate) fn span(out: &mut Vec<u8>, span: &SpanData, value_chars: Option<usize>) {
    message(out, 2, |out| {
        let context = &span.span_context;
        bytes(out, 1, &context.trace_id().to_bytes());
        bytes(out, 2, &context.span_id().to_bytes());
        trace_state(out, 3, context);
        if span.parent_span_id != opentelemetry::trace::SpanId::INVALID {
            bytes(out, 4, &span.parent_span_id.to_bytes());
        }
        bytes(out, 5, span.name.as_bytes());
        number(out, 6, kind(&span.span_kind));
        fixed64(out, 7, nanoseconds(span.start_time));
        fixed64(out, 8, nanoseconds(span.end_time));
        attributes(out, 9, &span.attributes, value_chars);
        number(out, 10, span.dropped_attributes_count.into());
        for event in span.events.iter() {
            message(out, 11, |out| {
                fixed64(out, 1, nanoseconds(event.timestamp));
                bytes(out, 2, event.name.as_bytes());
                attributes(out, 3, &event.attributes, value_chars);
                number(out, 4, event.dropped_attributes_count.into());
            });
        }
        number(out, 12, span.events.dropped_count.into());
        for link in span.links.iter() {
            message(out, 13, |out| {
                bytes(out, 1, &link.span_context.trace_id().to_bytes());
                bytes(out, 2, &link.span_context.span_id().to_bytes());
                trace_state(out, 3, &link.span_context);
                attributes(out, 4, &link.attributes, value_chars);
                number(out, 5, link.dropped_attributes_count.into());
                fixed32(
                    out,
                    6,
                    flags(&link.span_context, link.span_context.is_remote()),
                );
            });
        }
        number(out, 14, span.links.dropped_count.into());
        match &span.status {
            Status::Unset => {}
            Status::Ok => message(out, 15, |out| number(out, 3, 1)),
            Status::Error { description } => message(out, 15, |out| {
                bytes(out, 2, description.as_bytes());
                number(out, 3, 2);
            }),
        }
        fixed32(out, 16, flags(context, span.parent_span_is_remote));
    });
}

/// The `resource` member of `ResourceSpans`.
pub(crate) fn resource(resource: &[KeyValue]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, |out| attributes(out, 1, resource, None));
    out
}

/// The body of an export request: `ExportTraceServiceRequest` with one `ResourceSpans`. `scopes` are the scopes with their
/// spans, each encoded by [`span`].
pub(crate) fn request(resource: &[u8], scopes: &[(InstrumentationScope, Vec<u8>)]) -> Vec<u8> {
    let spans: usize = scopes.iter().map(|(_, spans)| spans.len() + 256).sum();
    let mut resource_spans = Vec::with_capacity(resource.len() + spans);
    resource_spans.extend_from_slice(resource);
    for (scope, spans) in scopes {
        let mut head = Vec::new();
        message(&mut head, 1, |out| {
            bytes(out, 1, scope.name().as_bytes());
            bytes(out, 2, scope.version().unwrap_or_default().as_bytes());
            let mut of_scope: Vec<KeyValue> = scope.attributes().cloned().collect();
            keep_last(&mut of_scope);
            attributes(out, 3, &of_scope, None);
        });
        let mut tail = Vec::new();
        bytes(
            &mut tail,
            3,
            scope.schema_url().unwrap_or_default().as_bytes(),
        );
        length(
            &mut resource_spans,
            2,
            head.len() + spans.len() + tail.len(),
        );
        for part in [&head, spans, &tail] {
            resource_spans.extend_from_slice(part);
        }
    }
    let mut body = Vec::with_capacity(resource_spans.len() + 8);
    chosen_bytes(&mut body, 1, &resource_spans);
    body
}

/// What a receiver says of a request it accepted: how many spans it rejected all the same, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PartialSuccess {
    pub(crate) rejected_spans: u64,
    pub(crate) error_message: String,
}

/// Reads `ExportTraceServiceResponse`. What is no such message is read as full success.
pub(crate) fn response(body: &[u8]) -> PartialSuccess {
    let mut partial = PartialSuccess::default();
    let message = Members(body).find_map(|member| match member {
        (1, Content::Bytes(message)) => Some(message),
        _ => None,
    });
    for member in Members(message.unwrap_or_default()) {
        match member {
            (1, Content::Number(rejected)) => partial.rejected_spans = rejected,
            (2, Content::Bytes(text)) => {
                partial.error_message = String::from_utf8_lossy(text).into_owned()
            }
            _ => {}
        }
    }
    partial
}

fn attributes(out: &mut Vec<u8>, field: u32, attributes: &[KeyValue], value_chars: Option<usize>) {
    for KeyValue { key, value, .. } in attributes {
        message(out, field, |out| {
            bytes(out, 1, key.as_str().as_bytes());
            message(out, 2, |out| any_value(out, value, value_chars));
        });
    }
}

fn any_value(out: &mut Vec<u8>, value: &Value, value_chars: Option<usize>) {
    match value {
        Value::String(text) => chosen_bytes(out, 1, cut(text.as_str(), value_chars).as_bytes()),
        Value::Bool(value) => chosen_number(out, 2, u64::from(*value)),
        // Negative numbers are their two's complement.
        Value::I64(value) => chosen_number(out, 3, *value as u64),
        Value::F64(value) => fixed64(out, 4, value.to_bits()),
        Value::Array(array) => message(out, 5, |out| any_values(out, array, value_chars)),
        // `Value` may get more variants.
        other => chosen_bytes(out, 1, cut(&other.as_str(), value_chars).as_bytes()),
    }
}

fn any_values(out: &mut Vec<u8>, array: &Array, value_chars: Option<usize>) {
    let mut each = |value: Value| message(out, 1, |out| any_value(out, &value, value_chars));
    match array {
        Array::Bool(values) => values.iter().for_each(|value| each(Value::Bool(*value))),
        Array::I64(values) => values.iter().for_each(|value| each(Value::I64(*value))),
        Array::F64(values) => values.iter().for_each(|value| each(Value::F64(*value))),
        Array::String(values) => values
            .iter()
            .for_each(|value| each(Value::String(value.clone()))),
        _ => {}
    }
}

/// The first `chars` characters of `text`.
pub(crate) fn cut(text: &str, chars: Option<usize>) -> &str {
    match chars {
        Some(chars) if text.len() > chars => text
            .char_indices()
            .nth(chars)
            .map_or(text, |(end, _)| &text[..end]),
        _ => text,
    }
}

fn trace_state(out: &mut Vec<u8>, field: u32, context: &SpanContext) {
    let state = context.trace_state().header();
    bytes(out, field, state.as_bytes());
}

fn kind(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// The W3C flags, and whether the parent (or the linked span) is remote, which is known in any case.
fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    let remote = if is_remote { IS_REMOTE } else { 0 };
    u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Event, Link, SpanId, TraceFlags, TraceId, TraceState};
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    };
    use opentelemetry_proto::tonic::trace::v1::Span;
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use proptest::prelude::*;
    use prost::Message;
    use std::time::Duration;

    /// The reference: the OpenTelemetry project's own conversion.
    fn reference(data: SpanData) -> Span {
        let mut span = Span::from(data);
        // The order of attributes has no meaning, but both keep it; nothing else is touched.
        span.attributes.shrink_to_fit();
        span
    }

    fn own(data: &SpanData) -> Span {
        let mut spans = Vec::new();
        super::span(&mut spans, data, None);
        let scopes = [(data.instrumentation_scope.clone(), spans)];
        let body = request(&resource(&[KeyValue::new("service.name", "s")]), &scopes);
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        let resource_spans = &request.resource_spans[0];
        assert_eq!(
            resource_spans.resource.as_ref().unwrap().attributes[0].key,
            "service.name"
        );
        let scope_spans = &resource_spans.scope_spans[0];
        assert_eq!(scope_spans.scope.as_ref().unwrap().name, "home.activities");
        scope_spans.spans[0].clone()
    }

    fn data(attributes: Vec<KeyValue>) -> SpanData {
        let state = TraceState::from_key_value([("k", "v")]).unwrap();
        let at = |seconds: u64| UNIX_EPOCH + Duration::new(1_700_000_000 + seconds, 5);
        let link = SpanContext::new(
            TraceId::from(7),
            SpanId::from(8),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        let mut events = SpanEvents::default();
        events
            .events
            .push(Event::new("exception", at(1), attributes.clone(), 2));
        events.dropped_count = 3;
        let mut links = SpanLinks::default();
        links.links.push(Link::new(link, attributes.clone(), 1));
        SpanData {
            span_context: SpanContext::new(
                TraceId::from(1),
                SpanId::from(2),
                TraceFlags::SAMPLED,
                false,
                state,
            ),
            parent_span_id: SpanId::from(3),
            parent_span_is_remote: true,
            span_kind: SpanKind::Server,
            name: "GET /api/activities/home".into(),
            start_time: at(0),
            end_time: at(2),
            attributes,
            dropped_attributes_count: 4,
            events,
            links,
            status: Status::error("no"),
            instrumentation_scope: InstrumentationScope::builder("home.activities")
                .with_version("1")
                .build(),
        }
    }

    #[test]
    fn a_span_decodes_to_what_the_official_conversion_gives() {
        let attributes = vec![
            KeyValue::new("text", "é"),
            KeyValue::new("empty", ""),
            KeyValue::new("yes", true),
            KeyValue::new("no", false),
            KeyValue::new("int", -3),
            KeyValue::new("zero", 0),
            KeyValue::new("float", 0.5),
            KeyValue::new("ints", Value::Array(Array::I64(vec![0, -1]))),
            KeyValue::new(
                "texts",
                Value::Array(Array::String(vec!["a".into(), "".into()])),
            ),
            KeyValue::new("long", "x".repeat(1_000)),
        ];
        let full = data(attributes);
        assert_eq!(own(&full), reference(full.clone()));
        let bare = SpanData {
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Ok,
            ..data(Vec::new())
        };
        assert_eq!(own(&bare), reference(bare.clone()));
    }

    #[test]
    fn long_values_are_cut_on_a_character() {
        let mut out = Vec::new();
        super::span(&mut out, &data(vec![KeyValue::new("k", "aéb")]), Some(2));
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains("aé") && !text.contains("aéb"));
        assert_eq!(
            (cut("é", Some(0)), cut("é", Some(1)), cut("é", None)),
            ("", "é", "é")
        );
    }

    #[test]
    fn a_partial_success_is_read() {
        let partial = ExportTracePartialSuccess {
            rejected_spans: 7,
            error_message: "too old".into(),
        };
        let body = ExportTraceServiceResponse {
            partial_success: Some(partial),
        }
        .encode_to_vec();
        assert_eq!(
            response(&body),
            PartialSuccess {
                rejected_spans: 7,
                error_message: "too old".into()
            }
        );
        assert_eq!(response(b""), PartialSuccess::default());
        assert_eq!(response(b"<html>"), PartialSuccess::default());
    }

    proptest! {
        #[test]
        fn any_attributes_decode(keys in proptest::collection::vec((".{0,200}", ".{0,400}", any::<i64>()), 0..12)) {
            let attributes = keys
                .into_iter()
                .flat_map(|(key, text, number)| [KeyValue::new(key.clone(), text), KeyValue::new(key, number)])
                .collect();
            let data = data(attributes);
            prop_assert_eq!(own(&data), reference(data.clone()));
        }
    }
}
