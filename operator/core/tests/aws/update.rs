//! What is written for one field that differs, by table: only that field, and what AWS wants to go with it.

use serde_json::{Value, json};
use tracewright_core::crd::status::ItemState;
use tracewright_core::crd::{
    DeletionPolicy, LogGroupClass, ObservabilityProfile, SamplingRateBoost,
};
use tracewright_core::desired::{CustomRule, Desired, validate};
use tracewright_core::identity::{Kind, TagMap};
use tracewright_core::observed::{Claims, GroupState, LogGroupState, Observed, Seen, Tags};
use tracewright_core::plan::{Action, RuleUpdate, Step, Verdict};
use tracewright_core::rights::Rights;
use tracewright_xray::contract::annotation;
use tracewright_xray::contract::condition::reason;

use crate::arbitrary::{CLUSTER, Case, mark, me, rival};
use crate::carry::{plan, planned, write};

/// A profile of these X-Ray objects and log groups, in a namespace that may adopt everything, over an empty account.
pub fn case_of(xray: Value, log_groups: Value) -> Case {
    let manifest = json!({
        "metadata": {"namespace": me().namespace, "name": me().name, "generation": 1},
        "spec": {
            "service": {"name": "backend"},
            "aws": {"region": "us-east-1"},
            "xray": xray,
            "logs": {"groups": log_groups},
        },
    });
    let profile: ObservabilityProfile = serde_json::from_value(manifest).expect("a profile");
    let rights = Rights::read(&[(annotation::ALLOW_ADOPT.to_owned(), "*".to_owned())].into());
    let desired = validate(&profile, &rights, None).expect("region and role are fine");
    let claims = Claims {
        cluster: CLUSTER.to_owned(),
        living: [me(), rival()].into(),
        unreadable: Default::default(),
        ..Claims::default()
    };
    Case {
        profile,
        desired,
        observed: Observed::default(),
        claims,
    }
}

fn seen<S>(state: S) -> Seen<S> {
    seen_with(state, DeletionPolicy::Delete)
}

fn seen_with<S>(state: S, policy: DeletionPolicy) -> Seen<S> {
    Seen {
        arn: "arn".to_owned(),
        state,
        tags: Tags::Read(mark(CLUSTER, me(), policy)),
    }
}

fn steps(case: &Case, kind: Kind, name: &str) -> Vec<Step> {
    write(&plan(case), kind, name)
        .map(|write| write.steps.clone())
        .unwrap_or_default()
}

fn group(
    filter_expression: &str,
    insights_enabled: bool,
    notifications_enabled: bool,
) -> GroupState {
    GroupState {
        filter_expression: filter_expression.to_owned(),
        insights_enabled,
        notifications_enabled,
    }
}

#[test]
fn of_a_group_only_what_differs_is_sent() {
    const MINE: &str = "service(\"backend\")";
    let update = |filter_expression: Option<&str>, insights| {
        vec![Step::UpdateGroup {
            filter_expression: filter_expression.map(str::to_owned),
            insights,
        }]
    };
    for (declared, observed, expected) in [
        (json!({}), group(MINE, true, true), vec![]),
        (
            json!({}),
            group("fault", true, true),
            update(Some(MINE), None),
        ),
        (
            json!({"filterExpression": "fault"}),
            group(MINE, false, false),
            update(Some("fault"), None),
        ),
        (
            json!({"insights": {"enabled": true}}),
            group(MINE, false, false),
            update(None, Some((true, false))),
        ),
        (
            json!({"insights": {"enabled": true}}),
            group(MINE, true, true),
            vec![],
        ),
        // The switch that is not declared is sent as it is, because AWS takes both or none.
        (
            json!({"insights": {"enabled": true, "notifications": true}}),
            group(MINE, true, false),
            update(None, Some((true, true))),
        ),
        (
            json!({"insights": {"enabled": true, "notifications": false}}),
            group(MINE, true, true),
            update(None, Some((true, false))),
        ),
        // Notifications need insights.
        (
            json!({"insights": {"enabled": false}}),
            group(MINE, true, true),
            update(None, Some((false, false))),
        ),
        (
            json!({"insights": {"enabled": false, "notifications": false}}),
            group(MINE, true, true),
            update(None, Some((false, false))),
        ),
        (
            json!({"insights": {"enabled": false}}),
            group("fault", true, false),
            update(Some(MINE), Some((false, false))),
        ),
    ] {
        let mut item = json!({"name": "g"});
        item.as_object_mut()
            .expect("an object")
            .extend(declared.as_object().expect("an object").clone());
        let mut case = case_of(json!({"groups": [item]}), json!([]));
        case.observed
            .groups
            .insert("g".to_owned(), seen(observed.clone()));
        assert_eq!(
            steps(&case, Kind::Group, "g"),
            expected,
            "{declared} on {observed:?}"
        );
    }
}

