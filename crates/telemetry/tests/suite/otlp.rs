//! What arrives at an OTLP receiver, and how each of the variables changes it.

use crate::parts::{Answer, PATIENCE, Received, Server, Tls, eventually, metric, serve, telemetry};
use flate2::read::GzDecoder;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use std::io::Read;

pub(crate) fn decode(received: &Received) -> ResourceSpans {
    let mut body = Vec::new();
    if received
        .headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip")
    {
        GzDecoder::new(&received.body[..])
            .read_to_end(&mut body)
            .unwrap();
    } else {
        body.clone_from(&received.body);
    }
    let mut request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    assert_eq!(request.resource_spans.len(), 1);
    request.resource_spans.remove(0)
}

pub(crate) fn spans(received: &[Received]) -> usize {
    received
        .iter()
        .flat_map(|received| decode(received).scope_spans)
        .map(|scope| scope.spans.len())
        .sum()
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_arrives_with_its_resource_its_scopes_and_all_attributes() {
    let server = Server::start([]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "x-honeycomb-team=key%20with%2C",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        ),
    ]);
    let tracer = telemetry.tracer_provider().tracer("home.activities");
    serve(
        &telemetry,
        &[("x-forwarded-for", "1.2.3.4, 5.6.7.8")],
        200,
        || {
            tracer
                .start("home-activities-mock-data")
                .set_attribute(KeyValue::new("app.result_length", 3));
        },
    );
    assert!(telemetry.flush(PATIENCE));
    let received = &server.received()[0];
    assert_eq!(received.path, "/v1/traces");
    assert_eq!(received.headers["content-type"], "application/x-protobuf");
    assert_eq!(received.headers["x-honeycomb-team"], "key with,");
    assert!(received.headers["user-agent"].starts_with("OTel-OTLP-Exporter-Rust/"));
    assert_eq!(received.headers.get("content-encoding"), None);
    let spans = decode(received);
    let resource = spans.resource.unwrap().attributes;
    let resource = |key: &str| {
        let attribute = resource
            .iter()
            .find(|attribute| attribute.key == key)
            .unwrap_or_else(|| panic!("{key}"));
        text(attribute.value.as_ref().unwrap().value.as_ref())
    };
    assert_eq!(resource("service.name"), "backend-flask");
    assert_eq!(resource("deployment.environment.name"), "test");
    assert_eq!(resource("telemetry.sdk.language"), "rust");
    assert_eq!(resource("service.instance.id").len(), 36);
    let [inner, outer] = &spans.scope_spans[..] else {
        panic!("{:?}", spans.scope_spans)
    };
    assert_eq!(inner.scope.as_ref().unwrap().name, "home.activities");
    assert_eq!(outer.scope.as_ref().unwrap().name, "tracewright-telemetry");
    let (inner, outer) = (&inner.spans[0], &outer.spans[0]);
    assert_eq!(
        (inner.name.as_str(), outer.name.as_str()),
        ("home-activities-mock-data", "GET /api/activities/home")
    );
    assert_eq!(
        (&inner.trace_id, &inner.parent_span_id),
        (&outer.trace_id, &outer.span_id)
    );
    assert!(outer.parent_span_id.is_empty());
    let attributes: Vec<(&str, String)> = outer
        .attributes
        .iter()
        .map(|attribute| {
            let value = match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(number) => number.to_string(),
                Value::ArrayValue(list) => text(list.values[0].value.as_ref()),
                other => panic!("{other:?}"),
            };
            (attribute.key.as_str(), value)
        })
        .collect();
    let expected = [
        ("http.request.method", "GET"),
        ("http.route", "/api/activities/home"),
        ("url.scheme", "http"),
        ("url.path", "/api/activities/home"),
        ("url.query", "q=1"),
        ("server.address", "localhost"),
        ("server.port", "4567"),
        ("network.protocol.version", "1.1"),
        ("network.peer.address", "10.0.0.9"),
        ("network.peer.port", "4321"),
        ("client.address", "1.2.3.4"),
        ("http.request.header.x-forwarded-for", "1.2.3.4, 5.6.7.8"),
        ("user_agent.original", "curl/8"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "965"),
    ];
    assert_eq!(
        attributes,
        expected.map(|(key, value)| (key, value.to_owned()))
    );
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}"),
        2
    );
}

