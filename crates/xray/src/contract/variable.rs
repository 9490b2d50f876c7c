//! The injected environment variables: their names, their order, and what each is for.

/// The pod's name, by the downward API.
pub const POD_NAME: &str = "TRACEWRIGHT_POD_NAME";
/// The node's name, by the downward API.
pub const NODE_NAME: &str = "TRACEWRIGHT_NODE_NAME";
/// Prefix of the variables that hold one Secret-backed OTLP header each; see [`otlp_header`].
pub const OTLP_HEADER_PREFIX: &str = "TRACEWRIGHT_OTLP_HEADER_";
/// `service.name` of every signal.
pub const OTEL_SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// Resource attributes, keys sorted, values percent-encoded.
pub const OTEL_RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// Trace exporters, comma-separated: `otlp`, `console`, `none`; never `xray`.
pub const OTEL_TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";
/// Metric exporters.
pub const OTEL_METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";
/// Log exporters.
pub const OTEL_LOGS_EXPORTER: &str = "OTEL_LOGS_EXPORTER";
/// Base URL of the OTLP receiver.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// OTLP transport.
pub const OTEL_EXPORTER_OTLP_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
/// OTLP headers, `name=value` comma-separated, values percent-encoded.
pub const OTEL_EXPORTER_OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// OTLP compression.
pub const OTEL_EXPORTER_OTLP_COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
/// Path of a CA bundle in the container.
pub const OTEL_EXPORTER_OTLP_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
/// Propagators, comma-separated.
pub const OTEL_PROPAGATORS: &str = "OTEL_PROPAGATORS";
/// Sampler of the OpenTelemetry SDK.
pub const OTEL_TRACES_SAMPLER: &str = "OTEL_TRACES_SAMPLER";
/// Argument of the sampler.
pub const OTEL_TRACES_SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
/// Address of the X-Ray receiver; X-Ray is on exactly when it is set.
pub const AWS_XRAY_DAEMON_ADDRESS: &str = "AWS_XRAY_DAEMON_ADDRESS";
/// Name of the X-Ray segment.
pub const AWS_XRAY_TRACING_NAME: &str = "AWS_XRAY_TRACING_NAME";
/// Pattern of hosts whose segments are named after the host: the journal's own name for dynamic naming.
pub const AWS_XRAY_URL: &str = "AWS_XRAY_URL";
/// Region of the log shipper; falls back to the AWS SDK's chain.
pub const AWS_REGION: &str = "TRACEWRIGHT_AWS_REGION";
/// Log group that the shipper writes to; unset turns the shipper off.
pub const LOG_GROUP: &str = "TRACEWRIGHT_LOG_GROUP";
/// Log stream that the shipper writes to.
pub const LOG_STREAM: &str = "TRACEWRIGHT_LOG_STREAM";

/// Prefixes of the names that `traces.env` may set.
pub const USER_PREFIXES: &[&str] = &["OTEL_", "AWS_XRAY_"];

/// The variable that holds a Secret-backed OTLP header: letters in upper case, all else but digits as `_`.
///
/// Two headers that differ only in case or punctuation share a variable, so a profile must not have both.
///
/// ```
/// use tracewright_xray::contract::variable::otlp_header;
/// assert_eq!(otlp_header("x-honeycomb-team"), "TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM");
/// ```
#[must_use]
pub fn otlp_header(header: &str) -> String {
    let name = header.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    OTLP_HEADER_PREFIX.chars().chain(name).collect()
}

/// One injected variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name; for the Secret-backed headers the prefix that their names share.
    pub name: &'static str,
    /// Whether the original hand-made set-up had it too.
    pub starred: bool,
    /// When it is injected, as the end of a sentence that starts with "Injected".
    pub when: &'static str,
    /// Its value (or the reference that provides it) in the example `cruddur`, or in the smallest example that has it.
    pub example: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All injected variables in the order of injection. They stand before the user's own entries, and helpers stand
