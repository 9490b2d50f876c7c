//! Requests that no client library sends: what the original answers to them is answered, and none is waited for without end.

use activities::Settings;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracewright_telemetry::Telemetry;

/// Far less than a body may take.
const SOON: Duration = Duration::from_secs(10);

fn start() -> SocketAddr {
    let settings = Settings {
        listen: Some("127.0.0.1:0".into()),
        origins: Vec::new(),
    };
    let telemetry = Telemetry::from_env()
        .variables([("OTEL_TRACES_EXPORTER".into(), "none".into())])
        .start();
    let (address, server) = activities::serve(&settings, telemetry).unwrap();
    actix_web::rt::spawn(server);
    address
}

/// The answer to a request after which the connection is closed, headers in lower case.
async fn answer(address: SocketAddr, lines: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap_or_else(|_| panic!("no end of the answer to {lines:?}: {answer}"))
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    format!("{}\n\n{body}", head.to_lowercase().replace("\r\n", "\n"))
}

const POST: [&str; 4] = [
    "POST /api/activities HTTP/1.1",
    "Host: localhost",
    "Connection: close",
    "Content-Type: application/json",
];

async fn posted(address: SocketAddr, headers: &[&str], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    let lines = [&POST[..], headers, &[&*length]].concat();
    answer(address, &lines, body).await
}

#[actix_web::test]
async fn an_upgrade_that_is_not_made_leaves_the_request_as_it_is() {
    let address = start();
    let body = r#"{"message":"x","ttl":"1-day"}"#;
    for connection in ["Connection: close", "Connection: Upgrade"] {
        let length = format!("Content-Length: {}", body.len());
        let mut lines = POST.to_vec();
        lines[2] = connection;
        lines.extend(["Upgrade: websocket", &length]);
        let answered = answer(address, &lines, body).await;
        assert!(answered.starts_with("http/1.1 200 "), "{answered}");
        assert!(answered.contains(r#""message":"x""#), "{answered}");
    }
    // Without a length there is no body.
    let lines = [&POST[..], &["Upgrade: websocket"]].concat();
    let answered = answer(address, &lines, "").await;
    assert!(answered.starts_with("http/1.1 400 "), "{answered}");
}

#[actix_web::test]
async fn numbers_come_back_with_their_value() {
    let address = start();
    let body = r#"{"message":[-971126.3244572381,0.1,1e22,9007199254740993],"ttl":"1-day"}"#;
    let answered = posted(address, &[], body).await;
    assert!(
        answered.contains(r#""message":[-971126.3244572381,0.1,1e+22,9007199254740993]"#),
        "{answered}"
    );
}

#[actix_web::test]
async fn a_redirect_leads_to_the_server_by_http_or_https() {
    let address = start();
    for (lines, location) in [
        (
            &["Host: EXAMPLE.test:80"][..],
            "http://example.test/api/activities/home",
        ),
        (
            &["Host: example.test:8080"],
            "http://example.test:8080/api/activities/home",
        ),
        (
            &["Host: example.test:443", "X-Forwarded-Proto: https"],
            "https://example.test/api/activities/home",
        ),
        (
            &["Host: example.test", "X-Forwarded-Proto: javascript"],
            "http://example.test/api/activities/home",
        ),
        (
            &["Host: example.test", "Forwarded: proto=ftp"],
            "http://example.test/api/activities/home",
        ),
    ] {
        let get = ["GET /api//activities/home? HTTP/1.1", "Connection: close"];
        let answered = answer(address, &[&get, lines].concat(), "").await;
        assert!(answered.starts_with("http/1.1 308 "), "{answered}");
        assert!(
            answered.contains(&format!("\nlocation: {location}\n")),
            "{location}: {answered}"
        );
    }
}

#[actix_web::test]
async fn headers_of_one_name_are_one_list() {
    let address = start();
    let answered = answer(
        address,
        &[
            "OPTIONS /api/activities HTTP/1.1",
            "Host: localhost",
            "Connection: close",
            "Origin: https://any.test",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: content-type",
            "Access-Control-Request-Headers: x-q",
        ],
        "",
    )
    .await;
    assert!(
        answered.contains("\naccess-control-allow-headers: content-type, x-q\n"),
        "{answered}"
    );
}

#[actix_web::test]
async fn a_path_is_decoded_once() {
    let address = start();
    let lines = [
        "POST /api/activities/%%410/reply HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        "Content-Type: application/json",
        "Content-Length: 15",
    ];
    let answered = answer(address, &lines, r#"{"message":"x"}"#).await;
    assert!(
        answered.contains(r#""reply_to_activity_uuid":"%A0""#),
        "{answered}"
    );
}
