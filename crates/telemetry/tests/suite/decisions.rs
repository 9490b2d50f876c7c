//! Two decisions in two headers: who gets a trace, under which id, and what is passed on.

use crate::otlp::decode;
use crate::parts::{PATIENCE, Receiver, Server, serve, telemetry};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use std::collections::HashMap;

const TRACEPARENT: &str = "traceparent";
const XRAY: &str = "x-amzn-trace-id";
const PARENT_ON: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const PARENT_OFF: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const PARENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
const ROOT_TRACE: &str = "5759e988bd862e3fe1be46a994272793";

/// What came of one request.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    trace: String,
    in_otlp: bool,
    in_xray: bool,
    xray_parent: Option<String>,
    answer: Option<String>,
    passed_on: HashMap<String, String>,
}

fn request(variables: &[(&str, &str)], headers: &[(&str, &str)]) -> Outcome {
    let (server, receiver) = (Server::start([]), Receiver::start([]));
    let (endpoint, address) = (server.url(), receiver.address());
    let base = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("AWS_XRAY_DAEMON_ADDRESS", &address),
    ];
    let telemetry = telemetry(&[&base, variables].concat());
    let mut outcome = Outcome::default();
    let mut context = SpanContext::NONE;
    outcome.answer = serve(&telemetry, headers, 200, || {
        context = Context::current().span().span_context().clone();
        telemetry
            .propagator()
            .inject_context(&Context::current(), &mut outcome.passed_on);
    });
    assert!(telemetry.flush(PATIENCE));
    outcome.trace = context.trace_id().to_string();
    for received in server.received() {
        let span = decode(&received).scope_spans.remove(0).spans.remove(0);
        assert_eq!(span.trace_id, context.trace_id().to_bytes());
        outcome.in_otlp = true;
    }
    for document in receiver.documents() {
        let id = document["trace_id"].as_str().unwrap().replace('-', "");
        assert_eq!(id, format!("1{}", outcome.trace));
        outcome.in_xray = true;
        outcome.xray_parent = document["parent_id"].as_str().map(str::to_owned);
    }
    outcome
}

#[test]
fn each_decision_is_obeyed_from_its_own_header() {
    for (parent, otlp) in [(PARENT_ON, true), (PARENT_OFF, false)] {
        for (sampled, xray) in [("1", true), ("0", false)] {
            let header = format!("{ROOT};Sampled={sampled}");
            let outcome = request(&[], &[(TRACEPARENT, parent), (XRAY, &header)]);
            assert_eq!(
                (outcome.in_otlp, outcome.in_xray),
                (otlp, xray),
                "{parent} {sampled}"
            );
            assert_eq!(outcome.trace, PARENT_TRACE, "traceparent names the trace");
            assert!(
                outcome.passed_on[TRACEPARENT].ends_with(&parent[52..]),
                "{outcome:?}"
            );
            assert!(
                outcome.passed_on[XRAY].ends_with(&format!("Sampled={sampled}")),
                "{outcome:?}"
            );
            assert!(
                outcome.passed_on[XRAY]
                    .starts_with("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=")
            );
        }
    }
}