/// before the variables that refer to them as `$(HELPER)`, because Kubernetes expands references backwards only.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: POD_NAME,
        starred: false,
        when: "always",
        example: "fieldRef metadata.name",
        meaning: "Helper for the variables below: the pod's name.",
    },
    Variable {
        name: NODE_NAME,
        starred: false,
        when: "always",
        example: "fieldRef spec.nodeName",
        meaning: "Helper for the variables below: the node's name.",
    },
    Variable {
        name: OTLP_HEADER_PREFIX,
        starred: false,
        when: "once for each entry of `traces.otlp.headers` with a `valueFrom`, named after the header (`x-honeycomb-team`: `TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM`)",
        example: "secretKeyRef honeycomb/api-key, optional",
        meaning: "Helper for OTEL_EXPORTER_OTLP_HEADERS: a header's value from a Secret. The reference is optional, so that a Secret lost later never stops a pod.",
    },
    Variable {
        name: OTEL_SERVICE_NAME,
        starred: true,
        when: "always",
        example: "backend-flask",
        meaning: "`service.name` of every signal: `service.name` of the profile, or the workload's own name.",
    },
    Variable {
        name: OTEL_RESOURCE_ATTRIBUTES,
        starred: false,
        when: "always",
        example: "aws.log.group.names=cruddur,k8s.container.name=backend-flask,k8s.deployment.name=backend-flask,k8s.namespace.name=cruddur,k8s.node.name=$(TRACEWRIGHT_NODE_NAME),k8s.pod.name=$(TRACEWRIGHT_POD_NAME)",
        meaning: "Resource attributes, keys sorted, values percent-encoded; with `service.namespace` and `service.attributes` where set.",
    },
    Variable {
        name: OTEL_TRACES_EXPORTER,
        starred: false,
        when: "always",
        example: "otlp,console",
        meaning: "Where spans go. Never contains `xray`: X-Ray is on exactly when AWS_XRAY_DAEMON_ADDRESS is set.",
    },
    Variable {
        name: OTEL_METRICS_EXPORTER,
        starred: false,
        when: "always",
        example: "none",
        meaning: "Off: an OTLP endpoint would otherwise attract the SDK's metrics.",
    },
    Variable {
        name: OTEL_LOGS_EXPORTER,
        starred: false,
        when: "always",
        example: "none",
        meaning: "Off: an OTLP endpoint would otherwise attract the SDK's logs.",
    },
    Variable {
        name: OTEL_EXPORTER_OTLP_ENDPOINT,
        starred: true,
        when: "with `traces.otlp`",
        example: "https://api.honeycomb.io",
        meaning: "Base URL of the OTLP receiver; the SDK appends `/v1/traces`.",
    },
    Variable {
        name: OTEL_EXPORTER_OTLP_PROTOCOL,
        starred: false,
        when: "with `traces.otlp`",
        example: "http/protobuf",
        meaning: "OTLP transport.",
    },
    Variable {
        name: OTEL_EXPORTER_OTLP_HEADERS,
        starred: true,
        when: "with `traces.otlp.headers`",
        example: "x-honeycomb-team=$(TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM)",
        meaning: "Headers of each OTLP request; literal values percent-encoded.",
    },
    Variable {
        name: OTEL_EXPORTER_OTLP_COMPRESSION,
        starred: false,
        when: "only where `traces.otlp.compression` is written",
        example: "gzip",
        meaning: "Compression of OTLP requests.",
    },
    Variable {
        name: OTEL_EXPORTER_OTLP_CERTIFICATE,
        starred: false,
        when: "only where `traces.otlp.certificateFile` is written",
        example: "/etc/ssl/otlp/ca.crt",
        meaning: "Path, in the container, of the CA bundle that OTLP requests trust.",
    },
    Variable {
        name: OTEL_PROPAGATORS,
        starred: false,
        when: "only where `traces.propagators` is written, because `xray` crashes SDKs that lack it",
        example: "tracecontext,baggage,xray",
        meaning: "Propagators in order.",
    },
    Variable {
        name: OTEL_TRACES_SAMPLER,
        starred: false,
        when: "only where `traces.sampler` is written, together with OTEL_TRACES_SAMPLER_ARG",
        example: "xray",
        meaning: "The SDK's sampler.",
    },
    Variable {
        name: OTEL_TRACES_SAMPLER_ARG,
        starred: false,
        when: "only where `traces.sampler` is written, together with OTEL_TRACES_SAMPLER",
        example: "endpoint=http://cruddur-xray:2000,polling_interval=300",
        meaning: "The sampler's argument.",
    },
    Variable {
        name: AWS_XRAY_DAEMON_ADDRESS,
        starred: true,
        when: "with `xray.receiver`, or the operator's default receiver",
        example: "cruddur-xray:2000",
        meaning: "The receiver's address, UDP for segments and TCP for sampling. X-Ray is on exactly when it is set.",
    },
    Variable {
        name: AWS_XRAY_TRACING_NAME,
        starred: false,
        when: "together with AWS_XRAY_DAEMON_ADDRESS",
        example: "backend-flask",
        meaning: "Name of the X-Ray segment; wins over the name in code.",
    },
    Variable {
        name: AWS_XRAY_URL,
        starred: true,
        when: "only with `xray.dynamicNaming`",
        example: "*4567-cruddur.example.com*",
        meaning: "Pattern of hosts whose segments are named after the host; sampling rules and groups for the service's name do not apply to those.",
    },
    Variable {
        name: AWS_REGION,
        starred: false,
        when: "with `logs`",
        example: "us-east-1",
        meaning: "Region of the log shipper; falls back to the AWS SDK's chain.",
    },
    Variable {
        name: LOG_GROUP,
        starred: false,
        when: "with `logs`",
        example: "cruddur",
        meaning: "Log group that the shipper writes to. Unset, the shipper is off.",
    },
    Variable {
        name: LOG_STREAM,
        starred: false,
        when: "with `logs`",
        example: "$(TRACEWRIGHT_POD_NAME)/backend-flask",
        meaning: "Log stream that the shipper writes to.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_variable_is_listed_twice() {
        let names: BTreeSet<_> = VARIABLES.iter().map(|v| v.name).collect();
        assert_eq!(names.len(), VARIABLES.len());
    }

    #[test]
    fn a_helper_stands_before_the_variables_that_refer_to_it() {
        for (position, variable) in VARIABLES.iter().enumerate() {
            for reference in variable.example.split("$(").skip(1) {
                let (helper, _) = reference.split_once(')').expect("a reference is closed");
                let defined = VARIABLES[..position]
                    .iter()
                    .any(|earlier| helper.starts_with(earlier.name));
                assert!(defined, "{} refers to {helper}", variable.name);
            }
        }
    }

    #[test]
    fn the_journal_s_own_variables_are_starred() {
        let starred: Vec<_> = VARIABLES
            .iter()
            .filter(|v| v.starred)
            .map(|v| v.name)
            .collect();
        assert_eq!(
            starred,
            [
                OTEL_SERVICE_NAME,
                OTEL_EXPORTER_OTLP_ENDPOINT,
                OTEL_EXPORTER_OTLP_HEADERS,
                AWS_XRAY_DAEMON_ADDRESS,
                AWS_XRAY_URL,
            ]
        );
    }

    #[test]
    fn a_header_variable_is_a_valid_environment_name() {
        for header in ["x-honeycomb-team", "Authorization", "x.y z/ü"] {
            let name = otlp_header(header);
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
                "{name}"
            );
        }
    }
}
