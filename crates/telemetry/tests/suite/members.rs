//! Which attribute becomes which member of a segment.

use crate::otlp::decode;
use crate::parts::{PATIENCE, Server, serve, telemetry};
use crate::segments::{segment, start};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, Value};
use serde_json::{Value as Json, json};
use tracewright_telemetry::{ServerRequest, ServerResponse};

#[test]
fn the_status_sets_the_flags() {
    for (status, fault, error, throttle) in [
        (200, false, false, false),
        (404, false, true, false),
        (429, false, true, true),
        (500, true, false, false),
    ] {
        let json = segment(&[], &[], status, |_, _| {});
        let flag = |name: &str| json.get(name) == Some(&json!(true));
        assert_eq!(
            (flag("fault"), flag("error"), flag("throttle")),
            (fault, error, throttle),
            "{status}"
        );
    }
}

#[test]
fn an_error_status_without_exception_is_a_fault_with_its_description() {
    let json = segment(&[], &[], 200, |_, tracer| {
        tracer.start("work").set_status(Status::error("no luck"))
    });
    assert_eq!(json["subsegments"][0]["fault"], true);
    assert_eq!(
        json["subsegments"][0]["cause"]["exceptions"][0]["message"],
        "no luck"
    );
    assert_eq!(json.get("fault"), None);
}

#[test]
fn a_call_with_a_client_s_mistake_is_no_fault_whatever_its_status_says() {
    let json = segment(&[], &[], 200, |_, tracer| {
        let call = |status: i64| {
            let mut span = tracer
                .span_builder("call")
                .with_kind(SpanKind::Client)
                .with_attributes([KeyValue::new("http.response.status_code", status)])
                .start(tracer);
            span.set_status(Status::error("not found"));
        };
        call(404);
        call(503);
    });
    let [missing, broken] = &json["subsegments"].as_array().unwrap()[..] else {
        panic!("{json}")
    };
    assert_eq!(
        (&missing["error"], missing.get("fault")),
        (&json!(true), None)
    );
    assert_eq!(missing["cause"]["exceptions"][0]["message"], "not found");
    assert_eq!(
        (broken.get("error"), &broken["fault"]),
        (None, &json!(true))
    );
}

#[test]
fn a_method_that_few_know_is_told_as_it_came() {
    let (telemetry, receiver, _) = start(&[]);
    let request = ServerRequest {
        method: "PROPFIND",
        scheme: "http",
        host: "h",
        path: "/",
        ..ServerRequest::default()
    };
    let headers =
        std::collections::HashMap::from([("x-amzn-trace-id".to_owned(), "Sampled=1".to_owned())]);
    telemetry.serve(&request, &headers).end(&ServerResponse {
        status: 200,
        ..ServerResponse::default()
    });
    let json = receiver.document();
    assert_eq!(json["http"]["request"]["method"], "PROPFIND");
    assert_eq!(
        json.get("metadata")
            .map(Json::to_string)
            .unwrap_or_default()
            .find("method"),
        None
    );
}

#[test]
fn what_is_set_again_has_its_last_value_and_is_there_once() {
    let server = Server::start([]);
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url())]);
    let tracer = telemetry.tracer_provider().tracer("test");
    serve(&telemetry, &[], 200, || {
        let mut span = tracer.start("work");
        for n in 0..3 {
            span.set_attribute(KeyValue::new("n", n));
        }
        span.add_event("e", vec![KeyValue::new("k", 1), KeyValue::new("k", 2)]);
    });
    assert!(telemetry.flush(PATIENCE));
    let span = decode(&server.received()[0])
        .scope_spans
        .remove(0)
        .spans
        .remove(0);
    assert_eq!(span.attributes.len(), 1);
    assert!(format!("{:?}", span.attributes[0]).contains("IntValue(2)"));
    assert_eq!(span.events[0].attributes.len(), 1);

    let json = segment(&[], &[], 200, |telemetry, tracer| {
        for n in 0..60 {
            telemetry.annotate("n", n).unwrap();
        }
        telemetry.annotate("tier", "gold").unwrap();
        let mut span = tracer.start("work");
        span.set_attribute(KeyValue::new("metadata.default.k", 1));
        span.set_attribute(KeyValue::new("k", 2));
    });
    assert_eq!(json["annotations"], json!({"n": 59, "tier": "gold"}));
    assert_eq!(
        json["subsegments"][0]["metadata"]["default"],
        json!({"k": 2})
    );
}

