//! Work that no request asks for, or that goes on after its answer.

use crate::parts::{PATIENCE, Receiver, metric, serve};
use crate::segments::start;
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer};
use opentelemetry_sdk::trace::SdkTracer;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use tracewright_telemetry::Telemetry;

/// The `X-Amzn-Trace-Id` of a request that is made in this context.
fn header(telemetry: &Telemetry, context: &Context) -> String {
    let mut headers = HashMap::new();
    telemetry.propagator().inject_context(context, &mut headers);
    headers.remove("x-amzn-trace-id").unwrap()
}

#[test]
fn work_without_a_request_is_a_segment_of_its_own() {
    let (telemetry, receiver, tracer) = start(&[]);
    tracer.in_span("nightly", |_| drop(tracer.start("step")));
    let json = receiver.document();
    assert_eq!(json["name"], "backend-flask");
    assert_eq!(json["subsegments"][0]["name"], "step");
    assert!(telemetry.flush(PATIENCE));
}

#[test]
fn a_job_s_header_carries_x_ray_s_decision_whatever_otlp_decides() {
    for sampler in ["always_on", "always_off"] {
        let (telemetry, receiver, tracer) = start(&[("OTEL_TRACES_SAMPLER", sampler)]);
        let mut told = HashMap::new();
        // The fallback samples the first of a second and some of the others.
        for _ in 0..200 {
            tracer.in_span("job", |context| {
                let trace = context.span().span_context().trace_id().to_string();
                tracer.in_span("step", |context| {
                    told.insert(trace, header(&telemetry, &context).ends_with(";Sampled=1"));
                });
            });
        }
        assert!(telemetry.flush(PATIENCE));
        let sent: Vec<String> = receiver
            .documents()
            .iter()
            .map(|it| it["trace_id"].as_str().unwrap()[2..].replace('-', ""))
            .collect();
        let sampled: Vec<&String> = told.iter().filter(|it| *it.1).map(|it| it.0).collect();
        assert!(!sampled.is_empty() && sampled.len() < 200, "{sampler}");
        assert_eq!(sent.len(), sampled.len());
        assert!(sampled.iter().all(|trace| sent.contains(trace)));
    }
}

/// What X-Ray gets of a span, with one below it, that starts when `above` has ended.
fn late(
    telemetry: &Telemetry,
    tracer: &SdkTracer,
    receiver: &Receiver,
    above: &Context,
) -> [Json; 2] {
    let span = tracer.start_with_context("late", above);
    let context = above.with_span(span);
    drop(tracer.start_with_context("below", &context));
    assert!(header(telemetry, &context).ends_with(";Sampled=1"));
    context.span().end();
    [receiver.document(), receiver.document()]
}

fn assert_is_below(late: &[Json; 2], segment: &Json) {
    let [below, late] = late;
    assert_eq!(
        (&late["name"], &below["name"]),
        (&json!("late"), &json!("below"))
    );
    assert_eq!(late["type"], "subsegment");
    assert_eq!(late["trace_id"], segment["trace_id"]);
    assert_eq!(late["parent_id"], segment["id"]);
    assert_eq!(below["parent_id"], late["id"]);
}

#[test]
fn a_span_that_starts_after_its_request_is_a_subsegment_of_it() {
    for variables in [[].as_slice(), &[("OTEL_SDK_DISABLED", "true")]] {
        let (telemetry, receiver, tracer) = start(variables);
        let mut request = Context::new();
        serve(&telemetry, &[("x-amzn-trace-id", "Sampled=1")], 200, || {
            request = Context::current();
        });
        let segment = receiver.document();
        let late = late(&telemetry, &tracer, &receiver, &request);
        assert_is_below(&late, &segment);
        assert!(telemetry.flush(PATIENCE));
        assert_eq!(
            metric(&telemetry, "spans_exported_total{exporter=\"xray\"}"),
            3
        );
    }
}

#[test]
fn a_span_that_starts_after_its_job_is_a_subsegment_of_it() {
    let (telemetry, receiver, tracer) = start(&[]);
    let job = tracer.in_span("job", |context| context);
    job.span().end();
    let segment = receiver.document();
    let late = late(&telemetry, &tracer, &receiver, &job);
    assert_is_below(&late, &segment);
}

#[test]
fn below_a_request_that_is_not_sampled_nothing_is_sent_later_either() {
    let (telemetry, receiver, tracer) = start(&[]);
    let mut request = Context::new();
    serve(&telemetry, &[("x-amzn-trace-id", "Sampled=0")], 200, || {
        request = Context::current();
    });
    drop(tracer.start_with_context("late", &request));
    assert!(header(&telemetry, &request).ends_with(";Sampled=0"));
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(receiver.documents().len(), 0);
}
