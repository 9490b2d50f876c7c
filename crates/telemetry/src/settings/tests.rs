//! Every variable that the OpenTelemetry SDK for Rust ignores or half obeys, row by row.

mod exporter;
mod limits;
mod sampler;

use super::*;
use std::time::Duration;

fn read(variables: &[(&str, &str)]) -> (Settings, Vec<Problem>) {
    Settings::read(
        variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string())),
        Defaults {
            service_name: Some("fallback"),
            log_filter: "info",
        },
    )
}

fn obeyed(variables: &[(&str, &str)]) -> Settings {
    let (settings, problems) = read(variables);
    assert_eq!(problems, [], "{variables:?}");
    settings
}

/// The only problem, which must name the variable and, unless it is secret, its value.
fn refused(variables: &[(&str, &str)]) -> (Settings, Problem) {
    let (settings, mut problems) = read(variables);
    assert_eq!(problems.len(), 1, "{variables:?}: {problems:?}");
    let problem = problems.remove(0);
    let (_, value) = variables
        .iter()
        .find(|(name, _)| *name == problem.variable)
        .expect("the problem names a variable");
    if let Some(shown) = &problem.value {
        assert_eq!(shown, value);
    }
    (settings, problem)
}

#[test]
fn without_variables_the_specified_defaults_hold() {
    let settings = obeyed(&[]);
    assert_eq!(settings.resource.service_name, "fallback");
    let otlp = settings.otlp.unwrap();
    assert_eq!(otlp.endpoint.as_str(), "http://localhost:4318/v1/traces");
    assert_eq!(otlp.timeout, Duration::from_secs(10));
    assert_eq!(otlp.compression, Compression::None);
    assert!(!settings.console && settings.xray.is_none() && settings.logs.is_none());
    assert_eq!(settings.sampler, Sampler::DEFAULT);
    assert_eq!(
        settings.propagators,
        [Propagator::TraceContext, Propagator::Baggage]
    );
    assert_eq!(
        settings.batching,
        Batching {
            delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
            queue_spans: 2_048,
            batch_spans: 512,
            concurrent_exports: 1,
        }
    );
}

#[test]
fn the_cruddur_example_s_variables_are_obeyed() {
    let settings = obeyed(&[
        ("OTEL_SERVICE_NAME", "backend-flask"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "aws.log.group.names=cruddur,k8s.container.name=backend-flask,k8s.pod.name=p-1",
        ),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://api.honeycomb.io"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=key"),
        ("OTEL_PROPAGATORS", "tracecontext,baggage,xray"),
        ("AWS_XRAY_DAEMON_ADDRESS", "cruddur-xray:2000"),
        ("AWS_XRAY_TRACING_NAME", "backend-flask"),
        ("TRACEWRIGHT_AWS_REGION", "us-east-1"),
        ("TRACEWRIGHT_LOG_GROUP", "cruddur"),
        ("TRACEWRIGHT_LOG_STREAM", "p-1/backend-flask"),
    ]);
    let otlp = settings.otlp.unwrap();
    assert_eq!(otlp.endpoint.as_str(), "https://api.honeycomb.io/v1/traces");
    assert_eq!(otlp.headers["x-honeycomb-team"], "key");
    assert!(settings.console);
    assert_eq!(
        settings.propagators,
        [
            Propagator::TraceContext,
            Propagator::Baggage,
            Propagator::XRay
        ]
    );
    let xray = settings.xray.unwrap();
    assert_eq!(
        (xray.name.as_str(), xray.daemon.udp.to_string()),
        ("backend-flask", "cruddur-xray:2000".into())
    );
    assert_eq!(
        settings.logs.unwrap(),
        LogShipping {
            group: "cruddur".into(),
            stream: "p-1/backend-flask".into(),
            region: Some("us-east-1".into())
        }
    );
    assert_eq!(
        settings.resource.get("aws.log.group.names"),
        Some("cruddur".into())
    );
}

#[test]
fn otel_sdk_disabled() {
    let settings = obeyed(&[
        ("OTEL_SDK_DISABLED", "TRUE"),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("AWS_XRAY_DAEMON_ADDRESS", "h:1"),
    ]);
    assert!(settings.otlp.is_none() && !settings.console);
    assert_eq!(settings.sampler, Sampler::OFF);
    assert!(settings.xray.is_some(), "X-Ray has its own switch");
    assert!(obeyed(&[("OTEL_SDK_DISABLED", "false")]).otlp.is_some());
    assert!(refused(&[("OTEL_SDK_DISABLED", "1")]).0.otlp.is_some());
}

