//! What samplers are told: shares of the reservoir, boosts; and the summaries of their reports.

use aws_sdk_xray::primitives::DateTime;
use aws_sdk_xray::types::{SamplingBoostStatisticsDocument, SamplingStatisticsDocument};
use serde_json::json;

use crate::support::{Aws, code};
use crate::xray_rules::{boost, create, rule};

fn report(client: char, requests: i32) -> SamplingStatisticsDocument {
    let report = SamplingStatisticsDocument::builder()
        .rule_name("a")
        .client_id(client.to_string().repeat(24))
        .timestamp(DateTime::from_secs(1_000_000_000))
        .request_count(requests)
        .sampled_count(1)
        .borrow_count(1);
    report.build().expect("complete")
}

#[tokio::test]
async fn the_reservoir_is_shared_by_the_clients_that_reported_lately() {
    let aws = Aws::start().await;
    aws.put("clock", json!({"speed": 0})).await;
    create(&aws, rule("a").build().expect("complete")).await;
    let quota = async |client| {
        let request = aws
            .xray()
            .get_sampling_targets()
            .sampling_statistics_documents(report(client, 10));
        let answer = request.send().await.expect("targets");
        assert!(answer.last_rule_modification.is_some());
        let target = &answer.sampling_target_documents()[0];
        assert_eq!((target.fixed_rate, target.interval), (0.1, Some(10)));
        target.reservoir_quota
    };
    assert_eq!(quota('a').await, Some(5));
    assert_eq!(quota('b').await, Some(2));
    assert_eq!(quota('a').await, Some(3));
    aws.put("clock", json!({"advance": "PT1M"})).await;
    assert_eq!(quota('b').await, Some(5), "a has not reported for a minute");

    let summaries = aws
        .xray()
        .get_sampling_statistic_summaries()
        .send()
        .await
        .expect("summaries");
    let [summary] = summaries.sampling_statistic_summaries() else {
        panic!("one window: {summaries:?}")
    };
    assert_eq!(
        (
            summary.request_count,
            summary.sampled_count,
            summary.borrow_count
        ),
        (40, 4, 4)
    );
}

#[tokio::test]
async fn reports_on_unknown_rules_come_back_unprocessed() {
    let aws = Aws::start().await;
    let answer = aws
        .xray()
        .get_sampling_targets()
        .sampling_statistics_documents(report('a', 1))
        .send()
        .await
        .expect("answered");
    assert_eq!(
        answer.unprocessed_statistics()[0].rule_name.as_deref(),
        Some("a")
    );
    let documents = vec![report('a', 1); 26];
    let refused = aws
        .xray()
        .get_sampling_targets()
        .set_sampling_statistics_documents(Some(documents))
        .send()
        .await;
    assert_eq!(code(refused), "InvalidRequestException");
}

#[tokio::test]
async fn a_boost_lasts_a_minute_and_then_cools_down() {
    let aws = Aws::start().await;
    aws.put("clock", json!({"speed": 0})).await;
    create(
        &aws,
        rule("a")
            .sampling_rate_boost(boost(0.5))
            .build()
            .expect("complete"),
    )
    .await;
    let boosted = async |anomalies: i32| {
        let anomaly = SamplingBoostStatisticsDocument::builder()
            .rule_name("a")
            .service_name("s")
            .timestamp(DateTime::from_secs(1))
            .anomaly_count(anomalies)
            .total_count(10)
            .sampled_anomaly_count(0)
            .build()
            .expect("complete");
        let request = aws
            .xray()
            .get_sampling_targets()
            .sampling_statistics_documents(report('a', 1));
        let answer = request
            .sampling_boost_statistics_documents(anomaly)
            .send()
            .await
            .expect("targets");
        answer.sampling_target_documents()[0]
            .sampling_boost
            .as_ref()
            .map(|boost| boost.boost_rate)
    };
    assert_eq!(boosted(0).await, None);
    assert_eq!(boosted(1).await, Some(0.5));
    aws.put("clock", json!({"advance": "PT61S"})).await;
    assert_eq!(boosted(1).await, None, "cooling down");
    aws.put("clock", json!({"advance": "PT60S"})).await;
    assert_eq!(boosted(1).await, Some(0.5));
}
