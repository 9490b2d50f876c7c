//! Where telemetry goes in a measurement: an OTLP receiver, an X-Ray receiver on UDP and TCP of one port, and CloudWatch
//! Logs. They count what arrives.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudwatchlogs as logs;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::json;

use crate::aws::Aws;

/// The log group of the example.
const GROUP: &str = "cruddur";

/// What has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Spans over OTLP.
    pub spans: u64,
    /// Segments over UDP; subsegments that came on their own are not among them.
    pub segments: u64,
    /// Log events "HomeActivities".
    pub events: u64,
}

/// The running sinks, which end when dropped.
#[derive(Debug)]
pub struct Sinks {
    aws: Aws,
    logs: logs::Client,
    otlp: SocketAddr,
    receiver: SocketAddr,
    counts: Arc<Counts>,
    open: Arc<AtomicBool>,
    segments: Option<JoinHandle<()>>,
    server: ServerHandle,
}

#[derive(Debug, Default)]
struct Counts {
    spans: AtomicU64,
    segments: AtomicU64,
}

impl Sinks {
    /// Starts all of them; the sampling rule is the journal's: five a second and a tenth of the rest.
    ///
    /// # Errors
    /// No port can be had, or the log group cannot be made.
    pub async fn start() -> Result<Self> {
        let aws = Aws::start()?;
        let configuration = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(logs::config::Credentials::new(
                "AKIATRACEWRIGHTTEST1",
                "any",
                None,
                None,
                "test",
            ))
            .endpoint_url(aws.url())
            .load()
            .await;
        let logs = logs::Client::new(&configuration);
        logs.create_log_group().log_group_name(GROUP).send().await?;
        let counts = Arc::new(Counts::default());
        let otlp = TcpListener::bind("127.0.0.1:0")?;
        let (tcp, udp) = one_port_for_both()?;
        let (otlp_address, receiver) = (otlp.local_addr()?, tcp.local_addr()?);
        let server = serve(otlp, tcp, Arc::clone(&counts))?;
        let open = Arc::new(AtomicBool::new(true));
        let segments = count_segments(udp, Arc::clone(&counts), Arc::clone(&open))?;
        Ok(Self {
            aws,
            logs,
            otlp: otlp_address,
            receiver,
            counts,
            open,
            segments: Some(segments),
            server,
        })
    }

    /// The variables that the operator injects for the Cruddur example, with the sinks' addresses and without `xray` among
    /// the propagators, which the original crashes on; and what a workload has of its own.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let injected = [
            ("TRACEWRIGHT_POD_NAME", "pod-1"),
            ("TRACEWRIGHT_NODE_NAME", "node-1"),
            ("TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM", "key"),
            ("OTEL_SERVICE_NAME", "backend-flask"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "aws.log.group.names=cruddur,k8s.container.name=backend-flask,k8s.deployment.name=backend-flask,\
                 k8s.namespace.name=cruddur,k8s.node.name=node-1,k8s.pod.name=pod-1",
            ),
            ("OTEL_TRACES_EXPORTER", "otlp,console"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", self.otlp)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=key"),
            ("OTEL_PROPAGATORS", "tracecontext,baggage"),
            // At full speed both share two processors with what loads them; the default of 2,048 is 20 ms of spans then.
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16384"),
            ("AWS_XRAY_DAEMON_ADDRESS", &self.receiver.to_string()),
            ("AWS_XRAY_TRACING_NAME", "backend-flask"),
            ("TRACEWRIGHT_AWS_REGION", "us-east-1"),
            ("TRACEWRIGHT_LOG_GROUP", GROUP),
            ("TRACEWRIGHT_LOG_STREAM", "pod-1/backend-flask"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let own = self
            .aws
            .environment()
            .map(|(name, value)| (name.to_owned(), value));
        // The SDK for Python reads the region from here only.
        let region = [("AWS_DEFAULT_REGION".to_owned(), "us-east-1".to_owned())];
        [&injected[..], &own, &region].concat()
    }

