//! Accounts, regions and temporary credentials.

use aws_sdk_xray::config::Credentials;
use serde_json::json;

use crate::support::{ACCOUNT, Aws, KEY, REGION, code};

const OTHER: &str = "222222222222";

fn key(id: &str) -> Credentials {
    Credentials::new(id, "secret", None, None, "test")
}

/// Credentials of a role in the other account.
async fn assumed(aws: &Aws) -> Credentials {
    let role = format!("arn:aws:iam::{OTHER}:role/team/reader");
    let request = aws
        .sts_as(key(KEY))
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .duration_seconds(900);
    let credentials = request
        .send()
        .await
        .expect("assumed")
        .credentials
        .expect("credentials");
    Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        None,
        "sts",
    )
}

#[tokio::test]
async fn any_key_belongs_to_the_default_account_until_accounts_are_set() {
    let aws = Aws::start().await;
    let identity = aws
        .sts_as(key("ANYTHING"))
        .get_caller_identity()
        .send()
        .await
        .expect("known");
    assert_eq!(identity.account.as_deref(), Some(ACCOUNT));
    aws.put(
        "accounts",
        json!([{"accessKeyId": "AKIAONE", "accountId": OTHER}]),
    )
    .await;
    let identity = aws
        .sts_as(key("AKIAONE"))
        .get_caller_identity()
        .send()
        .await
        .expect("known");
    assert_eq!(identity.account.as_deref(), Some(OTHER));
    assert_eq!(
        code(
            aws.xray_as(key("ANYTHING"), REGION)
                .get_groups()
                .send()
                .await
        ),
        "UnrecognizedClientException"
    );
    assert_eq!(
        code(
            aws.logs_as(key("ANYTHING"), REGION)
                .describe_log_groups()
                .send()
                .await
        ),
        "UnrecognizedClientException"
    );
    assert_eq!(
        code(
            aws.sts_as(key("ANYTHING"))
                .get_caller_identity()
                .send()
                .await
        ),
        "InvalidClientTokenId"
    );
    aws.put("accounts", json!(null)).await;
    let identity = aws
        .sts_as(key("ANYTHING"))
        .get_caller_identity()
        .send()
        .await
        .expect("known again");
    assert_eq!(identity.account.as_deref(), Some(ACCOUNT));
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let aws = Aws::start().await;
    aws.put("accounts", json!([{"accessKeyId": "A", "accountId": ACCOUNT}, {"accessKeyId": "B", "accountId": OTHER}])).await;
    aws.logs_as(key("A"), REGION)
        .create_log_group()
        .log_group_name("a")
        .send()
        .await
        .expect("created");
    aws.xray_as(key("A"), REGION)
        .create_group()
        .group_name("a")
        .send()
        .await
        .expect("created");
    for (credentials, region, expected) in [
        (key("A"), REGION, 1),
        (key("B"), REGION, 0),
        (key("A"), "eu-west-1", 0),
    ] {
        let logs = aws
            .logs_as(credentials.clone(), region)
            .describe_log_groups()
            .send()
            .await
            .expect("described");
        assert_eq!(logs.log_groups().len(), expected);
        let groups = aws
            .xray_as(credentials, region)
            .get_groups()
            .send()
            .await
            .expect("listed");
        assert_eq!(groups.groups().len(), expected + 1, "with Default");
    }
}

#[tokio::test]
async fn a_role_leads_into_its_account_with_key_and_token_together() {
    let aws = Aws::start().await;
    let credentials = assumed(&aws).await;
    let identity = aws
        .sts_as(credentials.clone())
        .get_caller_identity()
        .send()
        .await
        .expect("known");
    assert_eq!(identity.account.as_deref(), Some(OTHER));
    assert_eq!(
        identity.arn.as_deref(),
        Some("arn:aws:sts::222222222222:assumed-role/reader/session")
    );
    aws.xray_as(credentials.clone(), REGION)
        .create_group()
        .group_name("a")
        .send()
        .await
        .expect("created");
    let state = aws.get(&format!("state/{OTHER}/{REGION}")).await;
    assert!(state["xray"]["groups"]["a"].is_object(), "{state}");
    let without_token = key(credentials.access_key_id());
    assert_eq!(
        code(aws.xray_as(without_token, REGION).get_groups().send().await),
        "UnrecognizedClientException"
    );
    let wrong = Credentials::new(
        credentials.access_key_id(),
        "secret",
        Some("wrong".to_owned()),
        None,
        "test",
    );
    assert_eq!(
        code(
            aws.logs_as(wrong, REGION)
                .describe_log_groups()
                .send()
                .await
        ),
        "UnrecognizedClientException"
    );
}

#[tokio::test]
async fn a_session_ends_on_the_emulated_clock() {
    let aws = Aws::start().await;
    let credentials = assumed(&aws).await;
    aws.put("clock", json!({"advance": "PT14M"})).await;
    aws.xray_as(credentials.clone(), REGION)
        .get_groups()
        .send()
        .await
        .expect("not yet");
    aws.put("clock", json!({"advance": "PT1M"})).await;
    assert_eq!(
        code(
            aws.xray_as(credentials.clone(), REGION)
                .get_groups()
                .send()
                .await
        ),
        "ExpiredTokenException"
    );
    assert_eq!(
        code(aws.sts_as(credentials).get_caller_identity().send().await),
        "ExpiredToken"
    );
}

#[tokio::test]
async fn a_role_is_refused_when_its_arn_name_or_duration_is_wrong() {
    let aws = Aws::start().await;
    let role = format!("arn:aws:iam::{OTHER}:role/reader");
    for (arn, session, seconds) in [
        ("arn:aws:iam::2222:role/reader", "session", 900),
        ("arn:aws:iam::222222222222:user/reader", "session", 900),
        ("reader", "session", 900),
        (&role, "s", 900),
        (&role, "a session", 900),
        (&role, "session", 899),
        (&role, "session", 43_201),
    ] {
        let request = aws
            .sts_as(key(KEY))
            .assume_role()
            .role_arn(arn)
            .role_session_name(session)
            .duration_seconds(seconds);
        assert_eq!(
            code(request.send().await),
            "ValidationError",
            "{arn} {session} {seconds}"
        );
    }
    let chained = aws
        .sts_as(assumed(&aws).await)
        .assume_role()
        .role_arn(role)
        .role_session_name("session");
    assert_eq!(
        code(chained.duration_seconds(3601).send().await),
        "ValidationError",
        "a chain lasts an hour at most"
    );
}
