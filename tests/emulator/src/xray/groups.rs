//! X-Ray groups.

use serde::{Deserialize, Serialize};
use tracewright_xray::filter;

use super::state::{DEFAULT, Group, group_arn};
use super::tags::{Tag, check_new_tags, tag_map};
use super::{ListInput, Result, invalid, page};
use crate::emulation::Context;
use crate::tags::TagSet;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Insights {
    insights_enabled: Option<bool>,
    notifications_enabled: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownGroup {
    group_name: String,
    #[serde(rename = "GroupARN")]
    group_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_expression: Option<String>,
    insights_configuration: Insights,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupOutput {
    group: ShownGroup,
}

fn show(name: &str, group: &Group) -> ShownGroup {
    ShownGroup {
        group_name: name.to_owned(),
        group_arn: group.arn.clone(),
        filter_expression: group.filter_expression.clone(),
        insights_configuration: Insights {
            insights_enabled: Some(group.insights_enabled),
            notifications_enabled: Some(group.notifications_enabled),
        },
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateInput {
    group_name: String,
    filter_expression: Option<String>,
    insights_configuration: Option<Insights>,
    tags: Option<Vec<Tag>>,
}

pub(super) fn create(context: &mut Context<'_>, input: CreateInput) -> Result<GroupOutput> {
    let name = input.group_name;
    let groups = &context.region.xray.groups;
    if name == DEFAULT {
        return Err(invalid("Group name Default is reserved."));
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(invalid(
            "Group name can only contain alphanumeric characters and dashes.",
        ));
    }
    if groups.contains_key(&name) {
        return Err(invalid("Group already exists."));
    }
    if (groups.len() - 1) as u64 >= context.settings.xray_groups {
        return Err(invalid(format!(
            "Group limit of {} exceeded.",
            context.settings.xray_groups
        )));
    }
    let expression = check_expression(input.filter_expression)?;
    let tags = tag_map(input.tags.unwrap_or_default());
    check_new_tags(&TagSet::default(), &tags, context.settings)?;
    let mut group = Group {
        arn: group_arn(context.place, &name),
        filter_expression: expression,
        tags: TagSet::created(tags, context.now, context.settings.tag_delay_ms),
        created_at: context.now,
        expression_changed_at: context.now,
        ..Group::default()
    };
    set_insights(&mut group, input.insights_configuration)?;
    let group = context
        .region
        .xray
        .groups
        .entry(name.clone())
        .or_insert(group);
    Ok(GroupOutput {
        group: show(&name, group),
    })
}

/// How an input refers to a group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Identified {
    group_name: Option<String>,
    #[serde(rename = "GroupARN")]
    group_arn: Option<String>,
}

impl Identified {
    pub(super) fn new(group_name: Option<String>, group_arn: Option<String>) -> Self {
        Self {
            group_name,
            group_arn,
        }
    }

    /// The name of the group that is meant.
    pub(super) fn find(&self, context: &Context<'_>) -> Result<String> {
        let groups = &context.region.xray.groups;
        let found = match (&self.group_name, &self.group_arn) {
            (None, None) => return Err(invalid("Either GroupName or GroupARN must be specified.")),
            (Some(name), None) => groups.get_key_value(name),
            (None, Some(arn)) => groups.iter().find(|(_, group)| group.arn == *arn),
            (Some(name), Some(arn)) => match groups.get_key_value(name) {
                Some((_, group)) if group.arn != *arn => {
                    return Err(invalid(
                        "GroupName and GroupARN do not refer to the same group.",
                    ));
                }
                found => found,
            },
        };
        found
            .map(|(name, _)| name.clone())
            .ok_or_else(|| invalid("Group not found"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateInput {
    group_name: Option<String>,
    #[serde(rename = "GroupARN")]
    group_arn: Option<String>,
    filter_expression: Option<String>,
    insights_configuration: Option<Insights>,
}

pub(super) fn update(context: &mut Context<'_>, input: UpdateInput) -> Result<GroupOutput> {
    let name = Identified::new(input.group_name, input.group_arn).find(context)?;
    if name == DEFAULT && input.filter_expression.is_some() {
        return Err(invalid(
            "The filter expression of the Default group cannot be updated.",
        ));
    }
    let expression = check_expression(input.filter_expression)?;
    let now = context.now;
    let Some(group) = context.region.xray.groups.get_mut(&name) else {
        return Err(invalid("Group not found"));
    };
    set_insights(group, input.insights_configuration)?;
    if expression.is_some() && expression != group.filter_expression {
        group.filter_expression = expression;
        group.expression_changed_at = now;
    }
    Ok(GroupOutput {
        group: show(&name, group),
    })
}

pub(super) fn delete(context: &mut Context<'_>, input: Identified) -> Result<serde_json::Value> {
    let name = input.find(context)?;
    if name == DEFAULT {
        return Err(invalid("The Default group cannot be deleted."));
    }
    context.region.xray.groups.remove(&name);
    Ok(serde_json::json!({}))
}

pub(super) fn get(context: &mut Context<'_>, input: Identified) -> Result<GroupOutput> {
    let name = input.find(context)?;
    Ok(GroupOutput {
        group: show(&name, &context.region.xray.groups[&name]),
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListOutput {
    groups: Vec<ShownGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn list(context: &mut Context<'_>, input: ListInput) -> Result<ListOutput> {
    let groups = context.region.xray.groups.iter();
    let token = input.next_token.as_deref();
    let (groups, next_token) = page(context, "GetGroups", token, groups, |(name, _)| {
        (*name).clone()
    })?;
    Ok(ListOutput {
        groups: groups
            .into_iter()
            .map(|(name, group)| show(name, group))
            .collect(),
        next_token,
    })
}

/// Omitted members stay as they are; notifications need insights.
fn set_insights(group: &mut Group, change: Option<Insights>) -> Result<()> {
    let Some(change) = change else { return Ok(()) };
    let insights = change.insights_enabled.unwrap_or(group.insights_enabled);
    // Insights switched off take the notifications with them unless these are asked for in the same call.
    let notifications = change
        .notifications_enabled
        .unwrap_or(group.notifications_enabled && insights);
    if notifications && !insights {
        return Err(invalid("Insights must be enabled to enable notifications."));
    }
    (group.insights_enabled, group.notifications_enabled) = (insights, notifications);
    Ok(())
}

/// Refuses expressions with a broken structure; an unknown keyword may be newer than the parser.
fn check_expression(expression: Option<String>) -> Result<Option<String>> {
    if let Some(expression) = &expression {
        filter::parse(expression)
            .map_err(|error| invalid(format!("Invalid filter expression: {error}")))?;
    }
    Ok(expression)
}
