//! Log groups: names, class, retention, keys, protection, concurrent writes.

use aws_sdk_cloudwatchlogs::types::LogGroupClass;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Aws, REGION, code, json_of, refusal};

pub async fn create(aws: &Aws, name: &str) {
    aws.logs()
        .create_log_group()
        .log_group_name(name)
        .send()
        .await
        .expect("created");
}

pub async fn described(aws: &Aws, name: &str) -> aws_sdk_cloudwatchlogs::types::LogGroup {
    let found = aws
        .logs()
        .describe_log_groups()
        .log_group_identifiers(name)
        .send()
        .await
        .expect("described");
    found
        .log_groups
        .unwrap_or_default()
        .pop()
        .expect("the group")
}

/// Status and code of a raw call: what the SDK would not send.
pub async fn raw(aws: &Aws, operation: &str, body: &Value) -> (u16, Value) {
    json_of(
        aws.logs_request(operation, &body.to_string())
            .send()
            .await
            .expect("answered"),
    )
    .await
}

#[tokio::test]
async fn a_group_is_described_with_all_it_has() {
    let aws = Aws::start().await;
    let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/1234");
    let create = aws
        .logs()
        .create_log_group()
        .log_group_name("/app/a")
        .kms_key_id(&key);
    let create = create
        .log_group_class(LogGroupClass::InfrequentAccess)
        .deletion_protection_enabled(true);
    create.send().await.expect("created");
    aws.logs()
        .put_retention_policy()
        .log_group_name("/app/a")
        .retention_in_days(7)
        .send()
        .await
        .expect("put");
    let group = described(&aws, "/app/a").await;
    let arn = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app/a");
    assert_eq!(group.log_group_arn.as_deref(), Some(arn.as_str()));
    assert_eq!(group.arn, Some(format!("{arn}:*")));
    assert_eq!(group.retention_in_days, Some(7));
    assert_eq!(group.kms_key_id, Some(key));
    assert_eq!(group.log_group_class, Some(LogGroupClass::InfrequentAccess));
    assert_eq!(group.deletion_protection_enabled, Some(true));
    assert_eq!(group.retention_policy_name, None);
    aws.logs()
        .delete_retention_policy()
        .log_group_name("/app/a")
        .send()
        .await
        .expect("deleted");
    aws.logs()
        .disassociate_kms_key()
        .log_group_name("/app/a")
        .send()
        .await
        .expect("disassociated");
    let group = described(&aws, "/app/a").await;
    assert_eq!((group.retention_in_days, group.kms_key_id), (None, None));
}

#[tokio::test]
async fn a_group_outside_its_limits_is_refused() {
    let aws = Aws::start().await;
    create(&aws, "taken").await;
    let key =
        |region: &str, account: &str, id: &str| format!("arn:aws:kms:{region}:{account}:{id}");
    for (expected, body) in [
        (
            "ResourceAlreadyExistsException",
            json!({"logGroupName": "taken"}),
        ),
        ("InvalidParameterException", json!({})),
        ("InvalidParameterException", json!({"logGroupName": ""})),
        (
            "InvalidParameterException",
            json!({"logGroupName": "x".repeat(513)}),
        ),
        ("InvalidParameterException", json!({"logGroupName": "a b"})),
        (
            "InvalidParameterException",
            json!({"logGroupName": "aws/x"}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "logGroupClass": "CHEAP"}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "tags": {}}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "tags": {"aws:k": "v"}}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "tags": {"k": "v".repeat(257)}}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "kmsKeyId": "1234"}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "kmsKeyId": key(REGION, ACCOUNT, "alias/a")}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "kmsKeyId": key("eu-west-1", ACCOUNT, "key/1")}),
        ),
        (
            "InvalidParameterException",
            json!({"logGroupName": "a", "kmsKeyId": key(REGION, "999999999999", "key/1")}),
        ),
        ("SerializationException", json!({"logGroupName": 5})),
        ("SerializationException", json!([])),
    ] {
        let (status, answer) = raw(&aws, "CreateLogGroup", &body).await;
        assert_eq!(
            (status, answer["__type"].as_str()),
            (400, Some(expected)),
            "{body}"
        );
    }
    let state = aws.state().await;
    assert_eq!(
        state["logs"]["logGroups"]
            .as_object()
            .map(|groups| groups.len()),
        Some(1)
    );
}

