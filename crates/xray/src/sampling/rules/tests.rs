//! Rules against their definition, decisions against the X-Ray SDK for Python.

use super::super::wire::SamplingRules;
use super::*;
use proptest::prelude::*;

fn rule(name: &str, priority: i32) -> SamplingRule {
    SamplingRule {
        rule_name: name.into(),
        priority,
        fixed_rate: 0.1,
        reservoir_size: 5,
        ..SamplingRule::factory_default()
    }
}

fn load(rules: impl IntoIterator<Item = SamplingRule>) -> Rules {
    Rules::load(&Rules::default(), rules, 1_000)
}

fn matched(rules: &Rules, request: &Request<'_>) -> Option<String> {
    rules
        .decide(request, 1_000, || 1.0)
        .map(|decision| decision.rule.to_string())
}

#[test]
fn the_service_s_answer_is_read() {
    let answer: SamplingRules = serde_json::from_str(
        r#"{"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"Cruddur","RuleARN":"arn:aws:xray:us-east-1:1:sampling-rule/Cruddur",
        "ResourceARN":"*","Priority":9000,"FixedRate":0.1,"ReservoirSize":5,"ServiceName":"backend-flask","ServiceType":"*","Host":"*",
        "HTTPMethod":"*","URLPath":"*","Version":1,"Attributes":{}},"CreatedAt":1.7e9,"ModifiedAt":1.7e9},{"SamplingRule":{}}],"NextToken":null}"#,
    )
    .unwrap();
    let rules: Vec<SamplingRule> = answer.rules().collect();
    assert_eq!(
        rules.len(),
        1,
        "the record without a rule's members is left out"
    );
    assert_eq!(
        (&*rules[0].rule_name, &*rules[0].service_name),
        ("Cruddur", "backend-flask")
    );
    assert_eq!(load(rules).len(), 1);
}

#[test]
fn rules_of_other_kinds_are_skipped() {
    let skipped = [
        SamplingRule {
            version: 2,
            ..rule("a", 1)
        },
        SamplingRule {
            resource_arn: "arn:*".into(),
            ..rule("b", 1)
        },
        SamplingRule {
            service_type: String::new(),
            ..rule("c", 1)
        },
        SamplingRule {
            attributes: [("k".into(), "v".into())].into(),
            ..rule("d", 1)
        },
    ];
    assert_eq!(load(skipped).len(), 0);
}

#[test]
fn the_lowest_priority_wins_and_names_break_ties() {
    let rules = load([
        rule("b", 5),
        rule("Default", 10_000),
        rule("a", 5),
        rule("z", 1),
    ]);
    assert_eq!(matched(&rules, &Request::default()), Some("z".into()));
    let rules = load([rule("b", 5), rule("a", 5)]);
    assert_eq!(matched(&rules, &Request::default()), Some("a".into()));
}

#[test]
fn default_matches_by_name() {
    let default = SamplingRule {
        service_name: "other".into(),
        ..rule("Default", 10_000)
    };
    let special = SamplingRule {
        service_name: "special".into(),
        ..rule("Special", 1)
    };
    let rules = load([default, special]);
    let request = |service| Request {
        service: Some(service),
        ..Request::default()
    };
    assert_eq!(matched(&rules, &request("special")), Some("Special".into()));
    assert_eq!(matched(&rules, &request("mine")), Some("Default".into()));
}

#[test]
fn no_match_and_old_rules_decide_nothing() {
    let rules = load([SamplingRule {
        host: "other".into(),
        ..rule("a", 1)
    }]);
    assert_eq!(
        matched(
            &rules,
            &Request {
                host: Some("mine"),
                ..Request::default()
            }
        ),
        None
    );
    let rules = load([rule("a", 1)]);
    assert!(
        rules
            .decide(&Request::default(), 1_000 + RULES_TTL_SECONDS, || 1.0)
            .is_some()
    );
    assert!(
        rules
            .decide(&Request::default(), 1_001 + RULES_TTL_SECONDS, || 1.0)
            .is_none()
    );
    assert!(
        Rules::default()
            .decide(&Request::default(), 0, || 1.0)
            .is_none()
    );
}

#[test]
fn borrowed_then_by_rate_then_by_quota_and_all_of_it_is_counted() {
    let rules = load([rule("a", 1)]);
    let sampled = |now, luck| {
        rules
            .decide(&Request::default(), now, || luck)
            .unwrap()
            .sampled
    };
    assert!(sampled(1_000, 0.9), "borrowed");
    assert!(!sampled(1_000, 0.11));
    assert!(sampled(1_000, 0.1), "the rate is inclusive");
    let statistics = rules.take_statistics("c", 1_000);
    assert_eq!(
        serde_json::to_value(&statistics).unwrap(),
        serde_json::json!([{
            "RuleName": "a", "ClientID": "c", "RequestCount": 3, "BorrowCount": 1, "SampledCount": 1, "Timestamp": 1_000,
        }])
    );
    assert_eq!(rules.take_statistics("c", 1_010), [], "they were reset");
    rules.apply_targets(&[SamplingTarget {
        rule_name: "a".into(),
        fixed_rate: Some(0.0),
        reservoir_quota: Some(1),
        reservoir_quota_ttl: Some(1_100.0),
        interval: None,
    }]);
    assert!(sampled(1_010, 0.5), "quota");
    assert!(!sampled(1_010, 0.5));
    let statistics = rules.take_statistics("c", 1_020);
    assert_eq!(
        (
            statistics[0].request_count,
            statistics[0].borrow_count,
            statistics[0].sampled_count
        ),
        (2, 0, 1)
    );
}

