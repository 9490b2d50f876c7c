//! What neither schema nor rules can see: filter expressions, fields that do not go together, and profiles that get in
//! each other's way.

use std::collections::{BTreeMap, HashMap};

use tracewright_core::advice::{advise, declared_rules};
use tracewright_core::crd::{AdoptionPolicy, ObservabilityProfile, Otlp, Protocol, SamplerType};
use tracewright_core::field::FieldPath;
use tracewright_core::identity::Kind;
use tracewright_xray::contract::condition::reason as condition;
use tracewright_xray::filter;
use tracewright_xray::rule::SamplingRule;

use super::finding::{Level, reason};

/// The ports that OTLP is assigned. (OpenTelemetry Protocol specification, "Default Port".)
const OTLP_GRPC_PORT: &str = "4317";
const OTLP_HTTP_PORT: &str = "4318";

/// A finding that has no place yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Remark {
    /// Whether it keeps the profile from working.
    pub level: Level,
    /// A word for programs.
    pub reason: &'static str,
    /// The field.
    pub field: FieldPath,
    /// What is wrong and what to do about it.
    pub message: String,
    /// The text in question with a caret below the place.
    pub excerpt: Option<String>,
}

impl Remark {
    fn warning(reason: &'static str, field: FieldPath, message: String) -> Self {
        Self {
            level: Level::Warning,
            reason,
            field,
            message,
            excerpt: None,
        }
    }
}

/// What there is to say of each profile; those of one account and region are looked at together.
#[must_use]
pub fn remarks(profiles: &[&ObservabilityProfile]) -> Vec<Vec<Remark>> {
    let mut remarks: Vec<Vec<Remark>> = profiles.iter().map(|profile| about(profile)).collect();
    // The first declaration of a name counts; that there are more is told apart.
    let mut rules: HashMap<Account, BTreeMap<String, SamplingRule>> = HashMap::new();
    for profile in profiles {
        let account = rules.entry(Account::of(profile)).or_default();
        for rule in declared_rules(&profile.spec) {
            account.entry(rule.rule_name.clone()).or_insert(rule);
        }
    }
    for (remarks, profile) in remarks.iter_mut().zip(profiles) {
        let account: Vec<_> = rules[&Account::of(profile)].values().cloned().collect();
        let advice = advise(&profile.spec, &account).into_iter();
        remarks.extend(
            advice.map(|advice| Remark::warning(advice.reason, advice.field, advice.message)),
        );
    }
    for (index, remark) in declared_twice(profiles) {
        remarks[index].push(remark);
    }
    remarks
}

fn about(profile: &ObservabilityProfile) -> Vec<Remark> {
    let spec = &profile.spec;
    let groups = spec
        .xray
        .as_ref()
        .map_or(&[][..], |xray| &xray.groups)
        .iter()
        .enumerate();
    let expressions =
        groups.filter_map(|(index, group)| Some((index, group.filter_expression.as_deref()?)));
    let mut remarks: Vec<_> = expressions
        .flat_map(|(index, expression)| {
            about_expression(
                FieldPath::of("spec.xray.groups")
                    .index(index)
                    .field("filterExpression"),
                expression,
            )
        })
        .collect();
    remarks.extend(
        spec.traces
            .as_ref()
            .and_then(|traces| port_of_another_protocol(traces.otlp.as_ref()?)),
    );
    remarks.extend(sampler_without_receiver(profile));
    remarks
}

fn about_expression(field: FieldPath, expression: &str) -> Vec<Remark> {
    match filter::parse(expression) {
        Err(error) => vec![Remark {
            level: Level::Error,
            reason: condition::INVALID_FILTER_EXPRESSION,
            field,
            message: error.to_string(),
            excerpt: Some(error.caret().to_owned()),
        }],
        Ok(parsed) => parsed
            .warnings
            .iter()
            .map(|warning| Remark {
                excerpt: Some(warning.caret(expression)),
                ..Remark::warning(
                    reason::FILTER_EXPRESSION,
                    field.clone(),
                    warning.to_string(),
                )
            })
            .collect(),
    }
}

fn port_of_another_protocol(otlp: &Otlp) -> Option<Remark> {
    let authority = otlp.endpoint.split_once("://")?.1.split('/').next()?;
    let (_, port) = authority.rsplit_once(':')?;
    let is_grpc = otlp.protocol == Protocol::Grpc;
    let message = match port {
        OTLP_GRPC_PORT if !is_grpc => format!(
            "port {OTLP_GRPC_PORT} is where OTLP receivers take gRPC, but the protocol is OTLP over HTTP: write port \
             {OTLP_HTTP_PORT}, or protocol: grpc"
        ),
        OTLP_HTTP_PORT if is_grpc => format!(
            "port {OTLP_HTTP_PORT} is where OTLP receivers take HTTP, but the protocol is grpc: write port \
             {OTLP_GRPC_PORT}, or protocol: http/protobuf"
        ),
        _ => return None,
    };
    Some(Remark::warning(
        reason::OTLP_PORT,
        FieldPath::of("spec.traces.otlp.endpoint"),
        message,
    ))
}

