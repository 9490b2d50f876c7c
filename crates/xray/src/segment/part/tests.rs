//! Every member at its place, and nothing that does not fit.

use super::super::{Exception, Origin, Root};
use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::time::Duration;

fn id() -> SegmentId {
    SegmentId::from_bytes([9; 8]).unwrap()
}

fn written(entity: &Entity<'_>) -> (Json, WriteReport) {
    let (part, report) = Part::write(id(), entity);
    let json = part.json + "}";
    (
        serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}")),
        report,
    )
}

#[test]
fn a_segment_has_every_member_where_x_ray_looks_for_it() {
    let service = json!({"version": "1.2", "runtime": "rustc"});
    let aws = json!({"eks": {"pod": "p-1"}, "cloudwatch_logs": [{"log_group": "cruddur"}]});
    let origin = Origin::new(
        Some("AWS::EKS::Container"),
        service.as_object().unwrap(),
        aws.as_object().unwrap(),
        "X-Ray for Rust",
        "0.1.0",
    )
    .unwrap();
    let entity = Entity {
        name: "backend-flask",
        start: Duration::from_micros(1_700_000_000_000_001),
        end: Duration::from_micros(1_700_000_000_250_000),
        root: Some(Root {
            trace: "1-5759e988-bd862e3fe1be46a994272793".parse().unwrap(),
            parent: "53995c3f42cd8ad8".parse().ok(),
            origin: &origin,
            sampling_rule: Some("Cruddur"),
            user: Some("andrew"),
        }),
        http: Http {
            url: Some("http://localhost:4567/api/activities/home"),
            method: Some("GET"),
            user_agent: Some("curl/8"),
            client_ip: Some("10.0.0.1, 10.0.0.2"),
            x_forwarded_for: true,
            status: Some(429),
            content_length: Some(965),
        },
        error: true,
        throttle: true,
        fault: true,
        exceptions: vec![Exception {
            id: [1; 8],
            kind: "io::Error",
            message: "a \"quoted\"\nmessage",
            remote: false,
            stack: vec![Frame {
                path: "home.rs",
                line: 3,
                label: "run",
            }],
        }],
        working_directory: Some("/app"),
        annotations: vec![
            ("tier", Value::Text("gold")),
            ("n", Value::Int(3)),
            ("ok", Value::Bool(true)),
            ("f", Value::Float(0.5)),
        ],
        metadata: vec![
            ("default", "app.now", Value::Text("t")),
            (
                "own",
                "list",
                Value::List(vec![Value::Text("a"), Value::Int(2)]),
            ),
            ("default", "x", Value::Int(1)),
        ],
        ..Entity::default()
    };
    let (json, report) = written(&entity);
    assert_eq!(report, WriteReport::default());
    assert_eq!(
        json,
        json!({
            "name": "backend-flask",
            "id": "0909090909090909",
            "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
            "parent_id": "53995c3f42cd8ad8",
            "start_time": 1_700_000_000.000_001,
            "end_time": 1_700_000_000.25,
            "in_progress": false,
            "origin": "AWS::EKS::Container",
            "service": {"version": "1.2", "runtime": "rustc"},
            "user": "andrew",
            "fault": true,
            "error": true,
            "throttle": true,
            "http": {
                "request": {
                    "url": "http://localhost:4567/api/activities/home", "method": "GET", "user_agent": "curl/8",
                    "client_ip": "10.0.0.1, 10.0.0.2", "x_forwarded_for": true,
                },
                "response": {"status": 429, "content_length": 965},
            },
            "aws": {
                "eks": {"pod": "p-1"},
                "cloudwatch_logs": [{"log_group": "cruddur"}],
                "xray": {"sdk": "X-Ray for Rust", "sdk_version": "0.1.0", "sampling_rule_name": "Cruddur"},
            },
            "cause": {"working_directory": "/app", "exceptions": [{
                "id": "0101010101010101", "message": "a \"quoted\"\nmessage", "type": "io::Error", "remote": false,
                "stack": [{"path": "home.rs", "line": 3, "label": "run"}],
            }]},
            "annotations": {"tier": "gold", "n": 3, "ok": true, "f": 0.5},
            "metadata": {"default": {"app.now": "t", "x": 1}, "own": {"list": ["a", 2]}},
        })
    );
}

