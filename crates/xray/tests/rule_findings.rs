//! Findings on sampling rules, and the order and matching that they rest on, for rules as people write them.

use tracewright_xray::contract::condition::reason;
use tracewright_xray::rule::{
    Client, FindingKind, Ignored, Request, RuleSet, SamplingRateBoost, SamplingRule, ServiceNames,
    equal_priorities, ignored, name_cannot_match, unreachable,
};

fn rule(name: &str, priority: i32) -> SamplingRule {
    SamplingRule {
        rule_name: name.to_owned(),
        priority,
        ..SamplingRule::factory_default()
    }
}

#[test]
fn a_rule_has_the_names_of_the_api() {
    // A record's rule as `GetSamplingRules` answers it, with every member.
    let json = serde_json::json!({
        "RuleName": "Cruddur",
        "RuleARN": "arn:aws:xray:us-east-1:123456789012:sampling-rule/Cruddur",
        "ResourceARN": "*",
        "Priority": 9000,
        "FixedRate": 0.1,
        "ReservoirSize": 5,
        "ServiceName": "backend-flask",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "*",
        "URLPath": "*",
        "Version": 1,
        "Attributes": {"tier": "gold"},
        "SamplingRateBoost": {"MaxRate": 0.5, "CooldownWindowMinutes": 10}
    });
    let rule: SamplingRule = serde_json::from_value(json.clone()).expect("the shape is the API's");
    assert_eq!(rule.http_method, "*");
    assert_eq!(
        rule.sampling_rate_boost,
        Some(SamplingRateBoost {
            max_rate: 0.5,
            cooldown_window_minutes: 10
        })
    );
    assert_eq!(serde_json::to_value(rule).expect("it is plain data"), json);
}

#[test]
fn rules_are_tried_by_priority_then_name_and_default_last() {
    let rules = RuleSet::new([
        SamplingRule::factory_default(),
        rule("b", 10),
        rule("a", 20),
        rule("Z", 10),
        rule("a2", 10),
    ]);
    let order: Vec<&str> = rules.rules().iter().map(|rule| &*rule.rule_name).collect();
    assert_eq!(order, ["Z", "a2", "b", "a", "Default"]);
}

#[test]
fn the_client_families_differ_as_documented() {
    let patterns = SamplingRule {
        host: "API.example.com".into(),
        ..rule("host", 1)
    };
    let arn = SamplingRule {
        resource_arn: "arn:aws:ecs:*".into(),
        ..rule("arn", 2)
    };
    let attributes = SamplingRule {
        attributes: [("tier".to_owned(), "g*".to_owned())].into(),
        ..rule("attributes", 3)
    };
    let version = SamplingRule {
        version: 2,
        ..rule("version", 4)
    };
    let set = RuleSet::new([
        patterns,
        arn,
        attributes,
        version,
        SamplingRule::factory_default(),
    ]);
    let base = Request {
        host: Some("www.example.com"),
        resource_arn: Some(""),
        ..Request::default()
    };
    for (request, sdk, otel) in [
        (base, "Default", "Default"),
        (
            Request {
                host: Some("api.EXAMPLE.com"),
                ..base
            },
            "host",
            "Default",
        ),
        (
            Request {
                host: Some("API.example.com"),
                ..base
            },
            "host",
            "host",
        ),
        (Request { host: None, ..base }, "host", "Default"),
        (
            Request {
                host: Some(""),
                ..base
            },
            "host",
            "Default",
        ),
        (
            Request {
                resource_arn: Some("arn:aws:ecs:x"),
                ..base
            },
            "Default",
            "arn",
        ),
        (
            Request {
                attributes: &[("tier", "gold")],
                ..base
            },
            "Default",
            "attributes",
        ),
        (
            Request {
                attributes: &[("tier", "silver")],
                ..base
            },
            "Default",
            "Default",
        ),
        (
            Request {
                attributes: &[("Tier", "gold")],
                ..base
            },
            "Default",
            "Default",
        ),
    ] {
        for (client, name) in [(Client::XRaySdk, sdk), (Client::OpenTelemetry, otel)] {
            let found = set
                .first_match(&request, client)
                .map(|rule| &*rule.rule_name);
            assert_eq!(found, Some(name), "{client:?} {request:?}");
        }
    }
    assert_eq!(RuleSet::default().first_match(&base, Client::XRaySdk), None);
}

