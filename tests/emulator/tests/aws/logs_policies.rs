//! Account-level retention policies, and metric filters.

use aws_sdk_cloudwatchlogs::types::{MetricTransformation, PolicyType};
use serde_json::json;

use crate::support::{Aws, code};

async fn put(
    aws: &Aws,
    name: &str,
    document: serde_json::Value,
    prefix: Option<&str>,
) -> Result<(), String> {
    let request = aws
        .logs()
        .put_account_policy()
        .policy_name(name)
        .policy_type(PolicyType::RetentionPolicy);
    let criteria = prefix.map(|prefix| format!("LogGroupNamePrefix IN [\"{prefix}\"]"));
    let result = request
        .policy_document(document.to_string())
        .set_selection_criteria(criteria)
        .send()
        .await;
    match result {
        Ok(_) => Ok(()),
        refused => Err(code(refused)),
    }
}

async fn retention(aws: &Aws, group: &str) -> (Option<i32>, Option<String>) {
    let found = aws
        .logs()
        .describe_log_groups()
        .log_group_identifiers(group)
        .send()
        .await
        .expect("described");
    let group = found
        .log_groups
        .unwrap_or_default()
        .pop()
        .expect("the group");
    (group.retention_in_days, group.retention_policy_name)
}

fn by(days: i32, policy: &str) -> (Option<i32>, Option<String>) {
    (Some(days), Some(policy.to_owned()))
}

#[tokio::test]
async fn retention_under_an_account_policy_is_saved_without_effect() {
    let aws = Aws::start().await;
    let logs = aws.logs();
    logs.create_log_group()
        .log_group_name("/app/a")
        .send()
        .await
        .expect("created");
    let set = |days| {
        logs.put_retention_policy()
            .log_group_name("/app/a")
            .retention_in_days(days)
            .send()
    };
    set(7).await.expect("set");
    let retroactive = |days| json!({"retentionInDays": days, "enforcementMode": "RETROACTIVE"});
    put(&aws, "p30", retroactive(30), None).await.expect("put");
    set(14).await.expect("succeeds all the same");
    assert_eq!(retention(&aws, "/app/a").await, by(30, "p30"));
    put(&aws, "p90", retroactive(90), Some("/app/"))
        .await
        .expect("put");
    put(&aws, "p90again", retroactive(90), None)
        .await
        .expect("put");
    put(&aws, "p365", retroactive(365), Some("/web/"))
        .await
        .expect("put");
    assert_eq!(
        retention(&aws, "/app/a").await,
        by(90, "p90"),
        "the longest wins, of equal ones the first"
    );
    let new_only = json!({"retentionInDays": 400, "enforcementMode": "NEW_ONLY"});
    aws.put("clock", json!({"advance": "PT1S"})).await;
    put(&aws, "new", new_only, None).await.expect("put");
    assert_eq!(retention(&aws, "/app/a").await, by(90, "p90"));
    logs.create_log_group()
        .log_group_name("/app/b")
        .send()
        .await
        .expect("created");
    assert_eq!(retention(&aws, "/app/b").await, by(400, "new"));
    put(
        &aws,
        "never",
        json!({"retentionInDays": "NEVER_EXPIRE", "enforcementMode": "RETROACTIVE"}),
        None,
    )
    .await
    .expect("put");
    assert_eq!(
        retention(&aws, "/app/a").await,
        (None, Some("never".to_owned()))
    );
    for name in ["p30", "p90", "p90again", "new", "never"] {
        let delete = logs
            .delete_account_policy()
            .policy_name(name)
            .policy_type(PolicyType::RetentionPolicy);
        delete.send().await.expect("deleted");
    }
    assert_eq!(
        retention(&aws, "/app/a").await,
        (Some(14), None),
        "the group's own retention was kept"
    );
}

#[tokio::test]
async fn a_policy_can_be_made_to_take_effect_late() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"retentionPolicyDelayMs": 86_400_000}))
        .await;
    aws.logs()
        .create_log_group()
        .log_group_name("a")
        .send()
        .await
        .expect("created");
    let document = |days| json!({"retentionInDays": days, "enforcementMode": "RETROACTIVE"});
    put(&aws, "p", document(30), None).await.expect("put");
    assert_eq!(retention(&aws, "a").await, (None, None));
    aws.put("clock", json!({"advance": "PT24H"})).await;
    assert_eq!(retention(&aws, "a").await, by(30, "p"));
    put(&aws, "p", document(60), None).await.expect("put");
    assert_eq!(
        retention(&aws, "a").await,
        by(30, "p"),
        "the previous terms count for a day"
    );
    aws.put("clock", json!({"advance": "PT24H"})).await;
    assert_eq!(retention(&aws, "a").await, by(60, "p"));
}

