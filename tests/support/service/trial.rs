//! One service under one load, from its start to its end, with everything that arrived counted.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Arrived, Flask, Load, Running, Served, Sinks, Telemetry, Usage, bare};

/// Which service.
#[derive(Debug, Clone, Copy)]
pub enum Service<'a> {
    /// The original.
    Flask(&'a Flask),
    /// Ours.
    Activities,
    /// One that does nothing; it has no telemetry.
    Bare,
}

impl Service<'_> {
    /// How many processes log the journal's lines when they start.
    fn workers(self) -> u64 {
        match self {
            Self::Flask(_) => 2,
            Self::Activities => 1,
            Self::Bare => 0,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn start(self, sinks: &Sinks, telemetry: Telemetry) -> Result<Running> {
        let variables = sinks.variables();
        match self {
            Self::Flask(flask) => flask.start(&variables, telemetry).await,
            Self::Activities => Running::activities(&variables, telemetry).await,
            Self::Bare => bare::start().await,
        }
    }
}

/// What a trial found.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The load's own view.
    pub served: Served,
    /// Processor time of the service for each request, delivery included.
    pub cpu: Duration,
    /// Resident memory at the end of the load, in KiB.
    pub memory: u64,
    /// What has arrived, the warm-up's share included.
    pub arrived: Arrived,
}

/// Before it is measured a service is asked for this long: connections, caches and sampling rules are there then.
const WARM_UP: Duration = Duration::from_secs(2);

/// Measures a service under a load.
///
/// # Errors
/// A request is not answered; or telemetry is on and not every request has arrived as two spans and a log event.
pub async fn trial(service: Service<'_>, telemetry: Telemetry, load: Load) -> Result<Trial> {
    let sinks = Sinks::start().await?;
    let running = service.start(&sinks, telemetry).await?;
    let warm = Load {
        time: WARM_UP,
        ..load
    };
    let warm = warm.run(running.address()).await?;
    let before = running.usage()?;
    let served = load.run(running.address()).await?;
    let Usage { cpu, memory } = running.usage()?;
    running.terminate().await?;
    let requests = warm.requests + served.requests;
    let arrived = sinks.arrived().await?;
    if telemetry == Telemetry::On {
        ensure!(
            arrived.spans == 2 * requests && arrived.events == requests + service.workers(),
            "{requests} requests became {} spans and {} log events",
            arrived.spans,
            arrived.events
        );
        ensure!(arrived.segments > 0, "X-Ray got nothing");
    } else {
        ensure!(arrived == Arrived::default(), "off, and yet {arrived:?}");
    }
    let cpu = (cpu - before.cpu).div_f64(served.requests as f64);
    Ok(Trial {
        served,
        cpu,
        memory,
        arrived,
    })
}

/// The middle one of several values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
