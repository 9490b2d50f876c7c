//! `OTEL_TRACES_SAMPLER` and its argument.

use super::environment::{Environment, pairs};
use super::xray::XRay;
use std::time::Duration;
use tracewright_xray::contract::variable;

/// Who decides which spans OTLP and the console get.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampler {
    /// Whether a caller's decision in `traceparent` comes first.
    pub(crate) parent_based: bool,
    pub(crate) root: Root,
}

/// The decision where there is no caller's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Root {
    AlwaysOn,
    AlwaysOff,
    /// The share of traces, 0 to 1.
    Ratio(f64),
    /// X-Ray's central sampling rules.
    XRay(RemoteSampler),
}

/// Where the central sampling rules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteSampler {
    /// An unsigned HTTP endpoint: the receiver's TCP port.
    pub(crate) endpoint: String,
    pub(crate) polling_interval: Duration,
}

impl RemoteSampler {
    /// The X-Ray SDKs' interval.
    pub(crate) const POLLING_INTERVAL: Duration = Duration::from_secs(300);
    /// Shorter intervals are not obeyed.
    const MIN_POLLING_INTERVAL: Duration = Duration::from_secs(10);
    /// Longer ones are refused.
    const MAX_POLLING_INTERVAL: Duration = Duration::from_secs(86_400);
    /// OpenTelemetry's X-Ray samplers' default.
    const ENDPOINT: &str = "http://127.0.0.1:2000";

    pub(crate) fn of_daemon(xray: &XRay) -> Self {
        Self {
            endpoint: format!("http://{}", xray.daemon.tcp),
            polling_interval: Self::POLLING_INTERVAL,
        }
    }

    fn read(env: &mut Environment, xray: Option<&XRay>) -> Self {
        let default = Self {
            endpoint: Self::ENDPOINT.into(),
            polling_interval: Self::POLLING_INTERVAL,
        };
        let mut remote = xray.map_or(default, Self::of_daemon);
        let name = variable::OTEL_TRACES_SAMPLER_ARG;
        let text = env.text(name).unwrap_or_default();
        let arguments = pairs(&text).unwrap_or_else(|_| {
            env.refuse(name, "the sampler xray takes endpoint=http://HOST:PORT,polling_interval=SECONDS; the defaults hold");
            Vec::new()
        });
        for (key, value) in arguments {
            match key.as_str() {
                "endpoint"
                    if reqwest::Url::parse(&value)
                        .is_ok_and(|url| url.scheme() == "http" && url.has_host()) =>
                {
                    remote.endpoint = value.trim_end_matches('/').to_owned();
                }
                "polling_interval" => match value.parse().map(Duration::from_secs) {
                    Ok(interval) if interval > Self::MAX_POLLING_INTERVAL => {
                        env.refuse(name, "polling_interval is at most a day, 86400; 300 holds")
                    }
                    // As OpenTelemetry's X-Ray samplers do.
                    Ok(interval) if interval < Self::MIN_POLLING_INTERVAL => {}
                    Ok(interval) => remote.polling_interval = interval,
                    Err(_) => {
                        env.refuse(name, "polling_interval is a number of seconds; 300 holds")
                    }
                },
                "endpoint" => env.refuse(
                    name,
                    format!("the endpoint is an http URL; {} holds", remote.endpoint),
                ),
                other => env.refuse(name, format!("the sampler xray has no argument {other}")),
            }
        }
        remote
    }
}

impl Sampler {
    /// OpenTelemetry's default.
    pub(crate) const DEFAULT: Self = Self {
        parent_based: true,
        root: Root::AlwaysOn,
    };
    /// Nothing, whatever the caller decided.
    pub(crate) const OFF: Self = Self {
        parent_based: false,
        root: Root::AlwaysOff,
    };

    pub(super) fn read(env: &mut Environment, xray: Option<&XRay>) -> Self {
        let name = variable::OTEL_TRACES_SAMPLER;
        let Some((_, text)) = env.choice(&[name]) else {
            return Self::DEFAULT;
        };
        let (parent_based, root) = match text.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, text.as_str()),
        };
        let root = match (root, parent_based) {
            ("always_on", _) => Root::AlwaysOn,
            ("always_off", _) => Root::AlwaysOff,
            ("traceidratio", _) => Root::Ratio(ratio(env)),
            ("xray", false) => {
                // The X-Ray samplers obey a caller's decision, as all their implementations do.
                return Self {
                    parent_based: true,
                    root: Root::XRay(RemoteSampler::read(env, xray)),
                };
            }
            _ => {
                env.refuse(
                    name,
                    "write always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                     parentbased_traceidratio or xray; parentbased_always_on holds",
                );
                return Self::DEFAULT;
            }
        };
        Self { parent_based, root }
    }
}

fn ratio(env: &mut Environment) -> f64 {
    let name = variable::OTEL_TRACES_SAMPLER_ARG;
    match env.text(name).map(|text| text.parse::<f64>()) {
        None => 1.0,
        Some(Ok(ratio)) if (0.0..=1.0).contains(&ratio) => ratio,
        Some(_) => {
            env.refuse(name, "a number from 0 to 1 is expected; 1 holds");
            1.0
        }
    }
}
