//! Every field of groups, rules and log groups: made as declared, seen when it differs, and only what differs is written.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::Installation;

use super::see::{self, counts, look_again, mark, marked, part, ready, writes};

/// One change of an entry, and the calls that it takes.
struct Step {
    entry: Value,
    calls: &'static [&'static str],
    /// What AWS holds afterwards, of the fields in question.
    holds: Value,
}

/// Applies each entry in turn and compares the calls, and what AWS holds, with what is expected.
async fn walk(spec: impl Fn(&Value) -> Value, pointer: &str, steps: Vec<Step>) -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    for Step {
        entry,
        calls,
        holds,
    } in steps
    {
        let mark = mark(&there).await?;
        there.apply("p", spec(&entry)).await?;
        ready(&there, "p").await?;
        let expected = calls.iter().map(|call| ((*call).to_owned(), 1)).collect();
        assert_eq!(writes(&there, mark).await?, expected, "{entry}");
        let held = part(&there, pointer).await?;
        for (field, value) in holds.as_object().into_iter().flatten() {
            assert_eq!(
                held.get(field).unwrap_or(&Value::Null),
                value,
                "{field} after {entry}"
            );
        }
    }
    // At rest nothing is written, however often it is looked at.
    let mark = mark(&there).await?;
    look_again(&there, "p").await?;
    assert_eq!(writes(&there, mark).await?, counts([]));
    Ok(())
}

fn with(entry: &Value, more: Value) -> Value {
    let mut entry = entry.clone();
    if let (Some(entry), Value::Object(more)) = (entry.as_object_mut(), more) {
        entry.extend(more);
    }
    entry
}

#[tokio::test]
async fn a_group_is_made_and_each_field_is_updated_alone() -> Result<()> {
    let spec = |group: &Value| json!({"service": {"name": "backend"}, "xray": {"groups": [group]}});
    let group = json!({"name": "g"});
    let named = json!({"name": "g", "filterExpression": "service(\"backend\") AND fault"});
    let quiet = with(
        &named,
        json!({"insights": {"enabled": true, "notifications": false}}),
    );
    let loud = with(
        &named,
        json!({"insights": {"enabled": true, "notifications": true}}),
    );
    let off = with(&named, json!({"insights": {"enabled": false}}));
    let tagged = with(&off, json!({"tags": {"team": "a"}}));
    let steps = vec![
        Step {
            entry: group,
            calls: &["xray.CreateGroup"],
            holds: json!({"filterExpression": "service(\"backend\")", "insightsEnabled": false, "notificationsEnabled": false}),
        },
        Step {
            entry: named,
            calls: &["xray.UpdateGroup"],
            holds: json!({"filterExpression": "service(\"backend\") AND fault"}),
        },
        Step {
            entry: quiet,
            calls: &["xray.UpdateGroup"],
            holds: json!({"insightsEnabled": true, "notificationsEnabled": false, "filterExpression": "service(\"backend\") AND fault"}),
        },
        Step {
            entry: loud,
            calls: &["xray.UpdateGroup"],
            holds: json!({"insightsEnabled": true, "notificationsEnabled": true}),
        },
        Step {
            entry: off,
            calls: &["xray.UpdateGroup"],
            holds: json!({"insightsEnabled": false, "notificationsEnabled": false}),
        },
        Step {
            entry: tagged.clone(),
            calls: &["xray.TagResource"],
            holds: json!({}),
        },
        // What is no longer declared is left as it is.
        Step {
            entry: json!({"name": "g"}),
            calls: &["xray.UpdateGroup"],
            holds: json!({"filterExpression": "service(\"backend\")", "insightsEnabled": false}),
        },
    ];
    walk(spec, "/xray/groups/g", steps).await
}

