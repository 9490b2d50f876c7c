//! The parts, put together: settings in, queues, tasks and a tracer provider out.

use crate::console::{Console, SpanLines};
use crate::ids::XRayIds;
use crate::logs::{LogQueue, mark_telemetry_thread};
use crate::metrics::Metrics;
use crate::otlp::{self, SpanQueue};
use crate::outgoing::innermost;
use crate::pipeline::Pipeline;
use crate::propagation::Propagators;
use crate::sampler::TwoDecisions;
use crate::settings::{ContextMissingStrategy, Problem, RemoteSampler, Root, Settings};
use crate::shutdown::{Consumer, Flusher};
use crate::telemetry::Inner;
use crate::xray::{self, Decider, Emitter, Poller, Recorder};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanLimits};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What delivers, to be [run](Tasks::run) once there is somebody to hear what it has to say.
#[must_use]
pub(crate) struct Tasks(Vec<Task>);

/// Builds everything.
pub(crate) fn build(settings: Settings, problems: Vec<Problem>) -> (Inner, Tasks) {
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
        sdk_disabled,
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
            Consumer::new(&queue),
            Arc::clone(&metrics),
            flusher.subscribe(),
        );
        let (endpoint_variable, endpoint) = (otlp.endpoint_variable, otlp.endpoint.to_string());
        tasks.push(Box::pin(async move {
            // Reading the system's certificates takes its time, which is this thread's, not the program's.
            match otlp::Client::new(otlp) {
                Ok(client) => {
                    otlp::run(exported, client, resource, batching, metrics, flushes).await
                }
                Err(error) => {
                    let problem = Problem {
                        variable: endpoint_variable.into(),
                        value: Some(endpoint),
                        explanation: format!("{}; the OTLP exporter is off", innermost(&error)),
                    };
                    tracing::error!("{problem}");
                    metrics.config_error(&problem);
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
            Consumer::new(&emitter),
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
    let rules_sample = matches!(sampler.root, Root::XRay(_));
    let recorder = emitter.map(|emitter| {
        Arc::new(Recorder::new(
            Arc::clone(&decider),
            rules_sample,
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
            Consumer::new(&queue),
            sink,
            Arc::clone(&metrics),
            flusher.subscribe(),
        )));
        queue
    });
    #[cfg(not(feature = "cloudwatch"))]
    let log_queue = logs.and(None::<Arc<LogQueue>>);

    let spans_on = recorder.is_some() || span_queue.is_some() || console_spans;
    let pipeline = Pipeline {
        otlp: span_queue,
        console: console_spans
            .then(|| SpanLines::new(console.clone(), &resource, limits, &metrics)),
        xray: recorder.clone(),
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
        .with_sampler(TwoDecisions::new(
            sampler,
            Arc::clone(&decider),
            recorder.clone(),
        ))
        .with_span_limits(span_limits)
        .with_resource(
            Resource::builder_empty()
                .with_attributes(resource.attributes)
                .build(),
        )
        .with_span_processor(pipeline)
        .build();
    let inner = Inner {
        server_tracer: provider.tracer_with_scope(crate::scope()),
        provider,
        propagators: Propagators::new(propagators, sdk_disabled, recorder.clone()),
        decider,
        recorder,
        rules_sample,
        spans_on,
        context_missing: xray.map_or(ContextMissingStrategy::Log, |xray| xray.context_missing),
        duplicate_http_attributes,
        log_filter,
        dropped_lines: metrics.log_dropped("console_full"),
        console,
        log_queue,
        metrics,
        problems,
        flusher,
    };
    (inner, Tasks(tasks))
}

impl Tasks {
    /// Runs the tasks on a thread of their own: they need no runtime of the program's, and outlive it.
    pub(crate) fn run(self) {
        let Self(tasks) = self;
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
}
