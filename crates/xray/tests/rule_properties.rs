//! Properties of sampling rules, over random rules and requests, against a naive model.

use std::cmp::Ordering;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use tracewright_xray::rule::{Client, FindingKind, Request, RuleSet, SamplingRule, unreachable};
use tracewright_xray::sampling::Rules;

const PATTERNS: &[&str] = &[
    "*", "**", "", "a", "A", "?", "a*", "*a", "?*", "*b*", "ab", "z",
];
const VALUES: &[&str] = &["", "a", "A", "b", "ab", "ba", "aa", "z"];

fn rule() -> impl Strategy<Value = SamplingRule> {
    let pattern = || select(PATTERNS).prop_map(String::from);
    let rare = || prop_oneof![4 => Just("*".to_owned()), 1 => pattern()];
    (
        prop_oneof![9 => "[a-d]{1,2}", 1 => Just("Default".to_owned())],
        1..6_i32,
        (pattern(), rare(), rare(), rare(), rare(), rare()),
        prop_oneof![3 => Just(Default::default()), 1 => btree_map(select(vec!["k", "l"]).prop_map(String::from), pattern(), 0..2)],
        prop_oneof![9 => Just(1), 1 => Just(2)],
    )
        .prop_map(|(rule_name, priority, patterns, attributes, version)| {
            let (service_name, host, http_method, url_path, service_type, resource_arn) = patterns;
            SamplingRule {
                rule_name,
                priority,
                service_name,
                service_type,
                host,
                http_method,
                url_path,
                resource_arn,
                attributes,
                version,
                ..SamplingRule::factory_default()
            }
        })
}

/// Rules with distinct names, as an account has them.
fn rules() -> impl Strategy<Value = Vec<SamplingRule>> {
    vec(rule(), 0..8).prop_map(|mut rules| {
        rules.sort_by(|a, b| a.rule_name.cmp(&b.rule_name));
        rules.dedup_by(|a, b| a.rule_name == b.rule_name);
        rules
    })
}

#[derive(Debug, Clone)]
struct Values {
    fields: [Option<&'static str>; 6],
    attributes: Vec<(&'static str, &'static str)>,
}

impl Values {
    fn request(&self) -> Request<'_> {
        let [service, service_type, host, method, path, resource_arn] = self.fields;
        Request {
            service,
            service_type,
            host,
            method,
            path,
            resource_arn,
            attributes: &self.attributes,
        }
    }
}

fn values() -> impl Strategy<Value = Values> {
    let field = || of(select(VALUES));
    (
        [field(), field(), field(), field(), field(), field()],
        vec((select(vec!["k", "l", "m"]), select(VALUES)), 0..3),
    )
        .prop_map(|(fields, attributes)| Values { fields, attributes })
}

/// A pattern's definition, character by character.
fn model_matches(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|taken| model_matches(rest, &text[taken..])),
        [p, rest @ ..] => text
            .split_first()
            .is_some_and(|(t, others)| (*p == '?' || p == t) && model_matches(rest, others)),
    }
}

fn model_field(pattern: &str, value: Option<&str>, client: Client) -> bool {
    let chars = |text: &str| -> Vec<char> {
        match client {
            Client::XRaySdk => text.to_lowercase().chars().collect(),
            Client::OpenTelemetry => text.chars().collect(),
        }
    };
    match value.filter(|value| client == Client::OpenTelemetry || !value.is_empty()) {
        None => client == Client::XRaySdk || pattern == "*",
        Some(value) => model_matches(&chars(pattern), &chars(value)),
    }
}

fn model_rule_matches(rule: &SamplingRule, request: &Request<'_>, client: Client) -> bool {
    let otel = client == Client::OpenTelemetry;
    let looked_at = rule.version == 1
        && (otel
            || rule.resource_arn == "*"
                && rule.attributes.is_empty()
                && !rule.service_type.is_empty());
    let fields = model_field(&rule.service_name, request.service, client)
        && model_field(&rule.service_type, request.service_type, client)
        && model_field(&rule.host, request.host, client)
        && model_field(&rule.http_method, request.method, client)
        && model_field(&rule.url_path, request.path, client)
        && (!otel || model_field(&rule.resource_arn, request.resource_arn, client));
    let attributes = rule.attributes.iter().all(|(key, pattern)| {
        let mut values = request.attributes.iter().filter(|(name, _)| name == key);
        values.any(|(_, value)| model_field(pattern, Some(value), client))
    });
    rule.rule_name == "Default" || looked_at && fields && (attributes || !otel)
}