#[tokio::test]
async fn a_rule_is_made_and_each_field_is_updated_alone() -> Result<()> {
    let spec =
        |rule: &Value| json!({"service": {"name": "backend"}, "xray": {"samplingRules": [rule]}});
    let rule = json!({"name": "r", "priority": 100, "fixedRate": 0.1, "reservoirSize": 5});
    let update = |more: Value, holds: Value| Step {
        entry: with(&rule, more),
        calls: &["xray.UpdateSamplingRule"],
        holds,
    };
    let boosted = json!({"rateBoost": {"maxRate": 0.5, "cooldownWindowMinutes": 10}});
    let factory = json!({
        "priority": 100, "fixedRate": 0.1, "reservoirSize": 5, "serviceName": "backend", "serviceType": "*", "host": "*",
        "httpMethod": "*", "urlPath": "*", "resourceARN": "*", "attributes": {}, "samplingRateBoost": null,
    });
    let steps = vec![
        Step {
            entry: rule.clone(),
            calls: &["xray.CreateSamplingRule"],
            holds: factory.clone(),
        },
        update(
            json!({"priority": 101}),
            json!({"priority": 101, "fixedRate": 0.1}),
        ),
        update(
            json!({"fixedRate": 0.0}),
            json!({"priority": 100, "fixedRate": 0.0}),
        ),
        update(
            json!({"reservoirSize": 0}),
            json!({"reservoirSize": 0, "fixedRate": 0.1}),
        ),
        update(
            json!({"serviceName": "*"}),
            json!({"serviceName": "*", "reservoirSize": 5}),
        ),
        update(
            json!({"serviceType": "AWS::EKS::Container"}),
            json!({"serviceType": "AWS::EKS::Container", "serviceName": "backend"}),
        ),
        update(
            json!({"host": "api.example.com"}),
            json!({"host": "api.example.com", "serviceType": "*"}),
        ),
        update(
            json!({"httpMethod": "POST"}),
            json!({"httpMethod": "POST", "host": "*"}),
        ),
        update(
            json!({"urlPath": "/api/*"}),
            json!({"urlPath": "/api/*", "httpMethod": "*"}),
        ),
        update(
            json!({"resourceArn": "arn:aws:ecs:*"}),
            json!({"resourceARN": "arn:aws:ecs:*", "urlPath": "*"}),
        ),
        update(
            json!({"attributes": {"tenant": "a"}}),
            json!({"attributes": {"tenant": "a"}, "resourceARN": "*"}),
        ),
        // An empty map clears attributes.
        update(
            boosted,
            json!({"attributes": {}, "samplingRateBoost": {"MaxRate": 0.5, "CooldownWindowMinutes": 10}}),
        ),
        // AWS cannot remove a boost, so it is turned down, once.
        update(
            json!({}),
            json!({"samplingRateBoost": {"MaxRate": 0.0, "CooldownWindowMinutes": 10}}),
        ),
        Step {
            entry: with(&rule, json!({"tags": {"team": "a"}})),
            calls: &["xray.TagResource"],
            holds: json!({"priority": 100}),
        },
    ];
    walk(spec, "/xray/samplingRules/r", steps).await
}

#[tokio::test]
async fn a_log_group_is_made_and_each_field_is_updated_alone() -> Result<()> {
    const KEYS: [&str; 2] = [
        "arn:aws:kms:us-east-1:123456789012:key/1",
        "arn:aws:kms:us-east-1:123456789012:key/2",
    ];
    let spec = |group: &Value| json!({"aws": {"region": "us-east-1"}, "logs": {"groups": [group]}});
    let group = json!({"name": "/l"});
    let steps = vec![
        Step {
            entry: group.clone(),
            calls: &["logs.CreateLogGroup"],
            holds: json!({"class": "STANDARD", "retentionInDays": null, "kmsKeyId": null, "deletionProtectionEnabled": false}),
        },
        Step {
            entry: with(&group, json!({"retentionInDays": 7})),
            calls: &["logs.PutRetentionPolicy"],
            holds: json!({"retentionInDays": 7}),
        },
        Step {
            entry: with(&group, json!({"retentionInDays": 30})),
            calls: &["logs.PutRetentionPolicy"],
            holds: json!({"retentionInDays": 30}),
        },
        // What is no longer declared is left as it is.
        Step {
            entry: group.clone(),
            calls: &[],
            holds: json!({"retentionInDays": 30}),
        },
        Step {
            entry: with(&group, json!({"kmsKeyArn": KEYS[0]})),
            calls: &["logs.AssociateKmsKey"],
            holds: json!({"kmsKeyId": KEYS[0], "retentionInDays": 30}),
        },
        Step {
            entry: with(&group, json!({"kmsKeyArn": KEYS[1]})),
            calls: &["logs.AssociateKmsKey"],
            holds: json!({"kmsKeyId": KEYS[1]}),
        },
        Step {
            entry: with(&group, json!({"deletionProtection": true})),
            calls: &["logs.PutLogGroupDeletionProtection"],
            holds: json!({"deletionProtectionEnabled": true, "kmsKeyId": KEYS[1]}),
        },
        Step {
            entry: with(&group, json!({"deletionProtection": false})),
            calls: &["logs.PutLogGroupDeletionProtection"],
            holds: json!({"deletionProtectionEnabled": false}),
        },
        Step {
            entry: with(&group, json!({"tags": {"team": "a"}})),
            calls: &["logs.TagResource"],
            holds: json!({}),
        },
        Step {
            entry: with(&group, json!({"tags": {"team": "b"}})),
            calls: &["logs.TagResource"],
            holds: json!({}),
        },
        Step {
            entry: with(&group, json!({"deletionPolicy": "Delete"})),
            calls: &["logs.TagResource"],
            holds: json!({}),
        },
    ];
    walk(spec, "/logs/logGroups/~1l", steps).await
}