#[test]
fn the_older_attribute_names_are_added_on_request() {
    let server = Server::start([]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup"),
    ]);
    serve(&telemetry, &[], 500, || {});
    assert!(telemetry.flush(PATIENCE));
    let span = decode(&server.received()[0])
        .scope_spans
        .remove(0)
        .spans
        .remove(0);
    let keys: Vec<&str> = span
        .attributes
        .iter()
        .map(|attribute| attribute.key.as_str())
        .collect();
    for key in [
        "http.method",
        "http.scheme",
        "http.target",
        "http.host",
        "http.flavor",
        "net.host.name",
        "net.host.port",
        "net.peer.ip",
        "net.peer.port",
        "http.user_agent",
        "http.status_code",
        "http.request.method",
        "error.type",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(span.status.unwrap().code, 2, "a 5xx is an error");
    assert_eq!(span.events[0].name, "exception");
}

#[test]
fn bodies_are_compressed_on_request() {
    let server = Server::start([]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    for _ in 0..100 {
        serve(&telemetry, &[], 200, || {});
    }
    assert!(telemetry.flush(PATIENCE));
    let received = server.received();
    assert_eq!(received[0].headers["content-encoding"], "gzip");
    assert_eq!(spans(&received), 100);
    assert!(
        received[0].body.len() < 100 * 100,
        "{} bytes",
        received[0].body.len()
    );
}

#[test]
fn batches_are_sent_when_they_are_full_and_when_the_delay_is_over() {
    let server = Server::start([]);
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "86400000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
    ]);
    for _ in 0..25 {
        serve(&telemetry, &[], 200, || {});
    }
    eventually("two full batches", || {
        (spans(&server.received()) == 20).then_some(())
    });
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(spans(&server.received()), 25);

    let telemetry = crate::parts::telemetry(&[
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            &format!("{}/own/path", server.url()),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ]);
    serve(&telemetry, &[], 200, || {});
    eventually("the delay's batch", || {
        (spans(&server.received()) == 26).then_some(())
    });
    assert_eq!(server.received().last().unwrap().path, "/own/path");
}

#[test]
fn an_endpoint_with_a_certificate_of_its_own_and_one_for_the_client_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let client = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let tls = Tls {
        certificate: own.cert.pem(),
        key: own.signing_key.serialize_pem(),
        clients: Some(client.cert.pem()),
    };
    let server = Server::start_at(([127, 0, 0, 1], 0).into(), [], Some(&tls));
    let endpoint = format!("https://localhost:{}", server.address.port());
    let (ca, certificate) = (
        file("ca", &own.cert.pem()),
        file("certificate", &client.cert.pem()),
    );
    let key = file("key", &client.signing_key.serialize_pem());
    let other_ca = file("other", &client.cert.pem());
    let start = |ca: &str, with_client: bool| {
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca),
        ];
        if with_client {
            variables.push(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &certificate));
            variables.push(("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key));
        }
        let telemetry =
            telemetry(&[&variables[..], &[("OTEL_BSP_EXPORT_TIMEOUT", "300")]].concat());
        serve(&telemetry, &[], 200, || {});
        let delivered = telemetry.flush(PATIENCE);
        assert_eq!(
            metric(
                &telemetry,
                "spans_dropped_total{exporter=\"otlp\",cause=\"unreachable\"}"
            ),
            u64::from(!delivered)
        );
        delivered
    };
    assert!(start(&ca, true));
    assert!(!start(&ca, false), "the server wants a certificate");
    assert!(!start(&other_ca, true), "the server is not trusted");
    assert_eq!(spans(&server.received()), 1);
}

#[test]
fn what_the_sampler_leaves_out_does_not_arrive() {
    let server = Server::start([]);
    for (sampler, argument, parent, arrive) in [
        ("always_off", "", "01", 0),
        ("parentbased_always_off", "", "01", 100),
        ("parentbased_always_on", "", "00", 0),
        ("always_on", "", "00", 100),
        ("traceidratio", "0", "01", 0),
        ("traceidratio", "1", "00", 100),
    ] {
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        let traceparent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{parent}");
        for _ in 0..100 {
            serve(&telemetry, &[("traceparent", &traceparent)], 200, || {});
        }
        assert!(telemetry.flush(PATIENCE));
        assert_eq!(
            metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}"),
            arrive,
            "{sampler} {argument} {parent}"
        );
    }
}

#[test]
fn a_partial_success_is_counted_as_what_it_is() {
    // ExportTraceServiceResponse { partial_success { rejected_spans: 1 } }
    let server = Server::start([Answer::Give(200, "", vec![0x0a, 2, 8, 1])]);
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url())]);
    serve(&telemetry, &[], 200, || {});
    serve(&telemetry, &[], 200, || {});
    assert!(!telemetry.flush(PATIENCE));
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}"),
        1
    );
    assert_eq!(
        metric(
            &telemetry,
            "spans_dropped_total{exporter=\"otlp\",cause=\"rejected\"}"
        ),
        1
    );
}
