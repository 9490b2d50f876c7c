//! Requests that are made carry the context, and are spans.

use crate::otlp::decode;
use crate::parts::{Answer, PATIENCE, Receiver, Server, serve, telemetry};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, TraceContextExt};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_child_span_and_its_context_travels() {
    let (sink, receiver) = (Server::start([]), Receiver::start([]));
    let callee = Server::start([
        Answer::ok(),
        Answer::Give(404, "", Vec::new()),
        Answer::Close,
    ]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.url()),
        ("AWS_XRAY_DAEMON_ADDRESS", &receiver.address()),
    ]);
    let client = reqwest::Client::new();
    let mut context = Context::new();
    serve(
        &telemetry,
        &[
            ("x-amzn-trace-id", "Sampled=1;Lineage=a"),
            ("baggage", "k=v"),
        ],
        200,
        || {
            context = Context::current();
            for _ in 0..3 {
                let url =
                    format!("{}/path?q=1", callee.url()).replace("http://", "http://user:secret@");
                let call = async {
                    let request = client.get(url).build().unwrap();
                    drop(telemetry.send(&client, request).await);
                };
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current()
                        .block_on(call.with_context(Context::current()));
                });
            }
        },
    );
    let trace = context.span().span_context().trace_id().to_string();
    let headers = &callee.received()[0].headers;
    let span_id = headers["traceparent"]
        .strip_prefix(&format!("00-{trace}-"))
        .unwrap()
        .strip_suffix("-01")
        .unwrap();
    assert_eq!(headers["baggage"], "k=v");
    let (seconds, rest) = trace.split_at(8);
    assert_eq!(
        headers["x-amzn-trace-id"],
        format!("Root=1-{seconds}-{rest};Parent={span_id};Sampled=1;Lineage=a")
    );

    assert!(tokio::task::block_in_place(|| telemetry.flush(PATIENCE)));
    let spans: Vec<Span> = decode(&sink.received()[0]).scope_spans.remove(0).spans;
    let calls: Vec<&Span> = spans
        .iter()
        .filter(|span| span.kind() == SpanKind::Client)
        .collect();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.name == "GET"));
    let codes: Vec<i32> = calls
        .iter()
        .map(|call| call.status.as_ref().map_or(0, |status| status.code))
        .collect();
    assert_eq!(
        codes,
        [0, 2, 2],
        "4xx and no answer are errors for the one who asked"
    );
    assert_eq!(calls[2].events[0].name, "exception");
    assert!(!format!("{calls:?}").contains("secret"));

    let segment = receiver.document();
    let [ok, missing, broken] = &segment["subsegments"].as_array().unwrap()[..] else {
        panic!("{segment}")
    };
    assert_eq!(ok["id"], span_id);
    assert_eq!(
        (&ok["namespace"], &ok["name"]),
        (&json!("remote"), &json!("127.0.0.1"))
    );
    assert_eq!(ok["http"]["response"]["status"], 200);
    assert_eq!(
        (&missing["error"], missing.get("fault")),
        (&json!(true), None)
    );
    assert_eq!(broken["fault"], true);
}