fn sampler_without_receiver(profile: &ObservabilityProfile) -> Option<Remark> {
    let sampler = profile.spec.traces.as_ref()?.sampler.as_ref()?;
    let receiver = profile
        .spec
        .xray
        .as_ref()
        .and_then(|xray| xray.receiver.as_ref());
    let endpoint = sampler
        .argument
        .as_ref()
        .is_some_and(|argument| argument.contains("endpoint="));
    if sampler.type_ != SamplerType::Xray || receiver.is_some() || endpoint {
        return None;
    }
    let message = "the xray sampler asks a receiver for the sampling rules, and the profile declares none: unless the \
                   operator has a default receiver, write spec.xray.receiver, or argument: endpoint=http://<host>:2000";
    Some(Remark::warning(
        reason::SAMPLER_WITHOUT_RECEIVER,
        FieldPath::of("spec.traces.sampler.type"),
        message.to_owned(),
    ))
}

/// Where AWS objects of a profile live, as far as the profile says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Account {
    region: Option<String>,
    role_arn: Option<String>,
}

impl Account {
    fn of(profile: &ObservabilityProfile) -> Self {
        let aws = profile.spec.aws.clone().unwrap_or_default();
        Self {
            region: aws.region,
            role_arn: aws.role_arn,
        }
    }
}

/// AWS objects that a later profile declares although an earlier one does. Any number of profiles may observe one.
fn declared_twice(profiles: &[&ObservabilityProfile]) -> Vec<(usize, Remark)> {
    let mut first: HashMap<(Account, Kind, &str), &ObservabilityProfile> = HashMap::new();
    let mut remarks = Vec::new();
    for (index, profile) in profiles.iter().enumerate() {
        for (kind, name, field) in managed(profile) {
            let holder = *first
                .entry((Account::of(profile), kind, name))
                .or_insert(profile);
            if std::ptr::eq(holder, *profile) {
                continue;
            }
            let (noun, holder) = (kind.noun(), reference(holder));
            let message = format!(
                "{noun} {name} is declared by profile {holder} too, in the same account and region: one of the two will \
                 report Conflict; choose another name, or write adoptionPolicy: Observe"
            );
            remarks.push((
                index,
                Remark::warning(reason::DECLARED_TWICE, field, message),
            ));
        }
    }
    remarks
}

fn managed(profile: &ObservabilityProfile) -> Vec<(Kind, &str, FieldPath)> {
    let spec = &profile.spec;
    let (groups, rules) = spec.xray.as_ref().map_or((&[][..], &[][..]), |xray| {
        (&xray.groups, &xray.sampling_rules)
    });
    let log_groups = spec.logs.as_ref().map_or(&[][..], |logs| &logs.groups);
    let groups = groups.iter().map(|group| {
        (
            Kind::Group,
            "spec.xray.groups",
            &group.name,
            group.adoption_policy,
        )
    });
    let rules = rules.iter().map(|rule| {
        (
            Kind::SamplingRule,
            "spec.xray.samplingRules",
            &rule.name,
            rule.adoption_policy,
        )
    });
    let log_groups = log_groups.iter().map(|group| {
        (
            Kind::LogGroup,
            "spec.logs.groups",
            &group.name,
            group.adoption_policy,
        )
    });
    let numbered = groups
        .enumerate()
        .chain(rules.enumerate())
        .chain(log_groups.enumerate());
    numbered
        .filter(|(_, (_, _, _, policy))| *policy != AdoptionPolicy::Observe)
        .map(|(index, (kind, list, name, _))| {
            (
                kind,
                name.as_str(),
                FieldPath::of(list).index(index).field("name"),
            )
        })
        .collect()
}

