//! The central rules of one load and their counters, which live on from load to load.

use super::matcher::{MAX_RULES, Matcher};
use super::reservoir::{Grant, Reservoir};
use super::wire::{SamplingStatistics, SamplingTarget};
use crate::rule::{Client, Request, RuleSet, SamplingRule};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Rules loaded longer ago than this no longer count.
pub const RULES_TTL_SECONDS: u32 = 3_600;

/// The rules of one load, by priority and name.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    matchers: Vec<Matcher>,
    loaded_at: u32,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    can_borrow: bool,
    state: Arc<State>,
}

/// What a rule of the same name keeps when the rules are loaded again.
#[derive(Debug)]
struct State {
    /// The fixed rate, as bits.
    rate: AtomicU64,
    reservoir: Reservoir,
    requests: AtomicU64,
    borrowed: AtomicU64,
    sampled: AtomicU64,
}

/// The decision of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Whether to trace.
    pub sampled: bool,
    /// The rule's name.
    pub rule: &'a Arc<str>,
}

impl Rules {
    /// Compiles the rules that were loaded in second `now` (since 1970), skipping those the X-Ray SDKs skip. Rules that
    /// `previous` has too keep their counters and quotas; the rate is the loaded one.
    #[must_use]
    pub fn load(
        previous: &Rules,
        loaded: impl IntoIterator<Item = SamplingRule>,
        now: u32,
    ) -> Self {
        let is_known = |rule: &SamplingRule| rule.ignored_by(Client::XRaySdk).is_none();
        let loaded = RuleSet::new(loaded.into_iter().filter(is_known));
        let matchers = loaded.rules().chunks(MAX_RULES).map(Matcher::new).collect();
        let rules = loaded
            .rules()
            .iter()
            .map(|rule| {
                let kept = previous
                    .rules
                    .iter()
                    .find(|kept| *kept.name == *rule.rule_name);
                let (name, state) = match kept {
                    Some(kept) => (Arc::clone(&kept.name), Arc::clone(&kept.state)),
                    None => (
                        Arc::from(rule.rule_name.as_str()),
                        Arc::new(State::default()),
                    ),
                };
                state.rate.store(rule.fixed_rate.to_bits(), Relaxed);
                Rule {
                    name,
                    can_borrow: rule.reservoir_size > 0,
                    state,
                }
            })
            .collect();
        Self {
            rules,
            matchers,
            loaded_at: now,
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True before the first load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the rules still count in second `now`.
    #[must_use]
    pub fn is_fresh(&self, now: u32) -> bool {
        !self.rules.is_empty() && now <= self.loaded_at.saturating_add(RULES_TTL_SECONDS)
    }

    /// The second of the load, since 1970.
    #[must_use]
    pub fn loaded_at(&self) -> u32 {
        self.loaded_at
    }

    /// Decides on a request in second `now` (since 1970) with a random number in `[0, 1)`, and counts it. `None` if the
    /// rules are too old or none matches: then the [`Fallback`](super::Fallback) decides.
    #[inline]
    pub fn decide(
        &self,
        request: &Request<'_>,
        now: u32,
        random: impl FnOnce() -> f64,
    ) -> Option<Decision<'_>> {
        if !self.is_fresh(now) {
            return None;
        }
        let first =
            |(n, matcher): (usize, &Matcher)| Some(n * MAX_RULES + matcher.first_match(request)?);
        let rule = &self.rules[self.matchers.iter().enumerate().find_map(first)?];
        Some(Decision {
            sampled: rule.decide(now, random),
            rule: &rule.name,
        })
    }

    /// The statistics that are due with this poll of the targets, and resets them. Rules that no request matched are left
    /// out.
    pub fn take_statistics<'a>(
        &'a self,
        client_id: &'a str,
        now: u32,
    ) -> Vec<SamplingStatistics<'a>> {
        self.rules
            .iter()
            .filter(|rule| {
                rule.state.requests.load(Relaxed) > 0 && rule.state.reservoir.is_report_due()
            })
            .map(|rule| SamplingStatistics {
                rule_name: &rule.name,
                client_id,
                request_count: rule.state.requests.swap(0, Relaxed),
                borrow_count: rule.state.borrowed.swap(0, Relaxed),
                sampled_count: rule.state.sampled.swap(0, Relaxed),
                timestamp: now,
            })
            .collect()
    }

    /// Takes over what the service answered to the statistics.
    pub fn apply_targets(&self, targets: &[SamplingTarget]) {
        for target in targets {
            let Some(rule) = self
                .rules
                .iter()
                .find(|rule| *rule.name == *target.rule_name)
            else {
                continue;
            };
            if let Some(rate) = target.fixed_rate {
                rule.state.rate.store(rate.to_bits(), Relaxed);
            }
            // Times far from 1970 on either side saturate.
            let until = target.reservoir_quota_ttl.map(|seconds| seconds as u32);
            rule.state
                .reservoir
                .load(target.reservoir_quota, until, target.interval);
        }
    }
}

impl Rule {
    #[inline]
    fn decide(&self, now: u32, random: impl FnOnce() -> f64) -> bool {
        self.state.requests.fetch_add(1, Relaxed);
        let counter = match self.state.reservoir.grant(now, self.can_borrow) {
            Grant::Borrow => &self.state.borrowed,
            Grant::Take => &self.state.sampled,
            Grant::No if random() <= f64::from_bits(self.state.rate.load(Relaxed)) => {
                &self.state.sampled
            }
            Grant::No => return false,
        };
        counter.fetch_add(1, Relaxed);
        true
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            rate: AtomicU64::new(0f64.to_bits()),
            reservoir: Reservoir::default(),
            requests: AtomicU64::new(0),
            borrowed: AtomicU64::new(0),
            sampled: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
