//! What CloudWatch Logs keeps for one account and region.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tags::TagSet;

/// CloudWatch Logs' state. Times are emulated milliseconds since 1970.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct LogsState {
    pub(crate) log_groups: BTreeMap<String, LogGroup>,
    pub(crate) account_policies: Vec<AccountPolicy>,
    /// The key of query results, if one is associated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query_result_key: Option<String>,
    /// Makes event ids unique.
    pub(crate) last_event: u64,
}

/// A log group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct LogGroup {
    pub(crate) creation_time: i64,
    /// `STANDARD`, `INFREQUENT_ACCESS`, `DELIVERY` or `ESSENTIALS`.
    pub(crate) class: String,
    /// The group's own retention, whatever account-level policies say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retention_in_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key_id: Option<String>,
    pub(crate) deletion_protection_enabled: bool,
    pub(crate) tags: TagSet,
    pub(crate) metric_filters: BTreeMap<String, MetricFilter>,
    pub(crate) streams: BTreeMap<String, Stream>,
}

impl Default for LogGroup {
    fn default() -> Self {
        Self {
            creation_time: 0,
            class: "STANDARD".to_owned(),
            retention_in_days: None,
            kms_key_id: None,
            deletion_protection_enabled: false,
            tags: TagSet::default(),
            metric_filters: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }
}

/// A metric filter: what was put, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MetricFilter {
    pub(crate) creation_time: i64,
    /// The members of `PutMetricFilter` that `DescribeMetricFilters` gives back.
    pub(crate) definition: Value,
}

/// A log stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Stream {
    pub(crate) creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_ingestion_time: Option<i64>,
    /// In the order of timestamp, ingestion time and id.
    pub(crate) events: Vec<Event>,
}

/// Bytes each event counts for besides its message.
pub(crate) const EVENT_OVERHEAD: usize = 26;

/// A log event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) timestamp: i64,
    #[serde(default)]
    pub(crate) ingestion_time: i64,
    pub(crate) message: String,
    /// Grows with every event of the account and region.
    #[serde(default)]
    pub(crate) id: u64,
}

/// An account-level policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccountPolicy {
    pub(crate) policy_name: String,
    pub(crate) policy_type: String,
    pub(crate) policy_document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) selection_criteria: Option<String>,
    #[serde(default)]
    pub(crate) created_at: i64,
    #[serde(default)]
    pub(crate) last_updated_time: i64,
    /// From when on the document counts.
    #[serde(default)]
    pub(crate) effective_at: i64,
    /// The document that counts until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous_document: Option<String>,
}

impl LogsState {
    /// Fills in creation times that a hand-written state leaves out.
    pub(crate) fn complete(&mut self, now: i64) {
        for group in self.log_groups.values_mut() {
            if group.creation_time == 0 {
                group.creation_time = now;
            }
            for stream in group.streams.values_mut() {
                if stream.creation_time == 0 {
                    stream.creation_time = now;
                }
                stream
                    .events
                    .sort_by_key(|event| (event.timestamp, event.ingestion_time, event.id));
            }
        }
    }
}
