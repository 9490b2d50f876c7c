//! Measures `service-vs-flask`: the processor time of one request, all telemetry on, against the original Flask
//! application under gunicorn with two workers: same variables, same sinks, side by side in one run.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use support::measurement::Measurement;
use support::service::{Connections, Flask, Load, Service, Telemetry, Trial, median, trial};

const ROUNDS: u32 = 3;
const TIME: Duration = Duration::from_secs(10);
const CLIENTS: u32 = 16;
/// Requests a second that both can serve.
const EQUAL_LOAD: u32 = 300;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let rounds = std::env::args()
        .nth(1)
        .map_or(Ok(ROUNDS), |number| number.parse())
        .context("how many rounds")?;
    let flask = Flask::install()?;
    let mut least = f64::INFINITY;
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
            let (mut original, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                original.push(trial(Service::Flask(&flask), Telemetry::On, load).await?);
                ours.push(trial(Service::Activities, Telemetry::On, load).await?);
            }
            println!("{title}, {CLIENTS} clients, connections {connections:?}:");
            let ratio = show("flask", &original) / show("activities", &ours);
            println!("  {ratio:.1} times less processor time for each request");
            least = least.min(ratio);
        }
    }
    let reduced = (rounds < ROUNDS).then(|| format!("{rounds} rounds"));
    Ok(
        Measurement::at_least("service-vs-flask", least, "times less", 40.0)
            .reduced_to(reduced)
            .conclude(),
    )
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
