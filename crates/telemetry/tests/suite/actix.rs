//! The middleware in a real actix-web server.

use crate::otlp::decode;
use crate::parts::{PATIENCE, Receiver, Server, telemetry};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::BTreeMap;
use std::time::Duration;
use tracewright_telemetry::Telemetry;

async fn user(telemetry: web::Data<Telemetry>) -> String {
    let tracer = telemetry.tracer_provider().tracer("test");
    // The context is there again after each await.
    tokio::task::yield_now().await;
    tracer.in_span("work", |_| ());
    Context::current()
        .span()
        .span_context()
        .trace_id()
        .to_string()
}

async fn slow() -> HttpResponse {
    tokio::time::sleep(Duration::from_secs(600)).await;
    HttpResponse::Ok().finish()
}

fn fail(request: HttpRequest) -> Result<HttpResponse, actix_web::Error> {
    match request.query_string() {
        "error" => Err(actix_web::error::ErrorInternalServerError("it broke")),
        "panic" => panic!("on purpose"),
        _ => Err(actix_web::error::ErrorNotFound("nothing here")),
    }
}

fn start(telemetry: &Telemetry) -> String {
    let data = telemetry.clone();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(data.middleware().skip(&["/livez"]))
            .app_data(web::Data::new(data.clone()))
            .route("/users/{id}", web::get().to(user))
            .route("/slow", web::get().to(slow))
            .route(
                "/fail",
                web::get().to(async |request: HttpRequest| fail(request)),
            )
            .route("/livez", web::get().to(HttpResponse::Ok))
    });
    // Without this, actix-web finishes requests whose client has gone.
    let server = server.h1_allow_half_closed(false);
    let server = server
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    format!("http://{address}")
}

/// All spans that have arrived, by name.
async fn spans(telemetry: &Telemetry, sink: &Server) -> BTreeMap<String, Span> {
    let telemetry = telemetry.clone();
    assert!(web::block(move || telemetry.flush(PATIENCE)).await.unwrap());
    let scopes = sink
        .received()
        .into_iter()
        .flat_map(|received| decode(&received).scope_spans);
    scopes
        .flat_map(|scope| scope.spans)
        .map(|span| (span.name.clone(), span))
        .collect()
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    format!(
        "{:?}",
        found
            .unwrap_or_else(|| panic!("{key} in {span:?}"))
            .value
            .as_ref()
            .unwrap()
            .value
            .as_ref()
            .unwrap()
    )
}

#[actix_web::test]
async fn each_request_is_a_span_with_what_is_done_below_it() {
    let (sink, receiver) = (Server::start([]), Receiver::start([]));
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.url()),
        ("AWS_XRAY_DAEMON_ADDRESS", &receiver.address()),
    ]);
    let base = start(&telemetry);
    let client = reqwest::Client::new();
    let get = |path: &str| {
        client
            .get(format!("{base}{path}"))
            .header("x-amzn-trace-id", "Sampled=?")
    };
    let answer = get("/users/7?q=1")
        .header("user-agent", "test")
        .header("x-forwarded-for", "1.2.3.4")
        .header("x-forwarded-for", "5.6.7.8")
        .send()
        .await
        .unwrap();
    let header = answer.headers()["x-amzn-trace-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let trace = answer.text().await.unwrap();
    let (seconds, rest) = trace.split_at(8);
    assert!(
        header.starts_with(&format!("Root=1-{seconds}-{rest};Sampled=")),
        "{header}"
    );
    for path in ["/fail", "/fail?error", "/nowhere", "/livez"] {
        get(path).send().await.unwrap();
    }
    let spans = spans(&telemetry, &sink).await;
    let names: Vec<&str> = spans.keys().map(String::as_str).collect();
    assert_eq!(names, ["GET", "GET /fail", "GET /users/{id}", "work"]);
    let user = &spans["GET /users/{id}"];
    assert_eq!(spans["work"].parent_span_id, user.span_id);
    assert_eq!(
        attribute(user, "http.route"),
        "StringValue(\"/users/{id}\")"
    );
    assert_eq!(attribute(user, "url.path"), "StringValue(\"/users/7\")");
    assert_eq!(
        attribute(user, "http.response.status_code"),
        "IntValue(200)"
    );
    assert_eq!(
        attribute(user, "user_agent.original"),
        "StringValue(\"test\")"
    );
    assert!(attribute(user, "http.request.header.x-forwarded-for").contains("\"1.2.3.4,5.6.7.8\""));
    assert_eq!(
        attribute(&spans["GET"], "http.response.status_code"),
        "IntValue(404)"
    );
    let failed = &spans["GET /fail"];
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    assert!(format!("{:?}", failed.events).contains("it broke"));
}

#[actix_web::test]
async fn a_request_that_is_given_up_and_a_handler_that_panics_end_their_spans() {
    let sink = Server::start([]);
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.url())]);
    let base = start(&telemetry);
    let client = reqwest::Client::new();
    client
        .get(format!("{base}/slow"))
        .timeout(Duration::from_millis(500))
        .send()
        .await
        .unwrap_err();
    // The panic takes the worker's thread with it, so it comes last.
    client
        .get(format!("{base}/fail?panic"))
        .send()
        .await
        .unwrap_err();
    let begin = std::time::Instant::now();
    let spans = loop {
        let spans = spans(&telemetry, &sink).await;
        if spans.len() == 2 {
            break spans;
        }
        assert!(begin.elapsed() < PATIENCE, "{:?}", spans.keys());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(
        attribute(&spans["GET /fail"], "error.type"),
        "StringValue(\"panic\")"
    );
    assert_eq!(
        attribute(&spans["GET /slow"], "error.type"),
        "StringValue(\"cancelled\")"
    );
}
