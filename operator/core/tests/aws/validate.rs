//! What a namespace's admin allows, and what a profile lacks, by table.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use tracewright_core::crd::{DeletionPolicy, ObservabilityProfile};
use tracewright_core::desired::{Adoption, Desired, RuleSpec, validate};
use tracewright_core::diff::diff;
use tracewright_core::identity::Kind;
use tracewright_core::observed::{Claims, GroupState, Observed, Seen, Tags};
use tracewright_core::plan::Verdict;
use tracewright_core::rights::Rights;
use tracewright_xray::contract::annotation;
use tracewright_xray::contract::condition::reason;

const ROLE: &str = "arn:aws:iam::123456789012:role/team-a";

fn profile(spec: Value) -> ObservabilityProfile {
    let manifest = json!({"metadata": {"namespace": "team", "name": "me"}, "spec": spec});
    serde_json::from_value(manifest).expect("a profile")
}

fn rights(annotations: &[(&str, &str)]) -> Rights {
    let annotations = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Rights::read(&annotations.collect())
}

fn desired(spec: Value, rights: &Rights) -> Desired {
    validate(&profile(spec), rights, Some("eu-west-1")).expect("region and role are fine")
}

#[test]
fn a_role_is_used_only_where_the_admin_lists_it() {
    for (allowed, expected) in [
        (None, false),
        (Some(""), false),
        (Some(ROLE), true),
        (Some("arn:aws:iam::123456789012:role/team-*"), true),
        (
            Some("arn:aws:iam::123456789012:role/team-b, arn:aws:iam::123456789012:role/team-a"),
            true,
        ),
        (Some("arn:aws:iam::123456789012:role/team-b"), false),
        // A pattern is the whole ARN.
        (Some("team-a"), false),
        (Some("arn:aws:iam::123456789012:role/team"), false),
        (Some("*"), true),
    ] {
        let annotations: Vec<_> = allowed
            .map(|value| (annotation::ALLOWED_ROLE_ARNS, value))
            .into_iter()
            .collect();
        let spec = json!({"aws": {"roleArn": ROLE}});
        let result = validate(
            &profile(spec.clone()),
            &rights(&annotations),
            Some("eu-west-1"),
        );
        match result {
            Ok(desired) => assert_eq!(
                (expected, desired.role_arn.as_deref()),
                (true, Some(ROLE)),
                "{allowed:?}"
            ),
            Err(invalid) => {
                assert!(!expected, "{allowed:?}");
                assert_eq!(invalid.reason(), reason::ROLE_NOT_ALLOWED);
                assert!(
                    invalid.to_string().contains(annotation::ALLOWED_ROLE_ARNS),
                    "{invalid}"
                );
            }
        }
        // A role that was taken away serves for nothing any more, not even for cleaning up.
        let mut leaving = profile(spec);
        leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(
            validate(&leaving, &rights(&annotations), Some("eu-west-1")).is_ok(),
            expected,
            "{allowed:?}"
        );
    }
}

#[test]
fn names_that_the_admin_does_not_allow_are_refused_one_by_one() {
    let spec = json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "team-a"}, {"name": "other"}],
            "samplingRules": [
                {"name": "team-a", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1},
                {"name": "other", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1},
                // Reading is using too: a rule's rates tell of another team.
                {"name": "third", "adoptionPolicy": "Observe"},
            ],
        },
        "logs": {"groups": [{"name": "/team-a/x"}, {"name": "/team-b/x"}]},
    });
    let desired = desired(
        spec,
        &rights(&[(annotation::ALLOWED_NAMES, "team-a,/team-a/*")]),
    );
    let refused: Vec<_> = desired
        .refused
        .iter()
        .map(|refused| (refused.kind, refused.name.as_str(), refused.reason))
        .collect();
    assert_eq!(
        refused,
        [
            (Kind::Group, "other", reason::NAME_NOT_ALLOWED),
            (Kind::SamplingRule, "other", reason::NAME_NOT_ALLOWED),
            (Kind::SamplingRule, "third", reason::NAME_NOT_ALLOWED),
            (Kind::LogGroup, "/team-b/x", reason::NAME_NOT_ALLOWED),
        ]
    );
    assert!(
        desired
            .refused
            .iter()
            .all(|refused| refused.message.contains(annotation::ALLOWED_NAMES))
    );
    let claims: Vec<_> = desired.claims().collect();
    assert_eq!(
        claims,
        [
            (Kind::Group, "team-a"),
            (Kind::SamplingRule, "team-a"),
            (Kind::LogGroup, "/team-a/x")
        ]
    );
}

