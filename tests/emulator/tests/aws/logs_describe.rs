//! Finding log groups: descriptions, pages, tags.

use aws_sdk_cloudwatchlogs::types::TagFilter;
use serde_json::json;

use crate::logs_groups::{create, described, raw};
use crate::support::{ACCOUNT, Aws, REGION, code};

#[tokio::test]
async fn descriptions_are_sorted_paged_and_filtered() {
    let aws = Aws::start().await;
    for number in (0..60).rev() {
        create(&aws, &format!("/app/{number:02}")).await;
    }
    create(&aws, "/app").await;
    let logs = aws.logs();
    let names = |groups: &[aws_sdk_cloudwatchlogs::types::LogGroup]| -> Vec<String> {
        groups
            .iter()
            .filter_map(|group| group.log_group_name.clone())
            .collect()
    };
    let first = logs
        .describe_log_groups()
        .log_group_name_prefix("/app")
        .send()
        .await
        .expect("a page");
    assert_eq!(first.log_groups().len(), 50);
    assert_eq!(
        names(first.log_groups())[..2],
        ["/app", "/app/00"],
        "a prefix finds more than the exact name"
    );
    let token = first.next_token.expect("more to come");
    let second = logs
        .describe_log_groups()
        .log_group_name_prefix("/app")
        .next_token(&token)
        .send()
        .await
        .expect("a page");
    assert_eq!(
        names(second.log_groups()).last().map(String::as_str),
        Some("/app/59")
    );
    assert_eq!((second.log_groups().len(), second.next_token), (11, None));
    let pattern = logs
        .describe_log_groups()
        .log_group_name_pattern("p/1")
        .send()
        .await
        .expect("a page");
    assert_eq!(pattern.log_groups().len(), 10);
    assert_eq!(
        pattern.log_groups()[0].log_group_class,
        None,
        "by pattern only name, ARN and time come back"
    );
    assert_eq!(pattern.log_groups()[0].log_group_arn, None);

    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    for (what, body) in [
        (
            "prefix and pattern",
            json!({"logGroupNamePrefix": "a", "logGroupNamePattern": "a"}),
        ),
        (
            "identifiers and prefix",
            json!({"logGroupIdentifiers": ["a"], "logGroupNamePrefix": "a"}),
        ),
        (
            "identifiers and class",
            json!({"logGroupIdentifiers": ["a"], "logGroupClass": "STANDARD"}),
        ),
        ("51 identifiers", json!({"logGroupIdentifiers": many})),
        (
            "an ARN",
            json!({"logGroupIdentifiers": ["arn:aws:logs:us-east-1:123456789012:log-group:/app"]}),
        ),
        ("limit", json!({"limit": 51})),
        ("foreign token", json!({"nextToken": token})),
        ("made-up token", json!({"nextToken": "abc"})),
    ] {
        let (status, answer) = raw(&aws, "DescribeLogGroups", &body).await;
        assert_eq!(
            (status, answer["__type"].as_str()),
            (400, Some("InvalidParameterException")),
            "{what}"
        );
    }
}

#[tokio::test]
async fn fifty_identifiers_come_back_in_one_call_and_absent_ones_are_left_out() {
    let aws = Aws::start().await;
    for number in 0..49 {
        create(&aws, &format!("g{number:02}")).await;
    }
    let identifiers = (0..50).map(|number| format!("g{number:02}")).collect();
    let found = aws
        .logs()
        .describe_log_groups()
        .set_log_group_identifiers(Some(identifiers))
        .send()
        .await
        .expect("described");
    assert_eq!((found.log_groups().len(), found.next_token), (49, None));
}

#[tokio::test]
async fn listing_by_tags_sees_tags_of_creation_late() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"tagDelayMs": 1000})).await;
    aws.put("clock", json!({"speed": 0})).await;
    aws.logs()
        .create_log_group()
        .log_group_name("a")
        .tags("team", "Blue")
        .send()
        .await
        .expect("created");
    let found = async |value: &str| {
        let filter = TagFilter::builder()
            .key("team")
            .values(value)
            .build()
            .expect("complete");
        let listed = aws
            .logs()
            .list_log_groups()
            .log_group_tags(filter)
            .send()
            .await
            .expect("listed");
        listed.log_groups().len()
    };
    let arn = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:a");
    let tags = async || {
        let listed = aws
            .logs()
            .list_tags_for_resource()
            .resource_arn(&arn)
            .send()
            .await
            .expect("listed");
        listed.tags.unwrap_or_default().len()
    };
    assert_eq!((found("Blue").await, tags().await), (0, 0));
    aws.put("clock", json!({"advance": "PT1S"})).await;
    assert_eq!((found("Blue").await, tags().await), (1, 1));
    assert_eq!(found("blue").await, 0, "exact values keep their case");
    assert_eq!(found("bl*").await, 1, "wildcards do not");
    assert_eq!(found("!Blue").await, 0);
}

#[tokio::test]
async fn tags_take_the_arn_without_its_star() {
    let aws = Aws::start().await;
    create(&aws, "a").await;
    let arn = described(&aws, "a").await.arn.expect("an ARN");
    assert!(arn.ends_with(":*"));
    let logs = aws.logs();
    assert_eq!(
        code(
            logs.tag_resource()
                .resource_arn(&arn)
                .tags("k", "v")
                .send()
                .await
        ),
        "InvalidParameterException"
    );
    let right = arn.trim_end_matches(":*");
    logs.tag_resource()
        .resource_arn(right)
        .tags("k", "v")
        .send()
        .await
        .expect("tagged");
    let many = (0..50)
        .map(|number| (number.to_string(), String::new()))
        .collect();
    let refused = logs
        .tag_resource()
        .resource_arn(right)
        .set_tags(Some(many))
        .send()
        .await;
    assert_eq!(code(refused), "TooManyTagsException");
    assert_eq!(
        code(
            logs.list_tags_for_resource()
                .resource_arn(format!("{right}b"))
                .send()
                .await
        ),
        "ResourceNotFoundException"
    );
}
