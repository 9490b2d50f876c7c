//! Spans as X-Ray sees them.

use crate::parts::{PATIENCE, Receiver, metric, serve, telemetry};
use opentelemetry::trace::{FutureExt, Span, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use tracewright_telemetry::{ContextMissing, Telemetry};

pub(crate) const SAMPLED: (&str, &str) = ("x-amzn-trace-id", "Sampled=1");

pub(crate) fn start(variables: &[(&str, &str)]) -> (Telemetry, Receiver, SdkTracer) {
    let receiver = Receiver::start([]);
    let address = receiver.address();
    let base = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", address.as_str()),
    ];
    let telemetry = telemetry(&[&base, variables].concat());
    let tracer = telemetry.tracer_provider().tracer("test");
    (telemetry, receiver, tracer)
}

/// The segment of one request.
pub(crate) fn segment(
    variables: &[(&str, &str)],
    headers: &[(&str, &str)],
    status: u16,
    work: impl FnOnce(&Telemetry, &SdkTracer),
) -> Json {
    let (telemetry, receiver, tracer) = start(variables);
    serve(&telemetry, &[&[SAMPLED], headers].concat(), status, || {
        work(&telemetry, &tracer)
    });
    receiver.document()
}

#[test]
fn a_request_is_a_segment_with_its_http_members() {
    let json = segment(&[], &[("host", "shop.example:8080")], 200, |_, _| {});
    assert_eq!(json["name"], "backend-flask");
    assert_eq!(
        json["http"],
        json!({
            "request": {
                "url": "http://shop.example:8080/api/activities/home", "method": "GET", "user_agent": "curl/8", "client_ip": "10.0.0.9",
            },
            "response": {"status": 200, "content_length": 965},
        })
    );
    assert_eq!(json["aws"]["xray"]["sdk"], "X-Ray for Rust");
    assert_eq!(json["service"]["runtime"], "rustc");
    for absent in [
        "fault",
        "error",
        "throttle",
        "cause",
        "origin",
        "type",
        "parent_id",
    ] {
        assert_eq!(json.get(absent), None, "{absent}");
    }
    assert!(json["end_time"].as_f64().unwrap() >= json["start_time"].as_f64().unwrap());
}

#[test]
fn a_forwarded_address_is_taken_whole_and_marked() {
    let json = segment(
        &[],
        &[("x-forwarded-for", "1.2.3.4, 5.6.7.8")],
        200,
        |_, _| {},
    );
    assert_eq!(json["http"]["request"]["client_ip"], "1.2.3.4, 5.6.7.8");
    assert_eq!(json["http"]["request"]["x_forwarded_for"], true);
    let json = segment(&[], &[("x-forwarded-for", "")], 200, |_, _| {});
    assert_eq!(json["http"]["request"]["client_ip"], "10.0.0.9");
}

