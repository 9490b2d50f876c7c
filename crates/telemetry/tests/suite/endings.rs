//! Flush and shutdown: what they wait for, what they keep, and what they answer.

use crate::otlp::spans;
use crate::parts::{Answer, PATIENCE, Receiver, Server, eventually, metric, serve, telemetry};
use opentelemetry::trace::{Tracer, TracerProvider};
use std::time::{Duration, Instant};

const SAMPLED: (&str, &str) = ("x-amzn-trace-id", "Sampled=1");

#[test]
fn spans_that_a_flush_cannot_deliver_in_time_are_kept_and_delivered_later() {
    let server = Server::start([Answer::Hang]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
    ]);
    for _ in 0..5 {
        serve(&telemetry, &[], 200, || {});
    }
    let begin = Instant::now();
    assert!(!telemetry.flush(Duration::from_millis(200)));
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert!(telemetry.flush(PATIENCE), "nothing was lost");
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}"),
        5
    );
    assert_eq!(spans(&server.received()), 7, "the first batch came twice");
}

#[test]
fn after_the_end_there_is_nothing_to_wait_for() {
    let (server, receiver) = (Server::start([]), Receiver::start([]));
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("AWS_XRAY_DAEMON_ADDRESS", &receiver.address()),
    ]);
    let tracer = telemetry.tracer_provider().tracer("test");
    serve(&telemetry, &[SAMPLED], 200, || drop(tracer.start("work")));
    assert!(telemetry.shutdown(PATIENCE));
    let begin = Instant::now();
    assert!(telemetry.shutdown(PATIENCE) && telemetry.flush(PATIENCE));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_poll_under_way_holds_up_neither_flush_nor_shutdown() {
    let receiver = Receiver::start([Answer::Hang]);
    let telemetry = telemetry(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", &receiver.address()),
    ]);
    eventually("the poll", || {
        (!receiver.tcp.received().is_empty()).then_some(())
    });
    serve(&telemetry, &[SAMPLED], 200, || {});
    let begin = Instant::now();
    assert!(telemetry.flush(PATIENCE));
    assert!(telemetry.shutdown(PATIENCE));
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(receiver.documents().len(), 1);
}
