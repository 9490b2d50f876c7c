//! Sampling rules: limits, quota, Default, partial updates, rate boost.

use aws_sdk_xray::types::{SamplingRateBoost, SamplingRule, SamplingRuleUpdate};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Aws, REGION, code, json_of, refusal};

pub fn rule(name: &str) -> aws_sdk_xray::types::builders::SamplingRuleBuilder {
    SamplingRule::builder()
        .rule_name(name)
        .resource_arn("*")
        .priority(9000)
        .fixed_rate(0.1)
        .reservoir_size(5)
        .service_name("backend-flask")
        .service_type("*")
        .host("*")
        .http_method("*")
        .url_path("*")
        .version(1)
}

pub fn boost(max_rate: f64) -> SamplingRateBoost {
    let boost = SamplingRateBoost::builder()
        .max_rate(max_rate)
        .cooldown_window_minutes(1);
    boost.build()
}

pub async fn create(aws: &Aws, rule: SamplingRule) {
    aws.xray()
        .create_sampling_rule()
        .sampling_rule(rule)
        .send()
        .await
        .expect("created");
}

async fn update(aws: &Aws, update: SamplingRuleUpdate) -> SamplingRule {
    let updated = aws
        .xray()
        .update_sampling_rule()
        .sampling_rule_update(update)
        .send()
        .await
        .expect("updated");
    updated
        .sampling_rule_record
        .and_then(|record| record.sampling_rule)
        .expect("a rule")
}

#[tokio::test]
async fn the_default_rule_is_there_from_the_start_with_its_factory_values() {
    let aws = Aws::start().await;
    let records = aws
        .xray()
        .get_sampling_rules()
        .send()
        .await
        .expect("listed")
        .sampling_rule_records
        .expect("rules");
    let [record] = records.as_slice() else {
        panic!("one rule: {records:?}")
    };
    assert_eq!(record.created_at.map(|at| at.secs()), Some(0));
    let rule = record.sampling_rule.as_ref().expect("a rule");
    assert_eq!(rule.rule_name.as_deref(), Some("Default"));
    assert_eq!(
        (rule.priority, rule.fixed_rate, rule.reservoir_size),
        (10_000, 0.05, 1)
    );
    assert_eq!(
        rule.rule_arn.as_deref(),
        Some(format!("arn:aws:xray:{REGION}:{ACCOUNT}:sampling-rule/Default").as_str())
    );
}

#[tokio::test]
async fn the_default_rule_takes_rate_and_reservoir_and_nothing_else() {
    let aws = Aws::start().await;
    let change = || {
        SamplingRuleUpdate::builder()
            .rule_name("Default")
            .fixed_rate(0.2)
            .reservoir_size(3)
    };
    let changed = update(&aws, change().build()).await;
    assert_eq!((changed.fixed_rate, changed.reservoir_size), (0.2, 3));
    for (field, request) in [
        ("priority", change().priority(10_000)),
        ("host", change().host("*")),
        ("service name", change().service_name("*")),
        ("service type", change().service_type("*")),
        ("method", change().http_method("*")),
        ("path", change().url_path("*")),
        ("resource", change().resource_arn("*")),
        ("attributes", change().attributes("a", "b")),
        ("boost", change().sampling_rate_boost(boost(0.5))),
    ] {
        let refused = aws
            .xray()
            .update_sampling_rule()
            .sampling_rule_update(request.build())
            .send()
            .await;
        let (code, message) = refusal(refused);
        assert_eq!(code, "InvalidRequestException", "{field}");
        assert_eq!(
            message, "Invalid update request for default sampling rule",
            "{field}"
        );
    }
    let deleted = aws
        .xray()
        .delete_sampling_rule()
        .rule_name("Default")
        .send()
        .await;
    assert_eq!(code(deleted), "InvalidRequestException");
}

#[tokio::test]
async fn an_update_leaves_what_it_omits_and_a_boost_cannot_be_cleared() {
    let aws = Aws::start().await;
    create(
        &aws,
        rule("a")
            .attributes("k", "v")
            .sampling_rate_boost(boost(0.5))
            .build()
            .expect("complete"),
    )
    .await;
    let changed = update(
        &aws,
        SamplingRuleUpdate::builder()
            .rule_name("a")
            .priority(1)
            .build(),
    )
    .await;
    assert_eq!((changed.priority, changed.fixed_rate), (1, 0.1));
    assert_eq!(
        changed
            .attributes
            .as_ref()
            .map(|attributes| attributes.len()),
        Some(1)
    );
    assert_eq!(changed.sampling_rate_boost, Some(boost(0.5)));
    let emptied = SamplingRuleUpdate::builder()
        .rule_name("a")
        .set_attributes(Some(Default::default()))
        .build();
    let changed = update(&aws, emptied).await;
    assert_eq!(changed.attributes, Some(Default::default()));
    let null =
        json!({"SamplingRuleUpdate": {"RuleName": "a", "SamplingRateBoost": null}}).to_string();
    let (status, answer) = json_of(
        aws.xray_request("/UpdateSamplingRule", &null)
            .send()
            .await
            .expect("answered"),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["SamplingRuleRecord"]["SamplingRule"]["SamplingRateBoost"]["MaxRate"],
        0.5
    );
    let changed = update(
        &aws,
        SamplingRuleUpdate::builder()
            .rule_name("a")
            .sampling_rate_boost(boost(0.0))
            .build(),
    )
    .await;
    assert_eq!(changed.sampling_rate_boost, Some(boost(0.0)));
}

