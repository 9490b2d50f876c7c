//! Injected faults, as a client sees them.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Aws, code, refusal};

type CreateGroup = Result<
    aws_sdk_cloudwatchlogs::operation::create_log_group::CreateLogGroupOutput,
    aws_sdk_cloudwatchlogs::error::SdkError<
        aws_sdk_cloudwatchlogs::operation::create_log_group::CreateLogGroupError,
    >,
>;

async fn create(aws: &Aws, name: &str) -> CreateGroup {
    aws.logs()
        .create_log_group()
        .log_group_name(name)
        .send()
        .await
}

async fn exists(aws: &Aws, name: &str) -> bool {
    aws.state().await["logs"]["logGroups"][name].is_object()
}

/// What the only call of an operation was recorded as.
async fn recorded(aws: &Aws, operation: &str) -> Value {
    let shown = aws
        .until("calls", |shown| shown["counts"][operation].is_object())
        .await;
    shown["calls"]
        .as_array()
        .and_then(|calls| {
            calls
                .iter()
                .find(|call| call["operation"] == operation)
                .cloned()
        })
        .expect("a call")
}

#[tokio::test]
async fn throttle_answers_in_the_services_words_as_often_as_told() {
    let aws = Aws::start().await;
    aws.post(
        "faults",
        json!({"operation": "logs.*", "kind": "throttle", "times": 2}),
    )
    .await;
    for _ in 0..2 {
        assert_eq!(code(create(&aws, "a").await), "ThrottlingException");
    }
    create(&aws, "a").await.expect("the fault is used up");
    assert_eq!(
        aws.get("calls").await["counts"]["logs.CreateLogGroup"],
        json!({"ok": 1, "throttled": 2, "error": 0})
    );
    aws.post(
        "faults",
        json!({"operation": "xray.GetGroups", "kind": "throttle"}),
    )
    .await;
    assert_eq!(
        code(aws.xray().get_groups().send().await),
        "ThrottledException"
    );
}

#[tokio::test]
async fn error_answers_with_status_and_code_and_nothing_is_done() {
    let aws = Aws::start().await;
    let fault = json!({"operation": "logs.CreateLogGroup", "kind": "error", "status": 400, "code": "AccessDeniedException"});
    let id = aws.post("faults", fault).await["id"]
        .as_u64()
        .expect("an id");
    assert_eq!(code(create(&aws, "a").await), "AccessDeniedException");
    assert!(!exists(&aws, "a").await);
    aws.delete(&format!("faults/{id}")).await;
    create(&aws, "a").await.expect("the fault is gone");
    aws.post(
        "faults",
        json!({"operation": "sts.*", "kind": "error", "status": 503, "code": "ServiceUnavailable"}),
    )
    .await;
    let sts = aws.sts_as(aws_sdk_xray::config::Credentials::new(
        "A", "s", None, None, "test",
    ));
    let (code, message) = refusal(sts.get_caller_identity().send().await);
    assert_eq!(code, "ServiceUnavailable", "{message}");
}

#[tokio::test]
async fn a_lost_reply_leaves_its_effect_and_a_retry_sees_it() {
    let aws = Aws::start().await;
    aws.post(
        "faults",
        json!({"operation": "logs.CreateLogGroup", "kind": "loseReply", "nth": 1}),
    )
    .await;
    let lost = create(&aws, "a").await.expect_err("no answer");
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    assert!(exists(&aws, "a").await);
    let call = recorded(&aws, "logs.CreateLogGroup").await;
    assert_eq!(
        (&call["status"], &call["code"]),
        (&json!(0), &json!("NoReply"))
    );
    assert_eq!(
        aws.get("calls").await["counts"]["logs.CreateLogGroup"]["ok"],
        1,
        "it was done"
    );
    assert_eq!(
        code(create(&aws, "a").await),
        "ResourceAlreadyExistsException"
    );
}

