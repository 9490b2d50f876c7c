//! What is probably not meant in a profile, although it is valid: condition `Advisories`, and warnings of `lint`.
//!
//! Advice that depends on what the account holds besides sampling rules (quotas, account-level retention, changed
//! expressions) is found where that is observed, in [`crate::diff`].

use tracewright_xray::contract::condition::{self, reason};
use tracewright_xray::filter;
use tracewright_xray::rule::{
    Client, Finding, FindingKind, RuleSet, SamplingRule, ServiceNames, equal_priorities, ignored,
    name_cannot_match, unreachable, wildcard,
};

use crate::crd::{self, AdoptionPolicy, Group, ObservabilityProfileSpec};
use crate::field::FieldPath;

/// One thing to know about a profile that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The reason of condition `Advisories`.
    pub reason: &'static str,
    /// The field that it is about.
    pub field: FieldPath,
    /// What is probably not meant and what to do about it.
    pub message: String,
}

/// What there is to know about a profile, the most important first.
///
/// `others` are the sampling rules that share the account and region with those of the profile: the account's own, or
/// those of other profiles. They are tried together with the profile's rules, so they may hide them. One that has the
/// name of a declared rule is the rule itself as it is now, and does not count.
#[must_use]
pub fn advise(spec: &ObservabilityProfileSpec, others: &[SamplingRule]) -> Vec<Advice> {
    let mut advice = about_rules(spec, others);
    advice.extend(about_groups(spec));
    advice.sort_by_key(|advice| rank(advice.reason));
    advice
}

/// The sampling rules that a profile declares, as AWS would hold them. Rules that are only observed, and rules that lack
/// what they need, are left out.
#[must_use]
pub fn declared_rules(spec: &ObservabilityProfileSpec) -> Vec<SamplingRule> {
    let service = service_name(spec);
    rules_of(spec)
        .iter()
        .filter_map(|rule| declared(rule, service))
        .collect()
}

fn declared(rule: &crd::SamplingRule, service: Option<&str>) -> Option<SamplingRule> {
    if rule.adoption_policy == AdoptionPolicy::Observe {
        return None;
    }
    let factory = SamplingRule::factory_default();
    let (fixed_rate, reservoir_size) = (rule.fixed_rate?, rule.reservoir_size?);
    if rule.name == factory.rule_name {
        return Some(SamplingRule {
            fixed_rate,
            reservoir_size,
            ..factory
        });
    }
    let pattern = |pattern: &Option<String>| pattern.clone().unwrap_or_else(|| "*".to_owned());
    Some(SamplingRule {
        rule_name: rule.name.clone(),
        priority: rule.priority?,
        fixed_rate,
        reservoir_size,
        service_name: rule
            .service_name
            .clone()
            .or_else(|| service.map(str::to_owned))?,
        service_type: pattern(&rule.service_type),
        host: pattern(&rule.host),
        http_method: pattern(&rule.http_method),
        url_path: pattern(&rule.url_path),
        resource_arn: pattern(&rule.resource_arn),
        attributes: rule.attributes.clone(),
        ..factory
    })
}

fn about_rules(spec: &ObservabilityProfileSpec, others: &[SamplingRule]) -> Vec<Advice> {
    let own = declared_rules(spec);
    let is_own = |name: &str| own.iter().any(|rule| rule.rule_name == name);
    let foreign = others.iter().filter(|rule| !is_own(&rule.rule_name));
    let all = RuleSet::new(own.iter().chain(foreign).cloned());
    let own = RuleSet::new(own.iter().cloned());

    let mut found = unreachable(&all);
    found.extend(equal_priorities(&all));
    found.extend(ignored(&own));
    found.extend(names_that_never_match(spec, &own));
    found
        .into_iter()
        .filter_map(|finding| located(spec, finding))
        .collect()
}

