//! An OpenTelemetry Collector as receiver: `awsxray` in and out, and to the OTLP endpoint if wanted.
//! (opentelemetry-collector-contrib, receiver/awsxrayreceiver and exporter/awsxrayexporter.)

use serde_json::{Value, json};
use tracewright_xray::contract::variable;

use super::{Defaults, Runtime, objects, yaml};
use crate::crd::{Collector, Compression, Otlp, Protocol};

const CONFIG_FILE: &str = "config.yaml";

pub(super) fn runtime<'a>(
    collector: &'a Collector,
    otlp: Option<&Otlp>,
    defaults: &Defaults<'a>,
) -> Runtime<'a> {
    let pods = &collector.pods;
    let otlp = otlp.filter(|_| collector.export_to_otlp.unwrap_or(false));
    Runtime {
        pods,
        container: "collector",
        image: pods.image.as_deref().unwrap_or(defaults.collector_image),
        config_file: CONFIG_FILE,
        config: yaml(&config(pods.endpoint.as_deref(), otlp, defaults.region)),
        args: vec![format!("--config={}", objects::config_path(CONFIG_FILE))],
        env: otlp.map(header_variables).unwrap_or_default(),
        memory: ("128Mi", "512Mi"),
    }
}

fn config(endpoint: Option<&str>, otlp: Option<&Otlp>, region: &str) -> Value {
    let listen = objects::listen();
    let mut proxy = json!({"endpoint": listen, "region": region, "local_mode": true});
    let mut awsxray = json!({"region": region, "local_mode": true});
    if let Some(endpoint) = endpoint {
        let endpoint = literal(endpoint);
        // There is no certificate to verify on a plain connection, and the exporter asks for one all the same.
        if endpoint.starts_with("http://") {
            awsxray["no_verify_ssl"] = true.into();
        }
        awsxray["endpoint"] = endpoint.clone().into();
        proxy["aws_endpoint"] = endpoint.into();
    }
    let mut exporters = json!({"awsxray": awsxray});
    let mut names = vec!["awsxray"];
    if let Some(otlp) = otlp {
        let name = match otlp.protocol {
            Protocol::HttpProtobuf | Protocol::HttpJson => "otlphttp",
            Protocol::Grpc => "otlp",
        };
        exporters[name] = otlp_exporter(otlp);
        names.push(name);
    }
    json!({
        "receivers": {"awsxray": {"endpoint": listen, "transport": "udp", "proxy_server": proxy}},
        "exporters": exporters,
        "service": {
            // The collector's own metrics would open another port.
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["awsxray"], "exporters": names}},
        },
    })
}

/// `certificateFile` is a path in the workloads' containers and means nothing here.
fn otlp_exporter(otlp: &Otlp) -> Value {
    let mut exporter = json!({"endpoint": literal(&otlp.endpoint)});
    match otlp.protocol {
        Protocol::HttpProtobuf => {}
        Protocol::HttpJson => exporter["encoding"] = "json".into(),
        // The gRPC exporter reads `https` out of the endpoint, but not `http`.
        Protocol::Grpc => {
            if otlp.endpoint.starts_with("http://") {
                exporter["tls"] = json!({"insecure": true});
            }
        }
    }
    match otlp.compression {
        Some(Compression::Gzip) => exporter["compression"] = "gzip".into(),
        Some(Compression::None) => exporter["compression"] = "none".into(),
        None => {}
    }
    for header in &otlp.headers {
        exporter["headers"][&header.name] = match &header.value_from {
            Some(_) => format!("${{env:{}}}", variable::otlp_header(&header.name)).into(),
            None => literal(header.value.as_deref().unwrap_or_default()).into(),
        };
    }
    exporter
}

/// The collector expands `${…}` and reads `$$` as `$`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// Headers out of Secrets. Optional, so that a lost key of the OTLP endpoint does not stop X-Ray as well.
fn header_variables(otlp: &Otlp) -> Vec<Value> {
    otlp.headers
        .iter()
        .filter_map(|header| {
            let secret = &header.value_from.as_ref()?.secret_key_ref;
            let source = json!({"name": secret.name, "key": secret.key, "optional": true});
            Some(json!({"name": variable::otlp_header(&header.name), "valueFrom": {"secretKeyRef": source}}))
        })
        .collect()
}
