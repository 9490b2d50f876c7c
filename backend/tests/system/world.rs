//! Everything around the service: emulator and collector, which end with the test, and the variables that point to them.

use crate::collector::Collector;
use aws_config::{BehaviorVersion, Region};
use aws_emulator::{Emulator, Options};
use aws_sdk_cloudwatchlogs::config::Credentials;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) const GROUP: &str = "cruddur";
pub(crate) const STREAM: &str = "pod-1/backend-flask";

/// Waits until `condition` gives something.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{what}: not within {} s",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn credentials() -> Vec<(String, String)> {
    [
        ("AWS_ACCESS_KEY_ID", "AKIATRACEWRIGHTTEST1"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("AWS_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Everything but the service.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) aws: Emulator,
    pub(crate) collector: Collector,
    pub(crate) xray: aws_sdk_xray::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
}

impl World {
    pub(crate) async fn start() -> Self {
        let aws = Emulator::start(Options::default()).unwrap();
        let configuration = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(aws.url())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(
                "AKIATRACEWRIGHTTEST1",
                "any",
                None,
                None,
                "test",
            ))
            .load()
            .await;
        Self {
            collector: Collector::start(&aws.url()),
            xray: aws_sdk_xray::Client::new(&configuration),
            logs: aws_sdk_cloudwatchlogs::Client::new(&configuration),
            aws,
        }
    }

    pub(crate) async fn create_log_group(&self) {
        self.logs
            .create_log_group()
            .log_group_name(GROUP)
            .send()
            .await
            .unwrap();
    }

    /// The journal's rule, with this rate.
    pub(crate) async fn create_rule(&self, rate: f64) {
        let rule = aws_sdk_xray::types::SamplingRule::builder()
            .rule_name("Cruddur")
            .resource_arn("*")
            .priority(9_000)
            .fixed_rate(rate)
            .reservoir_size(5)
            .service_name("backend-flask")
            .service_type("*")
            .host("*")
            .http_method("*")
            .url_path("*")
            .version(1)
            .build()
            .unwrap();
        self.xray
            .create_sampling_rule()
            .sampling_rule(rule)
            .send()
            .await
            .unwrap();
    }

    /// The segments of those of the traces that X-Ray has, at most five traces at a time. The emulator throttles as AWS does;
    /// who asks too often gets nothing.
    pub(crate) async fn segments(&self, ids: &[String]) -> Vec<Value> {
        let Ok(answer) = self
            .xray
            .batch_get_traces()
            .set_trace_ids(Some(ids.to_vec()))
            .send()
            .await
        else {
            return Vec::new();
        };
        let segments = answer.traces().iter().flat_map(|trace| trace.segments());
        segments
            .map(|segment| serde_json::from_str(segment.document().unwrap()).unwrap())
            .collect()
    }

    /// The messages in the service's log stream, read as JSON; none while there is no stream.
    pub(crate) async fn log_events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let call = self
                .logs
                .get_log_events()
                .log_group_name(GROUP)
                .log_stream_name(STREAM)
                .start_from_head(true);
            let Ok(page) = call.set_next_token(token.clone()).send().await else {
                return events;
            };
            let next = page.next_forward_token().map(str::to_owned);
            for event in page.events() {
                events.push(serde_json::from_str(event.message().unwrap()).unwrap());
            }
            if next == token || page.events().is_empty() {
                return events;
            }
            token = next;
        }
    }

    /// Asks for a fault of the emulator; see its README.
    pub(crate) async fn fault(&self, fault: Value) {
        let answer = reqwest::Client::new()
            .post(format!("{}/_control/faults", self.aws.url()))
            .json(&fault)
            .send()
            .await;
        assert!(answer.unwrap().status().is_success(), "{fault}");
    }

    /// The variables that the operator injects for the Cruddur example, with the endpoints of these parts.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let own = [
            ("TRACEWRIGHT_POD_NAME", "pod-1"),
            ("TRACEWRIGHT_NODE_NAME", "node-1"),
            ("OTEL_SERVICE_NAME", "backend-flask"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "aws.log.group.names=cruddur,k8s.container.name=backend-flask,k8s.deployment.name=backend-flask,\
                 k8s.namespace.name=cruddur,k8s.node.name=node-1,k8s.pod.name=pod-1",
            ),
            ("OTEL_TRACES_EXPORTER", "otlp,console"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", self.collector.otlp)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-honeycomb-team=key"),
            ("OTEL_PROPAGATORS", "tracecontext,baggage,xray"),
            ("AWS_XRAY_DAEMON_ADDRESS", &self.collector.receiver),
            ("AWS_XRAY_TRACING_NAME", "backend-flask"),
            ("TRACEWRIGHT_AWS_REGION", "us-east-1"),
            ("TRACEWRIGHT_LOG_GROUP", GROUP),
            ("TRACEWRIGHT_LOG_STREAM", STREAM),
            ("AWS_ENDPOINT_URL", &self.aws.url()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        [own.to_vec(), credentials()].concat()
    }
}
