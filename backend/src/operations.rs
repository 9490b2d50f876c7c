//! What those who run the service ask: is it alive, is it ready, what does its telemetry count.

use actix_web::{HttpResponse, web};
use tracewright_telemetry::Telemetry;

/// GET /livez: the process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// GET /readyz: the service takes requests. Telemetry that could not be set up as asked does not make it unready; the answer
/// tells what is missing.
pub(crate) async fn ready(telemetry: web::Data<Telemetry>) -> String {
    let mut text = String::from("ok\n");
    for problem in telemetry.problems() {
        text.push_str(&format!("degraded: {problem}\n"));
    }
    text
}

/// GET /metrics, in the OpenMetrics text format.
pub(crate) async fn metrics(telemetry: web::Data<Telemetry>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(telemetry.metrics())
}

/// GET /rollbar/test: the original reports "Hello World!" to Rollbar as a warning; here it is a log record.
pub(crate) async fn rollbar_test() -> HttpResponse {
    tracing::warn!("Hello World!");
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body("Hello World!")
}
