//! Every variable that the OpenTelemetry SDK for Rust ignores or half obeys, row by row.

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
        "service.name=from-attributes,k=a%2Cb%3D%25",
    )]);
    assert_eq!(settings.resource.service_name, "from-attributes");
    assert_eq!(
        settings.resource.get("k"),
        Some("a,b=%".into()),
        "values are percent-decoded"
    );
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
}

#[test]
fn otel_traces_exporter() {
    for (value, otlp, console) in [
        ("otlp", true, false),
        ("console", false, true),
        ("console , otlp", true, true),
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
fn otel_exporter_otlp_endpoint() {
    let endpoint =
        |variables: &[(&str, &str)]| obeyed(variables).otlp.unwrap().endpoint.to_string();
    assert_eq!(
        endpoint(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1/base/")]),
        "http://h:1/base/v1/traces"
    );
    assert_eq!(
        endpoint(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:2/x")
        ]),
        "http://t:2/x",
        "the signal's own is taken as it is"
    );
    for value in ["h:4317", "grpc://h", "/v1", "http://"] {
        assert!(
            refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", value)])
                .0
                .otlp
                .is_none(),
            "{value}"
        );
    }
}

#[test]
fn otel_exporter_otlp_headers() {
    let headers = |variables: &[(&str, &str)]| obeyed(variables).otlp.unwrap().headers;
    let map = headers(&[(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "a=1,Authorization=Basic%20eA%3D%3D",
    )]);
    assert!(map["a"] == "1" && map["authorization"] == "Basic eA==");
    let map = headers(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
    ]);
    assert!(
        !map.contains_key("a") && map["b"] == "2",
        "the signal's own replace the general ones"
    );
    for value in [
        "secret",
        "a b=secret",
        "a=secret%0a",
        "a=",
        "a=$(TRACEWRIGHT_OTLP_HEADER_A)",
    ] {
        let (settings, problem) = refused(&[("OTEL_EXPORTER_OTLP_HEADERS", value)]);
        assert!(settings.otlp.is_none());
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}

#[test]
fn otel_exporter_otlp_protocol() {
    assert!(
        obeyed(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")])
            .otlp
            .is_some()
    );
    for value in ["grpc", "http/json", "x"] {
        assert!(
            refused(&[("OTEL_EXPORTER_OTLP_PROTOCOL", value)])
                .0
                .otlp
                .is_none()
        );
        assert!(
            refused(&[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", value)])
                .0
                .otlp
                .is_none()
        );
    }
    let settings = obeyed(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ]);
    assert!(settings.otlp.is_some());
}

#[test]
fn otel_exporter_otlp_timeout_is_in_milliseconds() {
    let timeout = |variables: &[(&str, &str)]| obeyed(variables).otlp.unwrap().timeout;
    assert_eq!(
        timeout(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "250")]),
        Duration::from_millis(250)
    );
    assert_eq!(
        timeout(&[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "9")
        ]),
        Duration::from_millis(9)
    );
    let (settings, _) = refused(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]);
    assert_eq!(settings.otlp.unwrap().timeout, Duration::from_secs(10));
}

#[test]
fn otel_exporter_otlp_compression() {
    for (value, compression) in [("gzip", Compression::Gzip), ("none", Compression::None)] {
        assert_eq!(
            obeyed(&[("OTEL_EXPORTER_OTLP_COMPRESSION", value)])
                .otlp
                .unwrap()
                .compression,
            compression
        );
    }
    assert!(
        refused(&[("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd")])
            .0
            .otlp
            .is_none()
    );
}

#[test]
fn otel_exporter_otlp_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (
        file("cert", &made.cert.pem()),
        file("key", &made.signing_key.serialize_pem()),
    );
    let not_pem = file("text", "no certificate");
    let otlp = obeyed(&[
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &cert),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &cert),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
    ])
    .otlp
    .unwrap();
    assert!(
        otlp.certificates
            .is_some_and(|certificates| certificates.len() == 1)
            && otlp.identity.is_some()
    );
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", &not_pem),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &cert),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nonexistent"),
    ] {
        assert!(refused(&[(name, value)]).0.otlp.is_none(), "{name}={value}");
    }
    let mismatch = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", cert.as_str()),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", not_pem.as_str()),
    ];
    assert!(refused(&mismatch).0.otlp.is_none());
}

