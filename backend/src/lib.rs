//! The activities service: the ten routes of the original Flask application, byte for byte, in front of mock data.

mod activities;
mod body;
mod clock;
mod cors;
mod input;
mod json;
mod messages;
mod operations;
mod page;
mod paths;
mod uuid;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Resource, Responder, guard, middleware,
};
use cors::Cors;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tracewright_telemetry::Telemetry;

/// The original's port.
const PORT: u16 = 4567;

/// How long requests under way may take after SIGTERM.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Probes and scrapes are no requests that anybody wants to trace.
const UNTRACED: &[&str] = &["/livez", "/readyz", "/metrics"];

/// What the service reads from its environment beside telemetry.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `LISTEN_ADDRESS`; where it is not set, the service listens at all addresses, those of IPv6 included, and port 4567.
    pub listen: Option<String>,
    /// `FRONTEND_URL` and `BACKEND_URL`, the origins that may read answers.
    pub origins: Vec<String>,
}

impl Settings {
    /// Reads the process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            listen: text("LISTEN_ADDRESS"),
            origins: ["FRONTEND_URL", "BACKEND_URL"]
                .into_iter()
                .filter_map(text)
                .collect(),
        }
    }
}

/// Starts the service and tells where it listens. The server ends on SIGTERM, when requests under way are answered.
///
/// # Errors
/// If the address cannot be bound.
pub fn serve(settings: &Settings, telemetry: Telemetry) -> anyhow::Result<(SocketAddr, Server)> {
    let cors = Cors::new(settings.origins.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(telemetry.clone()))
            .app_data(web::Data::new(cors.clone()))
            .wrap(middleware::from_fn(cors::apply))
            .wrap(telemetry.middleware().skip(UNTRACED))
            .wrap(middleware::from_fn(paths::tidy))
            .configure(routes)
            .default_service(web::to(paths::unmatched))
    });
    let server = server.shutdown_timeout(DRAIN_TIMEOUT.as_secs());
    let bound = match &settings.listen {
        Some(address) => server.bind(address),
        None => server.bind(&everywhere()[..]),
    };
    let server = bound.map_err(|error| {
        let listen = settings.listen.as_deref();
        anyhow::anyhow!(
            "LISTEN_ADDRESS={} cannot be bound: {error}; write HOST:PORT of a free port",
            listen.unwrap_or_default()
        )
    })?;
    let address = server
        .addrs()
        .first()
        .copied()
        .ok_or_else(|| anyhow::anyhow!("no address was bound"))?;
    Ok((address, server.run()))
}

/// `[::]` takes IPv4 as well, so that binding its own address beside it fails and is not needed; where there is no IPv6, it is
/// what is left.
fn everywhere() -> [SocketAddr; 2] {
    [
        (Ipv6Addr::UNSPECIFIED, PORT).into(),
        (Ipv4Addr::UNSPECIFIED, PORT).into(),
    ]
}

/// The original's routes, then those for the operator of the service. The first that matches is taken, as in the original; where
/// the order is free, plain paths come first, because a pattern costs more.
fn routes(config: &mut ServiceConfig) {
    config
        .service(get("/api/message_groups", messages::groups))
        .service(post("/api/messages", messages::create))
        .service(get("/api/activities/home", activities::home))
        .service(get(
            "/api/activities/notifications",
            activities::notifications,
        ))
        .service(get("/api/activities/search", activities::search))
        .service(post("/api/activities", activities::create))
        .service(get("/api/messages/@{handle}", messages::list))
        .service(get("/api/activities/@{handle}", activities::of_user))
        .service(get("/api/activities/{activity_uuid}", activities::show))
        .service(post(
            "/api/activities/{activity_uuid}/reply",
            activities::reply,
        ))
        .service(get("/rollbar/test", operations::rollbar_test))
        // Flask's own route for files, of which the original has none.
        .service(get("/static/{filename:.+}", async || page::not_found()))
        .service(web::resource("/livez").to(operations::live))
        .service(web::resource("/readyz").to(operations::ready))
        .service(web::resource("/metrics").to(operations::metrics));
}

/// The methods of routes that are read.
const READ: &str = "GET, OPTIONS, HEAD";
/// The methods of routes that are posted to.
const POSTED: &str = "POST, OPTIONS";

/// The methods of the route with this pattern.
fn methods_of(pattern: &str) -> &'static str {
    match pattern {
        "/api/activities" | "/api/messages" => POSTED,
        pattern if pattern.ends_with("/reply") => POSTED,
        _ => READ,
    }
}

/// A route that is read: GET and HEAD.
fn get<H, A>(path: &str, handler: H) -> Resource
where
    H: actix_web::Handler<A>,
    A: actix_web::FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path)
        .route(
            web::route()
                .guard(guard::Any(guard::Get()).or(guard::Head()))
                .to(handler),
        )
        .default_service(web::to(|request: HttpRequest| async move {
            other_method(&request, READ)
        }))
}

/// A route that is posted to, from any origin.
fn post<H, A>(path: &str, handler: H) -> Resource
where
    H: actix_web::Handler<A>,
    A: actix_web::FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(|request: HttpRequest| async move {
            let mut answer = other_method(&request, POSTED);
            if request.method() == Method::OPTIONS {
                cors::allow_any_origin(&request, &mut answer);
            }
            answer
        }))
}

/// The answer to OPTIONS, or to a method that the route does not have.
fn other_method(request: &HttpRequest, allow: &'static str) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        HttpResponse::Ok()
            .insert_header(("allow", allow))
            .content_type("text/html; charset=utf-8")
            .finish()
    } else {
        page::method_not_allowed(allow)
    }
}
