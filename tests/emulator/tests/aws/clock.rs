//! The emulated clock.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Aws;

fn time(shown: &Value) -> Timestamp {
    shown["now"]
        .as_str()
        .and_then(|now| now.parse().ok())
        .expect("an RFC 3339 time")
}

#[tokio::test]
async fn the_clock_stands_runs_and_jumps() {
    let aws = Aws::start().await;
    let stopped = time(&aws.put("clock", json!({"speed": 0})).await);
    assert_eq!(time(&aws.get("clock").await), stopped);
    let jumped = time(&aws.put("clock", json!({"advance": "P1DT1H"})).await);
    assert_eq!(
        jumped.duration_since(stopped),
        SignedDuration::from_hours(25)
    );
    aws.put("clock", json!({"speed": 100_000})).await;
    aws.until("clock", |shown| {
        time(shown).duration_since(jumped) > SignedDuration::from_mins(1)
    })
    .await;
    aws.post("reset", json!({})).await;
    let reset = time(&aws.get("clock").await);
    assert!(Timestamp::now().duration_since(reset) < SignedDuration::from_mins(1));
}

#[tokio::test]
async fn times_in_answers_are_the_emulated_ones() {
    let aws = Aws::start().await;
    aws.put("clock", json!({"advance": "P30D"})).await;
    aws.logs()
        .create_log_group()
        .log_group_name("a")
        .send()
        .await
        .expect("created");
    let found = aws
        .logs()
        .describe_log_groups()
        .send()
        .await
        .expect("described");
    let created = found.log_groups()[0].creation_time.expect("a time");
    let ahead = created - Timestamp::now().as_millisecond();
    assert!((ahead - 30 * 86_400_000).abs() < 60_000, "{ahead}");
}

#[tokio::test]
async fn a_clock_that_makes_no_sense_is_refused() {
    let aws = Aws::start().await;
    for body in [
        json!({}),
        json!({"speed": -1}),
        json!({"speed": 1e9}),
        json!({"advance": "-PT1H"}),
        json!({"advance": "an hour ago"}),
        json!({"back": "PT1H"}),
    ] {
        let (status, _) = aws.control(Method::PUT, "clock", Some(body.clone())).await;
        assert_eq!(status, 400, "{body}");
    }
}