#[test]
fn annotations_metadata_and_the_user_find_their_places() {
    let json = segment(&[], &[], 200, |telemetry, tracer| {
        telemetry.annotate("tier", "gold").unwrap();
        telemetry.annotate("bad.key", 1).unwrap();
        telemetry
            .put_metadata("own", "key.with.dots", true)
            .unwrap();
        telemetry.put_metadata("my.ns 100%", "k", 1).unwrap();
        telemetry.put_metadata("AWS.x", "key", true).unwrap();
        let mut span = tracer.start("work");
        span.set_attribute(KeyValue::new("app.result_length", 3));
        span.set_attribute(KeyValue::new("list", Value::Array(Array::I64(vec![1, 2]))));
        let context = Context::current_with_span(span);
        let _active = context.attach();
        telemetry.set_user("andrew").unwrap();
    });
    assert_eq!(json["annotations"], json!({"tier": "gold"}));
    assert_eq!(json["metadata"]["own"], json!({"key.with.dots": true}));
    assert_eq!(json["metadata"]["my.ns 100%"], json!({"k": 1}));
    assert!(!json["metadata"].to_string().contains("AWS"), "{json}");
    assert_eq!(
        json["user"], "andrew",
        "told within a subsegment, said of the segment"
    );
    assert_eq!(
        json["subsegments"][0]["metadata"]["default"],
        json!({"app.result_length": 3, "list": [1, 2]})
    );
}

#[test]
fn calls_are_subsegments_with_their_namespace_and_name() {
    let json = segment(&[], &[], 200, |_, tracer| {
        let call = |attributes: &[(&'static str, &'static str)]| {
            let attributes = attributes
                .iter()
                .map(|(key, value)| KeyValue::new(*key, *value));
            drop(
                tracer
                    .span_builder("call")
                    .with_kind(SpanKind::Client)
                    .with_attributes(attributes)
                    .start(tracer),
            );
        };
        call(&[
            ("http.request.method", "POST"),
            ("url.full", "https://api.example/v1?key=secret"),
            ("server.address", "api.example"),
        ]);
        call(&[
            ("db.system.name", "postgresql"),
            ("db.namespace", "cruddur"),
            ("db.query.text", "SELECT ?"),
            ("server.address", "db"),
        ]);
        call(&[
            ("rpc.system", "aws-api"),
            ("rpc.service", "DynamoDB"),
            ("rpc.method", "PutItem"),
            ("aws.request_id", "r-1"),
        ]);
    });
    let [http, sql, aws] = &json["subsegments"].as_array().unwrap()[..] else {
        panic!("{json}")
    };
    assert_eq!(
        (&http["name"], &http["namespace"]),
        (&json!("api.example"), &json!("remote"))
    );
    assert_eq!(
        http["http"]["request"],
        json!({"url": "https://api.example/v1", "method": "POST"})
    );
    assert_eq!(
        (&sql["name"], &sql["namespace"]),
        (&json!("cruddur"), &json!("remote"))
    );
    assert_eq!(
        sql["sql"],
        json!({"sanitized_query": "SELECT ?", "database_type": "postgresql", "url": "db"})
    );
    assert_eq!(
        (&aws["name"], &aws["namespace"]),
        (&json!("DynamoDB"), &json!("aws"))
    );
    assert_eq!(
        aws["aws"],
        json!({"operation": "PutItem", "request_id": "r-1"})
    );
}
