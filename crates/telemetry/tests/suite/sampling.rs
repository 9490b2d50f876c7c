//! Central sampling over the receiver's TCP port.

use crate::parts::{Answer, PATIENCE, Receiver, Server, eventually, metric, serve, telemetry};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracewright_telemetry::Telemetry;

fn rules(rate: f64, reservoir: u32) -> Answer {
    let rule = |name: &str, priority: u32, service: &str, rate: f64, reservoir: u32| {
        json!({"SamplingRule": {
            "RuleName": name, "ResourceARN": "*", "Priority": priority, "FixedRate": rate, "ReservoirSize": reservoir,
            "ServiceName": service, "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1, "Attributes": {},
        }, "CreatedAt": 0.0, "ModifiedAt": 1.7e9})
    };
    let records = [
        rule("Default", 10_000, "*", 0.0, 0),
        rule("Cruddur", 9_000, "backend-flask", rate, reservoir),
    ];
    Answer::Give(
        200,
        "",
        json!({"SamplingRuleRecords": records})
            .to_string()
            .into_bytes(),
    )
}

fn start(receiver: &Receiver, variables: &[(&str, &str)]) -> Telemetry {
    let address = receiver.address();
    let base = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", address.as_str()),
    ];
    let telemetry = telemetry(&[&base, variables].concat());
    eventually("the rules", || {
        (metric(&telemetry, "sampler_rules") == 2).then_some(())
    });
    assert_eq!(metric(&telemetry, "sampler_central"), 1);
    telemetry
}

#[test]
fn the_rules_decide_and_are_named() {
    let receiver = Receiver::start([rules(1.0, 0)]);
    let telemetry = start(&receiver, &[]);
    assert_eq!(receiver.tcp.received()[0].path, "/GetSamplingRules");
    assert_eq!(
        receiver.tcp.received()[0].headers.get("authorization"),
        None,
        "the receiver signs"
    );
    for _ in 0..50 {
        serve(&telemetry, &[], 200, || {});
    }
    assert!(telemetry.flush(PATIENCE));
    let documents = receiver.documents();
    assert_eq!(documents.len(), 50);
    assert!(
        documents
            .iter()
            .all(|document| document["aws"]["xray"]["sampling_rule_name"] == "Cruddur")
    );
}

#[test]
fn a_rate_of_zero_samples_nothing_and_the_caller_is_told() {
    let receiver = Receiver::start([rules(0.0, 0)]);
    let telemetry = start(&receiver, &[]);
    for _ in 0..50 {
        let answer = serve(&telemetry, &[("x-amzn-trace-id", "Sampled=?")], 200, || {}).unwrap();
        assert!(answer.ends_with(";Sampled=0"), "{answer}");
    }
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(receiver.documents().len(), 0);
}

#[test]
fn under_dynamic_naming_the_journal_s_rule_does_not_apply() {
    let receiver = Receiver::start([rules(1.0, 0)]);
    let telemetry = start(&receiver, &[("AWS_XRAY_URL", "*4567-demo*")]);
    for _ in 0..20 {
        serve(
            &telemetry,
            &[("host", "4567-demo.example.test")],
            200,
            || {},
        );
    }
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(
        receiver.documents().len(),
        0,
        "the rule Default, with rate 0, decides"
    );
}

#[test]
fn statistics_are_reported_and_quotas_obeyed() {
    let targets = json!({
        "SamplingTargetDocuments": [{
            "RuleName": "Cruddur", "FixedRate": 0.0, "ReservoirQuota": 1000, "ReservoirQuotaTTL": 4e9, "Interval": 10,
        }],
        "LastRuleModification": 1.0,
        "UnprocessedStatistics": [],
    });
    let receiver = Receiver::start([
        rules(0.0, 5),
        Answer::Give(200, "", targets.to_string().into_bytes()),
    ]);
    let telemetry = start(&receiver, &[]);
    serve(&telemetry, &[], 200, || {});
    let report = eventually("the report", || {
        receiver
            .tcp
            .received()
            .into_iter()
            .find(|received| received.path == "/SamplingTargets")
    });
    let report: Value = serde_json::from_slice(&report.body).unwrap();
    let [statistics] = &report["SamplingStatisticsDocuments"].as_array().unwrap()[..] else {
        panic!("{report}")
    };
    assert_eq!(statistics["RuleName"], "Cruddur");
    assert_eq!(statistics["RequestCount"], 1);
    assert_eq!(
        (&statistics["BorrowCount"], &statistics["SampledCount"]),
        (&json!(1), &json!(0)),
        "borrowed"
    );
    assert_eq!(statistics["ClientID"].as_str().unwrap().len(), 24);
    assert!(statistics["Timestamp"].as_u64().unwrap() > 1_700_000_000);
    // Without the quota, one a second would be borrowed.
    eventually("the quota", || {
        let sampled = (0..50).filter(|_| {
            let answer =
                serve(&telemetry, &[("x-amzn-trace-id", "Sampled=?")], 200, || {}).unwrap();
            answer.ends_with("Sampled=1")
        });
        (sampled.count() == 50).then_some(())
    });
}