#[test]
fn otel_service_name_and_resource_attributes() {
    let settings = obeyed(&[(
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=from-attributes,k=a%2Cb%3D%25,a%2Cb%20c=d",
    )]);
    assert_eq!(settings.resource.service_name, "from-attributes");
    assert_eq!(
        settings.resource.get("k"),
        Some("a,b=%".into()),
        "values are percent-decoded"
    );
    assert_eq!(settings.resource.get("a,b c"), Some("d".into()), "and keys");
    let settings = obeyed(&[
        ("OTEL_SERVICE_NAME", "n"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=x,telemetry.sdk.name=y,service.instance.id=i",
        ),
    ]);
    assert_eq!(settings.resource.get("service.name"), Some("n".into()));
    assert_eq!(
        settings.resource.get("telemetry.sdk.name"),
        Some("opentelemetry".into())
    );
    assert_eq!(
        settings.resource.get("service.instance.id"),
        Some("i".into())
    );
    let (settings, _) = refused(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b")]);
    assert_eq!(settings.resource.get("a"), None, "all are discarded");
    let (settings, _) = refused(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,%ff=2")]);
    assert_eq!(settings.resource.get("a"), None);
}

#[test]
fn otel_traces_exporter() {
    for (value, otlp, console) in [
        ("otlp", true, false),
        ("console", false, true),
        ("Console , OTLP", true, true),
        ("none", false, false),
        ("", true, false),
    ] {
        let settings = obeyed(&[("OTEL_TRACES_EXPORTER", value)]);
        assert_eq!(
            (settings.otlp.is_some(), settings.console),
            (otlp, console),
            "{value}"
        );
    }
    for value in ["zipkin", "xray", "jaeger"] {
        let (settings, problem) = refused(&[("OTEL_TRACES_EXPORTER", value)]);
        assert!(settings.otlp.is_none() && !settings.console);
        assert!(problem.explanation.contains(if value == "xray" {
            "AWS_XRAY_DAEMON_ADDRESS"
        } else {
            value
        }));
    }
    assert!(
        refused(&[("OTEL_TRACES_EXPORTER", "zipkin,console")])
            .0
            .console,
        "the others work"
    );
}

#[test]
fn otel_propagators() {
    use Propagator::{Baggage, TraceContext, XRay};
    for (value, propagators) in [
        (
            "tracecontext,baggage,xray",
            vec![TraceContext, Baggage, XRay],
        ),
        ("XRay,TraceContext,xray", vec![XRay, TraceContext]),
        ("none", vec![]),
    ] {
        assert_eq!(
            obeyed(&[("OTEL_PROPAGATORS", value)]).propagators,
            propagators,
            "{value}"
        );
    }
    for value in ["b3", "b3multi", "jaeger", "ottrace"] {
        assert_eq!(refused(&[("OTEL_PROPAGATORS", value)]).0.propagators, []);
    }
    assert_eq!(
        obeyed(&[("AWS_XRAY_DAEMON_ADDRESS", "h:1")]).propagators,
        [TraceContext, Baggage, XRay]
    );
    assert_eq!(
        obeyed(&[
            ("AWS_XRAY_DAEMON_ADDRESS", "h:1"),
            ("OTEL_PROPAGATORS", "tracecontext")
        ])
        .propagators,
        [TraceContext]
    );
}

#[test]
fn otel_log_level() {
    assert_eq!(obeyed(&[]).log_filter, "info");
    assert_eq!(
        obeyed(&[("OTEL_LOG_LEVEL", "Debug"), ("RUST_LOG", "warn")]).log_filter,
        "warn,tracewright_telemetry=debug"
    );
    assert_eq!(
        obeyed(&[("OTEL_LOG_LEVEL", "none")]).log_filter,
        "info,tracewright_telemetry=off"
    );
    assert_eq!(refused(&[("OTEL_LOG_LEVEL", "loud")]).0.log_filter, "info");
}

#[test]
fn what_is_not_done_is_refused() {
    for name in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        refused(&[(name, "/etc/otel.yaml")]);
    }
    for (name, value) in [
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp,console"),
    ] {
        refused(&[(name, value)]);
    }
    obeyed(&[
        ("OTEL_METRICS_EXPORTER", "Prometheus"),
        ("OTEL_LOGS_EXPORTER", "console"),
    ]);
}

#[test]
fn otel_semconv_stability_opt_in() {
    for (value, duplicated) in [
        ("http", false),
        ("http/dup", true),
        ("database,http/dup", true),
        ("", false),
    ] {
        assert_eq!(
            obeyed(&[("OTEL_SEMCONV_STABILITY_OPT_IN", value)]).duplicate_http_attributes,
            duplicated
        );
    }
}

#[test]
fn aws_xray() {
    let address = ("AWS_XRAY_DAEMON_ADDRESS", "h:2000");
    let xray = obeyed(&[
        address,
        ("AWS_XRAY_URL", "*4567-demo*"),
        ("AWS_XRAY_CONTEXT_MISSING", "IGNORE_ERROR"),
    ])
    .xray
    .unwrap();
    assert_eq!(
        (xray.name.as_str(), xray.dynamic_naming.as_deref()),
        ("fallback", Some("*4567-demo*"))
    );
    assert_eq!(xray.context_missing, ContextMissingStrategy::Ignore);
    for (value, on) in [
        ("0", false),
        ("No", false),
        ("off", false),
        ("F", false),
        ("1", true),
        ("yes", true),
        ("maybe", true),
    ] {
        assert_eq!(
            obeyed(&[address, ("AWS_XRAY_SDK_ENABLED", value)])
                .xray
                .is_some(),
            on,
            "{value}"
        );
    }
    assert!(
        refused(&[("AWS_XRAY_DAEMON_ADDRESS", "nowhere")])
            .0
            .xray
            .is_none()
    );
    refused(&[address, ("AWS_XRAY_CONTEXT_MISSING", "PANIC")]);
}

#[test]
fn tracewright_log() {
    let stream = |value| {
        obeyed(&[
            ("TRACEWRIGHT_LOG_GROUP", "g"),
            ("TRACEWRIGHT_LOG_STREAM", value),
        ])
        .logs
        .unwrap()
        .stream
    };
    assert_eq!(stream("a:b*c"), "a-b-c", "CloudWatch refuses these");
    assert_eq!(stream(&"x".repeat(600)).len(), 512);
    let logs = obeyed(&[("TRACEWRIGHT_LOG_GROUP", "/aws/g#1"), ("HOSTNAME", "pod-1")])
        .logs
        .unwrap();
    assert_eq!(
        logs.stream,
        format!("pod-1/fallback/{}", std::process::id())
    );
    assert!(
        refused(&[("TRACEWRIGHT_LOG_GROUP", "a b")])
            .0
            .logs
            .is_none()
    );
}
