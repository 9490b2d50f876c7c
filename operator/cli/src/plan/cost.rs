//! What the sampling of each rule costs a month, estimated from the traffic that AWS counted lately.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracewright_core::desired::{CustomRule, RuleSpec};
use tracewright_core::plan::{Verdict, Write};

use crate::aws::{Account, AwsError, Operation};

/// The price of a recorded trace, and how many are free in an account and month. (AWS X-Ray pricing.)
pub const USD_PER_MILLION: f64 = 5.0;
/// Traces that are recorded for nothing, per account and month. (AWS X-Ray pricing.)
pub const FREE_TRACES: f64 = 100_000.0;
/// A month as AWS counts it: 730 hours.
const SECONDS_PER_MONTH: f64 = 730.0 * 3600.0;
/// What one summary covers. (AWS X-Ray API, SamplingStatisticSummary.)
const WINDOW: SignedDuration = SignedDuration::from_secs(10);
/// A token that never ends is an error of the service.
const MAX_PAGES: usize = 200;

/// Requests that clients reported to AWS lately.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// The beginning of the first window.
    pub from: Timestamp,
    /// The end of the last window.
    pub until: Timestamp,
    rules: BTreeMap<String, Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    requests: i64,
    sampled: i64,
}

/// What the sampling of a rule costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Requests that matched the rule, a second.
    pub requests_per_second: f64,
    /// As the rule is now.
    pub now: Monthly,
    /// Once the plan is carried out.
    pub then: Then,
}

/// What a plan does to the cost of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// Nothing.
    Same,
    /// Rate or reservoir change, the requests that match stay.
    Becomes(Monthly),
    /// Other requests will match, and nobody counted those.
    Unknown,
}

/// Traces of a month and what recording them costs, the free ones of the account not taken off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Monthly {
    /// Traces.
    pub traces: f64,
    /// US dollars.
    pub usd: f64,
}

impl Monthly {
    fn of(sampled_per_second: f64) -> Self {
        let traces = sampled_per_second * SECONDS_PER_MONTH;
        Self {
            traces,
            usd: traces * USD_PER_MILLION / 1e6,
        }
    }
}

impl Traffic {
    /// Reads what AWS counted. `None`: no client reported anything.
    ///
    /// # Errors
    /// The call that failed.
    pub async fn read(account: &Account, namespace: &str) -> Result<Option<Self>, AwsError> {
        let (mut windows, mut token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = account
                .caller
                .call(
                    Operation::GET_SAMPLING_STATISTIC_SUMMARIES,
                    namespace,
                    || {
                        account
                            .xray
                            .get_sampling_statistic_summaries()
                            .set_next_token(token.clone())
                            .send()
                    },
                )
                .await?;
            windows.extend(
                page.sampling_statistic_summaries()
                    .iter()
                    .filter_map(|summary| {
                        let at =
                            Timestamp::from_millisecond(summary.timestamp()?.to_millis().ok()?)
                                .ok()?;
                        let counts = Counts {
                            requests: summary.request_count().into(),
                            sampled: summary.sampled_count().into(),
                        };
                        Some((at, summary.rule_name()?.to_owned(), counts))
                    }),
            );
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(Self::of(windows))
    }

    fn of(windows: Vec<(Timestamp, String, Counts)>) -> Option<Self> {
        let from = windows.iter().map(|(at, ..)| *at).min()?;
        let until = windows.iter().map(|(at, ..)| *at).max()? + WINDOW;
        let mut rules = BTreeMap::<String, Counts>::new();
        for (_, rule, counts) in windows {
            let sum = rules.entry(rule).or_default();
            sum.requests += counts.requests;
            sum.sampled += counts.sampled;
        }
        Some(Self { from, until, rules })
    }

    /// How long it was counted for.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.until.duration_since(self.from).as_secs_f64()
    }

    /// All rules of the account together, as they are now.
    #[must_use]
    pub fn total(&self) -> Monthly {
        Monthly::of(self.per_second(self.rules.values().map(|counts| counts.sampled).sum()))
    }

    /// A rule, as it is and as the verdict makes it. `None`: no request matched it.
    #[must_use]
    pub fn estimate(
        &self,
        rule: &str,
        spec: &RuleSpec,
        state: &CustomRule,
        verdict: &Verdict,
    ) -> Option<Estimate> {
        let counts = self.rules.get(rule).filter(|counts| counts.requests > 0)?;
        let requests_per_second = self.per_second(counts.requests);
        let then = match verdict {
            Verdict::Synced | Verdict::Held { .. } => Then::Same,
            Verdict::Write(write) if rematches(write) => Then::Unknown,
            Verdict::Write(write)
                if write
                    .changes
                    .iter()
                    .any(|change| RATES.contains(&change.field)) =>
            {
                let (fixed_rate, reservoir_size) = rates(spec, state);
                Then::Becomes(Monthly::of(sampled(
                    requests_per_second,
                    fixed_rate,
                    reservoir_size,
                )))
            }
            Verdict::Write(_) => Then::Same,
        };
        Some(Estimate {
            requests_per_second,
            now: Monthly::of(self.per_second(counts.sampled)),
            then,
        })
    }

    fn per_second(&self, count: i64) -> f64 {
        count as f64 / self.seconds()
    }
}

/// Fields that say how many of the matching requests are sampled.
const RATES: [&str; 2] = ["fixedRate", "reservoirSize"];

