//! Log groups: creation, deletion and its protection.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::state::LogGroup;
use super::{Nothing, identified, invalid, kms, no_group};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::tags::TagSet;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateInput {
    log_group_name: String,
    kms_key_id: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    log_group_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
}

pub(super) fn create(context: &mut Context<'_>, input: CreateInput) -> Nothing {
    let name = input.log_group_name;
    if name.to_ascii_lowercase().starts_with("aws/") {
        return Err(invalid(
            "Log groups starting with AWS/ are reserved for AWS.",
        ));
    }
    if context.region.logs.log_groups.contains_key(&name) {
        return Err(AwsError::client(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ));
    }
    if let Some(key) = &input.kms_key_id {
        kms::check_key(context.place, key, &name)?;
    }
    let tags = input.tags.unwrap_or_default();
    super::tags::check(&TagSet::default(), &tags)?;
    if context.region.logs.log_groups.len() as u64 >= context.settings.logs_log_groups {
        return Err(AwsError::client(
            "LimitExceededException",
            "Resource limit exceeded.",
        ));
    }
    let class = input
        .log_group_class
        .unwrap_or_else(|| "STANDARD".to_owned());
    let group = LogGroup {
        creation_time: context.now,
        // "Log events in log groups in the Delivery class are kept in CloudWatch Logs for only one day."
        retention_in_days: (class == "DELIVERY").then_some(1),
        class,
        kms_key_id: input.kms_key_id,
        deletion_protection_enabled: input.deletion_protection_enabled.unwrap_or(false),
        tags: TagSet::created(tags, context.now, context.settings.tag_delay_ms),
        ..LogGroup::default()
    };
    context.region.logs.log_groups.insert(name, group);
    Ok(Value::Null)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) log_group_name: String,
}

pub(super) fn delete(context: &mut Context<'_>, input: Named) -> Nothing {
    let groups = &mut context.region.logs.log_groups;
    let group = groups.get(&input.log_group_name).ok_or_else(no_group)?;
    if group.deletion_protection_enabled {
        return Err(protected());
    }
    groups.remove(&input.log_group_name);
    Ok(Value::Null)
}

/// "Deletion protection blocks all deletion operations until it is explicitly disabled."
pub(super) fn protected() -> AwsError {
    AwsError::client(
        "ValidationException",
        "The log group cannot be deleted because deletion protection is enabled. Disable deletion protection and try again.",
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProtectInput {
    log_group_identifier: String,
    deletion_protection_enabled: bool,
}

pub(super) fn protect(context: &mut Context<'_>, input: ProtectInput) -> Nothing {
    let (_, group) = identified(context, &input.log_group_identifier)?;
    group.deletion_protection_enabled = input.deletion_protection_enabled;
    Ok(Value::Null)
}
