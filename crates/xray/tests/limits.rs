//! The bounds at their edges, and the sentences beyond them.

use tracewright_xray::filter;
use tracewright_xray::limits::{self, LimitError};
use tracewright_xray::rule::{SamplingRateBoost, SamplingRule};

/// Accepted texts, and refused ones with what their sentence says.
struct Case<'a> {
    check: fn(&str) -> Result<(), LimitError>,
    accepted: &'a [&'a str],
    refused: &'a [(&'a str, &'a str)],
}

#[test]
fn names_are_accepted_up_to_their_bounds_and_refused_beyond_with_a_sentence() {
    let (n32, n33) = ("a".repeat(32), "a".repeat(33));
    let (n64, n65) = ("b".repeat(64), "b".repeat(65));
    let (n512, n513) = ("c".repeat(512), "c".repeat(513));
    let umlauts = "ü".repeat(32);
    let cases = [
        Case {
            check: limits::check_group_name,
            accepted: &["Cruddur", "a", &n32, "default", "A-1"],
            refused: &[
                ("", "is 0 characters long; write 1 to 32"),
                (&n33, "is 33 characters long; write 1 to 32"),
                ("Default", "must not be \"Default\""),
                (
                    "high_latency",
                    "has the character '_'; write only A-Z a-z 0-9 -",
                ),
                ("a b", "has the character ' '"),
            ],
        },
        Case {
            check: limits::check_rule_name,
            accepted: &["Default", "Cruddur rule", &n32, &umlauts],
            refused: &[
                ("", "is 0 characters long"),
                (&n33, "is 33 characters long"),
                (" a", "begins or ends with a space; remove it"),
            ],
        },
        Case {
            check: limits::check_service_name,
            accepted: &["backend-flask", "a b_.:/%&#=+-@9", &n64],
            refused: &[
                ("", "is 0 characters long; write 1 to 64"),
                (&n65, "is 65 characters long"),
                (
                    "a\\b",
                    "has the character '\\\\'; write only A-Z a-z 0-9 space _ . : / % & # = + - @",
                ),
                ("a\"b", "has the character '\"'"),
                ("a*", "has the character '*'"),
                ("a ", "begins or ends with a space"),
            ],
        },
        Case {
            check: limits::check_log_group_name,
            accepted: &["cruddur", "/aws/x.y-z_1#2", &n512, "awsome"],
            refused: &[
                ("", "write 1 to 512"),
                (&n513, "is 513 characters long"),
                ("aws/lambda", "must not begin with \"aws/\""),
                ("a:b", "has the character ':'"),
            ],
        },
        Case {
            check: limits::check_log_stream_name,
            accepted: &["pod-1/backend-flask", "é x", &n512],
            refused: &[
                ("", "write 1 to 512"),
                (&n513, "is 513 characters long"),
                ("a:b", "has the character ':'; write any but : and *"),
                ("a*b", "has the character '*'"),
            ],
        },
    ];
    for case in cases {
        for name in case.accepted {
            assert_eq!((case.check)(name), Ok(()), "{name}");
        }
        for (name, sentence) in case.refused {
            let error = (case.check)(name).expect_err(name).to_string();
            assert!(error.contains(sentence), "{name}: {error}");
        }
    }
}

#[test]
fn a_service_name_can_be_written_into_a_filter_expression_as_it_is() {
    let every: String = ('!'..='~')
        .chain([' '])
        .filter(|c| limits::check_service_name(&format!("a{c}a")).is_ok())
        .collect();
    let name = format!("a{every}a");
    let parsed = filter::parse(&format!("service(\"{name}\")")).expect("nothing needs an escape");
    assert!(filter::services(&parsed.expression).contains(name.as_str()));
}

#[test]
fn only_the_retentions_of_cloudwatch_logs_are_accepted() {
    let accepted: Vec<i32> = (-10..4_000)
        .filter(|days| limits::check_retention_days(*days).is_ok())
        .collect();
    assert_eq!(accepted, limits::RETENTION_DAYS);
    for (days, write) in [
        (0, "write 1"),
        (2, "write 1 or 3"),
        (366, "write 365 or 400"),
        (9_999, "write 3653"),
    ] {
        let error = limits::check_retention_days(days)
            .expect_err("not one of them")
            .to_string();
        assert!(error.ends_with(write), "{error}");
    }
}

