//! The record on a workload: which entries are ours. It is written in the same patch as the entries.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::env::Hash;

/// What the annotation `tracewright.dev/injected` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The profile that holds the workload, of the same namespace.
    pub profile: String,
    /// The profile's generation that was injected.
    pub generation: i64,
    /// The version by which it was rendered, see [`crate::env::RENDER_VERSION`].
    pub render_version: u32,
    /// The generation of the workload that the last patch of its template made. While it has this one, nobody has
    /// changed it since, and what rolls out is our change. Absent for a CronJob, which has no rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_generation: Option<i64>,
    /// By container: the variables that were written, each with the hash of what was written. One whose entry differs
    /// by now is its user's.
    pub containers: BTreeMap<String, BTreeMap<String, Hash>>,
    /// Whether the variables were taken back because the rollout failed. They stay away until the profile's
    /// generation changes.
    #[serde(default)]
    pub reverted: bool,
    /// With what evidence the rollout failed, where the variables were taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Record {
    /// Reads the annotation. `None` if it is not such a record: then nothing in the workload counts as ours.
    #[must_use]
    pub fn read(annotation: &str) -> Option<Self> {
        serde_json::from_str(annotation).ok()
    }

    /// The annotation's value.
    #[must_use]
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).expect("all keys are strings and all values are plain data")
    }

    /// Whether the record speaks of this generation of this profile.
    pub(super) fn is_of(&self, profile: &str, generation: i64) -> bool {
        self.profile == profile && self.generation == generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_has_the_form_of_the_contract() {
        let text = concat!(
            r#"{"profile":"cruddur","generation":3,"renderVersion":1,"#,
            r#""containers":{"backend":{"OTEL_SERVICE_NAME":"00000000000000ff"}},"reverted":false}"#
        );
        let record = Record::read(text).expect("is a record");
        assert_eq!(
            record.containers["backend"]["OTEL_SERVICE_NAME"].to_string(),
            "00000000000000ff"
        );
        assert_eq!(record.to_annotation(), text);
    }

    #[test]
    fn what_is_not_a_record_is_none() {
        for text in [
            "",
            "null",
            "{}",
            r#"{"profile":"p","generation":1,"renderVersion":1,"containers":{"c":{"V":"x"}}}"#,
        ] {
            assert_eq!(Record::read(text), None, "{text}");
        }
    }
}
