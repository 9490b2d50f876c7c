//! The parts fail one by one: the service serves on, and what was not delivered is delivered later or counted.

use crate::service::Service;
use crate::world::{World, eventually};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_at_the_other_ends_the_service_serves_and_ends_in_time() {
    let nowhere = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("AWS_XRAY_DAEMON_ADDRESS", "no-such-host.invalid:2000"),
        ("TRACEWRIGHT_LOG_GROUP", "cruddur"),
        // No region, no credentials, no metadata service.
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("OTEL_PROPAGATORS", "b3"),
    ];
    let variables = nowhere
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let mut service = Service::start(variables).await;
    let begin = Instant::now();
    for _ in 0..100 {
        service.home().await;
    }
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "requests waited: {:?}",
        begin.elapsed()
    );
    let ready = reqwest::get(format!("{}/readyz", service.url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        ready.contains("degraded: OTEL_PROPAGATORS=\"b3\": there is no propagator b3"),
        "{ready}"
    );
    assert_eq!(
        service
            .metric("config_errors_total{variable=\"OTEL_PROPAGATORS\"}")
            .await,
        1
    );
    let took = service.terminate().await;
    assert!(took < Duration::from_secs(27), "{took:?}");
    for what in [
        "OTLP export fails",
        "sending segments to X-Ray fails",
        "shipping logs to CloudWatch fails",
        "central sampling fails",
    ] {
        let said = service.log().matches(what).count();
        assert_eq!(said, 1, "{what:?} is said once in\n{}", service.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_events_wait_for_their_group_and_for_cloudwatch() {
    let world = World::start().await;
    let service = Service::start(world.variables()).await;
    service.home().await;
    eventually("the missing group is told", async || {
        service
            .log()
            .contains("there is no log group cruddur")
            .then_some(())
    })
    .await;
    world
        .fault(json!({"operation": "logs.PutLogEvents", "kind": "throttle", "times": 2}))
        .await;
    world.create_log_group().await;
    for _ in 0..10 {
        service.home().await;
    }
    eventually("all events", async || {
        let events = world.log_events().await;
        (events
            .iter()
            .filter(|event| event["trace_id"].is_string())
            .count()
            == 11)
            .then_some(())
    })
    .await;
    world.fault(json!({"operation": "logs.PutLogEvents", "kind": "error", "status": 400, "code": "InvalidParameterException", "times": 1})).await;
    service.home().await;
    eventually("the refused batch is counted", async || {
        (service
            .metric("log_events_dropped_total{cause=\"refused\"}")
            .await
            == 1)
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_and_what_was_logged_meanwhile_arrives_with_the_right_one() {
    let world = World::start().await;
    world.create_log_group().await;
    world.fault(json!({"operation": "logs.*", "kind": "error", "status": 400, "code": "UnrecognizedClientException", "times": 3})).await;
    let service = Service::start(world.variables()).await;
    service.home().await;
    eventually("the refusal is told", async || {
        service
            .log()
            .contains("UnrecognizedClientException")
            .then_some(())
    })
    .await;
    eventually("the event", async || {
        let events = world.log_events().await;
        events
            .iter()
            .any(|event| event["trace_id"].is_string())
            .then_some(())
    })
    .await;
    assert_eq!(
        service
            .log()
            .matches("shipping logs to CloudWatch fails")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_replaced_while_requests_come_loses_nothing() {
    let mut world = World::start().await;
    world.create_log_group().await;
    world.create_rule(1.0).await;
    let mut service = Service::start(world.variables()).await;
    service.is_centrally_sampled().await;
    let mut ids = Vec::new();
    for phase in 0..3 {
        match phase {
            1 => world.collector.stop(),
            2 => world.collector.restart(),
            _ => {}
        }
        for _ in 0..20 {
            ids.push(service.home().await);
        }
        if phase == 0 {
            eventually("the first segments", async || {
                (service
                    .metric("spans_exported_total{exporter=\"xray\"}")
                    .await
                    == 40)
                    .then_some(())
            })
            .await;
            eventually("they pass the receiver", async || {
                world.segments(&ids[19..]).await.pop()
            })
            .await;
        }
    }
    for five in ids.chunks(5) {
        eventually("every trace", async || {
            (world.segments(five).await.len() == five.len()).then_some(())
        })
        .await;
    }
    service.terminate().await;
    let lost = service.log().contains("not everything could be delivered");
    assert!(!lost, "{}", service.log());
}
