//! Service graphs.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_xray::primitives::DateTime;
use serde_json::json;

use crate::support::{Aws, code};
use crate::xray_traces::{self, send_trace, time};

#[tokio::test]
async fn the_service_graph_shows_who_calls_whom() {
    let aws = Aws::start().await;
    send_trace(&aws).await;
    aws.xray()
        .create_group()
        .group_name("Others")
        .filter_expression("service(\"other\")")
        .send()
        .await
        .expect("created");
    let graph = || {
        aws.xray()
            .get_service_graph()
            .start_time(time(-60.0))
            .end_time(time(60.0))
    };
    let answer = graph().send().await.expect("a graph");
    let names: BTreeMap<i32, String> = answer
        .services()
        .iter()
        .map(|service| {
            let kind = service.r#type.as_deref().unwrap_or("-");
            (
                service.reference_id.expect("an id"),
                format!("{} {kind}", service.name.as_deref().expect("a name")),
            )
        })
        .collect();
    let edges: BTreeSet<String> = answer
        .services()
        .iter()
        .flat_map(|service| {
            let from = names[&service.reference_id.expect("an id")].clone();
            let to = |edge: &aws_sdk_xray::types::Edge| {
                names[&edge.reference_id.expect("an id")].clone()
            };
            service
                .edges()
                .iter()
                .map(move |edge| format!("{from} -> {}", to(edge)))
                .collect::<Vec<_>>()
        })
        .collect();
    let expected = [
        "backend-flask - -> auth AWS::EKS::Container",
        "backend-flask - -> db Database::SQL",
        "backend-flask client -> backend-flask -",
    ];
    assert_eq!(edges, expected.map(str::to_owned).into());
    let faults = |name: &str| {
        let service = answer
            .services()
            .iter()
            .find(|service| service.name.as_deref() == Some(name))
            .expect(name);
        let statistics = service
            .summary_statistics
            .as_ref()
            .and_then(|summary| summary.fault_statistics.as_ref());
        statistics.and_then(|faults| faults.total_count)
    };
    assert_eq!(faults("auth"), Some(1));
    let of_traces = aws
        .xray()
        .get_trace_graph()
        .trace_ids(xray_traces::TRACE)
        .send()
        .await
        .expect("a graph");
    assert_eq!(of_traces.services().len(), answer.services().len());
    assert_eq!(
        graph()
            .group_name("Others")
            .send()
            .await
            .expect("a graph")
            .services()
            .len(),
        0
    );
    assert_eq!(
        code(graph().group_name("Absent").send().await),
        "InvalidRequestException"
    );
    assert_eq!(
        code(graph().start_time(time(-30_000.0)).send().await),
        "InvalidRequestException"
    );
}

#[tokio::test]
async fn a_changed_group_expression_is_told_by_the_graph() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    xray.create_group()
        .group_name("a")
        .filter_expression("ok")
        .send()
        .await
        .expect("created");
    aws.put("clock", json!({"advance": "PT1H"})).await;
    xray.update_group()
        .group_name("a")
        .filter_expression("fault")
        .send()
        .await
        .expect("updated");
    let now = aws.get("clock").await["now"]
        .as_str()
        .and_then(|now| now.parse::<jiff::Timestamp>().ok())
        .expect("a time");
    let around = |seconds: i64| DateTime::from_secs(now.as_second() + seconds);
    let graph = async |from: i64, to: i64| {
        let request = xray
            .get_service_graph()
            .group_name("a")
            .start_time(around(from))
            .end_time(around(to));
        request
            .send()
            .await
            .expect("a graph")
            .contains_old_group_versions
    };
    assert!(graph(-60, 60).await);
    assert!(!graph(60, 120).await);
}
