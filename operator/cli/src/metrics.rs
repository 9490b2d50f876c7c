//! The operator's metrics, in the OpenMetrics text format. No label holds the name of a Kubernetes object, so their
//! number is bounded whatever the cluster holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tracewright_core::identity::Kind;

use crate::aws::inventory::Traffic;

type Seconds = Counter<f64, AtomicU64>;
type Number = Gauge<i64, AtomicI64>;
type Ratio = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
    error: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    service: String,
    operation: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabel {
    condition: String,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabel {
    kind: &'static str,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabel {
    quota: &'static str,
    account: String,
    region: String,
}

/// A sampling rule of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct RuleLabel {
    /// The account's id.
    pub account: String,
    /// The region.
    pub region: String,
    /// The rule's name.
    pub rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BoundLabel {
    bound: &'static str,
}

/// A bound of which it is counted how often it was reached. (Others show in metrics of their own.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Requests for reconciles that wait.
    Requests,
    /// Remembered look-ups of ConfigMaps and Secrets.
    Lookups,
    /// Receivers of which those who ask at the same time share an answer.
    Receivers,
}

impl Bound {
    const ALL: [Self; 3] = [Self::Requests, Self::Lookups, Self::Receivers];

    fn label(self) -> BoundLabel {
        let bound = match self {
            Self::Requests => "requests",
            Self::Lookups => "lookups",
            Self::Receivers => "receivers",
        };
        BoundLabel { bound }
    }
}

/// What the world looks like, counted from the profiles' status.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Profiles by condition and its status.
    pub profiles: BTreeMap<(String, String), i64>,
    /// AWS objects by kind and state.
    pub objects: BTreeMap<(&'static str, String), i64>,
    /// Workloads by state.
    pub workloads: BTreeMap<&'static str, i64>,
}

/// How many different error codes of AWS get a label of their own; the rest is `Other`.
const MAX_CODES: usize = 64;