#[tokio::test]
async fn a_retention_policy_outside_its_limits_is_refused() {
    let aws = Aws::start().await;
    for (what, name, document) in [
        (
            "under 30 days",
            "p",
            json!({"retentionInDays": 7, "enforcementMode": "RETROACTIVE"}),
        ),
        (
            "no such period",
            "p",
            json!({"retentionInDays": 31, "enforcementMode": "RETROACTIVE"}),
        ),
        (
            "no such word",
            "p",
            json!({"retentionInDays": "FOREVER", "enforcementMode": "RETROACTIVE"}),
        ),
        ("no mode", "p", json!({"retentionInDays": 30})),
        (
            "no such mode",
            "p",
            json!({"retentionInDays": 30, "enforcementMode": "ALWAYS"}),
        ),
        (
            "reserved name",
            "aws/p",
            json!({"retentionInDays": 30, "enforcementMode": "RETROACTIVE"}),
        ),
    ] {
        assert_eq!(
            put(&aws, name, document, None).await,
            Err("InvalidParameterException".to_owned()),
            "{what}"
        );
    }
    let document = json!({"retentionInDays": 30, "enforcementMode": "RETROACTIVE"});
    for number in 0..20 {
        put(&aws, &format!("p{number}"), document.clone(), None)
            .await
            .expect("within the quota");
    }
    assert_eq!(
        put(&aws, "p20", document.clone(), None).await,
        Err("LimitExceededException".to_owned())
    );
    assert_eq!(
        put(&aws, "p0", document, None).await,
        Ok(()),
        "an update needs no room"
    );
}

#[tokio::test]
async fn a_dry_run_tells_the_impact_and_changes_nothing() {
    let aws = Aws::start().await;
    for (name, days) in [("a", 7), ("b", 90), ("c", 30)] {
        aws.logs()
            .create_log_group()
            .log_group_name(name)
            .send()
            .await
            .expect("created");
        aws.logs()
            .put_retention_policy()
            .log_group_name(name)
            .retention_in_days(days)
            .send()
            .await
            .expect("set");
    }
    let document = json!({"retentionInDays": 30, "enforcementMode": "RETROACTIVE"}).to_string();
    let preview = aws
        .logs()
        .put_account_policy()
        .policy_name("p")
        .policy_type(PolicyType::RetentionPolicy);
    let answer = preview
        .policy_document(document)
        .dry_run(true)
        .send()
        .await
        .expect("previewed");
    let result = answer.dry_run_result.expect("a result");
    assert_eq!(result.total_matched_log_groups, 3);
    assert_eq!(result.increased_retention_log_group_count, 1);
    assert_eq!(result.decreased_retention_log_group_count, 1);
    assert_eq!(result.unchanged_retention_log_group_count, 1);
    assert_eq!(retention(&aws, "a").await, (Some(7), None));
}

#[tokio::test]
async fn metric_filters_are_listed_and_held_to_their_quota() {
    let aws = Aws::start().await;
    let logs = aws.logs();
    aws.put("limits", json!({"logs.metricFilters": 2})).await;
    logs.create_log_group()
        .log_group_name("a")
        .send()
        .await
        .expect("created");
    let transformation = MetricTransformation::builder()
        .metric_name("errors")
        .metric_namespace("app")
        .metric_value("1");
    let transformation = transformation.build().expect("complete");
    let put_pattern = |name: &str, pattern: &str| {
        let request = logs
            .put_metric_filter()
            .log_group_name("a")
            .filter_name(name)
            .filter_pattern(pattern);
        request
            .metric_transformations(transformation.clone())
            .send()
    };
    let put = |name: &str| put_pattern(name, "ERROR");
    put("y").await.expect("put");
    put("x").await.expect("put");
    assert_eq!(code(put("z").await), "LimitExceededException");
    put("x").await.expect("an update needs no room");
    let found = logs
        .describe_metric_filters()
        .log_group_name("a")
        .filter_name_prefix("x")
        .send()
        .await
        .expect("listed");
    assert_eq!(
        found.metric_filters()[0].filter_pattern.as_deref(),
        Some("ERROR")
    );
    assert_eq!(
        logs.describe_metric_filters()
            .send()
            .await
            .expect("listed")
            .metric_filters()
            .len(),
        2
    );
    assert_eq!(
        code(
            logs.describe_metric_filters()
                .metric_name("errors")
                .send()
                .await
        ),
        "InvalidParameterException"
    );
    aws.put("limits", json!({"logs.metricFilters": 100})).await;
    for name in ["1", "2", "3", "4", "5"] {
        put_pattern(name, "%ERR.*%").await.expect("put");
    }
    assert_eq!(
        code(put_pattern("6", "{ $.a = %b% }").await),
        "LimitExceededException"
    );
    put_pattern("6", "ERROR")
        .await
        .expect("without a regular expression");
    put_pattern("5", "%WARN%")
        .await
        .expect("an update needs no room");
    assert_eq!(
        code(put_pattern("7", "a-b").await),
        "InvalidParameterException"
    );
}