fn names_that_never_match(spec: &ObservabilityProfileSpec, own: &RuleSet) -> Vec<Finding> {
    let dynamic = dynamic_naming(spec);
    match (service_name(spec), dynamic) {
        (Some(name), _) => name_cannot_match(own, ServiceNames { name, dynamic }),
        (None, None) => Vec::new(),
        // Each workload goes by its own name, so only the hosts of dynamic naming are known.
        (None, Some(_)) => {
            let mut found = name_cannot_match(own, ServiceNames { name: "", dynamic });
            found.retain(|finding| finding.clients.contains(&Client::XRaySdk));
            found
        }
    }
}

/// The finding at its field. `None` if it is about a rule that the profile does not declare.
fn located(spec: &ObservabilityProfileSpec, finding: Finding) -> Option<Advice> {
    let position = |name: &str| rules_of(spec).iter().position(|rule| rule.name == name);
    let (index, field) = match &finding.kind {
        FindingKind::Unreachable { .. } => (position(&finding.rule)?, "priority"),
        FindingKind::EqualPriority { with } => (
            position(&finding.rule).or_else(|| position(with))?,
            "priority",
        ),
        FindingKind::NameCannotMatch => (position(&finding.rule)?, "serviceName"),
        FindingKind::Ignored(tracewright_xray::rule::Ignored::Attributes) => {
            (position(&finding.rule)?, "attributes")
        }
        FindingKind::Ignored(_) => (position(&finding.rule)?, "resourceArn"),
    };
    Some(Advice {
        reason: finding.kind.reason(),
        field: FieldPath::of("spec.xray.samplingRules")
            .index(index)
            .field(field),
        message: finding.sentence().to_owned(),
    })
}

fn about_groups(spec: &ObservabilityProfileSpec) -> Vec<Advice> {
    let groups = spec.xray.as_ref().map_or(&[][..], |xray| &xray.groups);
    groups
        .iter()
        .enumerate()
        .filter_map(|(index, group)| {
            Some(Advice {
                reason: reason::NAME_CANNOT_MATCH,
                field: FieldPath::of("spec.xray.groups")
                    .index(index)
                    .field("filterExpression"),
                message: group_that_never_matches(spec, group)?,
            })
        })
        .collect()
}

