//! Rates and quotas: what AWS allows by default, and what `PUT /_control/limits` made of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, RwLock};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::glob;

/// Buckets kept before full ones are forgotten; a full bucket and a new one are the same.
const MAX_BUCKETS: usize = 10_000;

/// A token bucket's size: `tps` tokens a second, at most `burst` saved up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    pub(crate) tps: f64,
    pub(crate) burst: f64,
}

/// Everything `PUT /_control/limits` can set, apart from rates.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// X-Ray groups per account and region, `Default` not counted.
    pub(crate) xray_groups: u64,
    /// Custom sampling rules per account and region.
    pub(crate) xray_sampling_rules: u64,
    /// Tags per X-Ray resource.
    pub(crate) xray_tags: u64,
    /// Items per page of the X-Ray lists, which have no page-size parameter.
    pub(crate) xray_page_size: u64,
    /// X-Ray resource policies per account and region.
    pub(crate) xray_resource_policies: u64,
    /// Log groups per account and region.
    pub(crate) logs_log_groups: u64,
    /// Metric filters per log group.
    pub(crate) logs_metric_filters: u64,
    /// Account-level retention policies per account and region.
    pub(crate) logs_retention_policies: u64,
    /// Upper bound of a page of the CloudWatch Logs lists, below what the caller's `limit` allows.
    pub(crate) logs_page_size: u64,
    /// How long tags given at creation stay invisible, emulated milliseconds.
    pub(crate) tag_delay_ms: u64,
    /// How long a log group is busy with one write, real milliseconds.
    pub(crate) log_group_write_ms: u64,
    /// How long after `PutAccountPolicy` a retention policy takes effect, emulated milliseconds.
    pub(crate) retention_policy_delay_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            xray_groups: 25,
            xray_sampling_rules: 25,
            xray_tags: 50,
            xray_page_size: 100,
            xray_resource_policies: 5,
            logs_log_groups: 1_000_000,
            logs_metric_filters: 100,
            logs_retention_policies: 20,
            logs_page_size: 1000,
            tag_delay_ms: 0,
            log_group_write_ms: 5,
            retention_policy_delay_ms: 0,
        }
    }
}

impl Settings {
    fn fields(&mut self) -> [(&'static str, &mut u64); 12] {
        [
            ("xray.groups", &mut self.xray_groups),
            ("xray.samplingRules", &mut self.xray_sampling_rules),
            ("xray.tags", &mut self.xray_tags),
            ("xray.pageSize", &mut self.xray_page_size),
            ("xray.resourcePolicies", &mut self.xray_resource_policies),
            ("logs.logGroups", &mut self.logs_log_groups),
            ("logs.metricFilters", &mut self.logs_metric_filters),
            ("logs.retentionPolicies", &mut self.logs_retention_policies),
            ("logs.pageSize", &mut self.logs_page_size),
            ("tagDelayMs", &mut self.tag_delay_ms),
            ("logGroupWriteMs", &mut self.log_group_write_ms),
            (
                "retentionPolicyDelayMs",
                &mut self.retention_policy_delay_ms,
            ),
        ]
    }
}

#[derive(Debug, Default)]
struct Inner {
    settings: Settings,
    /// Patterns over operation names; the last one that matches decides.
    rates: Vec<(String, Rate)>,
}

/// The limits in force and the level of every bucket.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    inner: RwLock<Inner>,
    buckets: Mutex<HashMap<BucketKey, Bucket>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BucketKey {
    account: String,
    region: String,
    operation: &'static str,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, rate: Rate, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate.tps).min(rate.burst);
        self.at = now;
    }
}

impl Limits {
    /// A copy of the quotas and delays.
    pub(crate) fn settings(&self) -> Settings {
        self.read().settings.clone()
    }