#[test]
fn adopting_takes_the_profiles_word_and_the_admins() {
    for (policy, allowed, expected) in [
        ("Reject", None, Adoption::Reject),
        ("Reject", Some("*"), Adoption::Reject),
        ("Adopt", None, Adoption::NotAllowed),
        ("Adopt", Some(""), Adoption::NotAllowed),
        ("Adopt", Some("other"), Adoption::NotAllowed),
        ("Adopt", Some("a*"), Adoption::NotAllowed),
        ("Adopt", Some("x,/log*"), Adoption::Adopt),
        ("Adopt", Some("*"), Adoption::Adopt),
        ("Observe", None, Adoption::Observe),
    ] {
        let annotations: Vec<_> = allowed
            .map(|value| (annotation::ALLOW_ADOPT, value))
            .into_iter()
            .collect();
        let spec = json!({"logs": {"groups": [{"name": "/log", "adoptionPolicy": policy}]}});
        let desired = desired(spec, &rights(&annotations));
        assert_eq!(
            desired.log_groups[0].adoption, expected,
            "{policy} {allowed:?}"
        );
    }
}

#[test]
fn the_rule_default_needs_the_right_to_adopt_it() {
    for (annotations, policy, expected) in [
        (vec![], "Reject", None),
        (vec![(annotation::ALLOW_ADOPT, "other")], "Adopt", None),
        (
            vec![(annotation::ALLOW_ADOPT, "Default")],
            "Reject",
            Some(Adoption::Adopt),
        ),
        (
            vec![(annotation::ALLOW_ADOPT, "*")],
            "Adopt",
            Some(Adoption::Adopt),
        ),
        (
            vec![
                (annotation::ALLOW_ADOPT, "Default"),
                (annotation::ALLOWED_NAMES, "a"),
            ],
            "Adopt",
            None,
        ),
        (vec![], "Observe", Some(Adoption::Observe)),
    ] {
        let rule = json!({"name": "Default", "fixedRate": 0.5, "reservoirSize": 2, "adoptionPolicy": policy});
        let desired = desired(
            json!({"xray": {"samplingRules": [rule]}}),
            &rights(&annotations),
        );
        assert_eq!(
            desired.rules.first().map(|item| item.adoption),
            expected,
            "{annotations:?} {policy}"
        );
        assert_eq!(desired.refused.len(), usize::from(expected.is_none()));
        assert!(
            desired
                .refused
                .iter()
                .all(|refused| refused.reason == reason::NAME_NOT_ALLOWED)
        );
    }
}

