//! The one call: variables in, running telemetry out.

use crate::assembly::{self, Tasks};
use crate::console::Console;
use crate::logs::{LogLayer, LogQueue};
use crate::metrics::Metrics;
use crate::propagation::Propagators;
use crate::settings::{ContextMissingStrategy, Defaults, Problem, Settings};
use crate::shutdown::{Flusher, deadline_in};
use crate::xray::{Decider, Recorder};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Running telemetry. Clones share it; when the last one is dropped, what waits is delivered in the background and delivery
/// ends.
///
/// Nothing it does fails or waits: what cannot be delivered is dropped, counted and, once, logged.
#[derive(Debug, Clone)]
pub struct Telemetry(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) provider: SdkTracerProvider,
    pub(crate) server_tracer: SdkTracer,
    pub(crate) propagators: Propagators,
    pub(crate) decider: Arc<Decider>,
    /// Records segments, if X-Ray is on.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// Whether X-Ray's rules decide for OTLP too.
    pub(crate) rules_sample: bool,
    /// Whether spans go anywhere at all.
    pub(crate) spans_on: bool,
    pub(crate) context_missing: ContextMissingStrategy,
    pub(crate) duplicate_http_attributes: bool,
    pub(crate) log_filter: String,
    pub(crate) console: Console,
    pub(crate) log_queue: Option<Arc<LogQueue>>,
    pub(crate) dropped_lines: Counter,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) flusher: Flusher,
}

/// What to start, before it is started.
#[derive(Debug, Default)]
pub struct Builder {
    variables: Option<Vec<(String, String)>>,
    service_name: Option<String>,
    log_filter: Option<String>,
}

impl Builder {
    /// The service's name where no variable gives one.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// What is logged where `RUST_LOG` says nothing, in its syntax; `info` where this is not called.
    #[must_use]
    pub fn log_filter(mut self, filter: impl Into<String>) -> Self {
        self.log_filter = Some(filter.into());
        self
    }

    /// These variables instead of the process's own.
    #[must_use]
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables = Some(variables.into_iter().collect());
        self
    }

    /// Starts telemetry and makes it the process's: OpenTelemetry's global tracer provider and propagator, and the subscriber
    /// of `tracing` and `log`. If the process has a subscriber already, that stays; it can take [`Telemetry::layer`] in.
    #[must_use]
    pub fn install(self) -> Telemetry {
        let (telemetry, tasks) = self.build();
        let inner = &telemetry.0;
        opentelemetry::global::set_tracer_provider(inner.provider.clone());
        opentelemetry::global::set_text_map_propagator(inner.propagators.clone());
        let filter =
            EnvFilter::try_new(&inner.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
        let subscriber = tracing_subscriber::registry()
            .with(filter)
            .with(telemetry.layer());
        if subscriber.try_init().is_err() {
            tracing::warn!(
                "the process has a tracing subscriber already: add Telemetry::layer to it"
            );
        }
        tasks.run();
        telemetry.tell_problems();
        telemetry
    }

    /// Starts telemetry without making it the process's.
    #[must_use]
    pub fn start(self) -> Telemetry {
        let (telemetry, tasks) = self.build();
        tasks.run();
        telemetry.tell_problems();
        telemetry
    }

    fn build(self) -> (Telemetry, Tasks) {
        let variables = self.variables.unwrap_or_else(|| {
            let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            };
            std::env::vars_os().filter_map(text).collect()
        });
        let (settings, mut problems) = Settings::read(
            variables,
            Defaults {
                service_name: self.service_name.as_deref(),
                log_filter: self.log_filter.as_deref().unwrap_or("info"),
            },
        );
        problems.extend(
            EnvFilter::try_new(&settings.log_filter)
                .err()
                .map(|error| Problem {
                    variable: "RUST_LOG".into(),
                    value: Some(settings.log_filter.clone()),
                    explanation: format!("{error}; info holds"),
                }),
        );
        if settings.logs.is_some() && cfg!(not(feature = "cloudwatch")) {
            problems.push(Problem {
                variable: tracewright_xray::contract::variable::LOG_GROUP.into(),
                value: None,
                explanation:
                    "the program is built without the feature cloudwatch; the log shipper is off"
                        .into(),
            });
        }
        let (inner, tasks) = assembly::build(settings, problems);
        (Telemetry(Arc::new(inner)), tasks)
    }
}

impl Telemetry {
    /// Telemetry as the process's environment variables describe it.
    #[must_use]
    pub fn from_env() -> Builder {
        Builder::default()
    }

    /// The variables that could not be obeyed.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// The tracer provider, for those who do not use OpenTelemetry's global one.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.0.provider
    }

    /// The propagators of `OTEL_PROPAGATORS`, for those who do not use OpenTelemetry's global one.
    #[must_use]
    pub fn propagator(&self) -> &dyn opentelemetry::propagation::TextMapPropagator {
        &self.0.propagators
    }

    /// A `tracing` layer that writes records to the console and ships them to CloudWatch, for a subscriber of one's own.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + Send + Sync + use<S> {
        let inner = &self.0;
        LogLayer::new(
            inner.console.clone(),
            inner.log_queue.clone(),
            inner.recorder.clone(),
            inner.dropped_lines.clone(),
        )
    }

    /// The library's own metrics in the OpenMetrics text format, for the service's `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.0.metrics.encode()
    }

    /// Delivers everything that waits: spans, segments, log events and lines. Returns after `timeout` at the latest; true if
    /// all of it was delivered. What was not is kept and tried further, as it is without this. It blocks the thread.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.flush_and(timeout, false)
    }

    /// Like [`Telemetry::flush`], and ends the delivery: what is recorded afterwards is lost. To be called when the server has
    /// answered its last request, before the process ends.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        let complete = self.flush_and(timeout, true);
        // The provider has nothing to deliver; it stops recording.
        let _ = self.0.provider.shutdown_with_timeout(Duration::ZERO);
        complete
    }

    fn flush_and(&self, timeout: Duration, closes: bool) -> bool {
        let deadline = deadline_in(timeout);
        let delivered = self.0.flusher.flush(deadline, closes);
        if !delivered {
            tracing::warn!(
                "not everything could be delivered within {} ms; what is lost is counted",
                timeout.as_millis()
            );
        }
        // Last, so that the console has what delivery has to say.
        let written = self.0.console.flush(deadline);
        delivered && written
    }

    /// Logs the problems, so that the one who wrote the variables finds them.
    fn tell_problems(&self) {
        for problem in &self.0.problems {
            tracing::error!("{problem}");
        }
    }
}
