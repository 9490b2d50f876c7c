//! Rendering, version 1. It never changes: see [`super::RENDER_VERSION`].

use std::collections::BTreeMap;

use tracewright_xray::contract::variable;

use super::encode::{escape, list_value};
use super::{Rendered, SecretKey, Target, Value, log_group, service_name};
use crate::crd::{
    Compression, EnvVar, Header, Otlp, Propagator, Protocol, Sampler, SamplerType, Traces,
};
use crate::receiver;

/// Seconds between two requests of the `xray` sampler for its rules: the OpenTelemetry SDKs' own default.
const POLLING_INTERVAL: u32 = 300;

/// The exporter that exports nothing.
const NONE: &str = "none";

/// The list, helpers before the variables that refer to them: Kubernetes expands `$(NAME)` only where NAME stands
/// earlier in the list.
pub(super) fn render(target: &Target<'_>) -> Vec<Rendered> {
    let traces = target.spec.traces.as_ref();
    let otlp = traces.and_then(|traces| traces.otlp.as_ref());
    let mut list = helpers(otlp);
    list.extend(identity(target));
    list.extend(exporters(traces));
    list.extend(otlp.map(otlp_exporter).unwrap_or_default());
    list.extend(
        traces
            .and_then(|traces| traces.propagators.as_deref())
            .map(propagators),
    );
    if let Some(sampler) = traces.and_then(|traces| traces.sampler.as_ref()) {
        list.extend(sampler_pair(sampler, target.receiver));
    }
    list.extend(xray(target));
    list.extend(logs(target));
    for EnvVar { name, value } in traces
        .map(|traces| traces.env.as_slice())
        .unwrap_or_default()
    {
        let own = Rendered::literal(name, escape(value));
        // OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER have fixed values but no field of their own; all other names
        // above are refused in `traces.env` at admission.
        match list.iter_mut().find(|fixed| fixed.name == *name) {
            Some(fixed) => *fixed = own,
            None => list.push(own),
        }
    }
    list
}

fn reference(name: &str) -> String {
    format!("$({name})")
}

fn helpers(otlp: Option<&Otlp>) -> Vec<Rendered> {
    let mut helpers = vec![
        Rendered {
            name: variable::POD_NAME.to_owned(),
            value: Value::FieldRef("metadata.name"),
        },
        Rendered {
            name: variable::NODE_NAME.to_owned(),
            value: Value::FieldRef("spec.nodeName"),
        },
    ];
    for header in otlp.map(|otlp| otlp.headers.as_slice()).unwrap_or_default() {
        if let Some(source) = &header.value_from {
            helpers.push(Rendered {
                name: variable::otlp_header(&header.name),
                value: Value::SecretKeyRef(SecretKey {
                    name: source.secret_key_ref.name.clone(),
                    key: source.secret_key_ref.key.clone(),
                }),
            });
        }
    }
    helpers
}

fn identity(target: &Target<'_>) -> [Rendered; 2] {
    let service = target.spec.service.as_ref();
    let mut attributes: BTreeMap<&str, String> = BTreeMap::new();
    if let Some(service) = service {
        attributes.extend(
            service
                .attributes
                .iter()
                .map(|(key, value)| (key.as_str(), list_value(value))),
        );
        attributes.extend(
            service
                .namespace
                .iter()
                .map(|namespace| ("service.namespace", list_value(namespace))),
        );
    }
    attributes
        .extend(log_group(target.spec).map(|group| ("aws.log.group.names", list_value(group))));
    attributes.extend([
        ("k8s.container.name", list_value(target.container)),
        (
            target.kind.resource_attribute(),
            list_value(target.workload),
        ),
        ("k8s.namespace.name", list_value(target.namespace)),
        ("k8s.node.name", reference(variable::NODE_NAME)),
        ("k8s.pod.name", reference(variable::POD_NAME)),
    ]);
    let attributes: Vec<_> = attributes
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    [
        Rendered::literal(
            variable::OTEL_SERVICE_NAME,
            escape(service_name(target.spec, target.workload)),
        ),
        Rendered::literal(variable::OTEL_RESOURCE_ATTRIBUTES, attributes.join(",")),
    ]
}

fn exporters(traces: Option<&Traces>) -> [Rendered; 3] {
    let otlp = traces.is_some_and(|traces| traces.otlp.is_some());
    let console = traces.and_then(|traces| traces.console).unwrap_or(false);
    let spans = match (otlp, console) {
        (true, true) => "otlp,console",
        (true, false) => "otlp",
        (false, true) => "console",
        (false, false) => NONE,
    };
    [
        Rendered::literal(variable::OTEL_TRACES_EXPORTER, spans),
        Rendered::literal(variable::OTEL_METRICS_EXPORTER, NONE),
        Rendered::literal(variable::OTEL_LOGS_EXPORTER, NONE),
    ]
}

