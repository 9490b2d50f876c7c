//! The KMS keys of log groups and of query results.

use serde::Deserialize;
use serde_json::Value;

use super::{Nothing, Result, arn, identified, invalid};
use crate::emulation::Context;
use crate::state::Place;

/// A key must be given by its ARN and belong to this account and region. Whether it exists is not modelled.
pub(super) fn check_key(place: &Place, key: &str, group: &str) -> Result<()> {
    let id = key.strip_prefix(&place.arn("kms", "key/"));
    let is_id = |id: &str| {
        !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match id.is_some_and(is_id) {
        true => Ok(()),
        false => Err(invalid(format!(
            "The specified KMS key does not exist or is not allowed to be used with LogGroup '{}'",
            arn(place, group)
        ))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    log_group_name: Option<String>,
    resource_identifier: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssociateInput {
    kms_key_id: String,
    #[serde(flatten)]
    target: Target,
}

pub(super) fn associate(context: &mut Context<'_>, input: AssociateInput) -> Nothing {
    set(context, input.target, Some(input.kms_key_id))
}

pub(super) fn disassociate(context: &mut Context<'_>, input: Target) -> Nothing {
    set(context, input, None)
}

fn set(context: &mut Context<'_>, target: Target, key: Option<String>) -> Nothing {
    let identifier = match (target.log_group_name, target.resource_identifier) {
        (Some(identifier), None) | (None, Some(identifier)) => identifier,
        _ => {
            return Err(invalid(
                "You must specify either logGroupName or resourceIdentifier, but not both.",
            ));
        }
    };
    let place = context.place;
    if identifier == place.arn("logs", "query-result:*") {
        if let Some(key) = &key {
            check_key(place, key, "query-result")?;
        }
        context.region.logs.query_result_key = key;
        return Ok(Value::Null);
    }
    let (name, group) = identified(context, &identifier)?;
    if let Some(key) = &key {
        check_key(place, key, &name)?;
    }
    group.kms_key_id = key;
    Ok(Value::Null)
}
