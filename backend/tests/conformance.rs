//! The service answers as the original does: recorded answers as data, sent over a real connection.
//!
//! `original-responses.json` was recorded from the original; `further-responses.json` from its reconstruction in
//! `tests/bench/flask`, which gives the same answers, by `record.py` there. Of error pages only status and headers count.

use activities::Settings;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tracewright_telemetry::Telemetry;

#[derive(Deserialize)]
struct Recordings {
    recordings: Vec<Recording>,
}

#[derive(Deserialize)]
struct Recording {
    name: String,
    request: Request,
    answer: Answer,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// Starts the service on a free port and returns its base URL. It ends with the test's runtime.
fn start(origins: &[&str]) -> String {
    let settings = Settings {
        listen: Some("127.0.0.1:0".into()),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
    };
    let telemetry = Telemetry::from_env()
        .variables([("OTEL_TRACES_EXPORTER".into(), "none".into())])
        .start();
    let (address, server) = activities::serve(&settings, telemetry).unwrap();
    actix_web::rt::spawn(server);
    format!("http://{address}")
}

const FRONTEND: &str = "https://3000-demo.example.test";
const BACKEND: &str = "https://4567-demo.example.test";

fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

async fn send(client: &Client, base: &str, request: &Request) -> Answer {
    let method = Method::from_bytes(request.method.as_bytes()).unwrap();
    // The name that the recordings were made under.
    let mut call = client
        .request(method, format!("{base}{}", request.path))
        .header("host", "localhost");
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    if let Some(body) = &request.body {
        call = call.body(body.clone());
    }
    let response = call.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = relevant(response.headers());
    Answer {
        status,
        headers,
        body: Some(response.text().await.unwrap()),
    }
}

/// All headers but those that belong to the connection.
fn relevant(headers: &HeaderMap) -> BTreeMap<String, String> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !["date", "connection"].contains(&name.as_str()));
    kept.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

/// `text` with every time replaced by `T` and every random UUID by `U`, which are checked to have the right form.
fn without_what_differs(text: &str) -> String {
    let pattern = |text: &str, pattern: &str| {
        text.len() >= pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(c, p)| match p {
                b'0' => c.is_ascii_digit(),
                b'x' => c.is_ascii_digit() || (b'a'..=b'f').contains(&c),
                p => c == p,
            })
    };
    const TIME: &str = "0000-00-00T00:00:00.000000";
    const UUID_4: &str = "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx";
    // Fixed UUIDs of version 4 in the mock data are as good as random ones.
    let mut result = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if pattern(rest, TIME) {
            result.push('T');
            rest = &rest[TIME.len()..];
        } else if pattern(rest, UUID_4) {
            result.push('U');
            rest = &rest[UUID_4.len()..];
        } else {
            result.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    result
}

/// The differences between what was recorded and what was answered.
fn differences(recorded: &Answer, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if recorded.status != answer.status {
        found.push(format!(
            "status {} instead of {}",
            answer.status, recorded.status
        ));
    }
    let names: BTreeSet<&String> = recorded
        .headers
        .keys()
        .chain(answer.headers.keys())
        .collect();
    for name in names {
        let (expected, given) = (recorded.headers.get(name), answer.headers.get(name));
        let is_equal = match (name.as_str(), expected, given) {
            // The original's order changes from start to start.
            ("allow", Some(expected), Some(given)) => methods(expected) == methods(given),
            // The one thing that is sent beyond the original: what it means to allow.
            ("access-control-allow-headers", None, Some(given)) => {
                given.split(", ").all(|header| {
                    ["content-type", "if-modified-since"].contains(&header.to_lowercase().as_str())
                })
            }
            _ => expected == given,
        };
        if !is_equal {
            found.push(format!("{name}: {given:?} instead of {expected:?}"));
        }
    }
    if let Some(body) = &recorded.body {
        let (expected, given) = (
            without_what_differs(body),
            without_what_differs(answer.body.as_deref().unwrap()),
        );
        if expected != given {
            found.push(format!("body {given:?} instead of {expected:?}"));
        }
    }
    found
}