fn otlp_exporter(otlp: &Otlp) -> Vec<Rendered> {
    let protocol = match otlp.protocol {
        Protocol::HttpProtobuf => "http/protobuf",
        Protocol::HttpJson => "http/json",
        Protocol::Grpc => "grpc",
    };
    let mut list = vec![
        Rendered::literal(
            variable::OTEL_EXPORTER_OTLP_ENDPOINT,
            escape(&otlp.endpoint),
        ),
        Rendered::literal(variable::OTEL_EXPORTER_OTLP_PROTOCOL, protocol),
    ];
    if !otlp.headers.is_empty() {
        let headers: Vec<_> = otlp.headers.iter().map(header).collect();
        list.push(Rendered::literal(
            variable::OTEL_EXPORTER_OTLP_HEADERS,
            headers.join(","),
        ));
    }
    list.extend(otlp.compression.map(|compression| {
        let compression = match compression {
            Compression::Gzip => "gzip",
            Compression::None => "none",
        };
        Rendered::literal(variable::OTEL_EXPORTER_OTLP_COMPRESSION, compression)
    }));
    list.extend(
        otlp.certificate_file
            .as_deref()
            .map(|path| Rendered::literal(variable::OTEL_EXPORTER_OTLP_CERTIFICATE, escape(path))),
    );
    list
}

fn header(header: &Header) -> String {
    let value = match &header.value_from {
        Some(_) => reference(&variable::otlp_header(&header.name)),
        None => list_value(header.value.as_deref().unwrap_or_default()),
    };
    format!("{}={value}", header.name)
}

fn propagators(propagators: &[Propagator]) -> Rendered {
    let names: Vec<_> = propagators
        .iter()
        .map(|propagator| match propagator {
            Propagator::Tracecontext => "tracecontext",
            Propagator::Baggage => "baggage",
            Propagator::B3 => "b3",
            Propagator::B3multi => "b3multi",
            Propagator::Jaeger => "jaeger",
            Propagator::Ottrace => "ottrace",
            Propagator::Xray => "xray",
            Propagator::None => NONE,
        })
        .collect();
    Rendered::literal(variable::OTEL_PROPAGATORS, names.join(","))
}

/// Sampler and argument, always both: an argument that a container image sets would otherwise be taken for the
/// argument of our sampler. An empty one counts as unset.
fn sampler_pair(sampler: &Sampler, receiver: Option<&str>) -> [Rendered; 2] {
    let name = match sampler.type_ {
        SamplerType::AlwaysOn => "always_on",
        SamplerType::AlwaysOff => "always_off",
        SamplerType::TraceIdRatio => "traceidratio",
        SamplerType::ParentBasedAlwaysOn => "parentbased_always_on",
        SamplerType::ParentBasedAlwaysOff => "parentbased_always_off",
        SamplerType::ParentBasedTraceIdRatio => "parentbased_traceidratio",
        SamplerType::JaegerRemote => "jaeger_remote",
        SamplerType::ParentBasedJaegerRemote => "parentbased_jaeger_remote",
        SamplerType::Xray => "xray",
    };
    let argument = sampler.argument.as_deref();
    let argument = match (sampler.type_, receiver) {
        (SamplerType::Xray, Some(receiver)) => xray_argument(argument, receiver),
        _ => argument.unwrap_or_default().to_owned(),
    };
    [
        Rendered::literal(variable::OTEL_TRACES_SAMPLER, name),
        Rendered::literal(variable::OTEL_TRACES_SAMPLER_ARG, escape(&argument)),
    ]
}

/// The `xray` sampler's argument, with the receiver as endpoint unless one is written.
fn xray_argument(written: Option<&str>, receiver: &str) -> String {
    let endpoint = format!("endpoint=http://{}", receiver::tcp_address(receiver));
    match written.map(|written| written.trim_start_matches(',')) {
        Some(written) if written.starts_with("endpoint=") => written.to_owned(),
        Some(written) if !written.is_empty() => format!("{endpoint},{written}"),
        _ => format!("{endpoint},polling_interval={POLLING_INTERVAL}"),
    }
}

fn xray(target: &Target<'_>) -> Vec<Rendered> {
    let mut list = Vec::new();
    if let Some(receiver) = target.receiver {
        let name = service_name(target.spec, target.workload);
        list.push(Rendered::literal(
            variable::AWS_XRAY_DAEMON_ADDRESS,
            escape(receiver),
        ));
        list.push(Rendered::literal(
            variable::AWS_XRAY_TRACING_NAME,
            escape(name),
        ));
    }
    let pattern = target
        .spec
        .xray
        .as_ref()
        .and_then(|xray| xray.dynamic_naming.as_deref());
    list.extend(pattern.map(|pattern| Rendered::literal(variable::AWS_XRAY_URL, escape(pattern))));
    list
}

fn logs(target: &Target<'_>) -> Vec<Rendered> {
    let Some(group) = log_group(target.spec) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    list.extend(
        target
            .region
            .map(|region| Rendered::literal(variable::AWS_REGION, escape(region))),
    );
    list.push(Rendered::literal(variable::LOG_GROUP, escape(group)));
    let stream = format!(
        "{}/{}",
        reference(variable::POD_NAME),
        escape(target.container)
    );
    list.push(Rendered::literal(variable::LOG_STREAM, stream));
    list
}