fn rule(name: &str, more: Value) -> Value {
    let mut rule = json!({"name": name, "priority": 10, "fixedRate": 0.1, "reservoirSize": 5});
    rule.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    rule
}

/// What [`rule`] looks like once it is there.
fn rule_state() -> CustomRule {
    let any = || "*".to_owned();
    CustomRule {
        priority: 10,
        fixed_rate: 0.1,
        reservoir_size: 5,
        service_name: "backend".to_owned(),
        service_type: any(),
        host: any(),
        http_method: any(),
        url_path: any(),
        resource_arn: any(),
        attributes: TagMap::new(),
        rate_boost: None,
    }
}

#[test]
fn of_a_rule_only_what_differs_is_sent() {
    let text = || Some("x".to_owned());
    let nothing = RuleUpdate::default;
    let attributes = |key: &str| TagMap::from([(key.to_owned(), "1".to_owned())]);
    let boost = |max_rate, cooldown_window_minutes| SamplingRateBoost {
        max_rate,
        cooldown_window_minutes,
    };
    let cases: Vec<(Value, CustomRule, RuleUpdate)> = vec![
        (
            json!({"priority": 11}),
            rule_state(),
            RuleUpdate {
                priority: Some(11),
                ..nothing()
            },
        ),
        (
            json!({"fixedRate": 0.2}),
            rule_state(),
            RuleUpdate {
                fixed_rate: Some(0.2),
                ..nothing()
            },
        ),
        (
            json!({"reservoirSize": 0}),
            rule_state(),
            RuleUpdate {
                reservoir_size: Some(0),
                ..nothing()
            },
        ),
        (
            json!({"serviceName": "x"}),
            rule_state(),
            RuleUpdate {
                service_name: text(),
                ..nothing()
            },
        ),
        (
            json!({"serviceType": "x"}),
            rule_state(),
            RuleUpdate {
                service_type: text(),
                ..nothing()
            },
        ),
        (
            json!({"host": "x"}),
            rule_state(),
            RuleUpdate {
                host: text(),
                ..nothing()
            },
        ),
        (
            json!({"httpMethod": "x"}),
            rule_state(),
            RuleUpdate {
                http_method: text(),
                ..nothing()
            },
        ),
        (
            json!({"urlPath": "x"}),
            rule_state(),
            RuleUpdate {
                url_path: text(),
                ..nothing()
            },
        ),
        (
            json!({"resourceArn": "x"}),
            rule_state(),
            RuleUpdate {
                resource_arn: text(),
                ..nothing()
            },
        ),
        (
            json!({"attributes": {"a": "1"}}),
            rule_state(),
            RuleUpdate {
                attributes: Some(attributes("a")),
                ..nothing()
            },
        ),
        // An empty map clears, and a map is sent whole.
        (
            json!({}),
            CustomRule {
                attributes: attributes("a"),
                ..rule_state()
            },
            RuleUpdate {
                attributes: Some(TagMap::new()),
                ..nothing()
            },
        ),
        (
            json!({"attributes": {"b": "1"}}),
            CustomRule {
                attributes: attributes("a"),
                ..rule_state()
            },
            RuleUpdate {
                attributes: Some(attributes("b")),
                ..nothing()
            },
        ),
        // A pattern that is no longer declared is any again.
        (
            json!({}),
            CustomRule {
                host: "x".to_owned(),
                ..rule_state()
            },
            RuleUpdate {
                host: Some("*".to_owned()),
                ..nothing()
            },
        ),
        (
            json!({"rateBoost": {"maxRate": 0.5, "cooldownWindowMinutes": 1}}),
            rule_state(),
            RuleUpdate {
                rate_boost: Some(boost(0.5, 1)),
                ..nothing()
            },
        ),
        (
            json!({"rateBoost": {"maxRate": 0.5, "cooldownWindowMinutes": 1}}),
            CustomRule {
                rate_boost: Some(boost(0.5, 2)),
                ..rule_state()
            },
            RuleUpdate {
                rate_boost: Some(boost(0.5, 1)),
                ..nothing()
            },
        ),
        // AWS has no way to remove a boost.
        (
            json!({}),
            CustomRule {
                rate_boost: Some(boost(0.5, 2)),
                ..rule_state()
            },
            RuleUpdate {
                rate_boost: Some(boost(0.0, 2)),
                ..nothing()
            },
        ),
    ];
    for (declared, observed, expected) in cases {
        let mut case = case_of(
            json!({"samplingRules": [rule("r", declared.clone())]}),
            json!([]),
        );
        case.observed.rules.insert("r".to_owned(), seen(observed));
        assert_eq!(
            steps(&case, Kind::SamplingRule, "r"),
            [Step::UpdateSamplingRule(expected)],
            "{declared}"
        );
    }
}

