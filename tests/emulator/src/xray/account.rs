//! Account-wide settings of X-Ray: indexing rule, segment destination and encryption.

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Destination, Encryption, Indexing};
use super::{Result, invalid, not_found, seconds};
use crate::emulation::Context;

/// The only indexing rule there is.
const INDEXING_RULE: &str = "Default";
/// How long a changed destination or encryption is not yet active, emulated milliseconds. AWS names no time.
const SETTLING_MS: i64 = 30_000;

fn show_indexing(indexing: &Indexing) -> Value {
    json!({
        "Name": INDEXING_RULE,
        "ModifiedAt": seconds(indexing.modified_at),
        "Rule": {"Probabilistic": {
            "DesiredSamplingPercentage": indexing.desired_percentage,
            "ActualSamplingPercentage": indexing.desired_percentage,
        }},
    })
}

pub(super) fn indexing_rules(context: &mut Context<'_>, input: super::ListInput) -> Result<Value> {
    if input.next_token.is_some() {
        return Err(invalid("Invalid NextToken"));
    }
    Ok(json!({ "IndexingRules": [show_indexing(&context.region.xray.indexing)] }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IndexingInput {
    name: String,
    rule: IndexingRule,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexingRule {
    probabilistic: Option<Probabilistic>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Probabilistic {
    desired_sampling_percentage: f64,
}

pub(super) fn update_indexing_rule(
    context: &mut Context<'_>,
    input: IndexingInput,
) -> Result<Value> {
    if input.name != INDEXING_RULE {
        return Err(not_found("Indexing rule not found"));
    }
    let Some(Probabilistic {
        desired_sampling_percentage,
    }) = input.rule.probabilistic
    else {
        return Err(invalid("Rule must be specified."));
    };
    if !(0.0..=100.0).contains(&desired_sampling_percentage) {
        return Err(invalid(
            "DesiredSamplingPercentage must be between 0 and 100.",
        ));
    }
    let indexing = &mut context.region.xray.indexing;
    *indexing = Indexing {
        desired_percentage: desired_sampling_percentage,
        modified_at: context.now,
    };
    Ok(json!({ "IndexingRule": show_indexing(indexing) }))
}

fn show_destination(destination: &Destination, now: i64) -> Value {
    let settling = destination.changed_at != 0 && now - destination.changed_at < SETTLING_MS;
    json!({
        "Destination": destination.name,
        "Status": if settling { "PENDING" } else { "ACTIVE" },
    })
}

pub(super) fn destination(context: &mut Context<'_>, _input: Value) -> Result<Value> {
    Ok(show_destination(
        &context.region.xray.destination,
        context.now,
    ))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DestinationInput {
    destination: Option<String>,
    cloud_watch_logs_configuration: Option<Value>,
}

pub(super) fn update_destination(
    context: &mut Context<'_>,
    input: DestinationInput,
) -> Result<Value> {
    let current = &mut context.region.xray.destination;
    let name = input.destination.unwrap_or_else(|| current.name.clone());
    if input.cloud_watch_logs_configuration.is_some() && name != "CloudWatchLogs" {
        return Err(invalid(
            "CloudWatchLogsConfiguration can only be specified when Destination is CloudWatchLogs.",
        ));
    }
    if name != current.name {
        *current = Destination {
            name,
            changed_at: context.now,
        };
    }
    Ok(show_destination(current, context.now))
}

fn show_encryption(encryption: &Encryption, now: i64) -> Value {
    let settling = encryption.changed_at != 0 && now - encryption.changed_at < SETTLING_MS;
    let mut shown = json!({
        "Type": if encryption.key_id.is_some() { "KMS" } else { "NONE" },
        "Status": if settling { "UPDATING" } else { "ACTIVE" },
    });
    if let Some(key) = &encryption.key_id {
        shown["KeyId"] = json!(key);
    }
    json!({ "EncryptionConfig": shown })
}

pub(super) fn encryption(context: &mut Context<'_>, _input: Value) -> Result<Value> {
    Ok(show_encryption(
        &context.region.xray.encryption,
        context.now,
    ))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EncryptionInput {
    key_id: Option<String>,
    r#type: String,
}

pub(super) fn put_encryption(context: &mut Context<'_>, input: EncryptionInput) -> Result<Value> {
    let key_id = match (input.r#type.as_str(), input.key_id) {
        ("KMS", None) => return Err(invalid("KeyId must be specified when Type is KMS.")),
        ("NONE", Some(_)) => return Err(invalid("KeyId must not be specified when Type is NONE.")),
        (_, key_id) => key_id,
    };
    context.region.xray.encryption = Encryption {
        key_id,
        changed_at: context.now,
    };
    encryption(context, Value::Null)
}