#[test]
fn a_shadowed_rule_is_named_with_the_rule_that_shadows_it() {
    let api = SamplingRule {
        url_path: "/api/*".into(),
        ..rule("api", 100)
    };
    let home = SamplingRule {
        url_path: "/api/*/home".into(),
        http_method: "GET".into(),
        ..rule("home", 200)
    };
    let other = SamplingRule {
        url_path: "/login".into(),
        ..rule("other", 300)
    };
    let found = unreachable(&RuleSet::new([
        home,
        other,
        api,
        SamplingRule::factory_default(),
    ]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, FindingKind::Unreachable { by: "api".into() });
    assert_eq!(found[0].rule, "home");
    assert_eq!(found[0].clients, Client::ALL);
    assert_eq!(found[0].kind.reason(), reason::RULE_UNREACHABLE);
    assert_eq!(
        found[0].sentence(),
        "sampling rule `home` (priority 200) is never reached: `api` (priority 100) is tried before it and matches every \
         request that it matches; give `home` a priority below 100, or narrow `api`"
    );
}

#[test]
fn a_rule_shadowed_for_one_family_only_says_for_which() {
    let lower = SamplingRule {
        host: "api.*".into(),
        ..rule("lower", 1)
    };
    let upper = SamplingRule {
        host: "API.*".into(),
        ..rule("upper", 2)
    };
    let found = unreachable(&RuleSet::new([lower, upper]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].clients, [Client::XRaySdk]);
    assert!(
        found[0]
            .sentence()
            .contains("never reached by X-Ray SDKs: `lower`"),
        "{}",
        found[0]
    );
    assert!(
        found[0]
            .sentence()
            .ends_with("give `lower` a priority above 2, or narrow it"),
        "{}",
        found[0]
    );

    // A rule that SDKs ignore shadows nothing for them.
    let gold = SamplingRule {
        attributes: [("tier".to_owned(), "*".to_owned())].into(),
        ..rule("gold", 1)
    };
    let narrow = SamplingRule {
        attributes: [
            ("tier".to_owned(), "g*".to_owned()),
            ("x".to_owned(), "y".to_owned()),
        ]
        .into(),
        ..rule("narrow", 2)
    };
    let plain = rule("plain", 3);
    let found = unreachable(&RuleSet::new([gold, narrow, plain]));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&*found[0].rule, &found[0].clients[..]),
        ("narrow", &[Client::OpenTelemetry][..])
    );
    // SDKs do not reach it either: they ignore it.
    assert!(
        found[0].sentence().contains("is never reached: `gold`"),
        "{}",
        found[0]
    );
}

#[test]
fn an_empty_or_missing_value_counts_where_the_family_counts_it() {
    let host = |pattern: &str, priority| SamplingRule {
        host: pattern.to_owned(),
        ..rule(&format!("host {pattern:?}"), priority)
    };
    for (earlier, later, clients) in [
        // To SDKs an empty host is none, and none matches every pattern: only hosts with a letter tell the two apart.
        ("?*", "*", &[Client::XRaySdk][..]),
        ("anything", "", &[Client::XRaySdk][..]),
        // To OpenTelemetry no host matches `*` alone.
        ("**", "*", &[Client::XRaySdk][..]),
        ("*", "**", Client::ALL),
    ] {
        let found = unreachable(&RuleSet::new([host(earlier, 1), host(later, 2)]));
        let clients_found: Vec<_> = found
            .iter()
            .flat_map(|finding| &finding.clients)
            .copied()
            .collect();
        assert_eq!(clients_found, clients, "{earlier} before {later}");
    }
}

