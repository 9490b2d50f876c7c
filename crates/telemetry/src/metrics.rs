//! What the library tells about itself: what was exported, what was lost and why.

use crate::settings::Problem;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who takes spans or log events away from the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Exporter {
    Otlp,
    Console,
    XRay,
    CloudWatch,
}

impl Exporter {
    fn label(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::Console => "console",
            Self::XRay => "xray",
            Self::CloudWatch => "cloudwatch",
        }
    }
}

type ByExporter = [(&'static str, &'static str); 1];
type ByExporterAndCause = [(&'static str, &'static str); 2];

/// All metrics of one [`Telemetry`](crate::Telemetry).
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    exported: Family<ByExporter, Counter>,
    dropped: Family<ByExporterAndCause, Counter>,
    log_sent: Family<ByExporter, Counter>,
    log_dropped: Family<ByExporter, Counter>,
    log_rejected: Family<ByExporter, Counter>,
    queue_length: Family<ByExporter, Gauge>,
    last_success: Family<ByExporter, Gauge<f64, AtomicU64>>,
    config_errors: Family<[(&'static str, String); 1], Counter>,
    /// How many central sampling rules are loaded.
    pub(crate) sampler_rules: Gauge,
    /// 1 while the central rules decide, 0 while the local fallback does.
    pub(crate) sampler_central: Gauge,
}

impl Metrics {
    pub(crate) fn new(problems: &[Problem]) -> Self {
        let mut registry = Registry::with_prefix("tracewright_telemetry");
        let metrics = Self {
            exported: Family::default(),
            dropped: Family::default(),
            log_sent: Family::default(),
            log_dropped: Family::default(),
            log_rejected: Family::default(),
            queue_length: Family::default(),
            last_success: Family::default(),
            config_errors: Family::default(),
            sampler_rules: Gauge::default(),
            sampler_central: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "spans_exported",
            "Spans delivered; for xray handed to the socket",
            metrics.exported.clone(),
        );
        registry.register(
            "spans_dropped",
            "Spans lost, by cause",
            metrics.dropped.clone(),
        );
        registry.register(
            "log_events_sent",
            "Log events CloudWatch accepted, by what ended their batch",
            metrics.log_sent.clone(),
        );
        registry.register(
            "log_events_dropped",
            "Log events lost before CloudWatch saw them, by cause",
            metrics.log_dropped.clone(),
        );
        registry.register(
            "log_events_rejected",
            "Log events CloudWatch rejected, by cause",
            metrics.log_rejected.clone(),
        );
        registry.register(
            "queue_length",
            "Entries waiting, by queue",
            metrics.queue_length.clone(),
        );
        registry.register_with_unit(
            "last_success_timestamp",
            "When something was last delivered, since 1970",
            Unit::Seconds,
            metrics.last_success.clone(),
        );
        registry.register(
            "sampler_rules",
            "Central sampling rules loaded",
            metrics.sampler_rules.clone(),
        );
        registry.register(
            "sampler_central",
            "1 while central rules decide, 0 while the fallback does",
            metrics.sampler_central.clone(),
        );
        registry.register(
            "config_errors",
            "Variables that could not be obeyed",
            metrics.config_errors.clone(),
        );
        problems
            .iter()
            .for_each(|problem| metrics.config_error(problem));
        Self {
            registry,
            ..metrics
        }
    }

    /// Counts a variable that could not be obeyed.
    pub(crate) fn config_error(&self, problem: &Problem) {
        self.config_errors
            .get_or_create(&[("variable", problem.variable.clone())])
            .inc();
    }

    /// The counter of delivered spans.
    pub(crate) fn exported(&self, exporter: Exporter) -> Counter {
        self.exported
            .get_or_create_owned(&[("exporter", exporter.label())])
    }

    /// The counter of spans lost for `cause`.
    pub(crate) fn dropped(&self, exporter: Exporter, cause: &'static str) -> Counter {
        self.dropped
            .get_or_create_owned(&[("exporter", exporter.label()), ("cause", cause)])
    }

    pub(crate) fn log_sent(&self, cause: &'static str) -> Counter {
        self.log_sent.get_or_create_owned(&[("cause", cause)])
    }

    pub(crate) fn log_dropped(&self, cause: &'static str) -> Counter {
        self.log_dropped.get_or_create_owned(&[("cause", cause)])
    }

    pub(crate) fn log_rejected(&self, cause: &'static str) -> Counter {
        self.log_rejected.get_or_create_owned(&[("cause", cause)])
    }

    pub(crate) fn queue(&self, queue: &'static str) -> Gauge {
        self.queue_length.get_or_create_owned(&[("queue", queue)])
    }

    /// Notes that `exporter` delivered something just now.
    pub(crate) fn succeeded(&self, exporter: Exporter) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.last_success
            .get_or_create(&[("exporter", exporter.label())])
            .set(now.as_secs_f64());
    }

    /// The metrics in the OpenMetrics text format.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracewright_xray::contract::metric;

    #[test]
    fn the_metrics_of_the_contract_are_there_with_their_labels() {
        let problem = Problem {
            variable: "OTEL_PROPAGATORS".into(),
            value: None,
            explanation: String::new(),
        };
        let metrics = Metrics::new(&[problem]);
        metrics.exported(Exporter::Otlp).inc();
        metrics.dropped(Exporter::XRay, "queue_full").inc_by(2);
        metrics.log_sent("interval").inc();
        metrics.log_dropped("queue_full").inc();
        metrics.log_rejected("too_old").inc();
        metrics.queue("otlp").set(3);
        metrics.succeeded(Exporter::CloudWatch);
        let text = metrics.encode();
        for metric in metric::TELEMETRY {
            let line = text
                .lines()
                .find(|line| line.split(['{', ' ']).next() == Some(metric.name));
            let line = line.unwrap_or_else(|| panic!("{} is missing in\n{text}", metric.name));
            for label in metric.labels {
                assert!(
                    line.contains(&format!("{label}=\"")),
                    "{line} has no label {label}"
                );
            }
        }
        assert!(
            text.contains("spans_dropped_total{exporter=\"xray\",cause=\"queue_full\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("config_errors_total{variable=\"OTEL_PROPAGATORS\"} 1"),
            "{text}"
        );
    }
}
