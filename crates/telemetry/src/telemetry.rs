//! The one call: variables in, running telemetry out.

use crate::console::{Console, SpanLines};
use crate::ids::XRayIds;
use crate::logs::{LogLayer, LogQueue, mark_telemetry_thread};
use crate::metrics::Metrics;
use crate::otlp::{self, SpanQueue};
use crate::pipeline::Pipeline;
use crate::propagation::Propagators;
use crate::sampler::TwoDecisions;
use crate::settings::{ContextMissingStrategy, Defaults, Problem, RemoteSampler, Root, Settings};
use crate::shutdown::Flusher;
use crate::xray::{self, Decider, Emitter, Poller, Recorder};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanLimits};
use prometheus_client::metrics::counter::Counter;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
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
    /// Whether segments are recorded.
    pub(crate) xray_on: bool,
    pub(crate) context_missing: ContextMissingStrategy,
    pub(crate) duplicate_http_attributes: bool,
    log_filter: String,
    console: Console,
    log_queue: Option<Arc<LogQueue>>,
    dropped_lines: Counter,
    metrics: Arc<Metrics>,
    problems: Vec<Problem>,
    flusher: Flusher,
}

/// What to start, before it is started.
#[derive(Debug, Default)]
pub struct Builder {
    variables: Option<Vec<(String, String)>>,
    service_name: Option<String>,
    log_filter: Option<String>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

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
        let telemetry = self.start_silently();
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
        telemetry.tell_problems();
        telemetry
    }

    /// Starts telemetry without making it the process's.
    #[must_use]
    pub fn start(self) -> Telemetry {
        let telemetry = self.start_silently();
        telemetry.tell_problems();
        telemetry
    }

    fn start_silently(self) -> Telemetry {
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
        Telemetry(Arc::new(start(settings, problems)))
    }
}

/// Builds everything and starts the threads.
fn start(settings: Settings, problems: Vec<Problem>) -> Inner {
    let metrics = Arc::new(Metrics::new(&problems));
    let console = Console::start(std::io::stdout(), std::io::stderr());
    let flusher = Flusher::new();
    let mut tasks: Vec<Task> = Vec::new();
    let Settings {
        resource,
        otlp,
        console: console_spans,
        batching,
        limits,
        sampler,
        propagators,
        xray,
        logs,
        duplicate_http_attributes,
        log_filter,
    } = settings;

    let log_group = logs.as_ref().map(|logs| logs.group.clone());
    let (origin, service_type) = xray::origin(&resource, log_group.as_deref());
    let decider = Arc::new(Decider::new(
        xray.as_ref(),
        &resource.service_name,
        service_type,
    ));

    let span_queue = otlp.map(|otlp| {
        let queue = Arc::new(SpanQueue::new(batching, limits, &metrics));
        let resource = otlp::resource(&resource.attributes);
        let (exported, metrics, flushes) = (
            Arc::clone(&queue),
            Arc::clone(&metrics),
            flusher.subscribe(),
        );
        tasks.push(Box::pin(async move {
            // Reading the system's certificates takes its time, which is this thread's, not the program's.
            match otlp::Client::new(otlp) {
                Ok(client) => {
                    otlp::run(exported, client, resource, batching, metrics, flushes).await
                }
                Err(error) => {
                    tracing::error!("the OTLP exporter is off: {error:?}");
                    otlp::discard(exported, batching, metrics, flushes).await;
                }
            }
        }));
        queue
    });

    let emitter = xray.as_ref().map(|xray| {
        let emitter = Arc::new(Emitter::new(&metrics));
        let address = xray.daemon.udp.clone();
        tasks.push(Box::pin(xray::run_emitter(
            Arc::clone(&emitter),
            address,
            Arc::clone(&metrics),
            flusher.subscribe(),
        )));
        emitter
    });
    let remote = match (&sampler.root, &xray) {
        (Root::XRay(remote), _) => Some(remote.clone()),
        (_, Some(xray)) => Some(RemoteSampler::of_daemon(xray)),
        _ => None,
    };
    if let Some(remote) = remote {
        let poller = Poller::new(
            remote,
            Arc::clone(&decider),
            emitter.clone(),
            Arc::clone(&metrics),
        );
        tasks.push(Box::pin(xray::run_poller(poller, flusher.subscribe())));
    }
    let recorder = emitter.map(|emitter| {
        let follows_flag = matches!(sampler.root, Root::XRay(_));
        Arc::new(Recorder::new(
            Arc::clone(&decider),
            follows_flag,
            origin,
            emitter,
            &metrics,
        ))
    });

    #[cfg(feature = "cloudwatch")]
    let log_queue = logs.map(|logs| {
        let queue = Arc::new(LogQueue::new(&metrics));
        let sink = crate::logs::CloudWatch::new(logs);
        tasks.push(Box::pin(crate::logs::run(
            Arc::clone(&queue),
            sink,
            Arc::clone(&metrics),
            flusher.subscribe(),
        )));
        queue
    });
    #[cfg(not(feature = "cloudwatch"))]
    let log_queue = logs.and(None::<Arc<LogQueue>>);

    run_tasks(tasks);

    let xray_on = recorder.is_some();
    let pipeline = Pipeline {
        otlp: span_queue,
        console: console_spans
            .then(|| SpanLines::new(console.clone(), &resource, limits, &metrics)),
        xray: recorder,
    };
    let span_limits = SpanLimits {
        max_attributes_per_span: limits.attributes,
        max_events_per_span: limits.events,
        max_links_per_span: limits.links,
        max_attributes_per_event: limits.event_attributes,
        max_attributes_per_link: limits.link_attributes,
    };
    let provider = SdkTracerProvider::builder()
        .with_id_generator(XRayIds)
        .with_sampler(TwoDecisions::new(sampler, Arc::clone(&decider), xray_on))
        .with_span_limits(span_limits)
        .with_resource(
            Resource::builder_empty()
                .with_attributes(resource.attributes)
                .build(),
        )
        .with_span_processor(pipeline)
        .build();
    Inner {
        server_tracer: provider.tracer_with_scope(crate::scope()),
        provider,
        propagators: Propagators::new(propagators),
        decider,
        xray_on,
        context_missing: xray.map_or(ContextMissingStrategy::Log, |xray| xray.context_missing),
        duplicate_http_attributes,
        log_filter,
        dropped_lines: metrics.log_dropped("console_full"),
        console,
        log_queue,
        metrics,
        problems,
        flusher,
    }
}

/// Runs the tasks on a thread of their own: they need no runtime of the program's, and outlive it.
fn run_tasks(tasks: Vec<Task>) {
    if tasks.is_empty() {
        return;
    }
    let run = || {
        mark_telemetry_thread();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .on_thread_start(mark_telemetry_thread)
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
                for task in tasks {
                    if let Err(error) = task.await {
                        tracing::error!("a telemetry task ended early: {error}");
                    }
                }
            }),
            Err(error) => {
                tracing::error!("telemetry is not delivered: its runtime cannot start: {error}")
            }
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .name("telemetry".into())
        .spawn(run)
    {
        tracing::error!("telemetry is not delivered: its thread cannot start: {error}");
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
            inner.dropped_lines.clone(),
        )
    }

    /// The library's own metrics in the OpenMetrics text format, for the service's `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.0.metrics.encode()
    }

    /// Delivers everything that waits: spans, segments, log events and lines. Returns after `timeout` at the latest; true if
    /// all of it was delivered. It blocks the thread.
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
        let deadline = Instant::now() + timeout;
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
