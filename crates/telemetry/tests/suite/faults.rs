//! What happens when the other ends fail: nothing waits, what can be delivered later is, and what is lost is counted.

use crate::otlp::spans;
use crate::parts::{
    Answer, PATIENCE, Receiver, Segments, Server, eventually, metric, serve, telemetry,
};
use std::net::TcpListener;
use std::time::{Duration, Instant};

fn busy(status: u16, headers: &'static str) -> Answer {
    Answer::Give(status, headers, Vec::new())
}

#[test]
fn a_busy_otlp_receiver_is_asked_again_when_it_says() {
    let server = Server::start([
        busy(429, "retry-after: 1\r\n"),
        busy(503, ""),
        busy(502, ""),
        busy(504, ""),
    ]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    serve(&telemetry, &[], 200, || {});
    eventually("delivery", || {
        (metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}") == 1).then_some(())
    });
    let received = server.received();
    assert_eq!(received.len(), 5);
    assert!(
        received[1].at - received[0].at >= Duration::from_secs(1),
        "Retry-After is honoured"
    );
    assert!(
        received[2].at - received[1].at >= Duration::from_millis(300),
        "there is a pause without it too"
    );
}

#[test]
fn a_receiver_that_asks_for_no_pause_gets_one_all_the_same() {
    let server = Server::start([
        busy(429, "retry-after: 0\r\n"),
        busy(429, "retry-after: 0\r\n"),
    ]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    serve(&telemetry, &[], 200, || {});
    eventually("delivery", || {
        (metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}") == 1).then_some(())
    });
    let received = server.received();
    for pair in received.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(300));
    }
}

#[test]
fn a_receiver_that_asks_for_a_longer_pause_than_there_is_time_costs_the_batch() {
    let server = Server::start([busy(503, "retry-after: 18446744073709551615\r\n")]);
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url())]);
    serve(&telemetry, &[], 200, || {});
    assert!(!telemetry.flush(Duration::MAX));
    let busy = "spans_dropped_total{exporter=\"otlp\",cause=\"busy\"}";
    assert_eq!(metric(&telemetry, busy), 1);
    serve(&telemetry, &[], 200, || {});
    assert!(telemetry.flush(Duration::MAX), "the exporter lives");
}

#[test]
fn what_an_otlp_receiver_refuses_is_dropped_and_counted() {
    for status in [400, 401, 403, 404, 500] {
        let server = Server::start([busy(status, "")]);
        let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url())]);
        serve(&telemetry, &[], 200, || {});
        assert!(!telemetry.flush(PATIENCE), "{status}");
        assert_eq!(
            metric(
                &telemetry,
                "spans_dropped_total{exporter=\"otlp\",cause=\"refused\"}"
            ),
            1
        );
        serve(&telemetry, &[], 200, || {});
        assert!(telemetry.flush(PATIENCE), "the next one is delivered");
        assert_eq!(server.received().len(), 2, "{status} is not tried again");
    }
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let server = Server::start([Answer::Close, Answer::Close]);
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url())]);
    serve(&telemetry, &[], 200, || {});
    assert!(telemetry.flush(PATIENCE));
}

#[test]
fn an_otlp_receiver_that_hangs_costs_spans_but_no_time() {
    let server = Server::start((0..1_000).map(|_| Answer::Hang));
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "86400000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "86400000"),
    ]);
    serve(&telemetry, &[], 200, || {});
    eventually("the first request", || {
        (!server.received().is_empty()).then_some(())
    });
    let begin = Instant::now();
    for _ in 0..10_000 {
        serve(&telemetry, &[], 200, || {});
    }
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "a request waited"
    );
    let full = metric(
        &telemetry,
        "spans_dropped_total{exporter=\"otlp\",cause=\"queue_full\"}",
    );
    assert_eq!(full, 9_900, "all that finds no room, and no more");
    let begin = Instant::now();
    assert!(!telemetry.shutdown(Duration::from_millis(300)));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "the deadline holds"
    );
    eventually("all are accounted for", || {
        (metric(
            &telemetry,
            "spans_dropped_total{exporter=\"otlp\",cause=\"shutdown\"}",
        ) + metric(
            &telemetry,
            "spans_dropped_total{exporter=\"otlp\",cause=\"timeout\"}",
        ) == 101)
            .then_some(())
    });
}

