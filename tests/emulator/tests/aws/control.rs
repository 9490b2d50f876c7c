//! The rest of the control interface: health, reset, calls, accounts, state.

use reqwest::Method;
use serde_json::json;

use crate::support::{ACCOUNT, Aws, REGION, code};

#[tokio::test]
async fn calls_are_counted_and_listed_in_order() {
    let aws = Aws::start().await;
    aws.xray()
        .create_group()
        .group_name("a")
        .send()
        .await
        .expect("created");
    code(aws.xray().create_group().group_name("a").send().await);
    aws.logs()
        .describe_log_groups()
        .send()
        .await
        .expect("described");
    let shown = aws.get("calls").await;
    assert_eq!(
        shown["counts"]["xray.CreateGroup"],
        json!({"ok": 1, "throttled": 0, "error": 1})
    );
    let calls = shown["calls"].as_array().expect("calls");
    let seqs: Vec<_> = calls.iter().map(|call| call["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
    let refused = &calls[1];
    assert_eq!(refused["account"], ACCOUNT);
    assert_eq!(refused["region"], REGION);
    assert_eq!(refused["operation"], "xray.CreateGroup");
    assert_eq!(refused["status"], 400);
    assert_eq!(refused["code"], "InvalidRequestException");
    assert!(calls[0]["code"].is_null());
    assert!(
        calls[0]["time"]
            .as_str()
            .is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok())
    );
    let later = aws.get("calls?since=2").await;
    assert_eq!(
        later["counts"],
        json!({"logs.DescribeLogGroups": {"ok": 1, "throttled": 0, "error": 0}})
    );
}

#[tokio::test]
async fn a_reset_clears_state_faults_counts_and_clock_and_keeps_settings() {
    let aws = Aws::start().await;
    aws.put("limits", json!({"xray.groups": 7})).await;
    aws.put(
        "accounts",
        json!([{"accessKeyId": "A", "accountId": ACCOUNT}]),
    )
    .await;
    aws.put("clock", json!({"speed": 5})).await;
    aws.post("faults", json!({"operation": "*", "kind": "throttle"}))
        .await;
    aws.put(
        &format!("state/{ACCOUNT}/{REGION}"),
        json!({"xray": {"groups": {"a": {}}}}),
    )
    .await;
    aws.post("reset", json!({})).await;
    assert_eq!(aws.get("faults").await["faults"], json!([]));
    assert_eq!(aws.get("clock").await["speed"], 1.0);
    assert_eq!(aws.get("calls").await["calls"], json!([]));
    assert_eq!(
        aws.state().await["xray"]["groups"]
            .as_object()
            .map(|groups| groups.len()),
        Some(1)
    );
    assert_eq!(aws.get("limits").await["xray.groups"], 7);
    assert_eq!(
        code(aws.xray().get_groups().send().await),
        "UnrecognizedClientException"
    );
}

#[tokio::test]
async fn a_written_state_is_the_state_and_what_it_omits_is_completed() {
    let aws = Aws::start().await;
    let path = format!("state/{ACCOUNT}/{REGION}");
    aws.put(
        &path,
        json!({
            "xray": {
                "groups": {"Cruddur": {"filterExpression": "ok", "tags": {"k": "v"}}},
                "samplingRules": {"Cruddur": {"priority": 1, "serviceName": "s"}, "Default": {"fixedRate": 0.5}},
            },
            "logs": {"logGroups": {"a": {"retentionInDays": 7, "streams": {"s": {"events": [{"timestamp": 1, "message": "m"}]}}}}},
        }),
    )
    .await;
    let group = aws
        .xray()
        .get_group()
        .group_name("Cruddur")
        .send()
        .await
        .expect("there")
        .group
        .expect("a group");
    let arn = group.group_arn.expect("an ARN was made");
    let tags = aws
        .xray()
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await
        .expect("listed");
    assert_eq!(tags.tags()[0].value, "v");
    let rules = aws
        .xray()
        .get_sampling_rules()
        .send()
        .await
        .expect("listed");
    let rates: Vec<_> = rules
        .sampling_rule_records()
        .iter()
        .filter_map(|record| Some(record.sampling_rule.as_ref()?.fixed_rate))
        .collect();
    assert_eq!(rates, [0.05, 0.5]);
    let logs = aws
        .logs()
        .describe_log_groups()
        .send()
        .await
        .expect("described");
    assert_eq!(logs.log_groups()[0].retention_in_days, Some(7));
    let state = aws.get(&path).await;
    assert_eq!(
        aws.put(&path, state.clone()).await,
        state,
        "what was read can be written"
    );
}

#[tokio::test]
async fn a_state_with_unknown_fields_is_refused() {
    let aws = Aws::start().await;
    for body in [
        json!({"xrays": {}}),
        json!({"xray": {"groups": {"a": {"filter": "ok"}}}}),
        json!({"logs": {"logGroups": {"a": {"retention": 7}}}}),
    ] {
        let (status, _) = aws
            .control(
                Method::PUT,
                &format!("state/{ACCOUNT}/{REGION}"),
                Some(body.clone()),
            )
            .await;
        assert_eq!(status, 400, "{body}");
    }
}

#[tokio::test]
async fn the_control_interface_answers_and_refuses_in_json() {
    let aws = Aws::start().await;
    assert_eq!(aws.get("health").await, json!({"status": "ok"}));
    for (method, path, body, expected) in [
        (Method::GET, "nothing", None, 404),
        (Method::DELETE, "faults/99", None, 404),
        (Method::POST, "stops/99/continue", None, 404),
        (Method::DELETE, "faults/first", None, 400),
        (Method::GET, "calls?since=yesterday", None, 400),
        (Method::POST, "faults", Some(json!({"operation": "*"})), 400),
        (
            Method::POST,
            "faults",
            Some(json!({"operation": "*", "kind": "explode"})),
            400,
        ),
        (
            Method::POST,
            "faults",
            Some(json!({"operation": "*", "kind": "throttle", "often": true})),
            400,
        ),
        (
            Method::PUT,
            "accounts",
            Some(json!([{"accessKeyId": "A", "accountId": "12"}])),
            400,
        ),
        (Method::PUT, "accounts", Some(json!({"A": "12"})), 400),
    ] {
        let (status, answer) = aws.control(method, path, body).await;
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(answer["error"].is_string(), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_dropped_emulator_stops_even_while_calls_are_held() {
    let aws = Aws::start().await;
    aws.post("faults", json!({"operation": "*", "kind": "hang"}))
        .await;
    let xray = aws.xray();
    let call = tokio::spawn(async move { xray.get_groups().send().await });
    aws.until("faults", |shown| shown["faults"][0]["touched"] == 1)
        .await;
    let url = aws.url();
    let http = aws.http.clone();
    tokio::task::spawn_blocking(move || drop(aws))
        .await
        .expect("stopped");
    assert!(call.await.expect("ended").is_err());
    assert!(
        http.get(format!("{url}/_control/health"))
            .send()
            .await
            .is_err()
    );
}