#[tokio::test]
async fn everything_is_declared_at_creation_and_carries_the_mark() -> Result<()> {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1";
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "g", "insights": {"enabled": true, "notifications": true}, "tags": {"team": "a"}}],
            "samplingRules": [{
                "name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5, "attributes": {"tenant": "a"},
                "rateBoost": {"maxRate": 0.5, "cooldownWindowMinutes": 10}, "deletionPolicy": "Retain",
            }],
        },
        "logs": {"groups": [{
            "name": "/l", "retentionInDays": 7, "class": "INFREQUENT_ACCESS", "kmsKeyArn": KEY, "deletionProtection": true,
        }]},
    });
    there.apply("p", spec).await?;
    let profile = ready(&there, "p").await?;
    let expected = [
        ("xray.CreateGroup", 1),
        ("xray.CreateSamplingRule", 1),
        ("logs.CreateLogGroup", 1),
        ("logs.PutRetentionPolicy", 1),
    ];
    assert_eq!(writes(&there, 0).await?, counts(expected));

    let state = see::state(&there).await?;
    let (group, rule, log_group) = (
        &state["xray"]["groups"]["g"],
        &state["xray"]["samplingRules"]["r"],
        &state["logs"]["logGroups"]["/l"],
    );
    assert_eq!(
        (&group["insightsEnabled"], &group["notificationsEnabled"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        rule["samplingRateBoost"],
        json!({"MaxRate": 0.5, "CooldownWindowMinutes": 10})
    );
    assert_eq!(rule["attributes"], json!({"tenant": "a"}));
    assert_eq!(
        [
            &log_group["class"],
            &log_group["kmsKeyId"],
            &log_group["retentionInDays"],
            &log_group["deletionProtectionEnabled"]
        ],
        [
            &json!("INFREQUENT_ACCESS"),
            &json!(KEY),
            &json!(7),
            &json!(true)
        ]
    );
    assert_eq!(
        group["tags"],
        with(&marked(&there, "p", "Delete"), json!({"team": "a"}))
    );
    assert_eq!(rule["tags"], marked(&there, "p", "Retain"));
    assert_eq!(log_group["tags"], marked(&there, "p", "Retain"));

    let status = profile.status.unwrap_or_default();
    assert_eq!(
        (status.account_id.as_deref(), status.region.as_deref()),
        (Some(see::ACCOUNT), Some(see::REGION))
    );
    let arns: Vec<_> = see::items(&status)
        .filter_map(|item| item.arn.clone())
        .collect();
    assert_eq!(arns.len(), 3);
    // A group's ARN ends in an id that nobody can guess.
    assert_eq!(Some(arns[0].as_str()), group["arn"].as_str());
    let summary = status.summary.unwrap_or_default();
    assert_eq!(
        (summary.xray.as_str(), summary.logs.as_str()),
        ("2/2", "1/1")
    );
    Ok(())
}

#[tokio::test]
async fn of_the_rule_default_only_rate_and_reservoir_are_written() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allow-adopt", "Default")])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = |rate: f64, reservoir: i32| json!({"xray": {"samplingRules": [{"name": "Default", "fixedRate": rate, "reservoirSize": reservoir}]}});
    let before = part(&there, "/xray/samplingRules/Default").await?;
    there.apply("p", spec(0.2, 3)).await?;
    ready(&there, "p").await?;
    // The emulator refuses an update with any other field, as AWS does.
    assert_eq!(
        writes(&there, 0).await?,
        counts([("xray.UpdateSamplingRule", 1), ("xray.TagResource", 1)])
    );
    let held = part(&there, "/xray/samplingRules/Default").await?;
    let expected = with(
        &before,
        json!({
            "fixedRate": 0.2, "reservoirSize": 3, "modifiedAt": held["modifiedAt"], "tags": marked(&there, "p", "Delete"),
        }),
    );
    assert_eq!(held, expected);

    let mark = mark(&there).await?;
    there.apply("p", spec(0.2, 4)).await?;
    ready(&there, "p").await?;
    assert_eq!(
        writes(&there, mark).await?,
        counts([("xray.UpdateSamplingRule", 1)])
    );
    let held = part(&there, "/xray/samplingRules/Default").await?;
    ensure!(
        held["reservoirSize"] == 4 && held["fixedRate"] == 0.2,
        "{held}"
    );
    Ok(())
}