#[test]
fn a_rule_that_is_as_declared_gets_nothing() {
    let turned_down = SamplingRateBoost {
        max_rate: 0.0,
        cooldown_window_minutes: 3,
    };
    for observed in [
        rule_state(),
        // AWS keeps doubles and may print fewer digits.
        CustomRule {
            fixed_rate: 0.100_000_000_000_1,
            ..rule_state()
        },
        CustomRule {
            rate_boost: Some(turned_down),
            ..rule_state()
        },
    ] {
        let mut case = case_of(json!({"samplingRules": [rule("r", json!({}))]}), json!([]));
        case.observed
            .rules
            .insert("r".to_owned(), seen(observed.clone()));
        assert_eq!(steps(&case, Kind::SamplingRule, "r"), [], "{observed:?}");
    }
}

#[test]
fn of_a_log_group_only_what_differs_is_sent() {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1";
    let state = LogGroupState {
        class: Some(LogGroupClass::Standard),
        ..LogGroupState::default()
    };
    let kept = LogGroupState {
        retention_in_days: Some(30),
        kms_key_arn: Some(KEY.to_owned()),
        deletion_protection: true,
        ..state.clone()
    };
    let overridden = LogGroupState {
        retention_policy_name: Some("keep-long".to_owned()),
        ..kept.clone()
    };
    let key = || {
        vec![Step::AssociateKmsKey {
            arn: KEY.to_owned(),
        }]
    };
    for (declared, observed, expected) in [
        (json!({}), &kept, vec![]),
        (
            json!({"retentionInDays": 7}),
            &state,
            vec![Step::PutRetentionPolicy { days: 7 }],
        ),
        (
            json!({"retentionInDays": 7}),
            &kept,
            vec![Step::PutRetentionPolicy { days: 7 }],
        ),
        (json!({"retentionInDays": 30}), &kept, vec![]),
        (json!({"retentionInDays": 7}), &overridden, vec![]),
        (json!({"kmsKeyArn": KEY}), &state, key()),
        (json!({"kmsKeyArn": KEY}), &kept, vec![]),
        (
            json!({"deletionProtection": true}),
            &state,
            vec![Step::PutLogGroupDeletionProtection { enabled: true }],
        ),
        (
            json!({"deletionProtection": false}),
            &kept,
            vec![Step::PutLogGroupDeletionProtection { enabled: false }],
        ),
        (json!({"class": "STANDARD"}), &state, vec![]),
    ] {
        let mut item = json!({"name": "/l"});
        item.as_object_mut()
            .expect("an object")
            .extend(declared.as_object().expect("an object").clone());
        let mut case = case_of(json!({}), json!([item]));
        case.observed.log_groups.insert(
            "/l".to_owned(),
            seen_with(observed.clone(), DeletionPolicy::Retain),
        );
        assert_eq!(
            steps(&case, Kind::LogGroup, "/l"),
            expected,
            "{declared} on {observed:?}"
        );
    }
}

