//! What samplers talk to: targets for their reports, and the summaries of these.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Rule, Statistic};
use super::{ListInput, Result, page, seconds};
use crate::emulation::Context;

/// How often clients report, seconds.
const INTERVAL: i64 = 10;
/// How long a quota is good, emulated milliseconds.
const QUOTA_TTL_MS: i64 = 300_000;
/// How long after its last report a client still has a share of the reservoir, emulated milliseconds.
const CLIENT_TTL_MS: i64 = 3 * INTERVAL * 1000;
/// Summaries are of windows this long, milliseconds.
const WINDOW_MS: i64 = 10_000;
/// A boost lasts at most one minute, then its cooldown begins.
const BOOST_MS: i64 = 60_000;
/// Reports kept.
const MAX_STATISTICS: usize = 20_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TargetsInput {
    sampling_statistics_documents: Vec<Report>,
    #[serde(default)]
    sampling_boost_statistics_documents: Option<Vec<BoostReport>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    rule_name: String,
    #[serde(rename = "ClientID")]
    client_id: String,
    timestamp: f64,
    request_count: i64,
    sampled_count: i64,
    borrow_count: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BoostReport {
    rule_name: String,
    anomaly_count: i64,
    total_count: i64,
    sampled_anomaly_count: i64,
}

/// What OpenTelemetry's samplers expect: an HTTP status as text.
fn unprocessed(rule_name: &str, message: &str) -> Value {
    json!({ "RuleName": rule_name, "ErrorCode": "400", "Message": message })
}

pub(super) fn targets(context: &mut Context<'_>, input: TargetsInput) -> Result<Value> {
    let now = context.now;
    let (mut targets, mut refused, mut refused_boosts) = (Vec::new(), Vec::new(), Vec::new());
    let mut anomalies = BTreeSet::new();
    for report in input
        .sampling_boost_statistics_documents
        .unwrap_or_default()
    {
        let rule = context.region.xray.sampling_rules.get(&report.rule_name);
        if rule.is_none_or(|rule| rule.sampling_rate_boost.is_none()) {
            refused_boosts.push(unprocessed(
                &report.rule_name,
                "The rule does not exist or has no SamplingRateBoost.",
            ));
        } else if report.anomaly_count > report.total_count
            || report.sampled_anomaly_count > report.anomaly_count
        {
            refused_boosts.push(unprocessed(
                &report.rule_name,
                "The counts contradict each other.",
            ));
        } else if report.anomaly_count > 0 {
            anomalies.insert(report.rule_name);
        }
    }
    for report in input.sampling_statistics_documents {
        let xray = &mut context.region.xray;
        let Some(rule) = xray.sampling_rules.get_mut(&report.rule_name) else {
            refused.push(unprocessed(
                &report.rule_name,
                "Sampling rule does not exist.",
            ));
            continue;
        };
        let name = report.rule_name;
        if xray.statistics.len() == MAX_STATISTICS {
            xray.statistics.pop_front();
        }
        xray.statistics.push_back(Statistic {
            rule_name: name.clone(),
            client_id: report.client_id.clone(),
            timestamp: (report.timestamp * 1000.0) as i64,
            received_at: now,
            request_count: report.request_count,
            sampled_count: report.sampled_count,
            borrow_count: report.borrow_count.unwrap_or_default(),
        });
        let clients: BTreeSet<&str> = xray
            .statistics
            .iter()
            .filter(|statistic| {
                statistic.rule_name == name && now - statistic.received_at < CLIENT_TTL_MS
            })
            .map(|statistic| statistic.client_id.as_str())
            .collect();
        let mut target = json!({
            "RuleName": name,
            "FixedRate": rule.fixed_rate,
            "ReservoirQuota": share(rule.reservoir_size, &clients, &report.client_id),
            "ReservoirQuotaTTL": seconds(now + QUOTA_TTL_MS),
            "Interval": INTERVAL,
        });
        if let Some(boost) = boost(rule, anomalies.contains(&name), now) {
            target["SamplingBoost"] = boost;
        }
        targets.push(target);
    }
    Ok(json!({
        "SamplingTargetDocuments": targets,
        "LastRuleModification": seconds(context.region.xray.last_rule_modification),
        "UnprocessedStatistics": refused,
        "UnprocessedBoostStatistics": refused_boosts,
    }))
}

/// A client's part of the reservoir: equal parts, and what cannot be divided to the first clients by id.
fn share(reservoir: i32, clients: &BTreeSet<&str>, client: &str) -> i64 {
    let (reservoir, count) = (i64::from(reservoir), clients.len().max(1) as i64);
    let place = clients.iter().take_while(|other| **other < client).count() as i64;
    reservoir / count + i64::from(place < reservoir % count)
}

/// A running boost, or a new one when anomalies were reported and the cooldown is over.
fn boost(rule: &mut Rule, anomalies: bool, now: i64) -> Option<Value> {
    let ceiling = rule.sampling_rate_boost?;
    let cooldown = i64::from(ceiling.cooldown_window_minutes) * 60_000;
    if rule
        .boosted_at
        .is_none_or(|at| now >= at + BOOST_MS + cooldown)
        && anomalies
    {
        rule.boosted_at = Some(now);
    }
    let ends = rule.boosted_at? + BOOST_MS;
    (now < ends).then(|| json!({ "BoostRate": ceiling.max_rate, "BoostRateTTL": seconds(ends) }))
}

pub(super) fn summaries(context: &mut Context<'_>, input: ListInput) -> Result<Value> {
    let mut windows: BTreeMap<(i64, &str), [i64; 3]> = BTreeMap::new();
    for statistic in &context.region.xray.statistics {
        let window = statistic.timestamp.div_euclid(WINDOW_MS) * WINDOW_MS;
        let sums = windows
            .entry((window, statistic.rule_name.as_str()))
            .or_default();
        let counts = [
            statistic.request_count,
            statistic.borrow_count,
            statistic.sampled_count,
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let key = |((window, rule), _): &((i64, &str), [i64; 3])| format!("{window:020} {rule}");
    let token = input.next_token.as_deref();
    let (windows, next) = page(
        context,
        "GetSamplingStatisticSummaries",
        token,
        windows.into_iter(),
        key,
    )?;
    let summaries = windows
        .into_iter()
        .map(|((window, rule), [requests, borrowed, sampled])| {
            json!({
                "RuleName": rule,
                "Timestamp": seconds(window),
                "RequestCount": requests,
                "BorrowCount": borrowed,
                "SampledCount": sampled,
            })
        });
    let mut output = json!({ "SamplingStatisticSummaries": summaries.collect::<Vec<_>>() });
    if let Some(next) = next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}
