//! Reading log groups: `DescribeLogGroups` with all it tells, and `ListLogGroups` with its tag filters.

use serde::{Deserialize, Serialize};

use super::state::{LogGroup, LogsState};
use super::{Result, arn, group_name, invalid, page, retention};
use crate::emulation::Context;
use crate::state::Place;

/// Items per page when the caller names no limit.
const DEFAULT_LIMIT: usize = 50;

#[derive(Debug, Deserialize, Hash)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeInput {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    log_group_class: Option<String>,
    account_identifiers: Option<Vec<String>>,
    include_linked_accounts: Option<bool>,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    log_group_name: String,
    creation_time: i64,
    arn: String,
    #[serde(flatten)]
    rest: Option<Rest>,
}

/// What a description holds unless the groups were asked for by pattern.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest {
    log_group_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_policy_name: Option<String>,
    metric_filter_count: usize,
    stored_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    log_group_class: String,
    deletion_protection_enabled: bool,
    bearer_token_authentication_enabled: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeOutput {
    log_groups: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn describe(
    context: &mut Context<'_>,
    mut input: DescribeInput,
) -> Result<DescribeOutput> {
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let other_filters = input.log_group_name_prefix.is_some()
        || input.log_group_name_pattern.is_some()
        || input.log_group_class.is_some()
        || input.account_identifiers.is_some();
    if input.log_group_identifiers.is_some() && other_filters {
        return Err(invalid(
            "The only filter that can be used with logGroupIdentifiers is includeLinkedAccounts.",
        ));
    }
    check_accounts(context.place, input.account_identifiers.as_deref())?;
    if let Some(identifiers) = &input.log_group_identifiers
        && let Some(arn) = identifiers
            .iter()
            .find(|identifier| identifier.starts_with("arn:"))
    {
        return Err(invalid(format!(
            "{arn}: log group ARNs can be used in a monitoring account only; use names."
        )));
    }
    let token = input.next_token.take();
    let limit = input.limit.take().unwrap_or(DEFAULT_LIMIT);
    let groups = context
        .region
        .logs
        .log_groups
        .iter()
        .filter(|(name, group)| input.selects(name, group));
    let request = ("DescribeLogGroups", &input);
    let (groups, next_token) = page(
        context,
        request,
        (token.as_deref(), limit),
        groups,
        |(name, _)| (*name).clone(),
    )?;
    let by_pattern = input.log_group_name_pattern.is_some();
    let shown = groups.into_iter().map(|(name, group)| Shown {
        log_group_name: name.clone(),
        creation_time: group.creation_time,
        arn: format!("{}:*", arn(context.place, name)),
        rest: (!by_pattern).then(|| rest(context, &context.region.logs, name, group)),
    });
    Ok(DescribeOutput {
        log_groups: shown.collect(),
        next_token,
    })
}

fn rest(context: &Context<'_>, logs: &LogsState, name: &str, group: &LogGroup) -> Rest {
    let effective = retention::effective(&logs.account_policies, name, group, context.now);
    Rest {
        log_group_arn: arn(context.place, name),
        retention_in_days: effective.days,
        retention_policy_name: effective.policy.map(str::to_owned),
        metric_filter_count: group.metric_filters.len(),
        stored_bytes: group.stored_bytes(),
        kms_key_id: group.kms_key_id.clone(),
        log_group_class: group.class.clone(),
        deletion_protection_enabled: group.deletion_protection_enabled,
        bearer_token_authentication_enabled: false,
    }
}

impl DescribeInput {
    fn selects(&self, name: &str, group: &LogGroup) -> bool {
        let prefix = self.log_group_name_prefix.as_ref();
        let pattern = self.log_group_name_pattern.as_ref();
        let identifiers = self.log_group_identifiers.as_ref();
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.is_none_or(|pattern| name.contains(pattern))
            && identifiers.is_none_or(|identifiers| {
                identifiers
                    .iter()
                    .any(|identifier| group_name(identifier) == name)
            })
            && self
                .log_group_class
                .as_deref()
                .is_none_or(|class| of_class(class, &group.class))
    }
}

/// "If you specify either INFREQUENT_ACCESS or ESSENTIALS, the results include log groups in both" classes.
fn of_class(asked: &str, class: &str) -> bool {
    const CHEAP: [&str; 2] = ["INFREQUENT_ACCESS", "ESSENTIALS"];
    asked == class || (CHEAP.contains(&asked) && CHEAP.contains(&class))
}

/// Linked accounts are not modelled: no account is a monitoring account.
fn check_accounts(place: &Place, accounts: Option<&[String]>) -> Result<()> {
    match accounts
        .unwrap_or_default()
        .iter()
        .find(|account| **account != place.account)
    {
        Some(account) => Err(invalid(format!(
            "Account {account} is not linked to this account."
        ))),
        None => Ok(()),
    }
}

#[derive(Debug, Deserialize, Hash)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListInput {
    log_group_name_pattern: Option<String>,
    log_group_class: Option<String>,
    account_identifiers: Option<Vec<String>>,
    data_sources: Option<Vec<DataSource>>,
    field_index_names: Option<Vec<String>>,
    log_group_tags: Option<Vec<TagFilter>>,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize, Hash)]