    /// Takes `cost` tokens from the bucket of this operation, account and region; `false` if they are not there.
    pub(crate) fn take(
        &self,
        account: &str,
        region: &str,
        operation: &'static str,
        cost: f64,
    ) -> bool {
        let rate = self.read().rate(operation, region);
        let now = Instant::now();
        let mut buckets = self
            .buckets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            let inner = self.read();
            buckets.retain(|key, bucket| {
                let rate = inner.rate(key.operation, &key.region);
                bucket.fill(rate, now);
                bucket.tokens < rate.burst
            });
        }
        let key = BucketKey {
            account: account.to_owned(),
            region: region.to_owned(),
            operation,
        };
        let bucket = buckets.entry(key).or_insert(Bucket {
            tokens: rate.burst,
            at: now,
        });
        bucket.fill(rate, now);
        // A single call dearer than the whole bucket passes when the bucket is full, or it never could.
        if bucket.tokens + 1e-9 < cost.min(rate.burst) {
            return false;
        }
        bucket.tokens -= cost;
        true
    }

    /// All buckets full again.
    pub(crate) fn refill(&self) {
        self.buckets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
    }

    /// Sets what `body` names and leaves the rest; nothing is changed when something is wrong with it.
    pub(crate) fn set(&self, body: Map<String, Value>) -> Result<(), String> {
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut settings = inner.settings.clone();
        let mut rates = inner.rates.clone();
        for (name, value) in body {
            if let Value::Object(_) = value {
                let rate: Rate = serde_json::from_value(value)
                    .map_err(|error| format!("{name}: {error}; write {{\"tps\":5,\"burst\":5}}"))?;
                if !(rate.tps >= 0.0
                    && rate.tps.is_finite()
                    && rate.burst >= 0.0
                    && rate.burst.is_finite())
                {
                    return Err(format!("{name}: tps and burst are finite numbers from 0"));
                }
                if !crate::model::operation_names().any(|operation| glob::matches(&name, operation))
                {
                    return Err(format!(
                        "{name}: no operation has this name; write one such as logs.PutRetentionPolicy or xray.*"
                    ));
                }
                rates.retain(|(pattern, _)| *pattern != name);
                rates.push((name, rate));
                continue;
            }
            let names = settings.fields().map(|(name, _)| name).join(", ");
            let field = settings
                .fields()
                .into_iter()
                .find(|(known, _)| *known == name);
            let (_, field) = field.ok_or_else(|| {
                format!("{name}: unknown limit; known are {names}, and operation names with a rate")
            })?;
            *field = value
                .as_u64()
                .ok_or_else(|| format!("{name}: a whole number from 0, not {value}"))?;
        }
        if settings.xray_page_size == 0 || settings.logs_page_size == 0 {
            return Err("a page size is a whole number from 1".to_owned());
        }
        inner.settings = settings;
        inner.rates = rates;
        Ok(())
    }

    /// Everything that can be set, as it is now; where AWS's rates differ between regions, those of us-east-1.
    pub(crate) fn show(&self) -> Value {
        let inner = self.read();
        let settings: BTreeMap<_, _> = inner
            .settings
            .clone()
            .fields()
            .map(|(name, value)| (name, json!(*value)))
            .into();
        let rates = crate::model::operation_names()
            .map(|name| (name, json!(inner.rate(name, "us-east-1"))));
        json!(rates.chain(settings).collect::<BTreeMap<_, _>>())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    fn rate(&self, operation: &str, region: &str) -> Rate {
        let set = self
            .rates
            .iter()
            .rev()
            .find(|(pattern, _)| glob::matches(pattern, operation));
        set.map_or_else(|| default_rate(operation, region), |(_, rate)| *rate)
    }
}

/// The documented rate of an operation, or what the emulator takes where AWS publishes none.
fn default_rate(operation: &str, region: &str) -> Rate {
    let second = |tps: f64| Rate { tps, burst: tps };
    match operation.split_once('.') {
        // Service quotas of CloudWatch Logs. AWS names no burst; one second's worth is taken.
        Some(("logs", name)) => second(match name {
            "PutLogEvents" => 5000.0,
            "CreateLogStream" => 50.0,
            "DescribeLogStreams" => 25.0,
            "DeleteLogStream" => 15.0,
            "FilterLogEvents" => match region {
                "us-east-1" => 25.0,
                "ap-northeast-3" | "ap-southeast-3" | "ca-west-1" | "eu-central-1"
                | "il-central-1" => 5.0,
                _ => 10.0,
            },
            "GetLogEvents" => match region {
                "us-west-2" | "ap-northeast-3" | "ap-southeast-3" | "ca-west-1"
                | "eu-central-1" | "eu-west-1" | "il-central-1" => 10.0,
                "eu-west-3" => 30.0,
                _ => 25.0,
            },
            "DescribeLogGroups" | "CreateLogGroup" | "DeleteLogGroup" | "ListLogGroups" => 10.0,
            _ => 5.0,
        }),
        // 2,600 segments a second are documented; each segment is one token.
        Some(("xray", "PutTraceSegments")) => second(2600.0),
        // What every instrumented process sends: AWS publishes no rate and does not make a fleet wait for 1 a second.
        Some(("xray", "GetSamplingTargets" | "PutTelemetryRecords")) => second(100.0),
        // AWS publishes none for the X-Ray control plane; operator and emulator take the same.
        Some(("xray", name)) => {
            let reads = ["Get", "List", "BatchGet"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            Rate {
                tps: if reads { 2.0 } else { 1.0 },
                burst: 5.0,
            }
        }
        _ => second(600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::default_rate;

    #[test]
    fn some_rates_differ_between_regions() {
        for (operation, region, tps) in [
            ("logs.FilterLogEvents", "us-east-1", 25.0),
            ("logs.FilterLogEvents", "eu-central-1", 5.0),
            ("logs.FilterLogEvents", "eu-west-1", 10.0),
            ("logs.GetLogEvents", "us-east-1", 25.0),
            ("logs.GetLogEvents", "us-west-2", 10.0),
            ("logs.GetLogEvents", "eu-west-3", 30.0),
            ("logs.PutRetentionPolicy", "eu-west-3", 5.0),
        ] {
            assert_eq!(
                default_rate(operation, region).tps,
                tps,
                "{operation} in {region}"
            );
        }
    }
}
