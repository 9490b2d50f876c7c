//! What X-Ray keeps for one account and region.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids;
use crate::state::Place;
use crate::tags::TagSet;
use crate::xray::traces::Trace;

/// Name of the rule and the group that always exist.
pub(crate) const DEFAULT: &str = "Default";
/// Priority of the rule that catches the rest.
pub(crate) const DEFAULT_PRIORITY: i32 = 10_000;

/// X-Ray's state. Times are emulated milliseconds since 1970.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct XrayState {
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) sampling_rules: BTreeMap<String, Rule>,
    /// When a rule was last created, changed or deleted.
    pub(crate) last_rule_modification: i64,
    pub(crate) statistics: VecDeque<Statistic>,
    pub(crate) traces: BTreeMap<String, Trace>,
    pub(crate) indexing: Indexing,
    pub(crate) destination: Destination,
    pub(crate) encryption: Encryption,
    pub(crate) resource_policies: BTreeMap<String, Policy>,
    /// The daemons' latest reports on themselves, as they came.
    pub(crate) telemetry_records: VecDeque<Value>,
}

/// A group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter_expression: Option<String>,
    pub(crate) insights_enabled: bool,
    pub(crate) notifications_enabled: bool,
    pub(crate) tags: TagSet,
    pub(crate) created_at: i64,
    /// When the filter expression last changed; service graphs tell of it.
    pub(crate) expression_changed_at: i64,
}

/// A sampling rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) arn: String,
    pub(crate) priority: i32,
    pub(crate) fixed_rate: f64,
    pub(crate) reservoir_size: i32,
    pub(crate) service_name: String,
    pub(crate) service_type: String,
    pub(crate) host: String,
    #[serde(rename = "httpMethod")]
    pub(crate) http_method: String,
    pub(crate) url_path: String,
    #[serde(rename = "resourceARN")]
    pub(crate) resource_arn: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sampling_rate_boost: Option<RateBoost>,
    /// When the last boost began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) boosted_at: Option<i64>,
    pub(crate) tags: TagSet,
    pub(crate) created_at: i64,
    pub(crate) modified_at: i64,
}

impl Default for Rule {
    /// The factory values of rule `Default`.
    fn default() -> Self {
        let any = || "*".to_owned();
        Self {
            arn: String::new(),
            priority: DEFAULT_PRIORITY,
            fixed_rate: 0.05,
            reservoir_size: 1,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            resource_arn: any(),
            attributes: BTreeMap::new(),
            version: 1,
            sampling_rate_boost: None,
            boosted_at: None,
            tags: TagSet::default(),
            created_at: 0,
            modified_at: 0,
        }
    }
}

/// The ceiling of adaptive sampling; AWS's own shape, on the wire and in the state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RateBoost {
    pub(crate) max_rate: f64,
    pub(crate) cooldown_window_minutes: i32,
}

/// One client's report on one rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Statistic {
    pub(crate) rule_name: String,
    pub(crate) client_id: String,
    /// When the client says it counted.
    pub(crate) timestamp: i64,
    pub(crate) received_at: i64,
    pub(crate) request_count: i64,
    pub(crate) sampled_count: i64,
    pub(crate) borrow_count: i64,
}

/// The account's only indexing rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Indexing {
    pub(crate) desired_percentage: f64,
    pub(crate) modified_at: i64,
}

impl Default for Indexing {
    fn default() -> Self {
        Self {
            desired_percentage: 1.0,
            modified_at: 0,
        }
    }
}

/// Where segments go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Destination {
    /// `XRay` or `CloudWatchLogs`.
    pub(crate) name: String,
    pub(crate) changed_at: i64,
}

impl Default for Destination {
    fn default() -> Self {
        Self {
            name: "XRay".to_owned(),
            changed_at: 0,
        }
    }
}

/// The encryption configuration; no key means `NONE`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Encryption {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<String>,
    pub(crate) changed_at: i64,
}

/// A resource policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) document: String,
    pub(crate) revision: String,
    pub(crate) updated_at: i64,
}

impl XrayState {
    /// Adds rule and group `Default` and whatever ARNs and times are missing.
    pub(crate) fn complete(&mut self, place: &Place, now: i64) {
        self.groups.entry(DEFAULT.to_owned()).or_default();
        for (name, group) in &mut self.groups {
            if group.arn.is_empty() {
                group.arn = group_arn(place, name);
            }
            if group.created_at == 0 && name != DEFAULT {
                group.created_at = now;
            }
        }
        self.sampling_rules.entry(DEFAULT.to_owned()).or_default();
        for (name, rule) in &mut self.sampling_rules {
            rule.arn = place.arn("xray", &format!("sampling-rule/{name}"));
            if rule.created_at == 0 && name != DEFAULT {
                (rule.created_at, rule.modified_at) = (now, now);
            }
        }
    }
}

/// The ARN of a new group: it ends in an id that cannot be derived from the name.
pub(crate) fn group_arn(place: &Place, name: &str) -> String {
    let resource = match name {
        DEFAULT => format!("group/{name}"),
        _ => format!("group/{name}/{}", ids::upper(52)),
    };
    place.arn("xray", &resource)
}
