//! The environment as settings: every variable is obeyed, or refused with a [`Problem`].
//!
//! Sources: OpenTelemetry's ["Environment Variable Specification"](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
//! and ["OpenTelemetry Protocol Exporter"](https://opentelemetry.io/docs/specs/otel/protocol/exporter/), and the X-Ray SDK for
//! Python's configuration.

mod environment;
mod limits;
mod logs;
mod otlp;
mod propagators;
mod resource;
mod sampler;
mod xray;

pub use environment::Problem;
pub(crate) use limits::{Batching, Limits};
pub(crate) use logs::LogShipping;
pub(crate) use otlp::{Compression, Otlp};
pub(crate) use propagators::Propagator;
pub(crate) use resource::Resource;
pub(crate) use sampler::{RemoteSampler, Root, Sampler};
pub(crate) use xray::{Address, ContextMissingStrategy, XRay};

use environment::Environment;
use tracewright_xray::contract::variable;

/// Everything the environment says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) resource: Resource,
    /// OTLP export of spans, if it is asked for and possible.
    pub(crate) otlp: Option<Otlp>,
    /// Spans as JSON lines on standard output.
    pub(crate) console: bool,
    pub(crate) batching: Batching,
    pub(crate) limits: Limits,
    pub(crate) sampler: Sampler,
    pub(crate) propagators: Vec<Propagator>,
    /// Spans are off, and the caller's context is passed on as it is.
    pub(crate) sdk_disabled: bool,
    pub(crate) xray: Option<XRay>,
    pub(crate) logs: Option<LogShipping>,
    /// Old and stable names of HTTP attributes, or only the stable ones.
    pub(crate) duplicate_http_attributes: bool,
    /// Which log records are wanted, in `tracing`'s filter syntax.
    pub(crate) log_filter: String,
}

/// What the program says where the environment says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults<'a> {
    pub(crate) service_name: Option<&'a str>,
    pub(crate) log_filter: &'a str,
}

impl Settings {
    /// Reads the variables of a process.
    pub(crate) fn read(
        variables: impl IntoIterator<Item = (String, String)>,
        defaults: Defaults<'_>,
    ) -> (Self, Vec<Problem>) {
        let mut environment = Environment::new(variables);
        let env = &mut environment;
        let resource = Resource::read(env, defaults.service_name);
        let disabled = env.flag("OTEL_SDK_DISABLED");
        let exporters = Exporters::read(env);
        let otlp = if exporters.otlp && !disabled {
            Otlp::read(env)
        } else {
            None
        };
        let xray = XRay::read(env, &resource.service_name);
        let settings = Self {
            otlp,
            console: exporters.console && !disabled,
            batching: Batching::read(env),
            limits: Limits::read(env),
            sampler: if disabled {
                Sampler::OFF
            } else {
                Sampler::read(env, xray.as_ref())
            },
            propagators: Propagator::read(env, xray.is_some()),
            sdk_disabled: disabled,
            xray,
            logs: LogShipping::read(env, &resource),
            duplicate_http_attributes: read_semantic_conventions(env),
            log_filter: read_log_filter(env, defaults.log_filter),
            resource,
        };
        refuse_the_rest(env);
        (settings, environment.problems)
    }
}

/// `OTEL_TRACES_EXPORTER`.
struct Exporters {
    otlp: bool,
    console: bool,
}

impl Exporters {
    fn read(env: &mut Environment) -> Self {
        let name = variable::OTEL_TRACES_EXPORTER;
        let mut exporters = Self {
            otlp: false,
            console: false,
        };
        let Some(list) = env.choices(name) else {
            return Self {
                otlp: true,
                ..exporters
            };
        };
        for entry in list {
            match entry.as_str() {
                "otlp" => exporters.otlp = true,
                "console" => exporters.console = true,
                "none" => {}
                "xray" => env.refuse(
                    name,
                    "X-Ray is no entry here; it is on when AWS_XRAY_DAEMON_ADDRESS is set",
                ),
                other => env.refuse(
                    name,
                    format!("there is no exporter {other}; write otlp, console or none"),
                ),
            }
        }
        exporters
    }
}

/// `OTEL_SEMCONV_STABILITY_OPT_IN`: the stable names are written in any case, `http/dup` adds the old ones.
fn read_semantic_conventions(env: &mut Environment) -> bool {
    env.list("OTEL_SEMCONV_STABILITY_OPT_IN")
        .is_some_and(|list| list.iter().any(|entry| entry == "http/dup"))
}

/// `RUST_LOG` says what the program logs; `OTEL_LOG_LEVEL` what this library says of itself.
fn read_log_filter(env: &mut Environment, default: &str) -> String {
    let mut filter = env.text("RUST_LOG").unwrap_or_else(|| default.into());
    if let Some((_, level)) = env.choice(&["OTEL_LOG_LEVEL"]) {
        match level.as_str() {
            "none" => filter.push_str(",tracewright_telemetry=off"),
            level @ ("error" | "warn" | "info" | "debug" | "trace") => {
                filter.push_str(&format!(",tracewright_telemetry={level}"));
            }
            _ => env.refuse(
                "OTEL_LOG_LEVEL",
                "write none, error, warn, info, debug or trace; info holds",
            ),
        }
    }
    filter
}

/// What would ask for something this library does not do.
fn refuse_the_rest(env: &mut Environment) {
    for (name, accepted, instead) in [
        (
            variable::OTEL_METRICS_EXPORTER,
            ["none", "prometheus"],
            "metrics of the library are at Telemetry::metrics; write none",
        ),
        (
            variable::OTEL_LOGS_EXPORTER,
            ["none", "console"],
            "logs go to the console and to CloudWatch; write none",
        ),
    ] {
        if env
            .choices(name)
            .is_some_and(|list| list.iter().any(|entry| !accepted.contains(&entry.as_str())))
        {
            env.refuse(name, instead);
        }
    }
    for name in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        if env.text(name).is_some() {
            env.refuse(
                name,
                "configuration files are not read; the other variables hold",
            );
        }
    }
}

#[cfg(test)]
mod tests;
