//! The service under test.

use crate::process::Process;
use crate::world::eventually;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

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
