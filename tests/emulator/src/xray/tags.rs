//! Tags of X-Ray groups and sampling rules, by ARN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Result, invalid, not_found, page};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::limits::Settings;
use crate::state::{Place, Region};
use crate::tags::TagSet;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// A list of tags as a map; of equal keys the last counts.
pub(super) fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// "Valid values for key and value: a-z, A-Z, 0-9, space, and _ . : / = + - @" (API reference, CreateGroup).
fn is_allowed(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c))
}

/// Refuses reserved keys, odd characters and more tags than a resource may have.
pub(super) fn check_new_tags(
    present: &TagSet,
    new: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<()> {
    for (key, value) in new {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(
                "Tag keys cannot start with the reserved prefix aws:",
            ));
        }
        if !is_allowed(key) || !is_allowed(value) {
            return Err(invalid(format!(
                "Tag {key} has characters that are not allowed in tags"
            )));
        }
    }
    if present.count_with(new.keys()) as u64 > settings.xray_tags {
        return Err(AwsError::client(
            "TooManyTagsException",
            "You have exceeded the maximum number of tags you can apply to this resource.",
        ));
    }
    Ok(())
}

/// The tags of the group or rule with this ARN.
fn find<'a>(region: &'a mut Region, place: &Place, arn: &str) -> Result<&'a mut TagSet> {
    if !arn.starts_with(&place.arn("xray", "")) {
        return Err(invalid("Invalid resource ARN"));
    }
    let groups = region
        .xray
        .groups
        .values_mut()
        .map(|group| (&group.arn, &mut group.tags));
    let rules = region
        .xray
        .sampling_rules
        .values_mut()
        .map(|rule| (&rule.arn, &mut rule.tags));
    let mut found = groups.chain(rules).filter(|(known, _)| *known == arn);
    let (_, tags) = found
        .next()
        .ok_or_else(|| not_found("The resource was not found."))?;
    Ok(tags)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: Vec<Tag>,
}

pub(super) fn tag(context: &mut Context<'_>, input: TagInput) -> Result<Value> {
    let tags = find(context.region, context.place, &input.resource_arn)?;
    let new = tag_map(input.tags);
    check_new_tags(tags, &new, context.settings)?;
    tags.put(new);
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(super) fn untag(context: &mut Context<'_>, input: UntagInput) -> Result<Value> {
    find(context.region, context.place, &input.resource_arn)?.remove(&input.tag_keys);
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListOutput {
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn list(context: &mut Context<'_>, input: ListInput) -> Result<ListOutput> {
    let now = context.now;
    let tags = find(context.region, context.place, &input.resource_arn)?.clone();
    let tags = tags.visible(now).into_iter().map(|(key, value)| Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    });
    let scope = format!("ListTagsForResource {}", input.resource_arn);
    let (tags, next_token) = page(context, &scope, input.next_token.as_deref(), tags, |tag| {
        tag.key.clone()
    })?;
    Ok(ListOutput { tags, next_token })
}
