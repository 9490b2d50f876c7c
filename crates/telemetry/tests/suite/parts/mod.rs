//! The other ends: an HTTP server that answers as told, and a UDP socket that plays the X-Ray receiver.

mod http;
mod receiver;

pub(crate) use http::{Answer, Received, Server, Tls};
pub(crate) use receiver::{Receiver, Segments};

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tracewright_telemetry::{ServerRequest, ServerResponse, Telemetry};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{what}: not within {} s",
            PATIENCE.as_secs()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Telemetry with these variables, the console off unless they say otherwise.
pub(crate) fn telemetry(variables: &[(&str, &str)]) -> Telemetry {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let telemetry = Telemetry::from_env()
        .service_name("backend-flask")
        .variables(owned)
        .start();
    assert_eq!(telemetry.problems(), []);
    telemetry
}

/// Serves one request with these headers and answers `status`; what `work` does is done within it. Returns the header for
/// the caller.
pub(crate) fn serve(
    telemetry: &Telemetry,
    headers: &[(&str, &str)],
    status: u16,
    work: impl FnOnce(),
) -> Option<String> {
    let headers: HashMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), (*value).to_owned()))
        .collect();
    let request = ServerRequest {
        method: "GET",
        route: Some("/api/activities/home"),
        scheme: "http",
        host: headers.get("host").map_or("localhost:4567", String::as_str),
        path: "/api/activities/home",
        query: "q=1",
        protocol_version: "1.1",
        // As a socket of both families has it.
        peer: Some((Ipv4Addr::new(10, 0, 0, 9).to_ipv6_mapped(), 4_321).into()),
        user_agent: Some("curl/8"),
        forwarded_for: headers.get("x-forwarded-for").map(String::as_str),
    };
    let span = telemetry.serve(&request, &headers);
    {
        let _active = span.context().clone().attach();
        work();
    }
    let answer = span.answer_header().map(str::to_owned);
    span.end(&ServerResponse {
        status,
        content_length: Some(965),
        error: (status >= 500).then_some("it broke"),
    });
    answer
}

/// The value of a metric, 0 if it is not there.
pub(crate) fn metric(telemetry: &Telemetry, name: &str) -> u64 {
    let text = telemetry.metrics();
    let line = text.lines().find_map(|line| {
        line.strip_prefix("tracewright_telemetry_")?
            .strip_prefix(name)
    });
    line.map_or(0, |value| {
        value
            .trim()
            .parse::<f64>()
            .unwrap_or_else(|_| panic!("{name} {value}")) as u64
    })
}
