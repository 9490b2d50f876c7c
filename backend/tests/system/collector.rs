//! The OpenTelemetry Collector.

use crate::process::Process;
use crate::world::{PATIENCE, credentials};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The collector: X-Ray receiver on UDP and TCP of one port, OTLP on another, spans into a file.
#[derive(Debug)]
pub(crate) struct Collector {
    process: Option<Process>,
    folder: TempDir,
    pub(crate) receiver: String,
    pub(crate) otlp: String,
}

impl Collector {
    pub(crate) fn start(aws: &str) -> Self {
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
