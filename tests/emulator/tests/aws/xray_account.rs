//! Account-wide settings of X-Ray.

use aws_sdk_xray::types::{
    EncryptionStatus, EncryptionType, IndexingRuleValueUpdate, ProbabilisticRuleValueUpdate,
    TraceSegmentDestination, TraceSegmentDestinationStatus,
};
use serde_json::json;

use crate::support::{Aws, code};

fn percentage(value: f64) -> IndexingRuleValueUpdate {
    let value = ProbabilisticRuleValueUpdate::builder()
        .desired_sampling_percentage(value)
        .build();
    IndexingRuleValueUpdate::Probabilistic(value.expect("complete"))
}

#[tokio::test]
async fn the_indexing_rule_is_named_default() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    xray.update_indexing_rule()
        .name("Default")
        .rule(percentage(5.0))
        .send()
        .await
        .expect("updated");
    let rules = xray.get_indexing_rules().send().await.expect("listed");
    assert_eq!(rules.indexing_rules()[0].name.as_deref(), Some("Default"));
    let other = xray
        .update_indexing_rule()
        .name("Other")
        .rule(percentage(5.0))
        .send()
        .await;
    assert_eq!(code(other), "ResourceNotFoundException");
    let too_much = xray
        .update_indexing_rule()
        .name("Default")
        .rule(percentage(101.0))
        .send()
        .await;
    assert_eq!(code(too_much), "InvalidRequestException");
}

#[tokio::test]
async fn a_changed_destination_is_pending_first_and_hides_traces() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    let update = xray
        .update_trace_segment_destination()
        .destination(TraceSegmentDestination::CloudWatchLogs);
    assert_eq!(
        update.send().await.expect("updated").status,
        Some(TraceSegmentDestinationStatus::Pending)
    );
    aws.put("clock", json!({"advance": "PT1M"})).await;
    let now = xray
        .get_trace_segment_destination()
        .send()
        .await
        .expect("read");
    assert_eq!(now.status, Some(TraceSegmentDestinationStatus::Active));
    assert_eq!(
        now.destination,
        Some(TraceSegmentDestination::CloudWatchLogs)
    );
}

#[tokio::test]
async fn encryption_needs_a_key_exactly_for_kms() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    assert_eq!(
        code(
            xray.put_encryption_config()
                .r#type(EncryptionType::Kms)
                .send()
                .await
        ),
        "InvalidRequestException"
    );
    let superfluous = xray
        .put_encryption_config()
        .r#type(EncryptionType::None)
        .key_id("alias/k")
        .send()
        .await;
    assert_eq!(code(superfluous), "InvalidRequestException");
    let put = xray
        .put_encryption_config()
        .r#type(EncryptionType::Kms)
        .key_id("alias/k")
        .send()
        .await
        .expect("put");
    assert_eq!(
        put.encryption_config.and_then(|config| config.status),
        Some(EncryptionStatus::Updating)
    );
}

#[tokio::test]
async fn a_resource_policy_is_guarded_by_its_revision() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    let document = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let put = || {
        xray.put_resource_policy()
            .policy_name("p")
            .policy_document(document)
    };
    let made = put().policy_revision_id("0").send().await.expect("put");
    let revision = made
        .resource_policy
        .and_then(|policy| policy.policy_revision_id)
        .expect("a revision");
    assert_eq!(
        code(put().policy_revision_id("0").send().await),
        "InvalidPolicyRevisionIdException"
    );
    put()
        .policy_revision_id(revision)
        .send()
        .await
        .expect("the latest revision");
    let malformed = xray
        .put_resource_policy()
        .policy_name("p")
        .policy_document("{")
        .send()
        .await;
    assert_eq!(code(malformed), "MalformedPolicyDocumentException");
    let large = format!("{document}{}", " ".repeat(5 * 1024));
    let too_large = xray
        .put_resource_policy()
        .policy_name("p")
        .policy_document(large)
        .send()
        .await;
    assert_eq!(code(too_large), "PolicySizeLimitExceededException");
}
