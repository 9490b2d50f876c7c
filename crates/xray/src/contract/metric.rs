//! Metric names, of the operator and of the telemetry library. Labels never hold object names.

/// One metric with its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The full name as it is scraped.
    pub name: &'static str,
    /// The label names.
    pub labels: &'static [&'static str],
}

const fn metric(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, labels }
}

/// The operator's metrics, at `/metrics` on [`super::name::METRICS_PORT`].
pub const OPERATOR: &[Metric] = &[
    metric("tracewright_reconciles_total", &["outcome", "error"]),
    metric("tracewright_reconcile_duration_seconds", &[]),
    metric("tracewright_profiles", &["condition", "status"]),
    metric("tracewright_workloads", &["state"]),
    metric("tracewright_aws_objects", &["kind", "state"]),
    metric(
        "tracewright_aws_calls_total",
        &["service", "operation", "code"],
    ),
    metric("tracewright_aws_call_duration_seconds", &[]),
    metric("tracewright_aws_bucket_wait_seconds_total", &["operation"]),
    metric("tracewright_drift_repaired_total", &["kind"]),
    metric(
        "tracewright_quota_used_ratio",
        &["quota", "account", "region"],
    ),
    metric("tracewright_orphans_total", &[]),
    metric("tracewright_leader", &[]),
    metric("tracewright_watch_age_seconds", &["kind"]),
    metric("tracewright_build_info", &[]),
];

/// The telemetry library's metrics, on the service's own port.
pub const TELEMETRY: &[Metric] = &[
    metric("tracewright_telemetry_spans_exported_total", &["exporter"]),
    metric(
        "tracewright_telemetry_spans_dropped_total",
        &["exporter", "cause"],
    ),
    metric("tracewright_telemetry_log_events_sent_total", &["cause"]),
    metric("tracewright_telemetry_log_events_dropped_total", &["cause"]),
    metric(
        "tracewright_telemetry_log_events_rejected_total",
        &["cause"],
    ),
    metric("tracewright_telemetry_queue_length", &["queue"]),
    metric(
        "tracewright_telemetry_last_success_timestamp_seconds",
        &["exporter"],
    ),
    metric("tracewright_telemetry_sampler_rules", &[]),
    metric("tracewright_telemetry_sampler_central", &[]),
    metric("tracewright_telemetry_config_errors_total", &["variable"]),
];