#[tokio::test]
async fn a_delay_delays_and_then_the_call_goes_on() {
    let aws = Aws::start().await;
    aws.post(
        "faults",
        json!({"operation": "logs.*", "kind": "delay", "delayMs": 300}),
    )
    .await;
    let start = Instant::now();
    create(&aws, "a").await.expect("created");
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_hanging_call_has_no_effect_and_ends_when_the_fault_goes() {
    let aws = Aws::start().await;
    aws.post(
        "faults",
        json!({"operation": "logs.CreateLogGroup", "kind": "hang"}),
    )
    .await;
    let call = create(&aws, "a");
    let lift = async {
        aws.until("faults", |shown| shown["faults"][0]["touched"] == 1)
            .await;
        aws.delete("faults").await;
    };
    let (result, ()) = tokio::join!(call, lift);
    assert!(result.expect_err("no answer").as_service_error().is_none());
    assert!(!exists(&aws, "a").await);
}

#[tokio::test]
async fn a_held_call_outlives_its_caller_and_has_its_effect_only_when_continued() {
    let aws = Aws::start().await;
    let fault =
        json!({"operation": "logs.CreateLogGroup", "kind": "stop", "when": "before", "times": 1});
    aws.post("faults", fault).await;
    let logs = aws.logs();
    let call = tokio::spawn(logs.create_log_group().log_group_name("a").send());
    let shown = aws
        .until("stops", |shown| shown["stops"][0].is_object())
        .await;
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    assert!(!exists(&aws, "a").await);
    aws.post(
        &format!("stops/{}/continue", shown["stops"][0]["id"]),
        json!({}),
    )
    .await;
    aws.until("calls", |shown| {
        shown["counts"]["logs.CreateLogGroup"]["ok"] == 1
    })
    .await;
    assert!(exists(&aws, "a").await, "the request had arrived");
}

#[tokio::test]
async fn a_stopped_call_waits_before_or_after_its_effect_and_goes_on() {
    for (when, done_while_held) in [("before", false), ("after", true)] {
        let aws = Aws::start().await;
        aws.post(
            "faults",
            json!({"operation": "logs.CreateLogGroup", "kind": "stop", "when": when}),
        )
        .await;
        let go_on = async {
            let shown = aws
                .until("stops", |shown| shown["stops"][0].is_object())
                .await;
            let stop = &shown["stops"][0];
            assert_eq!(
                (&stop["operation"], &stop["when"]),
                (&json!("logs.CreateLogGroup"), &json!(when))
            );
            assert_eq!(exists(&aws, "a").await, done_while_held, "{when}");
            aws.post(&format!("stops/{}/continue", stop["id"]), json!({}))
                .await;
            let (status, _) = aws
                .control(
                    Method::POST,
                    &format!("stops/{}/continue", stop["id"]),
                    None,
                )
                .await;
            assert_eq!(status, 404, "it was continued already");
        };
        let (result, ()) = tokio::join!(create(&aws, "a"), go_on);
        result.expect("created in the end");
        assert!(exists(&aws, "a").await);
    }
}

#[tokio::test]
async fn a_reset_ends_held_calls_without_effect() {
    let aws = Aws::start().await;
    aws.post(
        "faults",
        json!({"operation": "logs.CreateLogGroup", "kind": "stop"}),
    )
    .await;
    let reset = async {
        aws.until("stops", |shown| shown["stops"][0].is_object())
            .await;
        aws.post("reset", json!({})).await;
    };
    let (result, ()) = tokio::join!(create(&aws, "a"), reset);
    assert!(result.expect_err("no answer").as_service_error().is_none());
    assert!(!exists(&aws, "a").await);
    assert_eq!(aws.get("faults").await["faults"], json!([]));
}

#[tokio::test]
async fn a_fault_touches_its_operation_and_account_only() {
    let aws = Aws::start().await;
    aws.post(
        "faults",
        json!({"operation": "logs.Create*", "kind": "throttle"}),
    )
    .await;
    aws.post(
        "faults",
        json!({"operation": "*", "kind": "throttle", "account": "999999999999"}),
    )
    .await;
    aws.logs()
        .describe_log_groups()
        .send()
        .await
        .expect("another operation");
    aws.xray()
        .create_group()
        .group_name("a")
        .send()
        .await
        .expect("another service");
    assert_eq!(code(create(&aws, "a").await), "ThrottlingException");
    let stream = aws
        .logs()
        .create_log_stream()
        .log_group_name("a")
        .log_stream_name("s")
        .send()
        .await;
    assert_eq!(code(stream), "ThrottlingException");
}
