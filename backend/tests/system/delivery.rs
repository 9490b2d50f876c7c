//! What arrives where.

use crate::service::Service;
use crate::world::{GROUP, World, eventually};
use aws_sdk_xray::primitives::DateTime;
use serde_json::Value;
use std::time::SystemTime;

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_one_trace_in_x_ray_two_spans_over_otlp_and_a_log_event() {
    let world = World::start().await;
    world.create_log_group().await;
    world.create_rule(1.0).await;
    let mut service = Service::start(world.variables()).await;
    service.is_centrally_sampled().await;
    let id = service.home().await;
    let trace_id = id[2..].replace('-', "");

    let segment = eventually("the trace in X-Ray", async || {
        world.segments(std::slice::from_ref(&id)).await.pop()
    })
    .await;
    assert_eq!(segment["name"], "backend-flask");
    assert_eq!(segment["http"]["response"]["status"], 200);
    assert_eq!(
        segment["subsegments"][0]["name"],
        "home-activities-mock-data"
    );
    // The collector translates segments and drops what its own model lacks, such as the rule's name.
    assert_eq!(segment["aws"]["cloudwatch_logs"][0]["log_group"], GROUP);

    let spans = eventually("the spans over OTLP", async || {
        let spans = world.collector.spans();
        (spans.len() >= 2).then_some(spans)
    })
    .await;
    let expected = [
        (&trace_id, "home-activities-mock-data"),
        (&trace_id, "GET /api/activities/home"),
    ];
    assert_eq!(
        spans,
        expected.map(|(id, name)| (id.clone(), name.to_owned()))
    );

    let event = eventually("the log event", async || {
        let events = world.log_events().await;
        events
            .into_iter()
            .find(|event| event["trace_id"] == trace_id)
    })
    .await;
    assert_eq!(
        (&event["message"], &event["xray_trace_id"]),
        (&Value::from("HomeActivities"), &Value::from(id.as_str()))
    );

    let now = SystemTime::now();
    let hour_ago = now - std::time::Duration::from_secs(3_600);
    let graph = world
        .xray
        .get_service_graph()
        .start_time(DateTime::from(hour_ago))
        .end_time(DateTime::from(now));
    let graph = graph.send().await.unwrap();
    assert!(
        graph
            .services()
            .iter()
            .any(|service| service.name() == Some("backend-flask")),
        "{graph:?}"
    );

    service.terminate().await;
    let console = service.console();
    assert_eq!(console.len(), 2, "the console has the same two spans");
    assert!(
        console
            .iter()
            .all(|span| span["context"]["trace_id"] == trace_id)
    );
    assert!(
        service
            .log()
            .contains(&format!("HomeActivities trace_id={trace_id}")),
        "{}",
        service.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_everything_is_delivered_within_the_grace_period() {
    // Their segments fit into the receiver's socket buffer, however late it reads: UDP tells nobody what it drops.
    const REQUESTS: usize = 60;
    let world = World::start().await;
    world.create_log_group().await;
    world.create_rule(1.0).await;
    let mut variables = world.variables();
    variables.push(("OTEL_BSP_SCHEDULE_DELAY".into(), "86400000".into()));
    let mut service = Service::start(variables).await;
    service.is_centrally_sampled().await;
    for _ in 0..REQUESTS {
        service.home().await;
    }
    let took = service.terminate().await;
    assert!(took.as_secs() < 25, "{took:?}");
    eventually("all spans", async || {
        (world.collector.spans().len() == 2 * REQUESTS).then_some(())
    })
    .await;
    let events = world.log_events().await;
    let requests = events
        .iter()
        .filter(|event| event["trace_id"].is_string())
        .count();
    assert_eq!(requests, REQUESTS);
    assert!(
        events.iter().any(|event| event["message"] == "test Log"),
        "the lines at start too"
    );
    eventually("all segments", async || {
        let now = SystemTime::now();
        let begin = DateTime::from(now - std::time::Duration::from_secs(600));
        let mut pages = world
            .xray
            .get_trace_summaries()
            .start_time(begin)
            .end_time(DateTime::from(now))
            .into_paginator()
            .send();
        let mut traces = 0;
        while let Some(page) = pages.next().await {
            traces += page.ok()?.trace_summaries().len();
        }
        (traces == REQUESTS).then_some(())
    })
    .await;
    assert_eq!(service.console().len(), 2 * REQUESTS);
    assert!(
        !world
            .logs
            .describe_log_groups()
            .log_group_name_prefix(GROUP)
            .send()
            .await
            .unwrap()
            .log_groups()
            .is_empty()
    );
}
