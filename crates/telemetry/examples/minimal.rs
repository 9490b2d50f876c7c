//! A service with everything that its environment asks for, in twenty lines.

use actix_web::{App, HttpServer, web};
use std::time::Duration;
use tracewright_telemetry::Telemetry;

async fn hello() -> &'static str {
    tracing::info!("hello");
    "Hello World!"
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let telemetry = Telemetry::from_env().service_name("hello").install();
    let traced = telemetry.clone();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(traced.middleware())
            .route("/", web::get().to(hello))
    })
    .bind(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "127.0.0.1:8080".into()),
    )?;
    tracing::info!("listening on {}", server.addrs()[0]);
    server.run().await?;
    telemetry.shutdown(Duration::from_secs(10));
    Ok(())
}