#[test]
fn a_rule_without_a_reservoir_borrows_nothing() {
    let rules = load([SamplingRule {
        reservoir_size: 0,
        ..rule("a", 1)
    }]);
    assert!(
        !rules
            .decide(&Request::default(), 1_000, || 0.5)
            .unwrap()
            .sampled
    );
}

#[test]
fn another_load_keeps_counters_and_quota_of_a_rule_and_takes_its_new_rate() {
    let first = load([rule("a", 1), rule("b", 2)]);
    let quota = SamplingTarget {
        rule_name: "a".into(),
        fixed_rate: Some(0.9),
        reservoir_quota: Some(1),
        reservoir_quota_ttl: Some(9_999.0),
        ..SamplingTarget::default()
    };
    first.apply_targets(&[quota]);
    assert!(
        first
            .decide(&Request::default(), 1_000, || 1.0)
            .unwrap()
            .sampled
    );
    let second = Rules::load(&first, [rule("a", 1)], 1_300);
    assert!(
        !second
            .decide(&Request::default(), 1_000, || 0.2)
            .unwrap()
            .sampled,
        "the quota is used up, the rate 0.1 again"
    );
    assert_eq!(second.take_statistics("c", 1_300)[0].request_count, 2);
    assert_eq!(second.loaded_at(), 1_300);
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), "[ab]{0,2}[*?]?[ab]?"]
}

proptest! {
    /// The matcher against the definition: the first rule, in order, all of whose patterns match what is known.
    #[test]
    fn the_first_matching_rule_is_found(
        rules in proptest::collection::vec((1i32..4, pattern(), pattern(), pattern(), pattern(), pattern()), 1..80),
        request in proptest::collection::vec(proptest::option::of("[abA]{0,3}"), 5),
    ) {
        let rules: Vec<SamplingRule> = rules
            .into_iter()
            .enumerate()
            .map(|(n, (priority, host, http_method, url_path, service_name, service_type))| SamplingRule {
                host, http_method, url_path, service_name,
                service_type: if service_type.is_empty() { "*".into() } else { service_type },
                ..rule(&format!("rule {n:03}"), priority)
            })
            .collect();
        let request = Request {
            host: request[0].as_deref(),
            method: request[1].as_deref(),
            path: request[2].as_deref(),
            service: request[3].as_deref(),
            service_type: request[4].as_deref(),
            ..Request::default()
        };
        let set = RuleSet::new(rules.clone());
        let expected = set.first_match(&request, Client::XRaySdk).map(|rule| rule.rule_name.clone());
        prop_assert_eq!(matched(&load(rules), &request), expected);
    }

    /// Against a model that follows the X-Ray SDK for Python line by line.
    #[test]
    fn decisions_and_counts_are_the_sdk_s(
        size in 0i32..2,
        rate in 0.0f64..=1.0,
        steps in proptest::collection::vec(
            (0u32..3, 0.0f64..1.0, proptest::option::weighted(0.1, (proptest::option::of(0u32..3), proptest::option::of(990u32..1_040)))),
            1..60,
        ),
    ) {
        let rules = load([SamplingRule { reservoir_size: size, fixed_rate: rate, ..rule("a", 1) }]);
        let (mut quota, mut ttl) = (None, None);
        let (mut second, mut taken, mut borrowed) = (0, 0, 0);
        let (mut borrow_count, mut sampled_count) = (0, 0);
        let mut now = 1_000;
        let count = steps.len();
        for (later, luck, target) in steps {
            now += later;
            if let Some((new_quota, new_ttl)) = target {
                rules.apply_targets(&[SamplingTarget {
                    rule_name: "a".into(),
                    reservoir_quota: new_quota,
                    reservoir_quota_ttl: new_ttl.map(f64::from),
                    ..SamplingTarget::default()
                }]);
                quota = new_quota.or(quota);
                ttl = new_ttl.or(ttl);
            }
            if now != second {
                (second, taken, borrowed) = (now, 0, 0);
            }
            let expected = match (quota, ttl) {
                (Some(quota), Some(ttl)) if ttl >= now => {
                    if taken < quota { taken += 1; sampled_count += 1; true } else { luck <= rate && { sampled_count += 1; true } }
                }
                _ if size > 0 && borrowed < 1 => { borrowed += 1; borrow_count += 1; true }
                _ => luck <= rate && { sampled_count += 1; true },
            };
            prop_assert_eq!(rules.decide(&Request::default(), now, || luck).unwrap().sampled, expected);
        }
        let statistics = rules.take_statistics("c", now);
        prop_assert_eq!(statistics[0].request_count, count as u64);
        prop_assert_eq!((statistics[0].borrow_count, statistics[0].sampled_count), (borrow_count, sampled_count));
    }
}