fn methods(allow: &str) -> BTreeSet<&str> {
    allow.split(", ").collect()
}

async fn compare(recordings: &str) {
    let Recordings { recordings } = serde_json::from_str(recordings).unwrap();
    let (client, base) = (client(), start(&[FRONTEND, BACKEND]));
    let mut failures = Vec::new();
    for recording in &recordings {
        let answer = send(&client, &base, &recording.request).await;
        for difference in differences(&recording.answer, &answer) {
            failures.push(format!("{}: {difference}", recording.name));
        }
    }
    assert!(
        failures.is_empty(),
        "{} differences:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(!recordings.is_empty());
}

#[actix_web::test]
async fn answers_are_those_recorded_from_the_original() {
    compare(include_str!("original-responses.json")).await;
}

#[actix_web::test]
async fn answers_are_those_recorded_from_its_reconstruction() {
    compare(include_str!("further-responses.json")).await;
}

#[actix_web::test]
async fn without_configured_origins_gets_carry_no_cross_origin_headers_and_posts_do() {
    let (client, base) = (client(), start(&[]));
    let request = |method: &str, path: &str| Request {
        method: method.into(),
        path: path.into(),
        headers: [
            ("origin".into(), FRONTEND.into()),
            ("content-type".into(), "application/json".into()),
        ]
        .into(),
        body: (method == "POST").then(|| r#"{"message":"x","ttl":"1-day"}"#.into()),
    };
    let home = send(&client, &base, &request("GET", "/api/activities/home")).await;
    assert!(
        home.headers
            .keys()
            .all(|name| !name.starts_with("access-control")),
        "{home:?}"
    );
    let created = send(&client, &base, &request("POST", "/api/activities")).await;
    assert_eq!(created.headers["access-control-allow-origin"], FRONTEND);
}

#[actix_web::test]
async fn slashes_in_front_are_one() {
    let (client, base) = (client(), start(&[FRONTEND]));
    let request = Request {
        method: "GET".into(),
        path: "//api/activities/home".into(),
        headers: BTreeMap::new(),
        body: None,
    };
    let answer = send(&client, &base, &request).await;
    assert_eq!(
        (
            answer.status,
            answer.headers["access-control-allow-origin"].as_str()
        ),
        (200, FRONTEND)
    );
}

#[actix_web::test]
async fn a_configured_star_allows_every_origin() {
    let (client, base) = (client(), start(&["*"]));
    let request = |origin: Option<&str>| Request {
        method: "GET".into(),
        path: "/api/activities/home".into(),
        headers: origin
            .map(|origin| ("origin".into(), origin.into()))
            .into_iter()
            .collect(),
        body: None,
    };
    let headers = send(&client, &base, &request(None)).await.headers;
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(!headers.contains_key("vary"));
    let headers = send(&client, &base, &request(Some("https://any.test")))
        .await
        .headers;
    assert_eq!(headers["access-control-allow-origin"], "https://any.test");
    assert_eq!(headers["vary"], "Origin");
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_refused() {
    let (client, base) = (client(), start(&[]));
    let request = Request {
        method: "POST".into(),
        path: "/api/activities".into(),
        headers: [("content-type".into(), "application/json".into())].into(),
        body: Some(format!(
            "{{\"message\":\"{}\",\"ttl\":\"1-day\"}}",
            "x".repeat(9 * 1024 * 1024)
        )),
    };
    assert_eq!(send(&client, &base, &request).await.status, 413);
}

#[actix_web::test]
async fn those_who_run_the_service_are_answered() {
    let (client, base) = (client(), start(&[]));
    for (path, text) in [
        ("/livez", "ok\n"),
        ("/readyz", "ok\n"),
        ("/metrics", "tracewright_telemetry_"),
    ] {
        let request = Request {
            method: "GET".into(),
            path: path.into(),
            headers: BTreeMap::new(),
            body: None,
        };
        let answer = send(&client, &base, &request).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.unwrap().contains(text), "{path}");
    }
}
