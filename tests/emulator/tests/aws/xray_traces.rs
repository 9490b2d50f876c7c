//! Segments in, traces and summaries out.

use std::collections::BTreeMap;

use aws_sdk_xray::primitives::DateTime;
use serde_json::{Value, json};

use crate::support::{Aws, code};

pub const TRACE: &str = "1-58406520-a006649127e371903a2de979";
const NOW: f64 = 1_700_000_000.0;

pub fn time(offset: f64) -> DateTime {
    DateTime::from_secs_f64(NOW + offset)
}

fn segment(id: char, name: &str, more: Value) -> Value {
    let mut segment = json!({
        "id": id.to_string().repeat(16), "trace_id": TRACE, "name": name, "start_time": NOW, "end_time": NOW + 1.0,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        segment[key] = value.clone();
    }
    segment
}

async fn send(aws: &Aws, segments: &[Value]) -> Vec<String> {
    let documents = segments.iter().map(Value::to_string).collect();
    let sent = aws
        .xray()
        .put_trace_segments()
        .set_trace_segment_documents(Some(documents))
        .send()
        .await
        .expect("sent");
    sent.unprocessed_trace_segments()
        .iter()
        .filter_map(|segment| segment.error_code.clone())
        .collect()
}

/// backend-flask (200) calls auth (fault), which sent a segment, and db, which did not.
pub async fn send_trace(aws: &Aws) {
    let front = segment(
        'a',
        "backend-flask",
        json!({
            "http": {"request": {"url": "http://x/api", "method": "GET"}, "response": {"status": 200}},
            "annotations": {"table": "activities", "count": 3},
            "user": "ada",
            "subsegments": [
                {"id": "b".repeat(16), "name": "auth", "namespace": "remote", "start_time": NOW, "end_time": NOW + 0.5},
                {"id": "c".repeat(16), "name": "db", "namespace": "remote", "sql": {}, "start_time": NOW, "end_time": NOW + 0.2},
            ],
        }),
    );
    let auth = segment(
        'd',
        "auth",
        json!({"parent_id": "b".repeat(16), "fault": true, "origin": "AWS::EKS::Container"}),
    );
    assert_eq!(send(aws, &[front, auth]).await, Vec::<String>::new());
}

async fn found(aws: &Aws, expression: &str) -> usize {
    let request = aws
        .xray()
        .get_trace_summaries()
        .start_time(time(-60.0))
        .end_time(time(60.0));
    let answer = request.filter_expression(expression).send().await;
    answer
        .unwrap_or_else(|error| panic!("{expression}: {error:?}"))
        .trace_summaries()
        .len()
}

#[tokio::test]
async fn a_trace_is_found_by_what_filter_expressions_ask() {
    let aws = Aws::start().await;
    send_trace(&aws).await;
    aws.xray()
        .create_group()
        .group_name("Cruddur")
        .filter_expression("service(\"backend-flask\")")
        .send()
        .await
        .expect("created");
    for (expression, expected) in [
        ("service(\"backend-flask\")", 1),
        ("service(\"frontend\")", 0),
        ("ok", 1),
        ("fault", 0),
        ("service(\"auth\") { fault }", 1),
        ("service(id(type: \"AWS::EKS::Container\"))", 1),
        ("edge(\"backend-flask\", \"db\")", 1),
        ("edge(\"db\", \"backend-flask\")", 0),
        (
            "annotation.table = \"activities\" AND annotation.count > 2",
            1,
        ),
        ("annotation.count > 3", 0),
        (
            "http.url CONTAINS \"/api\" AND http.status = 200 AND user = \"ada\"",
            1,
        ),
        ("duration > 0.9 AND duration < 1.1", 1),
        ("inferred", 1),
        ("partial", 0),
        ("group.name = \"Cruddur\"", 1),
        ("group.name = \"Other\"", 0),
    ] {
        assert_eq!(found(&aws, expression).await, expected, "{expression}");
    }
    let broken = aws
        .xray()
        .get_trace_summaries()
        .start_time(time(0.0))
        .end_time(time(1.0))
        .filter_expression("service(");
    assert_eq!(code(broken.send().await), "InvalidRequestException");
}

#[tokio::test]
async fn groups_that_refer_to_each_other_do_not_loop() {
    let aws = Aws::start().await;
    send_trace(&aws).await;
    for (name, expression) in [("a", "group.name = \"b\""), ("b", "group.name = \"a\"")] {
        aws.xray()
            .create_group()
            .group_name(name)
            .filter_expression(expression)
            .send()
            .await
            .expect("created");
    }
    assert_eq!(found(&aws, "group.name = \"a\"").await, 0);
}

#[tokio::test]
async fn a_segment_in_progress_is_replaced_by_the_finished_one() {
    let aws = Aws::start().await;
    let mut open = segment('a', "backend-flask", json!({"in_progress": true}));
    open.as_object_mut().expect("an object").remove("end_time");
    assert_eq!(send(&aws, &[open]).await, Vec::<String>::new());
    assert_eq!(found(&aws, "partial").await, 1);
    send(&aws, &[segment('a', "backend-flask", json!({}))]).await;
    assert_eq!(found(&aws, "partial").await, 0);
    assert_eq!(found(&aws, "ok").await, 1);
}

#[tokio::test]
async fn a_document_comes_back_as_it_was_sent() {
    let aws = Aws::start().await;
    let sent = segment(
        'a',
        "front",
        json!({"metadata": {"default": {"deep": [1, null, {"x": "y"}]}}, "subsegments": [
            {"id": "b".repeat(16), "name": "inner", "start_time": NOW, "end_time": NOW + 0.5},
        ]}),
    );
    send(&aws, std::slice::from_ref(&sent)).await;
    let found = aws
        .xray()
        .batch_get_traces()
        .trace_ids(TRACE)
        .send()
        .await
        .expect("found");
    let document = found.traces()[0].segments()[0]
        .document
        .as_deref()
        .expect("a document");
    let document: Value = serde_json::from_str(document).expect("JSON");
    assert_eq!(document, sent);
}

#[tokio::test]
async fn a_subsegment_sent_alone_comes_back_inside_its_parent() {
    let aws = Aws::start().await;
    let late = |id: char, parent: char| {
        segment(
            id,
            "late",
            json!({"type": "subsegment", "parent_id": parent.to_string().repeat(16)}),
        )
    };
    send(
        &aws,
        &[
            late('e', 'b'),
            late('b', 'a'),
            segment('a', "front", json!({})),
            late('f', '0'),
        ],
    )
    .await;
    let found = aws
        .xray()
        .batch_get_traces()
        .trace_ids(TRACE)
        .trace_ids("absent")
        .send()
        .await
        .expect("found");
    assert_eq!(found.unprocessed_trace_ids(), ["absent"]);
    let documents: BTreeMap<String, Value> = found.traces()[0]
        .segments()
        .iter()
        .map(|segment| {
            let document = segment.document.as_deref().expect("a document");
            (
                segment.id.clone().expect("an id"),
                serde_json::from_str(document).expect("JSON"),
            )
        })
        .collect();
    let ids: Vec<&str> = documents.keys().map(|id| &id[..1]).collect();
    assert_eq!(ids, ["a", "f"], "f has no parent and stays alone");
    assert_eq!(
        documents[&"a".repeat(16)]["subsegments"][0]["subsegments"][0]["id"],
        "e".repeat(16)
    );
}

#[tokio::test]
async fn bad_documents_come_back_unprocessed_and_good_ones_are_kept() {
    let aws = Aws::start().await;
    let refused = send(
        &aws,
        &[
            segment('a', "good", json!({})),
            segment('g', "not hexadecimal", json!({})),
            segment('a', "", json!({})),
            segment(
                'a',
                "trace",
                json!({"trace_id": "58406520a006649127e371903a2de979"}),
            ),
            segment('a', "start", json!({"start_time": "now"})),
            segment('a', "end", json!({"end_time": null})),
            segment('a', "backwards", json!({"end_time": NOW - 1.0})),
            segment('a', "alone", json!({"type": "subsegment"})),
            segment('a', "annotation", json!({"annotations": {"k": {}}})),
            segment(
                'a',
                "large",
                json!({"metadata": {"default": "x".repeat(65_536)}}),
            ),
            json!("no object"),
        ],
    )
    .await;
    assert_eq!(
        refused,
        [
            "InvalidId",
            "InvalidName",
            "InvalidTraceId",
            "MissingStartTime",
            "MissingEndTime",
            "InvalidEndTime",
            "MissingParentId",
            "InvalidAnnotation",
            "DocumentTooLarge",
            "ParseError"
        ]
    );
    assert_eq!(found(&aws, "service(\"good\")").await, 1);
}

#[tokio::test]
async fn traces_are_gone_after_thirty_days() {
    let aws = Aws::start().await;
    send_trace(&aws).await;
    aws.put("clock", json!({"advance": "P29D"})).await;
    assert_eq!(found(&aws, "ok").await, 1);
    aws.put("clock", json!({"advance": "P1D"})).await;
    assert_eq!(found(&aws, "ok").await, 0);
}

#[tokio::test]
async fn telemetry_records_are_kept_for_tests_to_see() {
    let aws = Aws::start().await;
    let record = aws_sdk_xray::types::TelemetryRecord::builder()
        .timestamp(time(0.0))
        .segments_sent_count(3)
        .build();
    aws.xray()
        .put_telemetry_records()
        .telemetry_records(record.expect("complete"))
        .send()
        .await
        .expect("sent");
    assert_eq!(
        aws.state().await["xray"]["telemetryRecords"][0]["SegmentsSentCount"],
        3
    );
}
