//! Measures `service-vs-flask`: the processor time of one request, all telemetry on, against the original Flask
//! application under gunicorn with two workers: same variables, same sinks, side by side in one run.
//!
//! A server that does nothing runs beside them: what a connection for each request, or a processor that is woken for each
//! request, costs is the kernel's work and the same for all. So what services take beyond that server is a measurement of
//! its own; at equal load the numbers are only told.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use support::measurement::Measurement;
use support::service::{
    Connections, Flask, Load, Service, Telemetry, Trial, median, serve_if_asked, trial,
};

const ROUNDS: u32 = 3;
const TIME: Duration = Duration::from_secs(10);
const CLIENTS: u32 = 16;
/// Requests a second that both can serve.
const EQUAL_LOAD: u32 = 300;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    serve_if_asked().await?;
    let rounds = std::env::args()
        .nth(1)
        .map_or(Ok(ROUNDS), |number| number.parse())
        .context("how many rounds")?;
    let flask = Flask::install()?;
    let reduced = (rounds < ROUNDS).then(|| format!("{rounds} rounds"));
    let mut results = Vec::new();
    for (rate, title) in [
        (None, "as fast as it can"),
        (Some(EQUAL_LOAD), "equal load"),
    ] {
        for connections in [Connections::KeptAlive, Connections::Closed] {
            let load = Load {
                clients: CLIENTS,
                connections,
                rate,
                time: TIME,
            };
            let (mut original, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                bare.push(trial(Service::Bare, Telemetry::Off, load).await?);
                original.push(trial(Service::Flask(&flask), Telemetry::On, load).await?);
                ours.push(trial(Service::Activities, Telemetry::On, load).await?);
            }
            println!("{title}, {CLIENTS} clients, connections {connections:?}:");
            let (bare, original, ours) = (
                show("bare", &bare),
                show("flask", &original),
                show("activities", &ours),
            );
            println!(
                "  {:.1} times less processor time for each request; {:.1} times without what the bare server takes",
                original / ours,
                (original - bare) / (ours - bare)
            );
            results.push((original / ours, (original - bare) / (ours - bare)));
        }
    }
    let (kept_alive, closed, closed_own) = (results[0].0, results[1].0, results[1].1);
    let measurements = [
        ("service-vs-flask", kept_alive),
        ("service-vs-flask-closed", closed),
        ("service-vs-flask-closed-beyond-bare", closed_own),
    ]
    .map(|(name, value)| {
        Measurement::at_least(name, value, "times less", 40.0)
            .reduced_to(reduced.clone())
            .conclude()
    });
    Ok(if measurements.contains(&ExitCode::FAILURE) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints the medians; that of the processor time, in microseconds.
fn show(name: &str, trials: &[Trial]) -> f64 {
    let of = |value: &dyn Fn(&Trial) -> f64| median(trials.iter().map(value).collect());
    let cpu = of(&|it| it.cpu.as_secs_f64() * 1e6);
    println!(
        "  {name:10}  {cpu:7.1} µs CPU/request  {:8.0} requests/s  p50 {:6.2} ms  p99 {:6.2} ms  {:4.0} MiB",
        of(&|it| it.served.rate()),
        of(&|it| it.served.percentile(0.5).as_secs_f64() * 1e3),
        of(&|it| it.served.percentile(0.99).as_secs_f64() * 1e3),
        of(&|it| it.memory as f64 / 1024.0),
    );
    cpu
}
