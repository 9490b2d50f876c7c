//! Log streams, and the rules of batches of events.

use aws_sdk_cloudwatchlogs::types::{InputLogEvent, OrderBy, RejectedLogEventsInfo};

use crate::support::{Aws, code, refusal};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

pub fn event(timestamp: i64, message: impl Into<String>) -> InputLogEvent {
    InputLogEvent::builder()
        .timestamp(timestamp)
        .message(message)
        .build()
        .expect("complete")
}

pub async fn with_stream() -> Aws {
    let aws = Aws::start().await;
    aws.logs()
        .create_log_group()
        .log_group_name("g")
        .send()
        .await
        .expect("created");
    aws.logs()
        .create_log_stream()
        .log_group_name("g")
        .log_stream_name("s")
        .send()
        .await
        .expect("created");
    aws
}

pub type Put =
    aws_sdk_cloudwatchlogs::operation::put_log_events::builders::PutLogEventsFluentBuilder;

pub fn put(aws: &Aws, events: Vec<InputLogEvent>) -> Put {
    aws.logs()
        .put_log_events()
        .log_group_name("g")
        .log_stream_name("s")
        .set_log_events(Some(events))
}

#[tokio::test]
async fn a_batch_against_its_rules_is_refused_whole() {
    let aws = with_stream().await;
    let now = now();
    for (what, text, events) in [
        (
            "order",
            "must be in chronological order",
            vec![event(now + 1, "b"), event(now, "a")],
        ),
        (
            "span",
            "cannot span more than 24 hours",
            vec![event(now - DAY - 1, "a"), event(now, "b")],
        ),
        (
            "an event's size",
            "Log event too large: 1048577 bytes exceeds limit of 1048576",
            vec![event(now, "x".repeat(1_048_577))],
        ),
        (
            "the batch's size",
            "Upload too large: 1048577 bytes exceeds limit of 1048576",
            vec![event(now, "x".repeat(1_048_551))],
        ),
        (
            "two events' size",
            "Upload too large",
            vec![
                event(now, "é".repeat(262_144)),
                event(now, "é".repeat(262_144)),
            ],
        ),
        (
            "an empty message",
            "length greater than or equal to 1",
            vec![event(now, "")],
        ),
        ("no events", "length greater than or equal to 1", vec![]),
        (
            "10,001 events",
            "length less than or equal to 10000",
            vec![event(now, "x"); 10_001],
        ),
    ] {
        let (code, message) = refusal(put(&aws, events).send().await);
        assert_eq!(code, "InvalidParameterException", "{what}");
        assert!(
            message.contains(text),
            "{what}: {}",
            &message[message.len().saturating_sub(200)..]
        );
    }
    let largest = vec![event(now, "x".repeat(1_048_550))];
    put(&aws, largest)
        .send()
        .await
        .expect("1,048,576 bytes with the event's 26");
    put(&aws, vec![event(now - DAY, "a"), event(now, "b")])
        .send()
        .await
        .expect("24 hours");
    let stored = aws.state().await["logs"]["logGroups"]["g"]["streams"]["s"]["events"]
        .as_array()
        .map(Vec::len);
    assert_eq!(stored, Some(3));
}

#[tokio::test]
async fn events_out_of_time_are_rejected_one_by_one() {
    let aws = with_stream().await;
    let now = now();
    let answer = put(
        &aws,
        vec![
            event(now - 14 * DAY - HOUR, "old"),
            event(now, "good"),
            event(now + 2 * HOUR + HOUR, "new"),
        ],
    );
    let rejected = answer
        .send()
        .await
        .expect("accepted in part")
        .rejected_log_events_info;
    let expected = RejectedLogEventsInfo::builder()
        .too_old_log_event_end_index(1)
        .too_new_log_event_start_index(2)
        .build();
    assert_eq!(rejected, Some(expected));
    aws.logs()
        .put_retention_policy()
        .log_group_name("g")
        .retention_in_days(3)
        .send()
        .await
        .expect("set");
    let answer = put(
        &aws,
        vec![
            event(now - 4 * DAY, "expired"),
            event(now - 4 * DAY, "expired"),
            event(now, "good"),
        ],
    );
    let rejected = answer
        .send()
        .await
        .expect("accepted in part")
        .rejected_log_events_info;
    assert_eq!(
        rejected,
        Some(
            RejectedLogEventsInfo::builder()
                .expired_log_event_end_index(2)
                .build()
        )
    );
    let all_good = put(&aws, vec![event(now, "good")])
        .sequence_token("any")
        .send()
        .await
        .expect("tokens are ignored");
    assert_eq!(all_good.rejected_log_events_info, None);
    let found = aws
        .logs()
        .get_log_events()
        .log_group_name("g")
        .log_stream_name("s")
        .send()
        .await
        .expect("read");
    assert!(
        found
            .events()
            .iter()
            .all(|event| event.message.as_deref() == Some("good"))
    );
    assert_eq!(found.events().len(), 3);
}

#[tokio::test]
async fn group_and_stream_must_be_there() {
    let aws = with_stream().await;
    for (group, stream, expected) in [
        ("absent", "s", "The specified log group does not exist."),
        ("g", "absent", "The specified log stream does not exist."),
    ] {
        let request = aws
            .logs()
            .put_log_events()
            .log_group_name(group)
            .log_stream_name(stream);
        let (code, message) = refusal(request.log_events(event(now(), "x")).send().await);
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("ResourceNotFoundException", expected)
        );
    }
}

#[tokio::test]
async fn streams_have_names_without_colon_and_star_and_sort_by_name_or_time() {
    let aws = with_stream().await;
    let logs = aws.logs();
    for name in ["a:b", "a*", "", &"x".repeat(513)] {
        let refused = logs
            .create_log_stream()
            .log_group_name("g")
            .log_stream_name(name)
            .send()
            .await;
        assert_eq!(code(refused), "InvalidParameterException", "{name}");
    }
    let again = logs
        .create_log_stream()
        .log_group_name("g")
        .log_stream_name("s")
        .send()
        .await;
    assert_eq!(code(again), "ResourceAlreadyExistsException");
    logs.create_log_stream()
        .log_group_name("g")
        .log_stream_name("r")
        .send()
        .await
        .expect("created");
    put(&aws, vec![event(now(), "x")])
        .send()
        .await
        .expect("put");
    let names = async |order: OrderBy, descending: bool| {
        let request = logs
            .describe_log_streams()
            .log_group_name("g")
            .order_by(order)
            .descending(descending);
        let streams = request
            .send()
            .await
            .expect("listed")
            .log_streams
            .unwrap_or_default();
        streams
            .into_iter()
            .filter_map(|stream| stream.log_stream_name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(OrderBy::LogStreamName, false).await, ["r", "s"]);
    assert_eq!(names(OrderBy::LastEventTime, true).await, ["s", "r"]);
    let both = logs
        .describe_log_streams()
        .log_group_name("g")
        .order_by(OrderBy::LastEventTime)
        .log_stream_name_prefix("s");
    assert_eq!(code(both.send().await), "InvalidParameterException");
}
