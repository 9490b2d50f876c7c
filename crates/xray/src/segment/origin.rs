//! What all segments of a process share, written once.

use super::part::{MAX_TEXT_CHARS, TO_STRING, cut};
use serde_json::{Map, Value};
use std::fmt::Write;

/// What all segments of a process share, as JSON.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `,"origin":…,"service":…`: members that need no changes.
    pub(super) members: String,
    /// The members of `aws` without the braces, up to and including `"xray":{"sdk":…` without its brace.
    pub(super) aws: String,
}

impl Origin {
    /// `origin` is the AWS resource the process runs on (`AWS::EKS::Container`), `service` the members of `service`, `aws`
    /// further members of `aws` by name. Longer texts than X-Ray takes are cut.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON.
    pub fn new(
        origin: Option<&str>,
        service: &Map<String, Value>,
        aws: &Map<String, Value>,
        sdk: &str,
        sdk_version: &str,
    ) -> Result<Self, serde_json::Error> {
        let mut shared = Self::default();
        if let Some(origin) = origin {
            write!(
                shared.members,
                ",\"origin\":{}",
                serde_json::to_string(cut(origin, MAX_TEXT_CHARS))?
            )
            .expect(TO_STRING);
        }
        if !service.is_empty() {
            write!(
                shared.members,
                ",\"service\":{}",
                serde_json::to_string(&shortened(&service.clone().into()))?
            )
            .expect(TO_STRING);
        }
        for (name, value) in aws {
            write!(
                shared.aws,
                "{}:{},",
                serde_json::to_string(name)?,
                serde_json::to_string(&shortened(value))?
            )
            .expect(TO_STRING);
        }
        let xray =
            serde_json::to_string(&serde_json::json!({ "sdk": sdk, "sdk_version": sdk_version }))?;
        write!(shared.aws, "\"xray\":{}", xray.trim_end_matches('}')).expect(TO_STRING);
        Ok(shared)
    }
}

/// The value with all its texts cut to what X-Ray takes.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => cut(text, MAX_TEXT_CHARS).into(),
        Value::Array(list) => list.iter().map(shortened).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shortened(value)))
            .collect(),
        other => other.clone(),
    }
}