/// All metrics of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    reconcile_duration: Histogram,
    profiles: Family<ConditionLabel, Number>,
    workloads: Family<StateLabel, Number>,
    aws_objects: Family<ObjectLabel, Number>,
    aws_calls: Family<Call, Counter>,
    aws_call_duration: Histogram,
    bucket_wait: Family<OperationLabel, Seconds>,
    drift_repaired: Family<KindLabel, Counter>,
    quota_used: Family<QuotaLabel, Ratio>,
    rule_requests: Family<RuleLabel, Number>,
    rule_sampled: Family<RuleLabel, Number>,
    orphans: Counter,
    leader: Number,
    watch_age: Family<KindLabel, Ratio>,
    unreadable: Number,
    bounds_reached: Family<BoundLabel, Counter>,
    codes: Mutex<Vec<String>>,
    /// A scrape sees the last census or the next one, never half of it.
    counting: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tracewright");
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_duration: seconds(),
            profiles: Family::default(),
            workloads: Family::default(),
            aws_objects: Family::default(),
            aws_calls: Family::default(),
            aws_call_duration: seconds(),
            bucket_wait: Family::default(),
            drift_repaired: Family::default(),
            quota_used: Family::default(),
            rule_requests: Family::default(),
            rule_sampled: Family::default(),
            orphans: Counter::default(),
            leader: Gauge::default(),
            watch_age: Family::default(),
            unreadable: Gauge::default(),
            bounds_reached: Family::default(),
            codes: Mutex::default(),
            counting: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "reconciles",
            "Reconciles of profiles",
            metrics.reconciles.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "Duration of a reconcile",
            metrics.reconcile_duration.clone(),
        );
        registry.register(
            "profiles",
            "Profiles by condition and its status",
            metrics.profiles.clone(),
        );
        registry.register(
            "workloads",
            "Selected workloads by state",
            metrics.workloads.clone(),
        );
        registry.register(
            "aws_objects",
            "AWS objects by kind and state",
            metrics.aws_objects.clone(),
        );
        registry.register("aws_calls", "Calls to AWS", metrics.aws_calls.clone());
        registry.register(
            "aws_call_duration_seconds",
            "Duration of a call to AWS",
            metrics.aws_call_duration.clone(),
        );
        registry.register(
            "aws_bucket_wait_seconds",
            "Time that calls to AWS waited for their turn",
            metrics.bucket_wait.clone(),
        );
        registry.register(
            "drift_repaired",
            "AWS objects that were changed behind the operator's back and repaired",
            metrics.drift_repaired.clone(),
        );
        registry.register(
            "quota_used_ratio",
            "Used share of an AWS quota",
            metrics.quota_used.clone(),
        );
        registry.register(
            "sampling_rule_requests",
            "Requests that matched a sampling rule of a profile, in AWS's last windows",
            metrics.rule_requests.clone(),
        );
        registry.register(
            "sampling_rule_sampled",
            "Requests that a sampling rule of a profile sampled, in AWS's last windows",
            metrics.rule_sampled.clone(),
        );
        registry.register(
            "orphans",
            "AWS objects left behind by released profiles",
            metrics.orphans.clone(),
        );
        registry.register(
            "leader",
            "1 if this replica holds the lease",
            metrics.leader.clone(),
        );
        registry.register(
            "watch_age_seconds",
            "Time since a watch last made progress",
            metrics.watch_age.clone(),
        );
        registry.register(
            "namespaces_unreadable",
            "Namespaces of the list that are gone, or in which there are no rights",
            metrics.unreadable.clone(),
        );
        registry.register(
            "bounds_reached",
            "How often something found no room or was dropped at a bound",
            metrics.bounds_reached.clone(),
        );
        registry.register(
            "build",
            "The running version",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        // A counter that is not there before it counts hides its first increase.
        for kind in Kind::ALL {
            let kind = kind.as_str();
            metrics
                .drift_repaired
                .get_or_create(&KindLabel { kind })
                .inc_by(0);
        }
        for bound in Bound::ALL {
            metrics
                .bounds_reached
                .get_or_create(&bound.label())
                .inc_by(0);
        }
        Self {
            registry,
            ..metrics
        }
    }

    /// The text for a scrape.
    #[must_use]
    pub fn encode(&self) -> String {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            // Writing into a string fails only if an encoder does; a scrape then shows it.
            text.clear();
            let _ = write!(text, "# {error}\n# EOF\n");
        }
        text
    }

    /// A reconcile ended.
    pub fn reconciled(&self, outcome: &'static str, error: &'static str, took: Duration) {
        self.reconciles
            .get_or_create(&Outcome { outcome, error })
            .inc();
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// A call to AWS ended.
    pub fn aws_call(&self, operation: &'static str, code: &str, took: Duration) {
        let (service, operation) = operation.split_once('.').unwrap_or(("", operation));
        let code = self.known_code(code);
        self.aws_calls
            .get_or_create(&Call {
                service: service.to_owned(),
                operation: operation.to_owned(),
                code,
            })
            .inc();
        self.aws_call_duration.observe(took.as_secs_f64());
    }

    /// A call waited for its turn.
    pub fn bucket_wait(&self, operation: &'static str, waited: Duration) {
        self.bucket_wait
            .get_or_create(&OperationLabel {
                operation: operation.to_owned(),
            })
            .inc_by(waited.as_secs_f64());
    }

    /// An object that was as declared before was found changed, and repaired.
    pub fn drift_repaired(&self, kind: &'static str) {
        self.drift_repaired.get_or_create(&KindLabel { kind }).inc();
    }

    /// AWS objects were left behind.
    pub fn orphaned(&self, count: u64) {
        self.orphans.inc_by(count);
    }

    /// Whether this replica holds the lease.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How many of the listed namespaces cannot be read.
    pub fn namespaces_unreadable(&self, number: usize) {
        self.unreadable.set(number as i64);
    }

    /// How long ago a watch last made progress.
    pub fn watch_age(&self, kind: &'static str, age: Duration) {
        self.watch_age
            .get_or_create(&KindLabel { kind })
            .set(age.as_secs_f64());
    }

    /// How much of a quota is used, between 0 and 1.
    pub fn quota_used(&self, quota: &'static str, account: &str, region: &str, used: f64) {
        self.quota_used
            .get_or_create(&QuotaLabel {
                quota,
                account: account.to_owned(),
                region: region.to_owned(),
            })
            .set(used);
    }

    /// Requests that matched the rules of profiles. Rules that no profile declares any more are forgotten, so AWS's quota
    /// bounds their number.
    pub fn rule_traffic(&self, rules: &[(RuleLabel, Traffic)]) {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        self.rule_requests.clear();
        self.rule_sampled.clear();
        for (label, traffic) in rules {
            self.rule_requests
                .get_or_create(label)
                .set(traffic.requests);
            self.rule_sampled.get_or_create(label).set(traffic.sampled);
        }
    }

    /// Something found no room, or was dropped.
    pub fn bound_reached(&self, bound: Bound) {
        self.bounds_reached.get_or_create(&bound.label()).inc();
    }

    /// Takes the place of the last census.
    pub fn census(&self, census: Census) {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let Census {
            profiles,
            objects,
            workloads,
        } = census;
        self.profiles.clear();
        for ((condition, status), count) in profiles {
            self.profiles
                .get_or_create(&ConditionLabel { condition, status })
                .set(count);
        }
        self.aws_objects.clear();
        for ((kind, state), count) in objects {
            self.aws_objects
                .get_or_create(&ObjectLabel { kind, state })
                .set(count);
        }
        self.workloads.clear();
        for (state, count) in workloads {
            self.workloads
                .get_or_create(&StateLabel { state })
                .set(count);
        }
    }

    fn known_code(&self, code: &str) -> String {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if codes.iter().any(|known| known == code) {
            return code.to_owned();
        }
        if codes.len() == MAX_CODES {
            return "Other".to_owned();
        }
        codes.push(code.to_owned());
        code.to_owned()
    }
}