    /// What has arrived since the start. Datagrams may still be on their way, and so may be read for a moment.
    ///
    /// # Errors
    /// The log events cannot be read.
    pub async fn arrived(&self) -> Result<Arrived> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut events = 0;
        let mut pages = self
            .logs
            .filter_log_events()
            .log_group_name(GROUP)
            .filter_pattern("HomeActivities")
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            events += page.context("the log events")?.events().len() as u64;
        }
        Ok(Arrived {
            spans: self.counts.spans.load(Relaxed),
            segments: self.counts.segments.load(Relaxed),
            events,
        })
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        self.open.store(false, Relaxed);
        if let Some(thread) = self.segments.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
        drop(self.server.stop(false));
    }
}

fn one_port_for_both() -> io::Result<(TcpListener, UdpSocket)> {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?) {
            return Ok((tcp, udp));
        }
    }
}

/// Both TCP servers, on a thread of their own.
fn serve(otlp: TcpListener, sampling: TcpListener, counts: Arc<Counts>) -> Result<ServerHandle> {
    let (sender, handle) = std::sync::mpsc::channel();
    let counts = web::Data::from(counts);
    let run = move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(counts.clone())
                    .app_data(PayloadConfig::new(64 * 1024 * 1024))
                    .route("/v1/traces", web::post().to(traces))
                    .route("/GetSamplingRules", web::post().to(sampling_rules))
                    .route("/SamplingTargets", web::post().to(sampling_targets))
            })
            .workers(1)
            .disable_signals()
            .listen(otlp)?
            .listen(sampling)?
            .run();
            // Whoever waits for the handle has gone if this fails.
            let _ = sender.send(server.handle());
            server.await
        })
    };
    std::thread::Builder::new()
        .name("sinks".into())
        .spawn(run)?;
    handle.recv().context("the sinks cannot start")
}

async fn traces(body: Bytes, counts: web::Data<Counts>) -> HttpResponse {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return HttpResponse::BadRequest().finish();
    };
    let spans: usize = request
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .map(|scope| scope.spans.len())
        .sum();
    counts.spans.fetch_add(spans as u64, Relaxed);
    HttpResponse::Ok()
        .content_type("application/x-protobuf")
        .finish()
}

async fn sampling_rules() -> HttpResponse {
    let rule = |name: &str, priority: u32, service: &str, rate: f64, reservoir: u32| {
        json!({"SamplingRule": {
            "RuleName": name, "RuleARN": "*", "ResourceARN": "*", "Priority": priority, "FixedRate": rate,
            "ReservoirSize": reservoir, "ServiceName": service, "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
            "URLPath": "*", "Version": 1, "Attributes": {},
        }, "CreatedAt": 1.7e9, "ModifiedAt": 1.7e9})
    };
    HttpResponse::Ok().json(json!({"SamplingRuleRecords": [
        rule("Cruddur", 9_000, "backend-flask", 0.1, 5),
        rule("Default", 10_000, "*", 0.05, 1),
    ]}))
}

/// The rate and the whole reservoir for the one client.
async fn sampling_targets() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "SamplingTargetDocuments": [{
            "RuleName": "Cruddur", "FixedRate": 0.1, "ReservoirQuota": 5, "ReservoirQuotaTTL": 4e9, "Interval": 10,
        }],
        "LastRuleModification": 1.7e9,
        "UnprocessedStatistics": [],
    }))
}

fn count_segments(
    udp: UdpSocket,
    counts: Arc<Counts>,
    open: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    udp.set_read_timeout(Some(Duration::from_millis(50)))?;
    let run = move || {
        let mut datagram = vec![0; 70_000];
        while open.load(Relaxed) {
            let Ok(length) = udp.recv(&mut datagram) else {
                continue;
            };
            let is_part = datagram[..length]
                .windows(19)
                .any(|part| part == b"\"type\":\"subsegment\"");
            if !is_part {
                counts.segments.fetch_add(1, Relaxed);
            }
        }
    };
    std::thread::Builder::new()
        .name("segments".into())
        .spawn(run)
}
