//! Recognises workloads that another instrumentation sets up: two sets of OTEL variables in one container help
//! nobody.

use std::collections::BTreeMap;

/// Beginnings of the annotations and labels by which others instrument.
const MARKS: &[&str] = &[
    // OpenTelemetry Operator, and the CloudWatch agent operator, which kept its annotations.
    "instrumentation.opentelemetry.io/inject-",
    // CloudWatch agent operator, written by its own workload webhook.
    "cloudwatch.aws.amazon.com/auto-annotate-",
    // Odigos.
    "odigos.io/",
    "odigos-instrumentation",
    // Datadog: the label `…/enabled` and the annotations `…/<language>-lib.version`.
    "admission.datadoghq.com/",
];

/// Values that switch a mark off.
const OFF: &[&str] = &["false", "disabled", "none"];

/// The first mark among annotations or labels, as `key=value`.
pub(crate) fn found(annotations: &BTreeMap<String, String>) -> Option<String> {
    annotations
        .iter()
        .find(|(key, value)| {
            MARKS.iter().any(|mark| key.starts_with(mark))
                && !OFF.iter().any(|off| value.eq_ignore_ascii_case(off))
        })
        .map(|(key, value)| format!("{key}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_other_instrumentations_are_recognised_unless_switched_off() {
        for (key, value, expected) in [
            (
                "instrumentation.opentelemetry.io/inject-python",
                "true",
                true,
            ),
            (
                "instrumentation.opentelemetry.io/inject-sdk",
                "observability/default",
                true,
            ),
            (
                "instrumentation.opentelemetry.io/inject-java",
                "false",
                false,
            ),
            (
                "instrumentation.opentelemetry.io/container-names",
                "app",
                false,
            ),
            ("cloudwatch.aws.amazon.com/auto-annotate-java", "true", true),
            ("odigos.io/agents-meta-hash", "abc", true),
            ("odigos-instrumentation", "disabled", false),
            ("admission.datadoghq.com/enabled", "true", true),
            ("admission.datadoghq.com/enabled", "false", false),
            ("admission.datadoghq.com/python-lib.version", "v2", true),
            ("ad.datadoghq.com/app.logs", "[]", false),
            ("tracewright.dev/inject", "true", false),
        ] {
            let annotations = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            assert_eq!(found(&annotations).is_some(), expected, "{key}={value}");
        }
    }
}
