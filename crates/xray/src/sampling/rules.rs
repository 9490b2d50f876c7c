//! The central rules of one load and their counters, which live on from load to load.

use super::matcher::Matcher;
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
    matcher: Matcher,
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
        let matcher = Matcher::new(loaded.rules());
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
            matcher,
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
        let rule = &self.rules[self.matcher.first_match(request)?];
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
mod tests;
