//! Tags of log groups: by ARN, and the older operations by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::groups::Named;
use super::state::LogGroup;
use super::{Nothing, Result, invalid, no_group};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::state::{Place, Region};
use crate::tags::TagSet;

/// "You can associate as many as 50 tags with a CloudWatch Logs resource" (API reference, TagResource).
const MAX_TAGS: usize = 50;

type Tags = BTreeMap<String, String>;

/// Refuses reserved keys and more tags than a group may have.
pub(super) fn check(present: &TagSet, new: &Tags) -> Result<()> {
    if let Some(key) = new
        .keys()
        .find(|key| key.to_ascii_lowercase().starts_with("aws:"))
    {
        return Err(invalid(format!(
            "Tag key {key} starts with the reserved prefix aws:"
        )));
    }
    if present.count_with(new.keys()) > MAX_TAGS {
        return Err(AwsError::client(
            "TooManyTagsException",
            "A resource can have no more than 50 tags.",
        ));
    }
    Ok(())
}

/// The log group with this ARN; the ARN must not end in `:*`.
fn by_arn<'a>(region: &'a mut Region, place: &Place, arn: &str) -> Result<&'a mut LogGroup> {
    let Some(name) = arn.strip_prefix(&super::arn(place, "")) else {
        return Err(invalid(format!(
            "{arn} is not a valid ARN of a log group in this account and Region."
        )));
    };
    region.logs.log_groups.get_mut(name).ok_or_else(no_group)
}

fn by_name<'a>(region: &'a mut Region, name: &str) -> Result<&'a mut LogGroup> {
    region.logs.log_groups.get_mut(name).ok_or_else(no_group)
}

fn put(group: &mut LogGroup, tags: Tags) -> Nothing {
    check(&group.tags, &tags)?;
    group.tags.put(tags);
    Ok(Value::Null)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagInput {
    resource_arn: String,
    tags: Tags,
}

pub(super) fn tag(context: &mut Context<'_>, input: TagInput) -> Nothing {
    put(
        by_arn(context.region, context.place, &input.resource_arn)?,
        input.tags,
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UntagInput {
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(super) fn untag(context: &mut Context<'_>, input: UntagInput) -> Nothing {
    let group = by_arn(context.region, context.place, &input.resource_arn)?;
    group.tags.remove(&input.tag_keys);
    Ok(Value::Null)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListInput {
    resource_arn: String,
}

pub(super) fn list(context: &mut Context<'_>, input: ListInput) -> Result<Value> {
    let group = by_arn(context.region, context.place, &input.resource_arn)?;
    Ok(json!({ "tags": group.tags.visible(context.now) }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagGroupInput {
    log_group_name: String,
    tags: Tags,
}

pub(super) fn tag_group(context: &mut Context<'_>, input: TagGroupInput) -> Nothing {
    put(by_name(context.region, &input.log_group_name)?, input.tags)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UntagGroupInput {
    log_group_name: String,
    tags: Vec<String>,
}

pub(super) fn untag_group(context: &mut Context<'_>, input: UntagGroupInput) -> Nothing {
    by_name(context.region, &input.log_group_name)?
        .tags
        .remove(&input.tags);
    Ok(Value::Null)
}

pub(super) fn list_group(context: &mut Context<'_>, input: Named) -> Result<Value> {
    let group = by_name(context.region, &input.log_group_name)?;
    Ok(json!({ "tags": group.tags.visible(context.now) }))
}
