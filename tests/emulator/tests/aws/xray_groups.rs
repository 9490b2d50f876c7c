//! X-Ray groups and tags: names, quota, Default, ARNs, late tags, paging.

use aws_sdk_xray::types::{InsightsConfiguration, Tag};
use serde_json::json;

use crate::support::{ACCOUNT, Aws, REGION, code, refusal};

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder()
        .key(key)
        .value(value)
        .build()
        .expect("key and value are set")
}

fn insights(enabled: bool, notifications: bool) -> InsightsConfiguration {
    InsightsConfiguration::builder()
        .insights_enabled(enabled)
        .notifications_enabled(notifications)
        .build()
}

#[tokio::test]
async fn a_groups_arn_cannot_be_derived_and_changes_when_it_is_created_again() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    let mut arns = Vec::new();
    for _ in 0..2 {
        let created = xray
            .create_group()
            .group_name("Cruddur")
            .filter_expression("service(\"x\")")
            .send()
            .await;
        let group = created.expect("created").group.expect("a group");
        let arn = group.group_arn.expect("an ARN");
        assert!(
            arn.starts_with(&format!("arn:aws:xray:{REGION}:{ACCOUNT}:group/Cruddur/")),
            "{arn}"
        );
        assert_eq!(group.filter_expression.as_deref(), Some("service(\"x\")"));
        let found = xray
            .get_group()
            .group_arn(&arn)
            .send()
            .await
            .expect("found by ARN");
        assert_eq!(
            found.group.expect("a group").group_name.as_deref(),
            Some("Cruddur")
        );
        arns.push(arn);
        xray.delete_group()
            .group_name("Cruddur")
            .send()
            .await
            .expect("deleted");
    }
    assert_ne!(arns[0], arns[1]);
    let (code, message) = refusal(xray.get_group().group_name("Cruddur").send().await);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidRequestException", "Group not found")
    );
}

#[tokio::test]
async fn every_refusal_of_a_group_is_an_invalid_request() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    xray.create_group()
        .group_name("Taken")
        .send()
        .await
        .expect("created");
    let long = "x".repeat(33);
    for (what, request) in [
        ("taken", xray.create_group().group_name("Taken")),
        ("reserved", xray.create_group().group_name("Default")),
        ("too long", xray.create_group().group_name(&long)),
        ("empty", xray.create_group().group_name("")),
        ("odd characters", xray.create_group().group_name("a b")),
        (
            "broken expression",
            xray.create_group()
                .group_name("a")
                .filter_expression("service(\"a\""),
        ),
        (
            "notifications without insights",
            xray.create_group()
                .group_name("a")
                .insights_configuration(insights(false, true)),
        ),
        (
            "reserved tag",
            xray.create_group().group_name("a").tags(tag("aws:x", "y")),
        ),
        (
            "odd tag",
            xray.create_group().group_name("a").tags(tag("a", "{}")),
        ),
    ] {
        assert_eq!(
            code(request.send().await),
            "InvalidRequestException",
            "{what}"
        );
    }
    assert_eq!(
        code(xray.delete_group().group_name("Absent").send().await),
        "InvalidRequestException"
    );
    assert_eq!(
        code(xray.update_group().group_name("Absent").send().await),
        "InvalidRequestException"
    );
    assert_eq!(
        code(xray.get_group().send().await),
        "InvalidRequestException"
    );
}

#[tokio::test]
async fn the_default_group_is_there_and_takes_insights_only() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    let groups = xray
        .get_groups()
        .send()
        .await
        .expect("listed")
        .groups
        .expect("groups");
    let names: Vec<_> = groups
        .iter()
        .filter_map(|group| group.group_name.as_deref())
        .collect();
    assert_eq!(names, ["Default"]);
    xray.update_group()
        .group_name("Default")
        .insights_configuration(insights(true, true))
        .send()
        .await
        .expect("insights");
    let expression = xray
        .update_group()
        .group_name("Default")
        .filter_expression("ok")
        .send()
        .await;
    assert_eq!(code(expression), "InvalidRequestException");
    assert_eq!(
        code(xray.delete_group().group_name("Default").send().await),
        "InvalidRequestException"
    );
}

#[tokio::test]
async fn omitted_fields_stay_when_a_group_is_updated() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    let create = xray
        .create_group()
        .group_name("a")
        .filter_expression("fault")
        .insights_configuration(insights(true, true));
    create.send().await.expect("created");
    let updated = xray
        .update_group()
        .group_name("a")
        .filter_expression("error")
        .send()
        .await
        .expect("updated");
    let group = updated.group.expect("a group");
    assert_eq!(group.filter_expression.as_deref(), Some("error"));
    assert_eq!(group.insights_configuration, Some(insights(true, true)));
    let off = InsightsConfiguration::builder()
        .insights_enabled(false)
        .build();
    let updated = xray
        .update_group()
        .group_name("a")
        .insights_configuration(off)
        .send()
        .await
        .expect("updated");
    assert_eq!(
        updated.group.expect("a group").insights_configuration,
        Some(insights(false, false))
    );
}