#[test]
fn the_root_alone_gives_the_id_where_there_is_no_traceparent() {
    let outcome = request(&[], &[(XRAY, &format!("{ROOT};Sampled=1"))]);
    assert_eq!(outcome.trace, ROOT_TRACE);
    assert_eq!(outcome.xray_parent, None, "nobody is named as the parent");
    assert!(outcome.in_otlp && outcome.in_xray);

    let outcome = request(
        &[],
        &[(XRAY, &format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=0"))],
    );
    assert_eq!(outcome.trace, ROOT_TRACE);
    assert!(
        outcome.in_otlp && !outcome.in_xray,
        "X-Ray's no is no no for OTLP"
    );
}

#[test]
fn the_caller_s_segment_is_the_parent() {
    let header = format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
    assert_eq!(
        request(&[], &[(XRAY, &header)]).xray_parent.as_deref(),
        Some("53995c3f42cd8ad8")
    );
    // Of another trace, it is nobody's parent here.
    let outcome = request(&[], &[(TRACEPARENT, PARENT_ON), (XRAY, &header)]);
    assert_eq!(outcome.xray_parent.as_deref(), Some("00f067aa0ba902b7"));
}

#[test]
fn a_question_is_answered_and_only_then_is_the_decision_told() {
    for (header, answer) in [
        (format!("{ROOT};Sampled=?"), format!("{ROOT};Sampled=1")),
        (format!("{ROOT};Sampled=1"), ROOT.to_owned()),
        (ROOT.to_owned(), ROOT.to_owned()),
    ] {
        // The first request of a second is sampled by the fallback.
        assert_eq!(request(&[], &[(XRAY, &header)]).answer, Some(answer));
    }
    let outcome = request(&[], &[]);
    let (seconds, rest) = outcome.trace.split_at(8);
    assert_eq!(outcome.answer, Some(format!("Root=1-{seconds}-{rest}")));
}

#[test]
fn other_keys_travel_on_and_self_does_not() {
    let header = format!("Self=1-67891233-abcdef012345678912345678;{ROOT};Sampled=1;Lineage=a:1");
    let passed_on = request(&[], &[(XRAY, &header)])
        .passed_on
        .remove(XRAY)
        .unwrap();
    assert!(
        passed_on.starts_with(&format!("{ROOT};Parent="))
            && passed_on.ends_with(";Sampled=1;Lineage=a:1"),
        "{passed_on}"
    );
}

#[test]
fn a_header_that_cannot_be_read_is_as_none() {
    for header in [
        "",
        "nonsense",
        "Root=1-0-0",
        "Root=1-00000000-000000000000000000000000;Parent=x",
    ] {
        let outcome = request(&[], &[(XRAY, header)]);
        assert!(outcome.in_otlp && outcome.in_xray, "{header}");
        assert_eq!(outcome.xray_parent, None);
    }
}

#[test]
fn only_the_listed_propagators_read_and_write() {
    let headers = [
        (TRACEPARENT, PARENT_ON),
        (XRAY, "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"),
        ("baggage", "a=1"),
    ];
    let outcome = request(&[("OTEL_PROPAGATORS", "tracecontext")], &headers);
    assert!(outcome.in_xray, "nobody has read the no");
    assert!(!outcome.passed_on.contains_key(XRAY));
    let outcome = request(&[("OTEL_PROPAGATORS", "xray,baggage")], &headers);
    assert_eq!(outcome.trace, ROOT_TRACE);
    assert!(!outcome.in_xray);
    assert_eq!(outcome.passed_on["baggage"], "a=1");
    assert!(!outcome.passed_on.contains_key(TRACEPARENT));
    let outcome = request(&[("OTEL_PROPAGATORS", "none")], &headers);
    assert!(outcome.passed_on.is_empty());
    assert_ne!(outcome.trace, PARENT_TRACE);
}

#[test]
fn each_pipeline_works_without_the_other() {
    let outcome = request(&[("OTEL_TRACES_EXPORTER", "none")], &[(XRAY, "Sampled=1")]);
    assert!(!outcome.in_otlp && outcome.in_xray);
    let outcome = request(&[("OTEL_SDK_DISABLED", "true")], &[(XRAY, "Sampled=1")]);
    assert!(!outcome.in_otlp && outcome.in_xray);
    let outcome = request(&[("AWS_XRAY_SDK_ENABLED", "false")], &[(XRAY, "Sampled=1")]);
    assert!(outcome.in_otlp && !outcome.in_xray);
    assert_eq!(outcome.answer, None);
}

#[test]
fn a_disabled_sdk_stands_between_nobody() {
    const DISABLED: (&str, &str) = ("OTEL_SDK_DISABLED", "true");
    let both = [(TRACEPARENT, PARENT_ON), (XRAY, "Sampled=1;Lineage=a:1")];
    let outcome = request(
        &[
            DISABLED,
            ("AWS_XRAY_SDK_ENABLED", "false"),
            ("OTEL_PROPAGATORS", "tracecontext,xray"),
        ],
        &both,
    );
    assert_eq!(outcome.passed_on[TRACEPARENT], PARENT_ON);
    assert_eq!(
        outcome.passed_on[XRAY],
        "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1;Lineage=a:1"
    );
    let outcome = request(&[DISABLED], &both);
    assert!(outcome.in_xray, "X-Ray has its own switch");
    assert_eq!(outcome.passed_on[TRACEPARENT], PARENT_ON);
    assert!(
        !outcome.passed_on[XRAY].contains("00f067aa0ba902b7"),
        "its own segment is the parent"
    );
    let outcome = request(&[DISABLED], &[]);
    assert!(!outcome.passed_on.contains_key(TRACEPARENT));
}
