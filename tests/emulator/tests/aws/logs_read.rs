//! Reading events: both directions, filters, expiry.

use aws_sdk_cloudwatchlogs::types::LogGroupClass;
use serde_json::json;

use crate::logs_events::{event, now, put, with_stream};
use crate::support::{Aws, code};

#[tokio::test]
async fn a_stream_is_read_in_both_directions_until_the_token_repeats() {
    let aws = with_stream().await;
    let now = now();
    put(
        &aws,
        (0..10)
            .map(|number| event(now + number, number.to_string()))
            .collect(),
    )
    .send()
    .await
    .expect("put");
    let logs = aws.logs();
    let read = |token: Option<String>| {
        let request = logs
            .get_log_events()
            .log_group_name("g")
            .log_stream_name("s")
            .limit(4);
        request.set_next_token(token)
    };
    let text = |events: &[aws_sdk_cloudwatchlogs::types::OutputLogEvent]| -> String {
        events
            .iter()
            .filter_map(|event| event.message.clone())
            .collect()
    };
    let head = read(None).start_from_head(true).send().await.expect("read");
    assert_eq!(text(head.events()), "0123");
    let next = read(head.next_forward_token).send().await.expect("read");
    assert_eq!(text(next.events()), "4567");
    let last = read(next.next_forward_token).send().await.expect("read");
    assert_eq!(text(last.events()), "89");
    let end = read(last.next_forward_token.clone())
        .send()
        .await
        .expect("read");
    assert_eq!(
        (text(end.events()).as_str(), end.next_forward_token),
        ("", last.next_forward_token)
    );
    let back = read(last.next_backward_token).send().await.expect("read");
    assert_eq!(text(back.events()), "4567");
    let tail = read(None).send().await.expect("read");
    assert_eq!(
        text(tail.events()),
        "6789",
        "without startFromHead the latest come first"
    );
    assert_eq!(
        code(read(Some("f/made-up".to_owned())).send().await),
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn filtering_finds_events_across_streams_in_order() {
    let aws = with_stream().await;
    let logs = aws.logs();
    logs.create_log_stream()
        .log_group_name("g")
        .log_stream_name("t")
        .send()
        .await
        .expect("created");
    let now = now();
    for (stream, offset) in [("s", 0), ("t", 1)] {
        let events = (0..4)
            .map(|number| {
                event(
                    now + 2 * number + offset,
                    format!("{{\"n\":{number}}} {stream} ERROR"),
                )
            })
            .collect();
        let request = logs
            .put_log_events()
            .log_group_name("g")
            .log_stream_name(stream)
            .set_log_events(Some(events));
        request.send().await.expect("put");
    }
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let request = logs
            .filter_log_events()
            .log_group_name("g")
            .filter_pattern("ERROR")
            .limit(3);
        let page = request.set_next_token(token).send().await.expect("a page");
        found.extend(page.events().iter().filter_map(|event| event.timestamp));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..8).map(|offset| now + offset).collect::<Vec<_>>());
    let of_one = logs
        .filter_log_events()
        .log_group_name("g")
        .log_stream_name_prefix("t")
        .end_time(now + 3);
    assert_eq!(of_one.send().await.expect("read").events().len(), 2);
    let newest = logs
        .filter_log_events()
        .log_group_name("g")
        .start_time(now)
        .start_from_head(false)
        .limit(1);
    assert_eq!(
        newest.send().await.expect("read").events()[0].timestamp,
        Some(now + 7)
    );
    let too_early = logs
        .filter_log_events()
        .log_group_name("g")
        .start_from_head(false)
        .send()
        .await;
    assert_eq!(code(too_early), "InvalidParameterException");
    let both = logs
        .filter_log_events()
        .log_group_name("g")
        .log_stream_names("s")
        .log_stream_name_prefix("t")
        .send()
        .await;
    assert_eq!(code(both), "InvalidParameterException");
}

#[tokio::test]
async fn events_are_gone_when_their_retention_is_over() {
    let aws = with_stream().await;
    aws.logs()
        .put_retention_policy()
        .log_group_name("g")
        .retention_in_days(1)
        .send()
        .await
        .expect("set");
    put(&aws, vec![event(now(), "x")])
        .send()
        .await
        .expect("put");
    let count = async || {
        let found = aws
            .logs()
            .get_log_events()
            .log_group_name("g")
            .log_stream_name("s")
            .send()
            .await
            .expect("read");
        found.events().len()
    };
    assert_eq!(count().await, 1);
    aws.put("clock", json!({"advance": "PT25H"})).await;
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn infrequent_access_groups_cannot_be_read_event_by_event() {
    let aws = Aws::start().await;
    let logs = aws.logs();
    let create = logs
        .create_log_group()
        .log_group_name("ia")
        .log_group_class(LogGroupClass::InfrequentAccess);
    create.send().await.expect("created");
    assert_eq!(
        code(logs.filter_log_events().log_group_name("ia").send().await),
        "InvalidParameterException"
    );
}