fn group_that_never_matches(spec: &ObservabilityProfileSpec, group: &Group) -> Option<String> {
    let service = service_name(spec);
    let written = group.filter_expression.clone();
    let observed = group.adoption_policy == AdoptionPolicy::Observe;
    let text = written.or_else(|| {
        service
            .filter(|_| !observed)
            .map(|name| format!("service(\"{name}\")"))
    })?;
    let expression = filter::parse(&text).ok()?.expression;
    let services = filter::services(&expression);
    if services.is_empty() {
        return None;
    }
    let asks_for = services
        .iter()
        .map(|service| format!("`{service}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let name = &group.name;
    if let Some(hosts) = dynamic_naming(spec) {
        if services
            .iter()
            .any(|service| wildcard::matches(hosts, service, Client::XRaySdk))
        {
            return None;
        }
        return Some(format!(
            "dynamic naming calls the segments of hosts like `{hosts}` after the host, so group `{name}`, which asks for \
             service {asks_for}, holds none of those traces; remove dynamicNaming, or write a filterExpression for those hosts"
        ));
    }
    let service = service?;
    if filter::can_match_service(&expression, service) {
        return None;
    }
    Some(format!(
        "group `{name}` asks for service {asks_for}, but the traces of this profile's workloads go by the name `{service}`; \
         write service(\"{service}\"), or leave filterExpression out"
    ))
}

fn rules_of(spec: &ObservabilityProfileSpec) -> &[crd::SamplingRule] {
    spec.xray.as_ref().map_or(&[], |xray| &xray.sampling_rules)
}

fn service_name(spec: &ObservabilityProfileSpec) -> Option<&str> {
    spec.service.as_ref()?.name.as_deref()
}

fn dynamic_naming(spec: &ObservabilityProfileSpec) -> Option<&str> {
    spec.xray.as_ref()?.dynamic_naming.as_deref()
}

/// The place of a reason in the order in which condition `Advisories` takes the first.
fn rank(reason: &str) -> usize {
    condition::CONDITIONS
        .iter()
        .filter(|condition| condition.name == condition::ADVISORIES)
        .flat_map(|condition| condition.when_true)
        .position(|known| *known == reason)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(spec: Value) -> ObservabilityProfileSpec {
        serde_json::from_value(spec).expect("the test's profile is well formed")
    }

    fn found(advice: &[Advice]) -> Vec<(&'static str, String)> {
        advice
            .iter()
            .map(|advice| (advice.reason, advice.field.to_string()))
            .collect()
    }

    fn rule(name: &str, priority: i32, more: Value) -> Value {
        let mut rule =
            json!({"name": name, "priority": priority, "fixedRate": 0.1, "reservoirSize": 1});
        for (key, value) in more.as_object().expect("an object") {
            rule[key] = value.clone();
        }
        rule
    }

    #[test]
    fn the_example_of_the_journal_needs_no_advice() {
        let spec = spec(json!({
            "service": {"name": "backend-flask"},
            "xray": {"groups": [{"name": "Cruddur"}], "samplingRules": [rule("Cruddur", 9000, json!({}))]},
        }));
        assert_eq!(advise(&spec, &[SamplingRule::factory_default()]), []);
    }

    #[test]
    fn under_the_journals_dynamic_naming_neither_rule_nor_group_matches() {
        let spec = spec(json!({
            "service": {"name": "backend-flask"},
            "xray": {
                "dynamicNaming": "*4567-cruddur.example.com*",
                "groups": [{"name": "Cruddur"}],
                "samplingRules": [rule("Cruddur", 9000, json!({}))],
            },
        }));
        let advice = advise(&spec, &[]);
        assert_eq!(
            found(&advice),
            [
                (
                    reason::NAME_CANNOT_MATCH,
                    "spec.xray.samplingRules[0].serviceName".into()
                ),
                (
                    reason::NAME_CANNOT_MATCH,
                    "spec.xray.groups[0].filterExpression".into()
                ),
            ]
        );
        assert!(
            advice
                .iter()
                .all(|advice| advice.message.contains("remove dynamicNaming")),
            "{advice:?}"
        );
    }

    #[test]
    fn a_rule_and_a_group_for_the_hosts_of_dynamic_naming_match() {
        let xray = json!({
            "dynamicNaming": "*4567-cruddur.example.com*",
            "groups": [{"name": "Cruddur", "filterExpression": "service(\"4567-cruddur.example.com\")"}],
            "samplingRules": [rule("Cruddur", 9000, json!({"serviceName": "*cruddur*"}))],
        });
        assert_eq!(advise(&spec(json!({"xray": xray})), &[]), []);
    }

    #[test]
    fn without_a_service_name_only_dynamic_naming_says_what_never_matches() {
        let xray = |naming: Value| json!({"dynamicNaming": naming, "samplingRules": [rule("a", 1, json!({"serviceName": "backend"}))]});
        assert_eq!(advise(&spec(json!({"xray": xray(Value::Null)})), &[]), []);
        assert_eq!(
            found(&advise(
                &spec(json!({"xray": xray(json!("*.example.com"))})),
                &[]
            )),
            [(
                reason::NAME_CANNOT_MATCH,
                "spec.xray.samplingRules[0].serviceName".into()
            )]
        );
    }

    #[test]
    fn a_rule_hidden_by_one_of_the_account_is_unreachable() {
        let spec = spec(
            json!({"service": {"name": "a"}, "xray": {"samplingRules": [rule("mine", 500, json!({}))]}}),
        );
        let all = SamplingRule {
            rule_name: "all".into(),
            priority: 10,
            ..SamplingRule::factory_default()
        };
        let advice = advise(&spec, &[all, SamplingRule::factory_default()]);
        assert_eq!(
            found(&advice),
            [(
                reason::RULE_UNREACHABLE,
                "spec.xray.samplingRules[0].priority".into()
            )]
        );
    }

    #[test]
    fn the_accounts_rule_of_the_same_name_is_the_declared_one_as_it_was() {
        let spec = spec(
            json!({"service": {"name": "a"}, "xray": {"samplingRules": [rule("mine", 500, json!({}))]}}),
        );
        let was = SamplingRule {
            rule_name: "mine".into(),
            priority: 10,
            ..SamplingRule::factory_default()
        };
        assert_eq!(advise(&spec, &[was]), []);
    }

    #[test]
    fn rules_of_others_are_no_concern_of_the_profile() {
        let others = ["x", "y"].map(|name| SamplingRule {
            rule_name: name.into(),
            priority: 10,
            attributes: [("a".to_owned(), "b".to_owned())].into(),
            ..SamplingRule::factory_default()
        });
        assert_eq!(
            advise(&spec(json!({"service": {"name": "a"}})), &others),
            []
        );
    }

    #[test]
    fn equal_priorities_are_told_whichever_rule_is_the_profiles() {
        for other in ["a", "z"] {
            let spec = spec(json!({"service": {"name": "s"}, "xray": {"samplingRules": [
                rule("first", 1, json!({"urlPath": "/x"})),
                rule("m", 500, json!({"urlPath": "/y"})),
            ]}}));
            let other = SamplingRule {
                rule_name: other.into(),
                priority: 500,
                url_path: "/other".into(),
                ..SamplingRule::factory_default()
            };
            assert_eq!(
                found(&advise(&spec, &[other])),
                [(
                    reason::EQUAL_PRIORITY,
                    "spec.xray.samplingRules[1].priority".into()
                )]
            );
        }
    }

    #[test]
    fn fields_that_x_ray_sdks_ignore_are_told_and_the_most_important_comes_first() {
        let spec = spec(json!({"service": {"name": "s"}, "xray": {"samplingRules": [
            rule("attributes", 1, json!({"attributes": {"tenant": "a"}})),
            rule("arn", 2, json!({"resourceArn": "arn:aws:ecs:*", "attributes": {"tenant": "b"}})),
            rule("other", 3, json!({"serviceName": "other"})),
            rule("late", 4, json!({"urlPath": "/a/*"})),
            rule("later", 5, json!({"urlPath": "/a/b"})),
        ]}}));
        let reasons: Vec<_> = found(&advise(&spec, &[]));
        assert_eq!(
            reasons,
            [
                (
                    reason::RULE_UNREACHABLE,
                    "spec.xray.samplingRules[4].priority".into()
                ),
                (
                    reason::NAME_CANNOT_MATCH,
                    "spec.xray.samplingRules[2].serviceName".into()
                ),
                (
                    reason::ATTRIBUTES_IGNORED,
                    "spec.xray.samplingRules[0].attributes".into()
                ),
                (
                    reason::ATTRIBUTES_IGNORED,
                    "spec.xray.samplingRules[1].resourceArn".into()
                ),
            ]
        );
    }

    #[test]
    fn a_group_that_asks_for_another_service_is_told_and_one_that_asks_for_none_is_not() {
        for (expression, told) in [
            ("service(\"backend\")", false),
            ("service(\"Backend\")", true),
            ("service(\"frontend\") AND fault", true),
            ("service(\"frontend\") OR service(\"backend\")", false),
            ("responsetime > 5", false),
            ("broken (", false),
        ] {
            let spec = spec(json!({
                "service": {"name": "backend"},
                "xray": {"groups": [{"name": "g", "filterExpression": expression}]},
            }));
            assert_eq!(!advise(&spec, &[]).is_empty(), told, "{expression}");
        }
    }

    #[test]
    fn what_is_only_observed_is_not_judged() {
        let spec = spec(json!({
            "service": {"name": "backend"},
            "xray": {
                "groups": [{"name": "g", "adoptionPolicy": "Observe"}],
                "samplingRules": [{"name": "r", "adoptionPolicy": "Observe", "resourceArn": "x"}],
                "dynamicNaming": "*.example.com",
            },
        }));
        assert_eq!(advise(&spec, &[]), []);
    }
}