#[tokio::test]
async fn the_log_group_quota_is_a_limit_exceeded_exception() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"logs.logGroups": 1})).await;
    create(&aws, "a").await;
    assert_eq!(
        code(
            aws.logs()
                .create_log_group()
                .log_group_name("b")
                .send()
                .await
        ),
        "LimitExceededException"
    );
}

#[tokio::test]
async fn retention_takes_the_22_documented_values_only() {
    let aws = Aws::start().await;
    create(&aws, "a").await;
    let put = |days| {
        aws.logs()
            .put_retention_policy()
            .log_group_name("a")
            .retention_in_days(days)
            .send()
    };
    let allowed = [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
        2922, 3288, 3653,
    ];
    for days in allowed {
        put(days)
            .await
            .unwrap_or_else(|error| panic!("{days}: {error:?}"));
    }
    for days in [-1, 0, 2, 4, 8, 29, 31, 364, 3654] {
        let (code, message) = refusal(put(days).await);
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains("at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3,"), "{message}");
    }
    let absent = aws
        .logs()
        .put_retention_policy()
        .log_group_name("absent")
        .retention_in_days(7)
        .send()
        .await;
    let (code, message) = refusal(absent);
    assert_eq!(
        (code.as_str(), message.as_str()),
        (
            "ResourceNotFoundException",
            "The specified log group does not exist."
        )
    );
}

#[tokio::test]
async fn the_class_never_changes() {
    let aws = Aws::start().await;
    create(&aws, "a").await;
    let again = aws
        .logs()
        .create_log_group()
        .log_group_name("a")
        .log_group_class(LogGroupClass::InfrequentAccess);
    assert_eq!(code(again.send().await), "ResourceAlreadyExistsException");
    assert_eq!(
        described(&aws, "a").await.log_group_class,
        Some(LogGroupClass::Standard)
    );
}

#[tokio::test]
async fn a_protected_group_and_its_streams_cannot_be_deleted() {
    let aws = Aws::start().await;
    let logs = aws.logs();
    create(&aws, "a").await;
    logs.create_log_stream()
        .log_group_name("a")
        .log_stream_name("s")
        .send()
        .await
        .expect("created");
    let protect = |on| {
        logs.put_log_group_deletion_protection()
            .log_group_identifier("a")
            .deletion_protection_enabled(on)
            .send()
    };
    protect(true).await.expect("protected");
    assert_eq!(
        code(logs.delete_log_group().log_group_name("a").send().await),
        "ValidationException"
    );
    let stream = logs
        .delete_log_stream()
        .log_group_name("a")
        .log_stream_name("s")
        .send()
        .await;
    assert_eq!(code(stream), "ValidationException");
    protect(false).await.expect("unprotected");
    logs.delete_log_group()
        .log_group_name("a")
        .send()
        .await
        .expect("deleted");
}

#[tokio::test]
async fn of_two_writes_at_once_to_a_group_one_is_aborted() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"logGroupWriteMs": 1500})).await;
    create(&aws, "a").await;
    create(&aws, "b").await;
    let put = |group: &str, days| {
        aws.logs()
            .put_retention_policy()
            .log_group_name(group)
            .retention_in_days(days)
            .send()
    };
    let (one, two, other) = tokio::join!(put("a", 7), put("a", 14), put("b", 7));
    other.expect("another group is free");
    let refused = if one.is_ok() { two } else { one };
    assert_eq!(code(refused), "OperationAbortedException");
    aws.put("limits", json!({"logGroupWriteMs": 0})).await;
    put("a", 30).await.expect("the group is free again");
}

#[tokio::test]
async fn deleting_twice_tells_that_nothing_is_there() {
    let aws = Aws::start().await;
    create(&aws, "a").await;
    let delete = || aws.logs().delete_log_group().log_group_name("a").send();
    delete().await.expect("deleted");
    assert_eq!(code(delete().await), "ResourceNotFoundException");
}