struct DataSource {}

#[derive(Debug, Deserialize, Hash)]
struct TagFilter {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    log_group_name: String,
    log_group_arn: String,
    log_group_class: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListOutput {
    log_groups: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn list(context: &mut Context<'_>, mut input: ListInput) -> Result<ListOutput> {
    check_accounts(context.place, input.account_identifiers.as_deref())?;
    let token = input.next_token.take();
    let limit = input.limit.take().unwrap_or(DEFAULT_LIMIT);
    let now = context.now;
    let groups = context
        .region
        .logs
        .log_groups
        .iter()
        .filter(|(name, group)| input.selects(name, group, now));
    let request = ("ListLogGroups", &input);
    let (groups, next_token) = page(
        context,
        request,
        (token.as_deref(), limit),
        groups,
        |(name, _)| (*name).clone(),
    )?;
    let listed = groups.into_iter().map(|(name, group)| Listed {
        log_group_name: name.clone(),
        log_group_arn: arn(context.place, name),
        log_group_class: group.class.clone(),
    });
    Ok(ListOutput {
        log_groups: listed.collect(),
        next_token,
    })
}

impl ListInput {
    fn selects(&self, name: &str, group: &LogGroup, now: i64) -> bool {
        // No group here has a data source or a field index.
        if self.data_sources.is_some() || self.field_index_names.is_some() {
            return false;
        }
        let pattern = self.log_group_name_pattern.as_deref();
        let tags = group.tags.visible(now);
        let filters = self.log_group_tags.as_deref().unwrap_or_default();
        pattern.is_none_or(|pattern| {
            pattern
                .split('|')
                .any(|pattern| matches_name(pattern, name))
        }) && self
            .log_group_class
            .as_deref()
            .is_none_or(|class| class == group.class)
            && filters
                .iter()
                .all(|filter| filter.matches(tags.get(filter.key.as_str()).copied()))
    }
}

/// `^prefix` or a substring, both case-sensitive.
fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(pattern),
    }
}

impl TagFilter {
    /// Any value of the list will do; without values the key alone.
    fn matches(&self, value: Option<&str>) -> bool {
        let Some(value) = value else { return false };
        self.values.is_empty()
            || self
                .values
                .iter()
                .any(|filter| matches_value(filter, value))
    }
}

/// `!` negates, `*` at either end is any text; with `*` the case does not matter, without it does.
fn matches_value(filter: &str, value: &str) -> bool {
    if let Some(negated) = filter.strip_prefix('!') {
        return !matches_value(negated, value);
    }
    if !filter.contains('*') {
        return filter == value;
    }
    crate::glob::matches(&filter.to_lowercase(), &value.to_lowercase())
}

impl LogGroup {
    /// Bytes of all messages as `PutLogEvents` counts them.
    pub(super) fn stored_bytes(&self) -> usize {
        let events = self.streams.values().flat_map(|stream| &stream.events);
        events
            .map(|event| event.message.len() + super::state::EVENT_OVERHEAD)
            .sum()
    }
}
