//! The parts: emulator, collector and service, which end with the test.

use aws_config::{BehaviorVersion, Region};
use aws_emulator::{Emulator, Options};
use aws_sdk_cloudwatchlogs::config::Credentials;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

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

/// A process that ends with its owner.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(
        program: &Path,
        arguments: &[&str],
        variables: &[(String, String)],
        folder: &Path,
    ) -> Self {
        let output = |name| Stdio::from(File::create(folder.join(name)).unwrap());
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"))
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{}: {error}", program.display())))
    }

    fn terminate(&mut self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The collector: X-Ray receiver on UDP and TCP of one port, OTLP on another, spans into a file.
#[derive(Debug)]
pub(crate) struct Collector {
    process: Option<Process>,
    folder: TempDir,
    pub(crate) receiver: String,
    pub(crate) otlp: String,
}

impl Collector {
    fn start(aws: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (receiver, otlp) = (free_address(), free_address());
        let file = folder.path().join("spans");
        let configuration = format!(
            "receivers:
  awsxray:
    endpoint: {receiver}
    transport: udp
    proxy_server: {{endpoint: {receiver}, aws_endpoint: {aws}, region: us-east-1, local_mode: true}}
  otlp: {{protocols: {{http: {{endpoint: {otlp}}}}}}}
exporters:
  awsxray: {{endpoint: {aws}, region: us-east-1, local_mode: true, no_verify_ssl: true}}
  file: {{path: {}, flush_interval: 50ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces/xray: {{receivers: [awsxray], exporters: [awsxray]}}
    traces/otlp: {{receivers: [otlp], exporters: [file]}}
",
            file.display()
        );
        std::fs::write(folder.path().join("config.yaml"), configuration).unwrap();
        let mut collector = Self {
            process: None,
            folder,
            receiver,
            otlp,
        };
        collector.restart();
        collector
    }

    /// Ends the collector, if it runs.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the collector at the addresses it had.
    pub(crate) fn restart(&mut self) {
        self.process = None;
        let configuration = format!(
            "--config={}",
            self.folder.path().join("config.yaml").display()
        );
        let process = Process::start(
            &program("otelcol"),
            &[&configuration],
            &credentials(),
            self.folder.path(),
        );
        self.process = Some(process);
        let begin = Instant::now();
        for address in [&self.receiver, &self.otlp] {
            while TcpStream::connect(address).is_err() {
                let log =
                    || std::fs::read_to_string(self.folder.path().join("err")).unwrap_or_default();
                assert!(
                    begin.elapsed() < PATIENCE,
                    "the collector does not listen at {address}:\n{}",
                    log()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// All spans that have arrived over OTLP, as (trace id, name).
    pub(crate) fn spans(&self) -> Vec<(String, String)> {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.folder.path().join("spans")) {
            file.read_to_string(&mut text).unwrap();
        }
        // The last line may still be being written.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        lines
            .flat_map(|line| array(&line["resourceSpans"]))
            .flat_map(|resource| array(&resource["scopeSpans"]))
            .flat_map(|scope| array(&scope["spans"]))
            .map(|span| {
                (
                    span["traceId"].as_str().unwrap().to_owned(),
                    span["name"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }
}

/// A program of the test cluster, where its build script puts it.
fn program(name: &str) -> PathBuf {
    let set = |variable| {
        std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let user = || {
        set("XDG_CACHE_HOME")
            .unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".cache"))
    };
    let path = set("TRACEWRIGHT_CACHE")
        .unwrap_or_else(|| user().join("tracewright"))
        .join("bin")
        .join(name);
    assert!(
        path.is_file(),
        "{} is missing: build it with `tests/cluster/build.sh {name}`",
        path.display()
    );
    path
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

fn credentials() -> Vec<(String, String)> {
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

/// The service as a process.
#[derive(Debug)]
pub(crate) struct Service {
    process: Process,
    folder: TempDir,
    pub(crate) url: String,
    client: reqwest::Client,
}

impl Service {
    pub(crate) async fn start(mut variables: Vec<(String, String)>) -> Self {
        variables.push(("LISTEN_ADDRESS".into(), "127.0.0.1:0".into()));
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(
            Path::new(env!("CARGO_BIN_EXE_activities")),
            &[],
            &variables,
            folder.path(),
        );
        let mut service = Self {
            process,
            folder,
            url: String::new(),
            client: reqwest::Client::new(),
        };
        let address = eventually("the service's address", async || {
            let log = service.log();
            let (_, rest) = log.split_once("listening on ")?;
            rest.split_once('\n').map(|(address, _)| address.to_owned())
        })
        .await;
        service.url = format!("http://{address}");
        service
    }

    /// What it has logged to the console.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("err")).unwrap()
    }

    /// Its spans on the console.
    pub(crate) fn console(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("out")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asks for home and returns the trace's id in X-Ray's form.
    pub(crate) async fn home(&self) -> String {
        let answer = self
            .client
            .get(format!("{}/api/activities/home", self.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let header = answer
            .headers()
            .get("x-amzn-trace-id")
            .map(|value| value.to_str().unwrap().to_owned());
        answer.bytes().await.unwrap();
        header
            .unwrap_or_default()
            .trim_start_matches("Root=")
            .to_owned()
    }

    /// The value of one of the library's metrics, 0 if it is not there.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self
            .client
            .get(format!("{}/metrics", self.url))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = text.lines().find_map(|line| {
            line.strip_prefix("tracewright_telemetry_")?
                .strip_prefix(name)
        });
        line.map_or(0, |value| value.trim().parse::<f64>().unwrap() as u64)
    }

    /// Waits until the central rules decide.
    pub(crate) async fn is_centrally_sampled(&self) {
        eventually("the central rules", async || {
            (self.metric("sampler_central").await == 1).then_some(())
        })
        .await;
    }

    /// Sends SIGTERM and waits for the end; returns how long that took.
    pub(crate) async fn terminate(&mut self) -> Duration {
        let begin = Instant::now();
        self.process.terminate();
        let status = eventually("the service's end", async || {
            self.process.0.try_wait().unwrap()
        })
        .await;
        assert!(status.success(), "{status}\n{}", self.log());
        begin.elapsed()
    }
}
