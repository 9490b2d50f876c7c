//! The control interface: what tests see and set from outside, under `/_control/`.

use actix_web::error::InternalError;
use actix_web::web::{self, Bytes, Data, Path, PathConfig, Query, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Span;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::accounts::Key;
use crate::calls::rfc3339;
use crate::emulation::Emulation;
use crate::faults::Fault;
use crate::state::{Place, Region};

type Shared = Data<Emulation>;

/// Adds the routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::scope("/_control")
            .app_data(QueryConfig::default().error_handler(|error, _| nonsense(&error)))
            .app_data(PathConfig::default().error_handler(|error, _| nonsense(&error)))
            .route("/health", web::get().to(health))
            .route("/reset", web::post().to(reset))
            .route("/calls", web::get().to(calls))
            .route("/faults", web::get().to(list_faults))
            .route("/faults", web::post().to(add_fault))
            .route("/faults", web::delete().to(clear_faults))
            .route("/faults/{id}", web::delete().to(remove_fault))
            .route("/stops", web::get().to(stops))
            .route("/stops/{id}/continue", web::post().to(go_on))
            .route("/clock", web::get().to(clock))
            .route("/clock", web::put().to(set_clock))
            .route("/limits", web::get().to(limits))
            .route("/limits", web::put().to(set_limits))
            .route("/accounts", web::put().to(set_accounts))
            .route("/state/{account}/{region}", web::get().to(state))
            .route("/state/{account}/{region}", web::put().to(set_state))
            .default_service(web::to(unknown)),
    );
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    refuse(
        404,
        format!(
            "{} {} is not part of the control interface",
            request.method(),
            request.path()
        ),
    )
}

fn refuse(status: u16, error: impl Into<String>) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status).json(json!({ "error": error.into() }))
}

/// What cannot be read of a path or query is refused as a body would be.
fn nonsense(error: &dyn std::fmt::Display) -> actix_web::Error {
    InternalError::from_response(error.to_string(), refuse(400, error.to_string())).into()
}

/// Reads a body whatever its content type says, so that plain `curl -d` works.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn answer(result: Result<Value, String>) -> HttpResponse {
    match result {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(error) => refuse(400, error),
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

async fn reset(emulation: Shared) -> HttpResponse {
    emulation.reset();
    HttpResponse::Ok().json(json!({}))
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn calls(emulation: Shared, query: Query<Since>) -> HttpResponse {
    HttpResponse::Ok().json(emulation.calls.since(query.since))
}

async fn list_faults(emulation: Shared) -> HttpResponse {
    HttpResponse::Ok().json(emulation.faults.list())
}

async fn add_fault(emulation: Shared, body: Bytes) -> HttpResponse {
    let added = parse::<Fault>(&body).and_then(|fault| emulation.faults.add(fault));
    answer(added.map(|id| json!({ "id": id })))
}

async fn clear_faults(emulation: Shared) -> HttpResponse {
    emulation.faults.clear();
    HttpResponse::Ok().json(json!({}))
}

async fn remove_fault(emulation: Shared, id: Path<u64>) -> HttpResponse {
    match emulation.faults.remove(*id) {
        true => HttpResponse::Ok().json(json!({})),
        false => refuse(404, format!("there is no fault {id}")),
    }
}

async fn stops(emulation: Shared) -> HttpResponse {
    HttpResponse::Ok().json(emulation.stops.list())
}

async fn go_on(emulation: Shared, id: Path<u64>) -> HttpResponse {
    match emulation.stops.go_on(*id) {
        true => HttpResponse::Ok().json(json!({})),
        false => refuse(
            404,
            format!("no call is held as {id}; it may have been continued already"),
        ),
    }
}

fn show_clock(emulation: &Emulation) -> Value {
    json!({ "now": rfc3339(emulation.clock.now_ms()), "speed": emulation.clock.speed() })
}

async fn clock(emulation: Shared) -> HttpResponse {
    HttpResponse::Ok().json(show_clock(&emulation))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    speed: Option<f64>,
    /// ISO 8601, such as `PT1H` or `P30D`; days have 24 hours.
    advance: Option<Span>,
}

async fn set_clock(emulation: Shared, body: Bytes) -> HttpResponse {
    let changed = parse::<ClockChange>(&body).and_then(|change| change_clock(&emulation, &change));
    answer(changed.map(|()| show_clock(&emulation)))
}

fn change_clock(emulation: &Emulation, change: &ClockChange) -> Result<(), String> {
    if change.speed.is_none() && change.advance.is_none() {
        return Err("write {\"speed\":60} or {\"advance\":\"PT1H\"}".to_owned());
    }
    let advance = match change.advance {
        None => 0,
        Some(span) => span
            .total((
                jiff::Unit::Millisecond,
                jiff::SpanRelativeTo::days_are_24_hours(),
            ))
            .map_err(|error| format!("advance: {error}"))? as i64,
    };
    if advance < 0 {
        return Err("advance: the clock only goes forward".to_owned());
    }
    if let Some(speed) = change.speed {
        emulation.clock.set_speed(speed)?;
    }
    emulation.clock.advance_ms(advance);
    Ok(())
}

async fn limits(emulation: Shared) -> HttpResponse {
    HttpResponse::Ok().json(emulation.limits.show())
}

async fn set_limits(emulation: Shared, body: Bytes) -> HttpResponse {
    let set = parse(&body).and_then(|changes| emulation.limits.set(changes));
    answer(set.map(|()| emulation.limits.show()))
}

async fn set_accounts(emulation: Shared, body: Bytes) -> HttpResponse {
    let set = parse(&body).and_then(|keys: Option<Vec<Key>>| emulation.accounts.set(keys));
    answer(set.map(|()| json!({})))
}

fn place(path: Path<(String, String)>) -> Place {
    let (account, region) = path.into_inner();
    Place { account, region }
}

async fn state(emulation: Shared, path: Path<(String, String)>) -> HttpResponse {
    HttpResponse::Ok().json(emulation.world.with(&place(path), |region| region.clone()))
}

async fn set_state(emulation: Shared, path: Path<(String, String)>, body: Bytes) -> HttpResponse {
    let place = place(path);
    let set = parse(&body).map(|mut state: Region| {
        state.complete(&place, emulation.clock.now_ms());
        emulation
            .world
            .with(&place, |region| region.clone_from(&state));
        json!(state)
    });
    answer(set)
}