/// `namespace/name`, or the name alone where the namespace is left to kubectl.
#[must_use]
pub fn reference(profile: &ObservabilityProfile) -> String {
    let name = profile
        .metadata
        .name
        .as_deref()
        .or(profile.metadata.generate_name.as_deref())
        .unwrap_or("?");
    match &profile.metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn profile(name: &str, spec: Value) -> ObservabilityProfile {
        let spec = serde_json::from_value(spec).expect("the test's profile is well formed");
        ObservabilityProfile::new(name, spec)
    }

    fn reasons(profiles: &[ObservabilityProfile]) -> Vec<Vec<(&'static str, String)>> {
        let profiles: Vec<_> = profiles.iter().collect();
        let remarks = remarks(&profiles).into_iter();
        let told = |remark: Remark| (remark.reason, remark.field.to_string());
        remarks
            .map(|remarks| remarks.into_iter().map(told).collect())
            .collect()
    }

    fn alone(spec: Value) -> Vec<(&'static str, String)> {
        reasons(&[profile("a", spec)]).remove(0)
    }

    #[test]
    fn a_broken_filter_expression_is_an_error_with_a_caret() {
        let spec = json!({"xray": {"groups": [
            {"name": "ok", "filterExpression": "responsetime > 5"},
            {"name": "broken", "filterExpression": "responsetime > \"5\""},
        ]}});
        let remarks = about(&profile("a", spec));
        assert_eq!(remarks.len(), 1);
        assert_eq!(remarks[0].level, Level::Error);
        assert_eq!(remarks[0].reason, "InvalidFilterExpression");
        assert_eq!(
            remarks[0].field.to_string(),
            "spec.xray.groups[1].filterExpression"
        );
        assert_eq!(
            remarks[0].excerpt.as_deref(),
            Some("responsetime > \"5\"\n               ^")
        );
    }

    #[test]
    fn an_unknown_keyword_is_a_warning_with_a_caret() {
        let spec =
            json!({"xray": {"groups": [{"name": "g", "filterExpression": "response_time > 5"}]}});
        let remarks = about(&profile("a", spec));
        assert_eq!(
            (remarks[0].level, remarks[0].reason),
            (Level::Warning, reason::FILTER_EXPRESSION)
        );
        assert_eq!(remarks[0].excerpt.as_deref(), Some("response_time > 5\n^"));
    }

    #[test]
    fn ports_and_protocols_of_otlp_go_together() {
        for (endpoint, protocol, told) in [
            ("http://collector:4317", None, true),
            ("http://collector:4317/", Some("http/json"), true),
            ("http://collector:4317", Some("grpc"), false),
            ("http://collector:4318", Some("grpc"), true),
            ("http://[::1]:4318/base", Some("grpc"), true),
            ("http://collector:4318", None, false),
            ("https://api.honeycomb.io", Some("grpc"), false),
            ("https://api.honeycomb.io:443", None, false),
        ] {
            let mut otlp = json!({"endpoint": endpoint});
            if let Some(protocol) = protocol {
                otlp["protocol"] = json!(protocol);
            }
            let found = alone(json!({"traces": {"otlp": otlp}}));
            let expected =
                told.then(|| (reason::OTLP_PORT, "spec.traces.otlp.endpoint".to_owned()));
            assert_eq!(found, Vec::from_iter(expected), "{endpoint} {protocol:?}");
        }
    }

    #[test]
    fn the_xray_sampler_needs_somebody_to_ask() {
        let told = [(
            reason::SAMPLER_WITHOUT_RECEIVER,
            "spec.traces.sampler.type".to_owned(),
        )];
        assert_eq!(
            alone(json!({"traces": {"sampler": {"type": "xray"}}})),
            told
        );
        assert_eq!(
            alone(
                json!({"traces": {"sampler": {"type": "xray", "argument": "polling_interval=60"}}})
            ),
            told
        );
        assert_eq!(
            alone(
                json!({"traces": {"sampler": {"type": "xray", "argument": "endpoint=http://x:2000"}}})
            ),
            []
        );
        assert_eq!(
            alone(json!({"traces": {"sampler": {"type": "always_on"}}})),
            []
        );
        assert_eq!(
            alone(json!({
                "traces": {"sampler": {"type": "xray"}},
                "xray": {"receiver": {"external": {"address": "x:2000"}}},
            })),
            []
        );
    }

    fn one_of_each(region: &str, policy: &str) -> Value {
        json!({
            "service": {"name": "s"},
            "aws": {"region": region},
            "xray": {
                "groups": [{"name": "g", "adoptionPolicy": policy}],
                "samplingRules": [{
                    "name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1, "adoptionPolicy": policy,
                }],
            },
            "logs": {"groups": [{"name": "l", "adoptionPolicy": policy}]},
        })
    }

    #[test]
    fn an_object_declared_twice_is_told_at_the_later_profile() {
        let first = profile("a", one_of_each("us-east-1", "Reject"));
        let second = profile("b", one_of_each("us-east-1", "Adopt"));
        let told = |field: &str| (reason::DECLARED_TWICE, field.to_owned());
        assert_eq!(
            reasons(&[first, second]),
            [
                vec![],
                vec![
                    told("spec.xray.groups[0].name"),
                    told("spec.xray.samplingRules[0].name"),
                    told("spec.logs.groups[0].name"),
                ]
            ]
        );
    }

    #[test]
    fn objects_of_other_regions_and_observed_ones_are_no_conflict() {
        let profiles = [
            profile("a", one_of_each("us-east-1", "Reject")),
            profile("b", one_of_each("eu-west-1", "Reject")),
            profile("c", one_of_each("us-east-1", "Observe")),
        ];
        assert_eq!(reasons(&profiles), [vec![], vec![], vec![]]);
    }

    #[test]
    fn a_rule_hidden_by_another_profile_of_the_account_is_told() {
        let rule = |name: &str, priority: i32, service: &str| json!({"name": name, "priority": priority, "fixedRate": 0.1, "reservoirSize": 1, "serviceName": service});
        let hiding = profile(
            "a",
            json!({"xray": {"samplingRules": [rule("all", 1, "*")]}}),
        );
        let hidden = profile(
            "b",
            json!({"xray": {"samplingRules": [rule("mine", 2, "backend")]}}),
        );
        let told = (
            condition::RULE_UNREACHABLE,
            "spec.xray.samplingRules[0].priority".to_owned(),
        );
        assert_eq!(reasons(&[hiding, hidden]), [vec![], vec![told]]);
    }
}