#[test]
fn otel_traces_sampler() {
    let sampler = |variables: &[(&str, &str)]| obeyed(variables).sampler;
    for (value, argument, parent_based, root) in [
        ("always_on", "", false, Root::AlwaysOn),
        ("always_off", "", false, Root::AlwaysOff),
        ("traceidratio", "0.25", false, Root::Ratio(0.25)),
        ("parentbased_always_on", "", true, Root::AlwaysOn),
        ("parentbased_always_off", "", true, Root::AlwaysOff),
        ("parentbased_traceidratio", "", true, Root::Ratio(1.0)),
    ] {
        let variables = [
            ("OTEL_TRACES_SAMPLER", value),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        assert_eq!(sampler(&variables), Sampler { parent_based, root });
    }
    for value in [
        "jaeger_remote",
        "parentbased_jaeger_remote",
        "parentbased_xray",
        "Always_On",
    ] {
        assert_eq!(
            refused(&[("OTEL_TRACES_SAMPLER", value)]).0.sampler,
            Sampler::DEFAULT,
            "{value}"
        );
    }
    for argument in ["2", "x", "NaN"] {
        let (settings, problem) = refused(&[
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        assert_eq!(settings.sampler.root, Root::Ratio(1.0));
        assert_eq!(problem.variable, "OTEL_TRACES_SAMPLER_ARG");
    }
}

#[test]
fn otel_traces_sampler_xray() {
    let remote = |variables: &[(&str, &str)]| match obeyed(variables).sampler {
        Sampler {
            parent_based: true,
            root: Root::XRay(remote),
        } => (remote.endpoint, remote.polling_interval.as_secs()),
        other => panic!("{other:?}"),
    };
    let xray = ("OTEL_TRACES_SAMPLER", "xray");
    assert_eq!(remote(&[xray]), ("http://127.0.0.1:2000".into(), 300));
    assert_eq!(
        remote(&[xray, ("AWS_XRAY_DAEMON_ADDRESS", "tcp:t:1 udp:u:2")]),
        ("http://t:1".into(), 300)
    );
    let argument = |value| ("OTEL_TRACES_SAMPLER_ARG", value);
    assert_eq!(
        remote(&[
            xray,
            argument("endpoint=http://cruddur-xray:2000,polling_interval=60")
        ]),
        ("http://cruddur-xray:2000".into(), 60)
    );
    assert_eq!(
        remote(&[xray, argument("polling_interval=9")]).1,
        300,
        "less than ten seconds is not obeyed"
    );
    for value in [
        "endpoint=cruddur:2000",
        "polling_interval=x",
        "rate=1",
        "300",
    ] {
        let (settings, _) = refused(&[xray, argument(value)]);
        assert!(matches!(settings.sampler.root, Root::XRay(_)), "{value}");
    }
}

#[test]
fn otel_bsp() {
    let settings = obeyed(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "200"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32"),
        ("OTEL_BSP_MAX_CONCURRENT_EXPORTS", "2"),
    ]);
    assert_eq!(
        settings.batching,
        Batching {
            delay: Duration::from_millis(100),
            export_timeout: Duration::from_millis(200),
            queue_spans: 64,
            batch_spans: 32,
            concurrent_exports: 2,
        }
    );
    assert_eq!(
        obeyed(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")])
            .batching
            .batch_spans,
        100
    );
    let (settings, _) = refused(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "11"),
    ]);
    assert_eq!(settings.batching.batch_spans, 10);
    for name in [
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
    ] {
        let settings = refused(&[(name, "-1")]).0;
        assert_eq!(settings.batching, obeyed(&[]).batching);
    }
}

#[test]
fn otel_span_limits() {
    let limits = obeyed(&[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "3"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6"),
    ])
    .limits;
    assert_eq!(
        limits,
        Limits {
            attributes: 1,
            events: 2,
            links: 3,
            event_attributes: 4,
            link_attributes: 5,
            value_chars: Some(6)
        }
    );
    let limits = obeyed(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "8"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "9"),
    ])
    .limits;
    assert_eq!(
        (
            limits.attributes,
            limits.event_attributes,
            limits.link_attributes,
            limits.value_chars
        ),
        (7, 7, 9, Some(8))
    );
    assert_eq!(obeyed(&[]).limits.value_chars, None);
}

#[test]
fn otel_propagators() {
    use Propagator::{Baggage, TraceContext, XRay};
    for (value, propagators) in [
        (
            "tracecontext,baggage,xray",
            vec![TraceContext, Baggage, XRay],
        ),
        ("xray,tracecontext,xray", vec![XRay, TraceContext]),
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
        ("OTEL_METRICS_EXPORTER", "prometheus"),
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