#[tokio::test]
async fn names_are_exact_though_others_begin_with_them() -> Result<()> {
    let there = Installation::new().await?;
    let foreign = json!({"tags": {"whose": "somebody"}});
    see::edit(&there, |state| {
        for name in ["/team", "/team/app-blue", "/team/app2"] {
            state["logs"]["logGroups"][name] = foreign.clone();
        }
        for name in ["ap", "app-blue", "app2"] {
            state["xray"]["groups"][name] = with(&foreign, json!({"filterExpression": "fault"}));
            state["xray"]["samplingRules"][name] = foreign.clone();
        }
    })
    .await?;
    let before = see::state(&there).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = |retention: i32| {
        json!({
            "service": {"name": "backend"},
            "xray": {
                "groups": [{"name": "app"}],
                "samplingRules": [{"name": "app", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5}],
            },
            "logs": {"groups": [{"name": "/team/app", "retentionInDays": retention, "deletionPolicy": "Delete"}]},
        })
    };
    there.apply("p", spec(7)).await?;
    ready(&there, "p").await?;
    there.apply("p", spec(30)).await?;
    ready(&there, "p").await?;
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    let after = see::state(&there).await?;
    for pointer in ["/logs/logGroups", "/xray/groups", "/xray/samplingRules"] {
        assert_eq!(after.pointer(pointer), before.pointer(pointer), "{pointer}");
    }
    Ok(())
}

/// AWS lists in pages whose size nobody can ask for.
#[tokio::test]
async fn objects_are_found_on_whatever_page_of_a_list_they_stand() -> Result<()> {
    let there = Installation::new().await?;
    for size in ["xray.pageSize", "logs.pageSize"] {
        there.aws().control().set_limit(size, 2).await?;
    }
    see::edit(&there, |state| {
        for name in ["a", "b", "c", "x", "y", "z"] {
            state["xray"]["groups"][name] = json!({"filterExpression": "fault"});
            state["xray"]["samplingRules"][name] = json!({"priority": 1});
        }
    })
    .await?;
    let before = see::state(&there).await?;
    let tags: serde_json::Map<String, Value> = (0..5)
        .map(|number| (format!("team-{number}"), json!("a")))
        .collect();
    let names = ["k", "l", "m", "n", "o"];
    let rules: Vec<_> = names
        .iter()
        .zip(2..)
        .map(|(name, priority)| json!({"name": name, "priority": priority, "fixedRate": 0.1, "reservoirSize": 1, "tags": tags}))
        .collect();
    let groups: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "tags": tags}))
        .collect();
    let log_groups: Vec<_> = names
        .iter()
        .map(|name| json!({"name": format!("/{name}"), "retentionInDays": 7, "deletionPolicy": "Delete"}))
        .collect();
    let spec = json!({
        "service": {"name": "backend"},
        "xray": {"groups": groups, "samplingRules": rules},
        "logs": {"groups": log_groups},
    });
    let launch = there.hurried_operator().await?;
    let mut operator = launch.start()?;
    operator.ready().await?;
    there.apply("p", spec).await?;
    ready(&there, "p").await?;
    // A new operator has to find all of it.
    operator.stop().await?;
    let mark = mark(&there).await?;
    let mut operator = launch.start()?;
    operator.ready().await?;
    look_again(&there, "p").await?;
    assert_eq!(writes(&there, mark).await?, counts([]));
    there.profiles().delete("p", &Default::default()).await?;
    see::gone(&there, "p").await?;
    let mut after = see::state(&there).await?;
    after["xray"]["lastRuleModification"] = before["xray"]["lastRuleModification"].clone();
    assert_eq!(after, before);
    Ok(())
}
