//! `OTEL_EXPORTER_OTLP_*`.

use super::*;

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
        obeyed(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/protobuf")])
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
    assert_eq!(
        timeout(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]),
        Duration::from_secs(86_400),
        "0 is no limit, and a day the longest there is"
    );
    let (settings, _) = refused(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]);
    assert_eq!(settings.otlp.unwrap().timeout, Duration::from_secs(10));
}

#[test]
fn otel_exporter_otlp_compression() {
    for (value, compression) in [("GZip", Compression::Gzip), ("none", Compression::None)] {
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
    let not_der = file(
        "not_der",
        "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n",
    );
    let key_not_der = file(
        "key_not_der",
        "-----BEGIN PRIVATE KEY-----\nbm8ga2V5\n-----END PRIVATE KEY-----\n",
    );
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other_key = file("other_key", &other.signing_key.serialize_pem());
    let name = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    assert!(refused(&[(name, &not_der)]).0.otlp.is_none());
    for (cert, key) in [
        (&cert, &not_pem),
        (&cert, &key_not_der),
        (&cert, &other_key),
        (&not_der, &key),
    ] {
        let (settings, problem) = refused(&[
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", cert),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key),
        ]);
        assert!(settings.otlp.is_none());
        assert_eq!(problem.value.as_ref(), Some(cert));
        assert!(
            problem
                .explanation
                .contains("OTEL_EXPORTER_OTLP_CLIENT_KEY")
        );
    }
}