#[test]
fn tags_are_bounded_and_aws_keeps_its_prefix() {
    let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
    let tags = |count: usize| many[..count].iter().map(|key| (key.as_str(), ""));
    assert_eq!(limits::check_tags(tags(50)), Ok(()));
    let too_many = limits::check_tags(tags(51))
        .expect_err("one too many")
        .to_string();
    assert_eq!(too_many, "there are 51 tags; 50 is the most");
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    for tag in [
        ("", "x"),
        (&*key, "x"),
        ("k", &*value),
        ("aws:x", "x"),
        ("AWS:x", "x"),
    ] {
        assert!(limits::check_tags([tag]).is_err(), "{tag:?}");
    }
    assert_eq!(limits::check_tags([(&key[1..], &value[1..])]), Ok(()));
}

#[test]
fn each_field_of_a_rule_is_bounded() {
    let base = || SamplingRule {
        rule_name: "Cruddur".into(),
        priority: 9_999,
        fixed_rate: 1.0,
        reservoir_size: 0,
        ..SamplingRule::factory_default()
    };
    assert_eq!(limits::check_rule(&base()), Ok(()));
    assert_eq!(limits::check_rule(&SamplingRule::factory_default()), Ok(()));

    let attributes = |count: usize, key: usize, value: usize| {
        let key = |n: usize| format!("{n}{}", "k".repeat(key - 1));
        (0..count).map(|n| (key(n), "v".repeat(value))).collect()
    };
    assert_eq!(
        limits::check_rule(&SamplingRule {
            attributes: attributes(5, 32, 32),
            ..base()
        }),
        Ok(())
    );
    let boost = |max_rate, cooldown_window_minutes| {
        Some(SamplingRateBoost {
            max_rate,
            cooldown_window_minutes,
        })
    };
    let refused = [
        (
            SamplingRule {
                rule_name: String::new(),
                ..base()
            },
            "a sampling rule's name is 0",
        ),
        (
            SamplingRule {
                priority: 0,
                ..base()
            },
            "priority is 0; write 1 to 9999",
        ),
        (
            SamplingRule {
                priority: 10_000,
                ..base()
            },
            "priority is 10000; write 1 to 9999",
        ),
        (
            SamplingRule {
                fixed_rate: 1.01,
                ..base()
            },
            "fixedRate is 1.01; write a share from 0 to 1",
        ),
        (
            SamplingRule {
                fixed_rate: -0.1,
                ..base()
            },
            "fixedRate is -0.1",
        ),
        (
            SamplingRule {
                fixed_rate: f64::NAN,
                ..base()
            },
            "fixedRate is NaN",
        ),
        (
            SamplingRule {
                reservoir_size: -1,
                ..base()
            },
            "reservoirSize is -1; write 0 or more",
        ),
        (
            SamplingRule {
                service_name: "s".repeat(65),
                ..base()
            },
            "serviceName is 65",
        ),
        (
            SamplingRule {
                service_type: "s".repeat(65),
                ..base()
            },
            "serviceType is 65",
        ),
        (
            SamplingRule {
                host: "s".repeat(65),
                ..base()
            },
            "host is 65",
        ),
        (
            SamplingRule {
                http_method: "s".repeat(11),
                ..base()
            },
            "httpMethod is 11",
        ),
        (
            SamplingRule {
                url_path: "s".repeat(129),
                ..base()
            },
            "urlPath is 129",
        ),
        (
            SamplingRule {
                resource_arn: "s".repeat(501),
                ..base()
            },
            "resourceArn is 501",
        ),
        (
            SamplingRule {
                attributes: attributes(6, 1, 1),
                ..base()
            },
            "there are 6 attributes; 5 is the most",
        ),
        (
            SamplingRule {
                attributes: attributes(1, 33, 1),
                ..base()
            },
            "a key of attributes is 33",
        ),
        (
            SamplingRule {
                attributes: attributes(1, 1, 33),
                ..base()
            },
            "a value of attributes is 33",
        ),
        (
            SamplingRule {
                attributes: attributes(1, 1, 0),
                ..base()
            },
            "a value of attributes is 0",
        ),
        (
            SamplingRule {
                version: 2,
                ..base()
            },
            "version is 2; write 1",
        ),
        (
            SamplingRule {
                sampling_rate_boost: boost(1.5, 1),
                ..base()
            },
            "rateBoost.maxRate is 1.5",
        ),
        (
            SamplingRule {
                sampling_rate_boost: boost(0.5, 0),
                ..base()
            },
            "rateBoost.cooldownWindowMinutes is 0",
        ),
    ];
    for (rule, sentence) in refused {
        let errors = limits::check_rule(&rule).expect_err(sentence);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].to_string().starts_with(sentence), "{}", errors[0]);
    }
}