#[test]
fn an_exception_is_a_cause_and_its_callers_refer_to_it() {
    let json = segment(&[], &[], 500, |_, tracer| {
        let mut span = tracer.start("work");
        let trace = "   0: app::fails\n             at ./src/home.rs:12:9\n";
        span.add_event(
            "exception",
            vec![
                KeyValue::new("exception.type", "error"),
                KeyValue::new("exception.message", "it broke"),
                KeyValue::new("exception.stacktrace", trace),
            ],
        );
    });
    let inner = &json["subsegments"][0];
    let exception = &inner["cause"]["exceptions"][0];
    assert_eq!(
        (&exception["type"], &exception["message"]),
        (&json!("error"), &json!("it broke"))
    );
    let folder = std::env::current_dir().unwrap();
    assert_eq!(
        inner["cause"]["working_directory"],
        folder.to_str().unwrap()
    );
    assert_eq!(
        exception["stack"],
        json!([{"path": "home.rs", "line": 12, "label": "app::fails"}])
    );
    assert_eq!(
        (&inner["fault"], &json["fault"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        json["cause"], exception["id"],
        "the same exception, recorded deeper"
    );
}

#[test]
fn a_missing_context_is_an_error_only_if_that_is_asked_for() {
    for (strategy, result) in [
        ("RUNTIME_ERROR", Err(ContextMissing)),
        ("LOG_ERROR", Ok(())),
        ("IGNORE_ERROR", Ok(())),
    ] {
        let (telemetry, ..) = start(&[("AWS_XRAY_CONTEXT_MISSING", strategy)]);
        assert_eq!(telemetry.annotate("key", 1), result, "{strategy}");
    }
}

#[test]
fn resource_attributes_tell_where_the_process_runs() {
    let attributes = "cloud.platform=aws_eks,k8s.cluster.name=c-1,k8s.pod.name=p-1,service.version=1.2,aws.log.group.names=cruddur&other";
    let json = segment(
        &[("OTEL_RESOURCE_ATTRIBUTES", attributes)],
        &[],
        200,
        |_, _| {},
    );
    assert_eq!(json["origin"], "AWS::EKS::Container");
    assert_eq!(
        json["aws"]["eks"],
        json!({"cluster_name": "c-1", "pod": "p-1"})
    );
    assert_eq!(
        json["aws"]["cloudwatch_logs"],
        json!([{"log_group": "cruddur"}, {"log_group": "other"}])
    );
    assert_eq!(json["service"]["version"], "1.2");
}

#[test]
fn names_come_from_the_variables_or_from_the_host() {
    let named = [
        ("AWS_XRAY_TRACING_NAME", "from-variable"),
        ("AWS_XRAY_URL", "*4567-demo.*"),
    ];
    assert_eq!(
        segment(&named, &[], 200, |_, _| {})["name"],
        "from-variable"
    );
    for (host, name) in [
        ("4567-demo.example.test", "4567-demo.example.test"),
        ("4567-demo.example.test:80", "4567-demo.example.test"),
        ("4567-demo.example.test:8080", "4567-demo.example.test:8080"),
    ] {
        assert_eq!(
            segment(&named, &[("host", host)], 200, |_, _| {})["name"],
            name
        );
    }
}

#[test]
fn many_subsegments_are_streamed_and_none_is_lost() {
    let (telemetry, receiver, tracer) = start(&[]);
    serve(&telemetry, &[SAMPLED], 200, || {
        for _ in 0..60 {
            tracer.in_span("outer", |_| drop(tracer.start("inner")));
        }
    });
    assert!(telemetry.flush(PATIENCE));
    let documents = receiver.documents();
    assert!(documents.len() > 30, "{}", documents.len());
    let mut ids = BTreeSet::new();
    for document in &documents {
        collect(document, &mut ids);
        if document.get("http").is_none() {
            assert_eq!(document["type"], "subsegment");
            assert!(document["parent_id"].is_string());
        }
    }
    assert_eq!(ids.len(), 121);
}

fn collect(entity: &Json, ids: &mut BTreeSet<String>) {
    assert!(ids.insert(entity["id"].as_str().unwrap().to_owned()));
    for below in entity["subsegments"].as_array().into_iter().flatten() {
        collect(below, ids);
    }
}

#[test]
fn a_segment_beyond_64_kb_arrives_in_parts() {
    let (telemetry, receiver, tracer) = start(&[]);
    serve(&telemetry, &[SAMPLED], 200, || {
        for _ in 0..8 {
            tracer
                .start("large")
                .set_attribute(KeyValue::new("blob", "x".repeat(10_000)));
        }
        tracer
            .start("too large")
            .set_attribute(KeyValue::new("blob", "x".repeat(100_000)));
    });
    assert!(telemetry.flush(PATIENCE));
    let documents = receiver.documents();
    let mut ids = BTreeSet::new();
    documents
        .iter()
        .for_each(|document| collect(document, &mut ids));
    assert_eq!(
        ids.len(),
        10,
        "every subsegment arrives, the one that is too large without its blob"
    );
    assert!(documents.len() > 1);
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"xray\"}"),
        10
    );
}

#[tokio::test]
async fn a_task_that_outlives_its_request_is_sent_when_it_ends() {
    let (telemetry, receiver, tracer) = start(&[]);
    let mut late = None;
    serve(&telemetry, &[SAMPLED], 200, || {
        let context = Context::current_with_span(tracer.start("late"));
        late = Some(async { tokio::task::yield_now().await }.with_context(context));
    });
    let segment = receiver.document();
    assert_eq!(segment.get("subsegments"), None);
    late.unwrap().await;
    let subsegment = receiver.document();
    assert_eq!(
        (&subsegment["name"], &subsegment["parent_id"]),
        (&json!("late"), &segment["id"])
    );
}
