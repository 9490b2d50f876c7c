//! Measures `telemetry-added`: the processor time that telemetry adds to a request, against what it adds to a request of
//! the original Flask application; and that memory stays what it is under a load of five minutes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use support::measurement::Measurement;
use support::service::{Connections, Flask, Load, Service, Sinks, Telemetry, median, trial};

const ROUNDS: u32 = 3;
const TIME: Duration = Duration::from_secs(10);
const CLIENTS: u32 = 16;

/// The steady load: so many requests a second for so long, and how much memory may grow after the first fifth.
const STEADY_RATE: u32 = 1_000;
const STEADY_TIME: Duration = Duration::from_secs(300);
const MAX_GROWTH: f64 = 0.1;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(STEADY_TIME.as_secs()), |number| number.parse())
        .context("how many seconds of steady load")?;
    let flask = Flask::install()?;
    // Connections that are kept alive, as far as gunicorn keeps them.
    let load = Load {
        clients: CLIENTS,
        connections: Connections::KeptAlive,
        rate: None,
        time: TIME,
    };
    let original = added(Service::Flask(&flask), "flask", load).await?;
    let ours = added(Service::Activities, "activities", load).await?;
    steady(Duration::from_secs(seconds)).await?;
    let reduced = (seconds < STEADY_TIME.as_secs()).then(|| format!("{seconds} s of steady load"));
    Ok(
        Measurement::at_least("telemetry-added", original / ours, "times less", 60.0)
            .reduced_to(reduced)
            .conclude(),
    )
}

/// Microseconds that telemetry adds, the median of several pairs.
async fn added(service: Service<'_>, name: &str, load: Load) -> Result<f64> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(
            trial(service, Telemetry::Off, load)
                .await?
                .cpu
                .as_secs_f64()
                * 1e6,
        );
        with.push(trial(service, Telemetry::On, load).await?.cpu.as_secs_f64() * 1e6);
    }
    let (with, without) = (median(with), median(without));
    println!(
        "{name:10}  {without:7.1} µs without, {with:7.1} µs with telemetry: {:7.1} µs added",
        with - without
    );
    Ok(with - without)
}

async fn steady(time: Duration) -> Result<()> {
    let sinks = Sinks::start().await?;
    let running = Service::Activities.start(&sinks, Telemetry::On).await?;
    let fifth = Load {
        clients: CLIENTS,
        connections: Connections::KeptAlive,
        rate: Some(STEADY_RATE),
        time: time / 5,
    };
    let mut requests = 0;
    let mut memory = Vec::new();
    for _ in 0..5 {
        requests += fifth.run(running.address()).await?.requests;
        memory.push(running.usage()?.memory);
    }
    running.terminate().await?;
    let arrived = sinks.arrived().await?;
    println!(
        "memory in each fifth of {} s: {memory:?} KiB",
        time.as_secs()
    );
    ensure!(
        arrived.spans == 2 * requests,
        "{requests} requests became {} spans",
        arrived.spans
    );
    let (first, last) = (memory[0] as f64, memory[4] as f64);
    ensure!(
        last <= first * (1.0 + MAX_GROWTH),
        "memory has grown from {first} KiB to {last} KiB"
    );
    Ok(())
}
