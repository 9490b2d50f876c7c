//! Rates: as AWS has them, per account, region and operation, in real time.

use std::time::{Duration, Instant};

use aws_sdk_xray::config::Credentials;
use reqwest::Method;
use serde_json::json;

use crate::support::{Aws, KEY, code, json_of};

#[tokio::test]
async fn xray_is_throttled_with_429_in_a_bucket_per_operation_and_region() {
    let aws = Aws::strict();
    aws.put("limits", json!({"xray.GetGroups": {"tps": 0, "burst": 5}}))
        .await;
    let mut throttled = 0;
    for _ in 0..8 {
        let response = aws
            .xray_request("/Groups", "{}")
            .send()
            .await
            .expect("answered");
        if response.status() == 429 {
            assert_eq!(response.headers()["x-amzn-errortype"], "ThrottledException");
            throttled += 1;
        }
    }
    assert_eq!(throttled, 3);
    let counts = &aws.get("calls").await["counts"]["xray.GetGroups"];
    assert_eq!(counts["throttled"], throttled);
    aws.xray()
        .get_sampling_rules()
        .send()
        .await
        .expect("another operation has a bucket of its own");
    let elsewhere = aws.xray_as(
        Credentials::new(KEY, "secret", None, None, "test"),
        "eu-west-1",
    );
    elsewhere
        .get_groups()
        .send()
        .await
        .expect("another region has a bucket of its own");
}

#[tokio::test]
async fn logs_throttle_with_400_and_a_throttled_call_has_no_effect() {
    let aws = Aws::strict();
    aws.put(
        "limits",
        json!({"logs.CreateLogGroup": {"tps": 0, "burst": 1}}),
    )
    .await;
    aws.logs()
        .create_log_group()
        .log_group_name("a")
        .send()
        .await
        .expect("the one token");
    let (status, answer) = json_of(
        aws.logs_request("CreateLogGroup", r#"{"logGroupName":"b"}"#)
            .send()
            .await
            .expect("answered"),
    )
    .await;
    assert_eq!(
        (status, answer),
        (
            400,
            json!({"__type": "ThrottlingException", "message": "Rate exceeded"})
        )
    );
    let state = aws.state().await;
    assert_eq!(
        state["logs"]["logGroups"]
            .as_object()
            .map(|groups| groups.len()),
        Some(1)
    );
}

#[tokio::test]
async fn buckets_refill_in_real_time_whatever_the_emulated_clock_does() {
    let aws = Aws::strict();
    aws.put("limits", json!({"xray.GetGroups": {"tps": 4, "burst": 1}}))
        .await;
    aws.put("clock", json!({"speed": 0})).await;
    let xray = aws.xray();
    xray.get_groups().send().await.expect("the one token");
    let emptied = Instant::now();
    aws.put("clock", json!({"advance": "P1D"})).await;
    let first = xray.get_groups().send().await;
    assert!(
        first.is_err() || emptied.elapsed() >= Duration::from_millis(250),
        "a day passed for the clock, not for the bucket"
    );
    while xray.get_groups().send().await.is_err() {
        assert!(
            emptied.elapsed() < Duration::from_secs(10),
            "never refilled"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_documented_rates_are_the_defaults() {
    let aws = Aws::strict();
    let limits = aws.get("limits").await;
    for (name, expected) in [
        (
            "logs.DescribeLogGroups",
            json!({"tps": 10.0, "burst": 10.0}),
        ),
        ("logs.CreateLogGroup", json!({"tps": 10.0, "burst": 10.0})),
        ("logs.DeleteLogGroup", json!({"tps": 10.0, "burst": 10.0})),
        ("logs.PutRetentionPolicy", json!({"tps": 5.0, "burst": 5.0})),
        (
            "logs.DeleteRetentionPolicy",
            json!({"tps": 5.0, "burst": 5.0}),
        ),
        (
            "logs.ListTagsForResource",
            json!({"tps": 5.0, "burst": 5.0}),
        ),
        ("logs.TagResource", json!({"tps": 5.0, "burst": 5.0})),
        ("logs.UntagResource", json!({"tps": 5.0, "burst": 5.0})),
        ("logs.AssociateKmsKey", json!({"tps": 5.0, "burst": 5.0})),
        (
            "logs.DescribeMetricFilters",
            json!({"tps": 5.0, "burst": 5.0}),
        ),
        ("logs.CreateLogStream", json!({"tps": 50.0, "burst": 50.0})),
        ("logs.DeleteLogStream", json!({"tps": 15.0, "burst": 15.0})),
        ("logs.FilterLogEvents", json!({"tps": 25.0, "burst": 25.0})),
        ("logs.GetLogEvents", json!({"tps": 25.0, "burst": 25.0})),
        ("logs.PutLogEvents", json!({"tps": 5000.0, "burst": 5000.0})),
        ("xray.GetGroups", json!({"tps": 2.0, "burst": 5.0})),
        (
            "xray.ListTagsForResource",
            json!({"tps": 2.0, "burst": 5.0}),
        ),
        ("xray.CreateGroup", json!({"tps": 1.0, "burst": 5.0})),
        ("xray.UpdateSamplingRule", json!({"tps": 1.0, "burst": 5.0})),
        ("xray.groups", json!(25)),
        ("xray.samplingRules", json!(25)),
        ("xray.pageSize", json!(100)),
        ("tagDelayMs", json!(0)),
    ] {
        assert_eq!(limits[name], expected, "{name}");
    }
}

#[tokio::test]
async fn a_segment_is_a_token_of_its_own() {
    let aws = Aws::strict();
    aws.put(
        "limits",
        json!({"xray.PutTraceSegments": {"tps": 0, "burst": 3}}),
    )
    .await;
    let send = |count| {
        let documents = vec!["not a segment".to_owned(); count];
        aws.xray()
            .put_trace_segments()
            .set_trace_segment_documents(Some(documents))
            .send()
    };
    send(2).await.expect("two of three");
    assert_eq!(code(send(2).await), "ThrottledException");
    send(1).await.expect("the third");
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused_and_change_nothing() {
    let aws = Aws::strict();
    let before = aws.get("limits").await;
    for body in [
        json!({"xray.groups": 5, "xray.grups": 5}),
        json!({"xray.groups": 5, "xray.GetGrups": {"tps": 1, "burst": 1}}),
        json!({"xray.groups": 5, "tagDelayMs": -1}),
        json!({"xray.groups": 5, "tagDelayMs": "1s"}),
        json!({"xray.groups": 5, "logs.*": {"tps": -1, "burst": 1}}),
        json!({"xray.groups": 5, "logs.*": {"tps": 1}}),
        json!({"xray.groups": 5, "xray.pageSize": 0}),
        json!([]),
    ] {
        let (status, answer) = aws.control(Method::PUT, "limits", Some(body.clone())).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    assert_eq!(aws.get("limits").await, before);
}
