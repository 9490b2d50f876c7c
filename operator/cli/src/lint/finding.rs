//! What `lint` has to say, and where.

use serde::{Serialize, Serializer};
use tracewright_core::field::FieldPath;

use super::document::Place;

/// One thing to change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Whether it keeps the profile from working.
    pub level: Level,
    /// A word for programs: of the checks here, or a reason of the profile's conditions.
    pub reason: &'static str,
    /// The file, `<stdin>` for the standard input.
    pub file: String,
    /// Where in the file.
    #[serde(flatten)]
    pub place: Place,
    /// The profile, as `namespace/name`. `None` where the file cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The field.
    #[serde(serialize_with = "as_text")]
    pub field: FieldPath,
    /// What is wrong and what to do about it.
    pub message: String,
    /// The text in question with a caret below the place, where the place is inside of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The API server, AWS or the SDKs refuse it.
    Error,
    /// It is probably not meant.
    Warning,
}

impl Level {
    /// The level in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Reasons of findings that are not reasons of conditions.
pub mod reason {
    /// The file cannot be read as YAML.
    pub const MALFORMED: &str = "Malformed";
    /// The API version is not the one that there is.
    pub const UNKNOWN_VERSION: &str = "UnknownVersion";
    /// The schema has no such field.
    pub const UNKNOWN_FIELD: &str = "UnknownField";
    /// The value is not as the schema says.
    pub const SCHEMA: &str = "Schema";
    /// A validation rule refuses the value.
    pub const RULE: &str = "Rule";
    /// Rules were left out.
    pub const RULES_NOT_CHECKED: &str = "RulesNotChecked";
    /// A filter expression may not do what is meant.
    pub const FILTER_EXPRESSION: &str = "FilterExpression";
    /// Port and protocol of the OTLP endpoint do not go together.
    pub const OTLP_PORT: &str = "OtlpPort";
    /// The sampler has nobody to ask.
    pub const SAMPLER_WITHOUT_RECEIVER: &str = "SamplerWithoutReceiver";
    /// Two profiles declare one AWS object.
    pub const DECLARED_TWICE: &str = "DeclaredTwice";
}

fn as_text<S: Serializer>(field: &FieldPath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(field)
}