#[test]
fn a_rule_that_matches_everything_shadows_default() {
    let found = unreachable(&RuleSet::new([
        rule("all", 5),
        SamplingRule::factory_default(),
    ]));
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .sentence()
            .ends_with("narrow `all` if the rate of `Default` is to count"),
        "{}",
        found[0]
    );
}

#[test]
fn equal_priorities_are_reported_in_the_order_of_trial() {
    let found = equal_priorities(&RuleSet::new([
        rule("c", 7),
        rule("a", 7),
        rule("b", 7),
        rule("d", 8),
    ]));
    let pairs: Vec<_> = found
        .iter()
        .map(|finding| (&*finding.rule, finding.kind.clone()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("a", FindingKind::EqualPriority { with: "b".into() }),
            ("b", FindingKind::EqualPriority { with: "c".into() }),
        ]
    );
    assert!(
        found[0]
            .sentence()
            .contains("`a` and `b` both have priority 7"),
        "{}",
        found[0]
    );
}

#[test]
fn rules_that_clients_ignore_are_reported_with_the_field() {
    let rules = RuleSet::new([
        SamplingRule {
            version: 2,
            ..rule("version", 1)
        },
        SamplingRule {
            resource_arn: "arn:*".into(),
            ..rule("arn", 2)
        },
        SamplingRule {
            attributes: [("a".to_owned(), "b".to_owned())].into(),
            ..rule("attributes", 3)
        },
        SamplingRule {
            service_type: String::new(),
            ..rule("type", 4)
        },
        rule("fine", 5),
    ]);
    let found: Vec<_> = ignored(&rules)
        .into_iter()
        .map(|finding| (finding.rule, finding.kind, finding.clients))
        .collect();
    let sdk = || vec![Client::XRaySdk];
    assert_eq!(
        found,
        [
            (
                "version".to_owned(),
                FindingKind::Ignored(Ignored::Version),
                Client::ALL.to_vec()
            ),
            (
                "arn".to_owned(),
                FindingKind::Ignored(Ignored::ResourceArn),
                sdk()
            ),
            (
                "attributes".to_owned(),
                FindingKind::Ignored(Ignored::Attributes),
                sdk()
            ),
            (
                "type".to_owned(),
                FindingKind::Ignored(Ignored::ServiceType),
                sdk()
            ),
        ]
    );
}

#[test]
fn the_journal_s_dynamic_naming_keeps_its_rule_from_matching() {
    let cruddur = SamplingRule {
        service_name: "backend-flask".into(),
        ..rule("Cruddur", 9000)
    };
    let rules = RuleSet::new([cruddur, rule("any", 9500), SamplingRule::factory_default()]);
    let plain = ServiceNames {
        name: "backend-flask",
        dynamic: None,
    };
    assert_eq!(name_cannot_match(&rules, plain), []);

    let journal = ServiceNames {
        dynamic: Some("*4567-omar.gitpod.io*"),
        ..plain
    };
    let found = name_cannot_match(&rules, journal);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&*found[0].rule, &found[0].clients[..]),
        ("Cruddur", &[Client::XRaySdk][..])
    );
    assert!(
        found[0].sentence().starts_with("dynamic naming calls"),
        "{}",
        found[0]
    );

    let anywhere = ServiceNames {
        dynamic: Some("*"),
        ..plain
    };
    assert_eq!(name_cannot_match(&rules, anywhere), []);

    let renamed = ServiceNames {
        name: "backend",
        dynamic: None,
    };
    let found = name_cannot_match(&rules, renamed);
    assert_eq!(found[0].clients, Client::ALL);
    assert!(
        found[0].sentence().ends_with("write serviceName: backend"),
        "{}",
        found[0]
    );

    let cased = ServiceNames {
        name: "Backend-Flask",
        dynamic: None,
    };
    let found = name_cannot_match(&rules, cased);
    assert_eq!(found[0].clients, [Client::OpenTelemetry]);
}