#[test]
fn a_retention_that_an_account_policy_overrides_is_told_and_nothing_else() {
    for (declared, told) in [(json!(7), true), (json!(30), false), (Value::Null, false)] {
        let mut case = case_of(
            json!({}),
            json!([{"name": "/l", "retentionInDays": declared}]),
        );
        let state = LogGroupState {
            retention_in_days: Some(30),
            retention_policy_name: Some("keep-long".to_owned()),
            ..LogGroupState::default()
        };
        case.observed
            .log_groups
            .insert("/l".to_owned(), seen_with(state, DeletionPolicy::Retain));
        let plan = plan(&case);
        assert!(plan.is_empty());
        let notes: Vec<_> = plan.notes.iter().map(|note| note.reason).collect();
        assert_eq!(
            notes,
            if told {
                vec![reason::RETENTION_OVERRIDDEN]
            } else {
                vec![]
            },
            "{declared}"
        );
        assert!(
            plan.notes
                .iter()
                .all(|note| note.message.contains("keep-long") && note.message.contains("30 days"))
        );
    }
}

#[test]
fn a_log_group_of_another_class_is_left_alone_with_a_sentence() {
    for (class, sentence) in [
        (Some(LogGroupClass::Standard), "write class: STANDARD"),
        (None, "use a log group of another name"),
    ] {
        let mut case = case_of(
            json!({}),
            json!([{"name": "/l", "class": "INFREQUENT_ACCESS", "retentionInDays": 7, "tags": {"a": "b"}}]),
        );
        let state = LogGroupState {
            class,
            ..LogGroupState::default()
        };
        case.observed
            .log_groups
            .insert("/l".to_owned(), seen_with(state, DeletionPolicy::Retain));
        let plan = plan(&case);
        let planned = planned(&plan, Kind::LogGroup, "/l");
        let Verdict::Held {
            state,
            reason: why,
            message,
        } = &planned.verdict
        else {
            panic!("{planned:?}")
        };
        assert_eq!((*state, *why), (ItemState::Invalid, reason::INVALID));
        assert!(
            message.contains("AWS fixes the class") && message.contains(sentence),
            "{message}"
        );
        assert!(!message.contains("nothing"), "{message}");
    }
}

