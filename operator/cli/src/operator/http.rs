//! The operator's own HTTP: metrics on one port, probes on another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::web::{Data, get};
use actix_web::{App, HttpResponse, HttpServer};

use crate::metrics::Metrics;

/// Whether the operator is ready and alive, as its probes tell.
pub trait Health: Send + Sync + 'static {
    /// The first lists of all watches are in.
    fn ready(&self) -> Result<(), String>;
    /// Every watch has made progress lately.
    fn alive(&self) -> Result<(), String>;
}

/// Serves `/metrics`.
///
/// # Errors
/// If the address cannot be bound.
pub fn metrics(address: SocketAddr, metrics: Arc<Metrics>) -> std::io::Result<Server> {
    let data = Data::from(metrics);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/metrics", get().to(scrape))
    })
    .workers(1)
    .disable_signals()
    .bind(&either_family(address)[..])?;
    Ok(server.run())
}

/// Serves `/livez` and `/readyz`.
///
/// # Errors
/// If the address cannot be bound.
pub fn probes(address: SocketAddr, health: Arc<dyn Health>) -> std::io::Result<Server> {
    let data = Data::from(health);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/livez", get().to(livez))
            .route("/readyz", get().to(readyz))
    })
    .workers(1)
    .disable_signals()
    .bind(&either_family(address)[..])?;
    Ok(server.run())
}

/// The addresses to be tried for one. `[::]` takes IPv4 as well, so that binding its own address beside it fails and is not
/// needed; on a node without IPv6 it is what is left.
fn either_family(address: SocketAddr) -> Vec<SocketAddr> {
    let mut addresses = vec![address];
    if address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED) {
        addresses.push((Ipv4Addr::UNSPECIFIED, address.port()).into());
    }
    addresses
}

async fn scrape(metrics: Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(metrics.encode())
}

async fn livez(health: Data<dyn Health>) -> HttpResponse {
    answer(health.alive())
}

async fn readyz(health: Data<dyn Health>) -> HttpResponse {
    answer(health.ready())
}

fn answer(result: Result<(), String>) -> HttpResponse {
    match result {
        Ok(()) => HttpResponse::Ok().body("ok\n"),
        Err(why) => HttpResponse::ServiceUnavailable().body(format!("{why}\n")),
    }
}