/// The best of the rules that match, found without sorting.
fn model_first_match<'a>(
    rules: &'a [SamplingRule],
    request: &Request<'_>,
    client: Client,
) -> Option<&'a SamplingRule> {
    rules
        .iter()
        .filter(|rule| model_rule_matches(rule, request, client))
        .min_by(
            |a, b| match (a.rule_name == "Default", b.rule_name == "Default") {
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                _ => a
                    .priority
                    .cmp(&b.priority)
                    .then_with(|| a.rule_name.cmp(&b.rule_name)),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_order_is_total(rules in rules(), shuffled in any::<prop::sample::Index>()) {
        let mut turned = rules.clone();
        if !turned.is_empty() {
            let by = shuffled.index(turned.len());
            turned.rotate_left(by);
            turned.reverse();
        }
        let set = RuleSet::new(rules);
        prop_assert_eq!(&set, &RuleSet::new(turned));
        for pair in set.rules().windows(2) {
            let key = |rule: &SamplingRule| (rule.is_default(), rule.priority, rule.rule_name.clone());
            prop_assert!(key(&pair[0]) < key(&pair[1]));
        }
    }

    #[test]
    fn the_first_match_is_the_naive_model_s(rules in rules(), values in values()) {
        let set = RuleSet::new(rules.clone());
        for client in Client::ALL {
            prop_assert_eq!(
                set.first_match(&values.request(), *client),
                model_first_match(&rules, &values.request(), *client)
            );
        }
    }

    #[test]
    fn the_sampler_decides_by_the_first_match_of_the_x_ray_sdks(rules in rules(), values in values()) {
        let rules: Vec<SamplingRule> = rules
            .into_iter()
            .map(|rule| if rule.is_default() { SamplingRule::factory_default() } else { rule })
            .collect();
        let sampler = Rules::load(&Rules::default(), rules.clone(), 0);
        let request = values.request();
        let decision = sampler.decide(
            &request,
            0,
            || 0.5,
        );
        let set = RuleSet::new(rules);
        prop_assert_eq!(
            decision.as_ref().map(|decision| &**decision.rule),
            set.first_match(&request, Client::XRaySdk).map(|rule| &*rule.rule_name)
        );
    }

    #[test]
    fn an_unreachable_rule_is_never_the_first_match(rules in rules(), values in vec(values(), 20)) {
        let set = RuleSet::new(rules);
        for finding in unreachable(&set) {
            for client in &finding.clients {
                for values in &values {
                    let first = set.first_match(&values.request(), *client);
                    prop_assert!(first.is_none_or(|rule| rule.rule_name != finding.rule), "{}", finding);
                }
            }
        }
    }
}

proptest! {
    // Each case tries thousands of requests.
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// Two fields and one attribute, so that all their combinations can be tried. Of so small patterns the values show
    /// every difference.
    #[test]
    fn of_two_rules_the_later_is_reported_exactly_if_the_earlier_covers_it(
        patterns in prop::array::uniform6(select(PATTERNS)),
        keys in prop::array::uniform2(of(select(vec!["k", "l"]))),
    ) {
        let make = |name: &str, priority, service: &str, host: &str, key: Option<&str>, pattern: &str| SamplingRule {
            rule_name: name.to_owned(),
            priority,
            service_name: service.to_owned(),
            host: host.to_owned(),
            attributes: key.map(|key| (key.to_owned(), pattern.to_owned())).into_iter().collect(),
            ..SamplingRule::factory_default()
        };
        let [s1, s2, h1, h2, a1, a2] = patterns;
        let earlier = make("earlier", 1, s1, h1, keys[0], a1);
        let later = make("later", 2, s2, h2, keys[1], a2);
        let found = unreachable(&RuleSet::new([earlier.clone(), later.clone()]));

        let optional = || [None].into_iter().chain(VALUES.iter().copied().map(Some));
        for client in Client::ALL.iter().copied() {
            let ignored = [&earlier, &later].into_iter().any(|rule| rule.ignored_by(client).is_some());
            let mut covered = !ignored;
            for (service, host) in optional().flat_map(|s| optional().map(move |h| (s, h))) {
                for (k, l) in optional().flat_map(|k| optional().map(move |l| (k, l))) {
                    let attributes: Vec<_> =
                        k.map(|k| ("k", k)).into_iter().chain(l.map(|l| ("l", l))).collect();
                    let request = Request { service, host, attributes: &attributes, ..Request::default() };
                    covered &= !later.matches(&request, client) || earlier.matches(&request, client);
                }
            }
            // An attribute that is no text matches `*` alone; texts cannot show that `**` does not cover it.
            let beyond_texts = client == Client::OpenTelemetry && keys[0].is_some() && a1 != "*" && a2 == "*";
            if !beyond_texts {
                let reported = found.iter().any(|finding| {
                    finding.clients.contains(&client)
                        && finding.kind == FindingKind::Unreachable { by: "earlier".into() }
                });
                prop_assert_eq!(reported, covered, "{:?} {:?} {:?}", client, earlier, later);
            }
        }
    }
}