#[test]
fn a_subsegment_has_only_what_it_knows() {
    let entity = Entity {
        name: "work",
        ..Entity::default()
    };
    assert_eq!(
        written(&entity).0,
        json!({"name": "work", "id": "0909090909090909", "start_time": 0.0, "end_time": 0.0, "in_progress": false})
    );
    let entity = Entity {
        name: "db",
        namespace: Some(Namespace::Remote),
        sql: Sql {
            sanitized_query: Some("SELECT ?"),
            url: Some("db:5432"),
            ..Sql::default()
        },
        aws: vec![("operation", "PutItem")],
        cause: Some([1; 8]),
        ..Entity::default()
    };
    let json = written(&entity).0;
    assert_eq!(json["namespace"], "remote");
    assert_eq!(
        json["sql"],
        json!({"sanitized_query": "SELECT ?", "url": "db:5432"})
    );
    assert_eq!(json["aws"], json!({"operation": "PutItem"}));
    assert_eq!(json["cause"], "0101010101010101");
}

#[test]
fn an_empty_address_is_none_and_not_marked() {
    let entity = Entity {
        name: "work",
        http: Http {
            client_ip: Some(""),
            x_forwarded_for: true,
            ..Http::default()
        },
        ..Entity::default()
    };
    assert_eq!(written(&entity).0.get("http"), None);
}

#[test]
fn invalid_annotations_and_metadata_are_counted_not_written() {
    let many: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
    let mut annotations: Vec<_> = many
        .iter()
        .map(|key| (key.as_str(), Value::Int(1)))
        .collect();
    annotations.extend([
        ("a.b", Value::Int(1)),
        ("", Value::Int(1)),
        ("l", Value::List(vec![])),
        ("nan", Value::Float(f64::NAN)),
    ]);
    let entity = Entity {
        annotations,
        metadata: vec![("AWS.x", "k", Value::Int(1)), ("AWS", "k", Value::Int(1))],
        ..Entity::default()
    };
    let (json, report) = written(&entity);
    assert_eq!(
        json["annotations"].as_object().unwrap().len(),
        MAX_ANNOTATIONS
    );
    assert_eq!(
        report,
        WriteReport {
            annotations_dropped: 14,
            metadata_dropped: 1
        }
    );
    assert_eq!(json["metadata"], json!({"AWS": {"k": 1}}));
}

#[test]
fn of_what_is_set_again_the_last_is_written_and_counts_once() {
    let keys: Vec<String> = (0..MAX_ANNOTATIONS).map(|n| format!("k{n}")).collect();
    let set = |value| {
        keys.iter()
            .map(move |key| (key.as_str(), Value::Int(value)))
    };
    let entity = Entity {
        annotations: set(1).chain(set(2)).collect(),
        metadata: vec![
            ("a", "k", Value::Int(1)),
            ("b", "k", Value::Int(2)),
            ("a", "k", Value::Int(3)),
        ],
        aws: vec![("region", "eu-west-1"), ("region", "us-east-1")],
        ..Entity::default()
    };
    let (part, report) = Part::write(id(), &entity);
    assert_eq!(part.json.matches("\"k0\":").count(), 1);
    assert_eq!(part.json.matches("\"region\":").count(), 1);
    assert_eq!(report, WriteReport::default());
    let (json, _) = written(&entity);
    let annotations = json["annotations"].as_object().unwrap();
    assert_eq!(annotations.len(), MAX_ANNOTATIONS);
    assert!(annotations.values().all(|value| *value == 2));
    assert_eq!(json["metadata"], json!({"a": {"k": 3}, "b": {"k": 2}}));
    assert_eq!(json["aws"], json!({"region": "us-east-1"}));
}

