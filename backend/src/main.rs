//! The program: telemetry from the environment, the service until SIGTERM, and everything delivered before the end.

use activities::Settings;
use std::time::Duration;
use tracewright_telemetry::Telemetry;

/// Together with [`activities::DRAIN_TIMEOUT`] this stays within Kubernetes' default grace period of 30 seconds.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let telemetry = Telemetry::from_env()
        .service_name(env!("CARGO_PKG_NAME"))
        // The server's own life cycle is nothing for the log group, and what clients send that is no HTTP is no error of ours.
        .log_filter("info,actix_server=warn,actix_http=off")
        .install();
    let settings = Settings::from_env();
    // The journal's two lines at start.
    tracing::info!("HomeActivities");
    tracing::info!("test Log");
    let (address, server) = activities::serve(&settings, telemetry.clone())?;
    tracing::info!("listening on {address}");
    server.await?;
    telemetry.shutdown(FLUSH_TIMEOUT);
    Ok(())
}
