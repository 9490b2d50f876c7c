//! The example, as its own process: the console, the end by signal, and what was delivered by then.

use crate::otlp::spans;
use crate::parts::{PATIENCE, Server, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Ends the process with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example, with these variables.
fn start(variables: &[(&str, &str)]) -> Running {
    let folder = std::env::current_exe().unwrap();
    let example = folder
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/minimal");
    assert!(
        example.is_file(),
        "{} is missing: run the tests with `cargo test`, which builds examples",
        example.display()
    );
    let child = Command::new(example)
        .arg("127.0.0.1:0")
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running(child)
}

#[test]
fn without_the_system_s_certificates_https_is_refused_and_http_works() {
    let none = ("SSL_CERT_FILE", "/nonexistent");
    let mut child = start(&[none, ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1")]);
    let log = BufReader::new(child.0.stderr.take().unwrap());
    let error = log
        .lines()
        .map(Result::unwrap)
        .find(|line| line.contains("ERROR"));
    let error = error.unwrap();
    assert!(
        error.contains("OTEL_EXPORTER_OTLP_ENDPOINT=\"https://localhost:1/v1/traces\": "),
        "{error}"
    );
    let sink = Server::start([]);
    let mut child = start(&[
        none,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    let log = BufReader::new(child.0.stderr.take().unwrap());
    let address = log.lines().find_map(|line| {
        let line = line.unwrap();
        assert!(!line.contains("ERROR"), "{line}");
        Some(line.split_once("listening on ")?.1.trim().to_owned())
    });
    let request = b"GET / HTTP/1.0\r\n\r\n";
    let mut stream = std::net::TcpStream::connect(address.unwrap()).unwrap();
    stream.write_all(request).unwrap();
    eventually("the span", || (!sink.received().is_empty()).then_some(()));
}

#[test]
fn the_example_serves_logs_and_delivers_before_it_ends() {
    let sink = Server::start([]);
    let mut child = start(&[
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "86400000"),
        ("OTEL_PROPAGATORS", "b3"),
    ]);
    let mut log = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        if line.contains("ERROR") {
            assert!(
                line.contains("OTEL_PROPAGATORS=\"b3\": there is no propagator b3"),
                "{line}"
            );
        }
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.trim().to_owned();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for _ in 0..10 {
        let text = runtime.block_on(async {
            reqwest::get(format!("http://{address}/"))
                .await?
                .text()
                .await
        });
        assert_eq!(text.unwrap(), "Hello World!");
    }
    assert_eq!(sink.received().len(), 0, "the batch waits");
    let terminated = Command::new("kill")
        .args(["-TERM", &child.0.id().to_string()])
        .status()
        .unwrap();
    assert!(terminated.success());
    let begin = Instant::now();
    let status = eventually("its end", || child.0.try_wait().unwrap());
    assert!(status.success() && begin.elapsed() < PATIENCE, "{status}");
    assert_eq!(spans(&sink.received()), 10);
    let (mut console, mut rest) = (String::new(), String::new());
    child
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut console)
        .unwrap();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(console.lines().count(), 10);
    for (line, logged) in console
        .lines()
        .zip(rest.lines().filter(|line| line.contains("hello")))
    {
        let span: Value = serde_json::from_str(line).unwrap();
        let trace = span["context"]["trace_id"].as_str().unwrap();
        assert!(logged.contains(&format!("trace_id={trace}")), "{logged}");
        assert_eq!(span["resource"]["attributes"]["service.name"], "hello");
    }
}