#[test]
fn texts_are_as_long_as_aws_takes_them() {
    let long = "é".repeat(2_000);
    let members = json!({"version": long, "n": 1});
    let eks = json!({"eks": {"pod": long}, "cloudwatch_logs": [{"log_group": long}]});
    let origin = Origin::new(
        Some(&long),
        members.as_object().unwrap(),
        eks.as_object().unwrap(),
        "sdk",
        "1",
    );
    let origin = origin.unwrap();
    let key = "k".repeat(501);
    let entity = Entity {
        name: "work",
        root: Some(Root {
            trace: "1-5759e988-bd862e3fe1be46a994272793".parse().unwrap(),
            parent: None,
            origin: &origin,
            sampling_rule: None,
            user: Some(&long),
        }),
        http: Http {
            url: Some(&long),
            user_agent: Some(&long),
            ..Http::default()
        },
        sql: Sql {
            user: Some(&long),
            ..Sql::default()
        },
        annotations: vec![
            ("long", Value::Text(&long)),
            (&key, Value::Int(1)),
            (&key[1..], Value::Int(1)),
        ],
        metadata: vec![("default", "long", Value::Text(&long))],
        ..Entity::default()
    };
    let (json, report) = written(&entity);
    let chars = |pointer: &str| {
        let value = json.pointer(pointer).and_then(Json::as_str);
        value.unwrap_or_else(|| panic!("{pointer}")).chars().count()
    };
    for member in [
        "/user",
        "/origin",
        "/service/version",
        "/aws/eks/pod",
        "/aws/cloudwatch_logs/0/log_group",
        "/http/request/url",
        "/http/request/user_agent",
        "/sql/user",
    ] {
        assert_eq!(chars(member), 250, "{member}");
    }
    assert_eq!(chars("/annotations/long"), 1_000);
    assert_eq!(chars("/metadata/default/long"), 2_000);
    assert_eq!(json["service"]["n"], 1);
    assert_eq!(report.annotations_dropped, 1, "a key of 501");
}

/// A long text of characters that grow in JSON.
fn long() -> impl Strategy<Value = String> {
    (".{1,4}", 0..1_000usize).prop_map(|(unit, times)| unit.repeat(times))
}

proptest! {
    #[test]
    fn a_part_is_json_and_fits_whatever_the_facts(
        texts in proptest::collection::vec(prop_oneof![".{0,50}".boxed(), long().boxed()], 8),
        many in proptest::collection::vec((".{0,20}", long()), 0..60),
    ) {
        let text = |n: usize| texts[n % texts.len()].as_str();
        let frame = Frame { path: text(0), line: 1, label: text(1) };
        let exception = Exception { kind: text(2), message: text(3), stack: vec![frame; 20], ..Exception::default() };
        let entity = Entity {
            name: text(4),
            http: Http { url: Some(text(5)), user_agent: Some(text(6)), client_ip: Some(text(7)), ..Http::default() },
            sql: Sql { sanitized_query: Some(text(1)), database_type: Some(text(2)), ..Sql::default() },
            aws: vec![(text(3), text(4)); 12],
            exceptions: vec![exception; 5],
            working_directory: Some(text(6)),
            annotations: many.iter().map(|(key, value)| (key.as_str(), Value::Text(value))).collect(),
            metadata: many.iter().map(|(key, value)| (key.as_str(), key.as_str(), Value::Text(value))).collect(),
            ..Entity::default()
        };
        let (part, report) = Part::write(id(), &entity);
        prop_assert!(part.len() <= MAX_DOCUMENT_BYTES, "{} bytes", part.len());
        prop_assert!(report.metadata_dropped <= many.len());
        let json = part.json + "}";
        prop_assert!(serde_json::from_str::<Json>(&json).is_ok(), "{}", json);
    }
}