/// Whether a write changes which requests match the rule.
fn rematches(write: &Write) -> bool {
    write.changes.iter().any(|change| {
        !RATES.contains(&change.field) && !["tags", "rateBoost"].contains(&change.field)
    })
}

fn rates(spec: &RuleSpec, state: &CustomRule) -> (f64, i32) {
    match spec {
        RuleSpec::Custom(rule) => (rule.fixed_rate, rule.reservoir_size),
        RuleSpec::Default {
            fixed_rate,
            reservoir_size,
        } => (*fixed_rate, *reservoir_size),
        RuleSpec::Observed { .. } => (state.fixed_rate, state.reservoir_size),
    }
}

/// The reservoir takes the first requests of each second, the rate its share of the rest. (AWS X-Ray, "Sampling rules".)
fn sampled(requests_per_second: f64, fixed_rate: f64, reservoir_size: i32) -> f64 {
    let reserved = requests_per_second.min(f64::from(reservoir_size));
    reserved + (requests_per_second - reserved) * fixed_rate
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracewright_core::plan::{Action, FieldChange};

    fn traffic(windows: &[(i64, &str, i64, i64)]) -> Option<Traffic> {
        let window = |(second, rule, requests, sampled): &(i64, &str, i64, i64)| {
            let counts = Counts {
                requests: *requests,
                sampled: *sampled,
            };
            (
                Timestamp::from_second(*second).unwrap(),
                (*rule).to_owned(),
                counts,
            )
        };
        Traffic::of(windows.iter().map(window).collect())
    }

    fn custom(fixed_rate: f64, reservoir_size: i32) -> CustomRule {
        CustomRule {
            fixed_rate,
            reservoir_size,
            ..CustomRule::default()
        }
    }

    fn update(fields: &[&'static str]) -> Verdict {
        let change = |field: &&'static str| FieldChange {
            field,
            from: None,
            to: None,
        };
        Verdict::Write(Write {
            action: Action::Update,
            steps: Vec::new(),
            changes: fields.iter().map(change).collect(),
        })
    }

    #[test]
    fn what_was_sampled_in_the_windows_is_extrapolated_to_a_month() {
        // 40 s, in two windows of which only the first and the last were reported.
        let traffic = traffic(&[
            (1000, "a", 300, 30),
            (1030, "a", 100, 10),
            (1030, "other", 5, 5),
        ])
        .unwrap();
        assert_eq!(
            (traffic.from.as_second(), traffic.until.as_second()),
            (1000, 1040)
        );
        let rule = custom(0.1, 0);
        let estimate = traffic
            .estimate(
                "a",
                &RuleSpec::Custom(rule.clone()),
                &rule,
                &Verdict::Synced,
            )
            .unwrap();
        assert_eq!(estimate.requests_per_second, 10.0);
        // 1 a second for 730 hours, at 5 dollars a million.
        assert_eq!(
            estimate.now,
            Monthly {
                traces: 2_628_000.0,
                usd: 13.14
            }
        );
        assert_eq!(estimate.then, Then::Same);
        assert_eq!(traffic.total().traces, 45.0 / 40.0 * 2_628_000.0);
    }

    #[test]
    fn a_changed_rate_is_estimated_by_reservoir_and_rate() {
        let traffic = traffic(&[(1000, "a", 100, 60)]).unwrap();
        let (state, wanted) = (custom(0.2, 5), custom(0.5, 2));
        let estimate = |fields| {
            traffic
                .estimate(
                    "a",
                    &RuleSpec::Custom(wanted.clone()),
                    &state,
                    &update(fields),
                )
                .unwrap()
        };
        // 10 requests a second: 2 from the reservoir, half of the other 8.
        let six = Monthly {
            traces: 6.0 * SECONDS_PER_MONTH,
            usd: 6.0 * SECONDS_PER_MONTH * 5.0 / 1e6,
        };
        assert_eq!(
            estimate(&["fixedRate", "reservoirSize", "tags"]).then,
            Then::Becomes(six)
        );
        assert_eq!(estimate(&["tags"]).then, Then::Same);
        assert_eq!(estimate(&["fixedRate", "urlPath"]).then, Then::Unknown);
        assert_eq!(estimate(&["priority"]).then, Then::Unknown);
    }

    #[test]
    fn a_reservoir_larger_than_the_traffic_samples_everything() {
        for (requests, rate, reservoir, expected) in [
            (3.0, 0.1, 5, 3.0),
            (0.0, 0.5, 5, 0.0),
            (10.0, 0.0, 1, 1.0),
            (10.0, 1.0, 0, 10.0),
            (10.0, 0.1, 5, 5.5),
        ] {
            assert_eq!(
                sampled(requests, rate, reservoir),
                expected,
                "{requests} {rate} {reservoir}"
            );
        }
    }

    #[test]
    fn without_reports_there_is_no_estimate() {
        assert_eq!(traffic(&[]), None);
        let traffic = traffic(&[(1000, "other", 1, 1), (1000, "idle", 0, 0)]).unwrap();
        let rule = custom(0.1, 1);
        for name in ["a", "idle"] {
            assert_eq!(
                traffic.estimate(
                    name,
                    &RuleSpec::Custom(rule.clone()),
                    &rule,
                    &Verdict::Synced
                ),
                None
            );
        }
    }
}