#[test]
fn a_request_s_own_timeout_is_kept() {
    let server = Server::start([Answer::Hang]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "50"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    serve(&telemetry, &[], 200, || {});
    eventually("the second try", || {
        (metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}") == 1).then_some(())
    });
}

#[test]
fn without_anybody_at_the_other_ends_the_service_serves_and_says_so() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nobody}")),
        (
            "AWS_XRAY_DAEMON_ADDRESS",
            &format!("no-such-host.invalid:{}", nobody.port()),
        ),
        ("OTEL_BSP_EXPORT_TIMEOUT", "200"),
    ]);
    for _ in 0..100 {
        serve(&telemetry, &[("x-amzn-trace-id", "Sampled=1")], 200, || {});
    }
    assert!(!telemetry.shutdown(Duration::from_secs(1)));
    let lost = |exporter, cause| {
        metric(
            &telemetry,
            &format!("spans_dropped_total{{exporter=\"{exporter}\",cause=\"{cause}\"}}"),
        )
    };
    assert_eq!(lost("xray", "shutdown"), 100);
    assert_eq!(lost("otlp", "unreachable") + lost("otlp", "shutdown"), 100);
}

#[test]
fn segments_survive_a_receiver_that_goes_away_and_comes_back() {
    let receiver = Receiver::start([]);
    let (address, socket_address) = (receiver.address(), receiver.tcp.address);
    let telemetry = telemetry(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", &address),
    ]);
    let send = |count| {
        for _ in 0..count {
            serve(&telemetry, &[("x-amzn-trace-id", "Sampled=1")], 200, || {});
        }
    };
    // All that is sent at a time fits into a socket's buffer, however late the receiver reads.
    send(20);
    assert!(telemetry.flush(PATIENCE));
    let before = receiver.documents().len();
    drop(receiver);
    send(20);
    assert!(
        !telemetry.flush(Duration::from_millis(300)),
        "nobody listens"
    );
    let back = Segments::at(socket_address);
    send(20);
    assert!(telemetry.flush(PATIENCE));
    let after = back.documents().len();
    assert_eq!(
        (before, after),
        (20, 40),
        "the network reports that nobody listens, so nothing is lost"
    );
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"xray\"}"),
        60
    );
}

#[test]
fn waiting_segments_are_bounded_and_what_finds_no_room_is_counted() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let telemetry = telemetry(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", &nobody.to_string()),
    ]);
    for _ in 0..10_000 {
        serve(&telemetry, &[("x-amzn-trace-id", "Sampled=1")], 200, || {});
    }
    let full = metric(
        &telemetry,
        "spans_dropped_total{exporter=\"xray\",cause=\"queue_full\"}",
    );
    // A round that is being sent does not count as waiting.
    assert!(
        (10_000 - 8_192 - 64..=10_000 - 8_192).contains(&full),
        "{full} dropped"
    );
}

#[test]
fn spans_are_counted_whatever_becomes_of_them() {
    let server = Server::start([busy(503, ""), Answer::Close, busy(400, "")]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
    ]);
    for _ in 0..1_000 {
        serve(&telemetry, &[], 200, || {});
    }
    telemetry.shutdown(PATIENCE);
    let exported = metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}");
    let dropped = [
        "queue_full",
        "refused",
        "busy",
        "unreachable",
        "timeout",
        "shutdown",
        "rejected",
    ]
    .map(|cause| {
        metric(
            &telemetry,
            &format!("spans_dropped_total{{exporter=\"otlp\",cause=\"{cause}\"}}"),
        )
    });
    assert_eq!(exported + dropped.iter().sum::<u64>(), 1_000);
    let refused = server
        .received()
        .iter()
        .position(|received| received.body.is_empty());
    assert_eq!(refused, None);
    assert!(spans(&server.received()) as u64 >= exported);
}
