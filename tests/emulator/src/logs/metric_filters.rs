//! Metric filters: kept and listed, not evaluated. Subscription filters cannot be created here; listing finds none.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::filter_pattern::FilterPattern;
use super::state::MetricFilter;
use super::{Nothing, Result, invalid, no_group, page};
use crate::emulation::Context;
use crate::error::AwsError;

/// Items per page when the caller names no limit.
const DEFAULT_LIMIT: usize = 50;
/// "There is a maximum of 5 filter patterns containing regex for each log group."
const MAX_WITH_REGEXES: usize = 5;
/// The members of `PutMetricFilter` that describe the filter itself.
const DEFINITION: [&str; 5] = [
    "filterPattern",
    "metricTransformations",
    "applyOnTransformedLogs",
    "fieldSelectionCriteria",
    "emitSystemFieldDimensions",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutInput {
    log_group_name: String,
    filter_name: String,
    filter_pattern: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Nothing {
    let now = context.now;
    let group = context
        .region
        .logs
        .log_groups
        .get_mut(&input.log_group_name)
        .ok_or_else(no_group)?;
    if group.class != "STANDARD" {
        return Err(AwsError::client(
            "InvalidOperationException",
            format!(
                "Metric filters are not supported for log groups in the {} log class.",
                group.class
            ),
        ));
    }
    let pattern = FilterPattern::parse(&input.filter_pattern).map_err(invalid)?;
    let mut others = group
        .metric_filters
        .iter()
        .filter(|(name, _)| **name != input.filter_name);
    let full = others.clone().count() as u64 >= context.settings.logs_metric_filters;
    let with_regexes = others
        .by_ref()
        .filter(|(_, filter)| filter.has_regexes())
        .count();
    if full || (pattern.regexes > 0 && with_regexes >= MAX_WITH_REGEXES) {
        return Err(AwsError::client(
            "LimitExceededException",
            "Resource limit exceeded.",
        ));
    }
    let mut definition = input.rest;
    definition.insert("filterPattern".to_owned(), json!(input.filter_pattern));
    definition.retain(|member, value| DEFINITION.contains(&member.as_str()) && !value.is_null());
    let filter = MetricFilter {
        creation_time: now,
        definition: Value::Object(definition),
    };
    group.metric_filters.insert(input.filter_name, filter);
    Ok(Value::Null)
}

impl MetricFilter {
    fn has_regexes(&self) -> bool {
        let pattern = self.definition["filterPattern"]
            .as_str()
            .unwrap_or_default();
        FilterPattern::parse(pattern).is_ok_and(|pattern| pattern.regexes > 0)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteInput {
    log_group_name: String,
    filter_name: String,
}

pub(super) fn delete(context: &mut Context<'_>, input: DeleteInput) -> Nothing {
    let group = context
        .region
        .logs
        .log_groups
        .get_mut(&input.log_group_name)
        .ok_or_else(no_group)?;
    match group.metric_filters.remove(&input.filter_name) {
        Some(_) => Ok(Value::Null),
        None => Err(AwsError::client(
            "ResourceNotFoundException",
            "The specified metric filter does not exist.",
        )),
    }
}

#[derive(Debug, Deserialize, Hash)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeInput {
    log_group_name: Option<String>,
    filter_name_prefix: Option<String>,
    metric_name: Option<String>,
    metric_namespace: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn describe(context: &mut Context<'_>, mut input: DescribeInput) -> Result<Value> {
    if input.metric_name.is_some() != input.metric_namespace.is_some() {
        return Err(invalid(
            "metricName and metricNamespace must be specified together.",
        ));
    }
    let token = input.next_token.take();
    let limit = input.limit.take().unwrap_or(DEFAULT_LIMIT);
    let groups = &context.region.logs.log_groups;
    if let Some(name) = &input.log_group_name
        && !groups.contains_key(name)
    {
        return Err(no_group());
    }
    // "CloudWatch Logs uses the value that you set here only if you also include the logGroupName parameter."
    let prefix = input
        .filter_name_prefix
        .as_deref()
        .filter(|_| input.log_group_name.is_some())
        .unwrap_or_default();
    let mut filters: Vec<(&String, &String, &MetricFilter)> = groups
        .iter()
        .filter(|(group, _)| {
            input
                .log_group_name
                .as_ref()
                .is_none_or(|name| name == *group)
        })
        .flat_map(|(group, found)| {
            found
                .metric_filters
                .iter()
                .map(move |(name, filter)| (name, group, filter))
        })
        .filter(|(name, _, filter)| {
            let transformation = &filter.definition["metricTransformations"][0];
            let is = |member: &str, asked: &Option<String>| {
                asked
                    .as_ref()
                    .is_none_or(|asked| transformation[member] == json!(asked))
            };
            name.starts_with(prefix)
                && is("metricName", &input.metric_name)
                && is("metricNamespace", &input.metric_namespace)
        })
        .collect();
    filters.sort_by_key(|(name, group, _)| (*name, *group));
    let request = ("DescribeMetricFilters", &input);
    // No name holds a character below the separator, so that the joined keys sort as the pairs do.
    let key = |(name, group, _): &(&String, &String, &MetricFilter)| format!("{name}\u{1}{group}");
    let (filters, next) = page(
        context,
        request,
        (token.as_deref(), limit),
        filters.into_iter(),
        key,
    )?;
    let shown = filters.into_iter().map(|(name, group, filter)| {
        let mut shown = filter.definition.clone();
        shown["filterName"] = json!(name);
        shown["logGroupName"] = json!(group);
        shown["creationTime"] = json!(filter.creation_time);
        shown
    });
    let mut output = json!({ "metricFilters": shown.collect::<Vec<_>>() });
    if let Some(next) = next {
        output["nextToken"] = json!(next);
    }
    Ok(output)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionsInput {
    log_group_name: String,
    next_token: Option<String>,
}

pub(super) fn describe_subscriptions(
    context: &mut Context<'_>,
    input: SubscriptionsInput,
) -> Result<Value> {
    if !context
        .region
        .logs
        .log_groups
        .contains_key(&input.log_group_name)
    {
        return Err(no_group());
    }
    match input.next_token {
        Some(_) => Err(invalid("The specified nextToken is invalid.")),
        None => Ok(json!({ "subscriptionFilters": [] })),
    }
}