#[tokio::test]
async fn the_quota_of_groups_is_25_besides_default_and_can_be_set() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    for number in 0..25 {
        xray.create_group()
            .group_name(format!("g{number}"))
            .send()
            .await
            .expect("within the quota");
    }
    let refused = xray.create_group().group_name("g25").send().await;
    assert_eq!(code(refused), "InvalidRequestException");
    aws.put("limits", json!({"xray.groups": 26})).await;
    xray.create_group()
        .group_name("g25")
        .send()
        .await
        .expect("within the new quota");
}

#[tokio::test]
async fn lists_come_in_pages_and_tokens_belong_to_their_list() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"xray.pageSize": 2})).await;
    let xray = aws.xray();
    for name in ["a", "b", "c"] {
        xray.create_group()
            .group_name(name)
            .send()
            .await
            .expect("created");
    }
    let first = xray.get_groups().send().await.expect("a page");
    assert_eq!(first.groups().len(), 2);
    let token = first.next_token.expect("more to come");
    let second = xray
        .get_groups()
        .next_token(&token)
        .send()
        .await
        .expect("a page");
    let names: Vec<_> = first
        .groups
        .into_iter()
        .chain(second.groups)
        .flatten()
        .filter_map(|group| group.group_name)
        .collect();
    assert_eq!(names, ["Default", "a", "b", "c"]);
    assert_eq!(second.next_token, None);
    assert_eq!(
        code(xray.get_sampling_rules().next_token(&token).send().await),
        "InvalidRequestException"
    );
    assert_eq!(
        code(xray.get_groups().next_token("made-up").send().await),
        "InvalidRequestException"
    );
    aws.put("clock", json!({"advance": "PT25H"})).await;
    assert_eq!(
        code(xray.get_groups().next_token(&token).send().await),
        "InvalidRequestException"
    );
}

#[tokio::test]
async fn tags_of_creation_become_visible_late_and_later_tags_at_once() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"tagDelayMs": 60_000})).await;
    aws.put("clock", json!({"speed": 0})).await;
    let xray = aws.xray();
    let created = xray
        .create_group()
        .group_name("a")
        .tags(tag("early", "1"))
        .send()
        .await
        .expect("created");
    let arn = created
        .group
        .and_then(|group| group.group_arn)
        .expect("an ARN");
    let keys = async || {
        let listed = xray
            .list_tags_for_resource()
            .resource_arn(&arn)
            .send()
            .await
            .expect("listed");
        listed
            .tags
            .unwrap_or_default()
            .into_iter()
            .map(|tag| tag.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys().await, Vec::<String>::new());
    xray.tag_resource()
        .resource_arn(&arn)
        .tags(tag("later", "2"))
        .send()
        .await
        .expect("tagged");
    assert_eq!(keys().await, ["later"]);
    aws.put("clock", json!({"advance": "PT59.999S"})).await;
    assert_eq!(keys().await, ["later"]);
    aws.put("clock", json!({"advance": "PT0.001S"})).await;
    assert_eq!(keys().await, ["early", "later"]);
    xray.untag_resource()
        .resource_arn(&arn)
        .tag_keys("early")
        .tag_keys("never")
        .send()
        .await
        .expect("untagged");
    assert_eq!(keys().await, ["later"]);
}

#[tokio::test]
async fn tag_operations_tell_what_is_missing_and_what_is_too_much() {
    let aws = Aws::start().await;
    let xray = aws.xray();
    let rule = format!("arn:aws:xray:{REGION}:{ACCOUNT}:sampling-rule/Default");
    xray.tag_resource()
        .resource_arn(&rule)
        .tags(tag("a", "b"))
        .send()
        .await
        .expect("tagged");
    let absent = format!("arn:aws:xray:{REGION}:{ACCOUNT}:group/absent/1");
    assert_eq!(
        code(
            xray.list_tags_for_resource()
                .resource_arn(&absent)
                .send()
                .await
        ),
        "ResourceNotFoundException"
    );
    let foreign = "arn:aws:xray:us-east-1:999999999999:group/a/1";
    assert_eq!(
        code(
            xray.list_tags_for_resource()
                .resource_arn(foreign)
                .send()
                .await
        ),
        "InvalidRequestException"
    );
    let many = (0..50)
        .map(|number| tag(&format!("k{number}"), "v"))
        .collect();
    let refused = xray
        .tag_resource()
        .resource_arn(&rule)
        .set_tags(Some(many))
        .send()
        .await;
    assert_eq!(code(refused), "TooManyTagsException");
}