#[test]
fn of_tags_only_declared_keys_that_differ_are_sent() {
    let tags = |tags: &[(&str, &str)]| -> TagMap {
        tags.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    for (declared, observed, expected) in [
        (json!({}), tags(&[("team", "a")]), None),
        (
            json!({"team": "a"}),
            tags(&[("team", "a"), ("stage", "x")]),
            None,
        ),
        (
            json!({"team": "b"}),
            tags(&[("team", "a"), ("stage", "x")]),
            Some(tags(&[("team", "b")])),
        ),
        (
            json!({"team": "b", "stage": "x"}),
            tags(&[("stage", "x")]),
            Some(tags(&[("team", "b")])),
        ),
    ] {
        let mut case = case_of(
            json!({"samplingRules": [rule("r", json!({"tags": declared}))]}),
            json!([]),
        );
        let mut all = mark(CLUSTER, me(), DeletionPolicy::Delete);
        all.extend(observed);
        let rule = Seen {
            arn: "arn".to_owned(),
            state: rule_state(),
            tags: Tags::Read(all),
        };
        case.observed.rules.insert("r".to_owned(), rule);
        let expected: Vec<_> = expected
            .into_iter()
            .map(|tags| Step::Tag { tags })
            .collect();
        assert_eq!(
            steps(&case, Kind::SamplingRule, "r"),
            expected,
            "{declared}"
        );
    }
}

#[test]
fn a_changed_deletion_policy_is_written_into_the_mark() {
    let mut case = case_of(
        json!({}),
        json!([{"name": "/l", "deletionPolicy": "Delete"}]),
    );
    let state = LogGroupState::default();
    case.observed
        .log_groups
        .insert("/l".to_owned(), seen_with(state, DeletionPolicy::Retain));
    let mark = TagMap::from([(
        "tracewright.dev/deletion-policy".to_owned(),
        "Delete".to_owned(),
    )]);
    assert_eq!(
        steps(&case, Kind::LogGroup, "/l"),
        [Step::Tag { tags: mark }]
    );
}

#[test]
fn a_new_object_gets_every_declared_field_and_tag() {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1";
    let case = case_of(
        json!({
            "groups": [{"name": "g", "insights": {"enabled": true, "notifications": true}, "tags": {"team": "a"}}],
            "samplingRules": [rule("r", json!({
                "attributes": {"a": "1"}, "rateBoost": {"maxRate": 0.5, "cooldownWindowMinutes": 1},
            }))],
        }),
        json!([{
            "name": "/l", "retentionInDays": 7, "class": "INFREQUENT_ACCESS", "kmsKeyArn": KEY,
            "deletionProtection": true,
        }]),
    );
    let mut tags = mark(CLUSTER, me(), DeletionPolicy::Delete);
    let rule_steps = vec![Step::CreateSamplingRule {
        rule: CustomRule {
            attributes: [("a".to_owned(), "1".to_owned())].into(),
            rate_boost: Some(SamplingRateBoost {
                max_rate: 0.5,
                cooldown_window_minutes: 1,
            }),
            ..rule_state()
        },
        tags: tags.clone(),
    }];
    tags.insert("team".to_owned(), "a".to_owned());
    assert_eq!(
        steps(&case, Kind::Group, "g"),
        [Step::CreateGroup {
            filter_expression: "service(\"backend\")".to_owned(),
            insights: Some((true, true)),
            tags,
        }]
    );
    assert_eq!(steps(&case, Kind::SamplingRule, "r"), rule_steps);
    assert_eq!(
        steps(&case, Kind::LogGroup, "/l"),
        [
            Step::CreateLogGroup {
                class: Some(LogGroupClass::InfrequentAccess),
                kms_key_arn: Some(KEY.to_owned()),
                deletion_protection: Some(true),
                tags: mark(CLUSTER, me(), DeletionPolicy::Retain),
            },
            Step::PutRetentionPolicy { days: 7 },
        ]
    );
}

#[test]
fn a_protected_log_group_is_released_though_it_was_to_be_deleted() {
    for (protected, expected) in [(false, Action::Delete), (true, Action::Release)] {
        let mut case = case_of(json!({}), json!([]));
        case.desired = Desired {
            deleting: true,
            ..case.desired
        };
        let state = LogGroupState {
            deletion_protection: protected,
            ..LogGroupState::default()
        };
        case.observed
            .log_groups
            .insert("/l".to_owned(), seen(state));
        let plan = plan(&case);
        assert_eq!(
            write(&plan, Kind::LogGroup, "/l").map(|write| write.action),
            Some(expected)
        );
    }
}

#[test]
fn an_entry_that_became_invalid_still_shows_what_it_holds() {
    let mut case = case_of(
        json!({"groups": [{"name": "g", "filterExpression": "service("}]}),
        json!([]),
    );
    case.observed
        .groups
        .insert("g".to_owned(), seen(group("fault", false, false)));
    let plan = plan(&case);
    let planned = planned(&plan, Kind::Group, "g");
    assert!(matches!(
        planned.verdict,
        Verdict::Held {
            state: ItemState::Invalid,
            ..
        }
    ));
    assert_eq!(
        (planned.arn.as_deref(), planned.deletion_policy),
        (Some("arn"), Some(DeletionPolicy::Delete))
    );
}