#[tokio::test]
async fn a_rule_outside_its_limits_is_refused_on_creation_and_update() {
    let aws = Aws::start().await;
    create(&aws, rule("taken").build().expect("complete")).await;
    let text = |length: usize| "x".repeat(length);
    for (what, field, value) in [
        ("taken", "RuleName", json!("taken")),
        ("reserved", "RuleName", json!("Default")),
        ("long name", "RuleName", json!(text(33))),
        ("priority 0", "Priority", json!(0)),
        ("priority 10000", "Priority", json!(10_000)),
        ("rate", "FixedRate", json!(1.01)),
        ("reservoir", "ReservoirSize", json!(-1)),
        ("host", "Host", json!(text(65))),
        ("service name", "ServiceName", json!(text(65))),
        ("service type", "ServiceType", json!(text(65))),
        ("method", "HTTPMethod", json!(text(11))),
        ("path", "URLPath", json!(text(129))),
        ("resource", "ResourceARN", json!(text(501))),
        ("version", "Version", json!(2)),
        ("no priority", "Priority", Value::Null),
        (
            "an ARN",
            "RuleARN",
            json!("arn:aws:xray:us-east-1:123456789012:sampling-rule/a"),
        ),
        (
            "six attributes",
            "Attributes",
            json!({"1": "v", "2": "v", "3": "v", "4": "v", "5": "v", "6": "v"}),
        ),
        ("empty attribute", "Attributes", json!({"k": ""})),
        (
            "boost rate",
            "SamplingRateBoost",
            json!({"MaxRate": 1.5, "CooldownWindowMinutes": 1}),
        ),
        (
            "boost without cooldown",
            "SamplingRateBoost",
            json!({"MaxRate": 0.5}),
        ),
    ] {
        let mut body = json!({"SamplingRule": {
            "RuleName": "a", "ResourceARN": "*", "Priority": 1, "FixedRate": 0.1, "ReservoirSize": 5, "ServiceName": "s",
            "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1,
        }});
        body["SamplingRule"][field] = value;
        let response = aws
            .xray_request("/CreateSamplingRule", &body.to_string())
            .send()
            .await
            .expect("answered");
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "InvalidRequestException",
            "{what}"
        );
        assert_eq!(response.status(), 400, "{what}");
    }
    let update = || SamplingRuleUpdate::builder().rule_name("taken");
    for (what, request) in [
        ("priority", update().priority(10_000)),
        ("priority", update().priority(0)),
        ("rate", update().fixed_rate(-0.1)),
        ("reservoir", update().reservoir_size(-1)),
        ("host", update().host(text(65))),
        (
            "name and ARN",
            update().rule_arn("arn:aws:xray:us-east-1:123456789012:sampling-rule/taken"),
        ),
        (
            "absent",
            SamplingRuleUpdate::builder()
                .rule_name("absent")
                .fixed_rate(0.5),
        ),
        ("nobody", SamplingRuleUpdate::builder().fixed_rate(0.5)),
    ] {
        let refused = aws
            .xray()
            .update_sampling_rule()
            .sampling_rule_update(request.build())
            .send()
            .await;
        assert_eq!(code(refused), "InvalidRequestException", "{what}");
    }
    let state = aws.state().await;
    assert_eq!(
        state["xray"]["samplingRules"]["taken"]["priority"], 9000,
        "a refused update changes nothing"
    );
}

#[tokio::test]
async fn the_26th_custom_rule_exceeds_the_quota() {
    let aws = Aws::start().await;
    for number in 0..25 {
        create(&aws, rule(&format!("r{number}")).build().expect("complete")).await;
    }
    let one_more = rule("r25").build().expect("complete");
    let refused = aws
        .xray()
        .create_sampling_rule()
        .sampling_rule(one_more)
        .send()
        .await;
    assert_eq!(code(refused), "RuleLimitExceededException");
}