#[test]
fn names_follow_the_service_unless_they_are_written() {
    let rule = |more: Value| {
        let mut rule = json!({"name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1});
        rule.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        json!({"service": {"name": "backend"}, "xray": {"samplingRules": [rule], "groups": [{"name": "g"}]}})
    };
    for (more, expected) in [(json!({}), "backend"), (json!({"serviceName": "*"}), "*")] {
        let desired = desired(rule(more), &Rights::default());
        let RuleSpec::Custom(custom) = &desired.rules[0].spec else {
            panic!("a custom rule")
        };
        assert_eq!(custom.service_name, expected);
        assert_eq!(
            [
                &custom.host,
                &custom.url_path,
                &custom.http_method,
                &custom.service_type,
                &custom.resource_arn
            ],
            ["*"; 5]
        );
        assert_eq!(
            desired.groups[0].spec.filter_expression.as_deref(),
            Some("service(\"backend\")")
        );
    }
    // Where a rule is only read, nothing is expected that was not written.
    let desired = desired(
        json!({"service": {"name": "backend"}, "xray": {
            "groups": [{"name": "g", "adoptionPolicy": "Observe"}],
            "samplingRules": [{"name": "r", "adoptionPolicy": "Observe"}],
        }}),
        &Rights::default(),
    );
    assert_eq!(desired.groups[0].spec.filter_expression, None);
    assert_eq!(
        desired.rules[0].spec,
        RuleSpec::Observed {
            fixed_rate: None,
            reservoir_size: None,
            priority: None
        }
    );
}

#[test]
fn what_an_entry_lacks_is_told_and_the_others_go_on() {
    let rule = json!({"name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1, "serviceName": "x"});
    let without = |field: &str| {
        let mut rule = rule.clone();
        rule.as_object_mut().expect("an object").remove(field);
        rule
    };
    for (xray, word, why) in [
        (
            json!({"groups": [{"name": "g"}]}),
            "no filterExpression",
            reason::INVALID,
        ),
        (
            json!({"groups": [{"name": "g", "filterExpression": "service(\"a\""}]}),
            "invalid filterExpression",
            reason::INVALID_FILTER_EXPRESSION,
        ),
        (
            json!({"samplingRules": [without("priority")]}),
            "no priority",
            reason::INVALID,
        ),
        (
            json!({"samplingRules": [without("fixedRate")]}),
            "no fixedRate",
            reason::INVALID,
        ),
        (
            json!({"samplingRules": [without("reservoirSize")]}),
            "no reservoirSize",
            reason::INVALID,
        ),
        (
            json!({"samplingRules": [without("serviceName")]}),
            "no serviceName",
            reason::INVALID,
        ),
    ] {
        let desired = desired(
            json!({"xray": xray, "logs": {"groups": [{"name": "/fine"}]}}),
            &Rights::default(),
        );
        let [refused] = &desired.refused[..] else {
            panic!("{:?}", desired.refused)
        };
        assert!(refused.message.contains(word), "{}", refused.message);
        assert_eq!(refused.reason, why);
        assert_eq!(desired.log_groups.len(), 1);
    }
}

#[test]
fn x_ray_objects_go_and_log_groups_stay_unless_it_is_written() {
    let spec = json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "a"}, {"name": "b", "deletionPolicy": "Retain"}],
            "samplingRules": [{"name": "a", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1}],
        },
        "logs": {"groups": [{"name": "/a"}, {"name": "/b", "deletionPolicy": "Delete"}]},
    });
    let desired = desired(spec, &Rights::default());
    let policies = |policies: Vec<DeletionPolicy>| policies;
    assert_eq!(
        policies(
            desired
                .groups
                .iter()
                .map(|item| item.deletion_policy)
                .collect()
        ),
        [DeletionPolicy::Delete, DeletionPolicy::Retain]
    );
    assert_eq!(
        policies(
            desired
                .rules
                .iter()
                .map(|item| item.deletion_policy)
                .collect()
        ),
        [DeletionPolicy::Delete]
    );
    assert_eq!(
        policies(
            desired
                .log_groups
                .iter()
                .map(|item| item.deletion_policy)
                .collect()
        ),
        [DeletionPolicy::Retain, DeletionPolicy::Delete]
    );
}

#[test]
fn a_profile_that_goes_declares_nothing() {
    let spec = json!({"service": {"name": "backend"}, "xray": {"groups": [{"name": "g"}]}, "logs": {"groups": [{"name": "/l"}]}});
    let mut leaving = profile(spec);
    leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    let desired = validate(&leaving, &Rights::default(), Some("eu-west-1"))
        .expect("region and role are fine");
    assert!(desired.deleting);
    assert_eq!(
        Kind::ALL
            .iter()
            .flat_map(|kind| desired.names(*kind))
            .count(),
        0
    );
}

#[test]
fn what_is_only_observed_must_exist_and_is_told_where_it_differs() {
    let spec = json!({"xray": {"groups": [{"name": "g", "filterExpression": "fault", "adoptionPolicy": "Observe"}]}});
    let desired = desired(spec, &Rights::default());
    let verdict = |observed: &Observed| {
        diff(&desired, observed, &Claims::default()).objects[0]
            .verdict
            .clone()
    };
    let with = |expression: &str| {
        let state = GroupState {
            filter_expression: expression.to_owned(),
            ..GroupState::default()
        };
        let seen = Seen {
            arn: "arn".to_owned(),
            state,
            tags: Tags::Unread,
        };
        Observed {
            groups: [("g".to_owned(), seen)].into(),
            ..Observed::default()
        }
    };
    assert_eq!(verdict(&with("fault")), Verdict::Synced);
    for (observed, why, sentence) in [
        (Observed::default(), reason::PENDING, "does not exist"),
        (
            with("error"),
            reason::DRIFTED,
            "filterExpression is error, not fault",
        ),
    ] {
        let verdict = verdict(&observed);
        let Verdict::Held {
            reason, message, ..
        } = &verdict
        else {
            panic!("{verdict:?}")
        };
        assert_eq!(*reason, why);
        assert!(message.contains(sentence), "{message}");
    }
}