#[test]
fn a_changed_rule_is_fetched_at_once() {
    let targets = json!({"SamplingTargetDocuments": [], "LastRuleModification": 4e9, "UnprocessedStatistics": []});
    let receiver = Receiver::start([
        rules(0.0, 0),
        Answer::Give(200, "", targets.to_string().into_bytes()),
        rules(1.0, 0),
    ]);
    let telemetry = start(&receiver, &[]);
    serve(&telemetry, &[], 200, || {});
    eventually("the new rate", || {
        serve(&telemetry, &[("x-amzn-trace-id", "Sampled=?")], 200, || {})
            .unwrap()
            .ends_with("Sampled=1")
            .then_some(())
    });
    let paths: Vec<String> = receiver
        .tcp
        .received()
        .into_iter()
        .map(|received| received.path)
        .collect();
    assert_eq!(
        paths[..3],
        ["/GetSamplingRules", "/SamplingTargets", "/GetSamplingRules"]
    );
}

#[test]
fn without_rules_the_fallback_decides_and_the_receiver_is_asked_again_soon() {
    let unusable = [
        Answer::Give(403, "", b"no credentials".to_vec()),
        rules(1.0, 0),
    ];
    let receiver = Receiver::start(unusable);
    let address = receiver.address();
    let telemetry = telemetry(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", &address),
    ]);
    eventually("the first attempt", || {
        (!receiver.tcp.received().is_empty()).then_some(())
    });
    let sampled = (0..1_000).filter(|_| {
        serve(&telemetry, &[("x-amzn-trace-id", "Sampled=?")], 200, || {})
            .unwrap()
            .ends_with("Sampled=1")
    });
    // One or two a second and 5 % of the rest.
    let sampled = sampled.count();
    assert!((10..150).contains(&sampled), "{sampled} of 1000");
    eventually("the rules", || {
        (metric(&telemetry, "sampler_central") == 1).then_some(())
    });
}

#[test]
fn the_sampler_xray_puts_otlp_under_the_rules_too() {
    let (server, receiver) = (Server::start([]), Receiver::start([rules(0.0, 0)]));
    let (endpoint, address) = (server.url(), receiver.address());
    let argument = format!("endpoint=http://{address},polling_interval=300");
    let variables = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", &argument),
    ];
    let telemetry = start(&receiver, &variables);
    for _ in 0..50 {
        serve(&telemetry, &[], 200, || {});
    }
    serve(&telemetry, &[("x-amzn-trace-id", "Sampled=1")], 200, || {});
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(
        receiver.documents().len(),
        1,
        "only the one that the caller wants"
    );
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}"),
        1
    );
}

#[test]
fn the_sampler_xray_works_without_segments() {
    let (server, receiver) = (Server::start([]), Receiver::start([rules(0.0, 0)]));
    let argument = format!("endpoint={}", receiver.tcp.url());
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", &argument),
    ]);
    eventually("the rules", || {
        (metric(&telemetry, "sampler_rules") == 2).then_some(())
    });
    for _ in 0..50 {
        serve(&telemetry, &[], 200, || {});
    }
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(
        (server.received().len(), receiver.documents().len()),
        (0, 0)
    );
}

#[test]
fn without_segments_too_the_rules_see_the_request() {
    let rule = |name: &str, priority: u32, host: &str, path: &str, rate: f64| {
        json!({"SamplingRule": {
            "RuleName": name, "ResourceARN": "*", "Priority": priority, "FixedRate": rate, "ReservoirSize": 0,
            "ServiceName": "*", "ServiceType": "*", "Host": host, "HTTPMethod": "GET", "URLPath": path, "Version": 1,
            "Attributes": {},
        }})
    };
    let records = [
        rule("all", 1, "shop.example:8080", "/api/*", 1.0),
        rule("none", 2, "*", "*", 0.0),
    ];
    let rules = json!({"SamplingRuleRecords": records}).to_string();
    let server = Server::start([]);
    let receiver = Receiver::start([Answer::Give(200, "", rules.into_bytes())]);
    let argument = format!("endpoint={}", receiver.tcp.url());
    let telemetry = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &server.url()),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", &argument),
    ]);
    eventually("the rules", || {
        (metric(&telemetry, "sampler_rules") == 2).then_some(())
    });
    for host in ["shop.example:8080", "other.example"] {
        for _ in 0..10 {
            serve(&telemetry, &[("host", host)], 200, || {});
        }
    }
    assert!(telemetry.flush(PATIENCE));
    assert_eq!(
        metric(&telemetry, "spans_exported_total{exporter=\"otlp\"}"),
        10
    );
}

#[test]
fn a_rule_that_changes_while_the_rules_are_asked_for_is_fetched_again() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let changed = now.as_secs_f64() + 1.5;
    let targets = json!({"SamplingTargetDocuments": [], "LastRuleModification": changed, "UnprocessedStatistics": []});
    let Answer::Give(_, _, first) = rules(0.0, 0) else {
        unreachable!()
    };
    let receiver = Receiver::start([
        Answer::Late(Duration::from_secs(3), first),
        Answer::Give(200, "", targets.to_string().into_bytes()),
        rules(1.0, 0),
    ]);
    let telemetry = start(&receiver, &[]);
    serve(&telemetry, &[], 200, || {});
    eventually("the new rate", || {
        serve(&telemetry, &[("x-amzn-trace-id", "Sampled=?")], 200, || {})
            .unwrap()
            .ends_with("Sampled=1")
            .then_some(())
    });
}
