//! CloudWatch Logs: its operations, by family.

mod account_policies;
mod describe;
mod filter_pattern;
mod get_events;
mod groups;
mod kms;
mod metric_filters;
mod put_events;
mod retention;
pub(crate) mod state;
mod streams;
mod tags;

use serde_json::Value;

use crate::emulation::{Context, typed};
use crate::error::AwsError;
use crate::model::Operation;
use crate::page::{self, Scope};
use crate::service::Service;
use crate::state::Place;
use state::LogGroup;

type Result<T> = std::result::Result<T, AwsError>;

/// Carries out one operation on input that its model allows.
pub(crate) fn call(operation: &Operation, context: Context<'_>, input: Value) -> Result<Value> {
    match operation.name {
        "CreateLogGroup" => typed(context, input, groups::create),
        "DeleteLogGroup" => typed(context, input, groups::delete),
        "PutLogGroupDeletionProtection" => typed(context, input, groups::protect),
        "DescribeLogGroups" => typed(context, input, describe::describe),
        "ListLogGroups" => typed(context, input, describe::list),
        "PutRetentionPolicy" => typed(context, input, retention::put),
        "DeleteRetentionPolicy" => typed(context, input, retention::delete),
        "AssociateKmsKey" => typed(context, input, kms::associate),
        "DisassociateKmsKey" => typed(context, input, kms::disassociate),
        "TagResource" => typed(context, input, tags::tag),
        "UntagResource" => typed(context, input, tags::untag),
        "ListTagsForResource" => typed(context, input, tags::list),
        "TagLogGroup" => typed(context, input, tags::tag_group),
        "UntagLogGroup" => typed(context, input, tags::untag_group),
        "ListTagsLogGroup" => typed(context, input, tags::list_group),
        "CreateLogStream" => typed(context, input, streams::create),
        "DeleteLogStream" => typed(context, input, streams::delete),
        "DescribeLogStreams" => typed(context, input, streams::describe),
        "PutLogEvents" => typed(context, input, put_events::put),
        "GetLogEvents" => typed(context, input, get_events::get),
        "FilterLogEvents" => typed(context, input, get_events::filter),
        "PutAccountPolicy" => typed(context, input, account_policies::put),
        "DeleteAccountPolicy" => typed(context, input, account_policies::delete),
        "DescribeAccountPolicies" => typed(context, input, account_policies::describe),
        "PutMetricFilter" => typed(context, input, metric_filters::put),
        "DeleteMetricFilter" => typed(context, input, metric_filters::delete),
        "DescribeMetricFilters" => typed(context, input, metric_filters::describe),
        "DescribeSubscriptionFilters" => {
            typed(context, input, metric_filters::describe_subscriptions)
        }
        other => Err(operation.service.unknown_operation(other)),
    }
}

/// The log group that an operation writes exclusively: those whose model names `OperationAbortedException`.
pub(crate) fn written_group(operation: &Operation, input: &Value) -> Option<String> {
    if operation.service != Service::Logs
        || !operation
            .errors
            .iter()
            .any(|error| error == "OperationAbortedException")
    {
        return None;
    }
    let named = ["logGroupName", "logGroupIdentifier", "resourceIdentifier"]
        .into_iter()
        .find_map(|member| input[member].as_str());
    named.map(|name| group_name(name).to_owned())
}

/// Two writes to one log group at a time.
pub(crate) fn aborted() -> AwsError {
    AwsError::client(
        "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource. Please try again.",
    )
}

fn invalid(message: impl Into<String>) -> AwsError {
    Service::Logs.invalid(message)
}

fn no_group() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
}

/// The name in a log group's identifier, which is its name or its ARN.
fn group_name(identifier: &str) -> &str {
    match identifier.split_once(":log-group:") {
        Some((_, name)) if identifier.starts_with("arn:") => {
            name.strip_suffix(":*").unwrap_or(name)
        }
        _ => identifier,
    }
}

/// The log group that an identifier means here; an ARN must be of this account and region.
fn identified<'a>(
    context: &'a mut Context<'_>,
    identifier: &str,
) -> Result<(String, &'a mut LogGroup)> {
    let name = group_name(identifier);
    if identifier.starts_with("arn:")
        && identifier.trim_end_matches(":*") != arn(context.place, name)
    {
        return Err(no_group());
    }
    let group = context
        .region
        .logs
        .log_groups
        .get_mut(name)
        .ok_or_else(no_group)?;
    Ok((name.to_owned(), group))
}

/// A log group's ARN without `:*`, as tags take it.
fn arn(place: &Place, name: &str) -> String {
    place.arn("logs", &format!("log-group:{name}"))
}

/// Where a list goes on, from its token.
fn after(context: &Context<'_>, scope: Scope, token: Option<&str>) -> Result<Option<String>> {
    match token {
        None => Ok(None),
        Some(token) => {
            let position = page::position(scope, token, context.now);
            position
                .map(Some)
                .ok_or_else(|| invalid("The specified nextToken is invalid."))
        }
    }
}

/// One page of `items`, which come in the order of `key`.
fn page<T>(
    context: &Context<'_>,
    request: impl std::hash::Hash,
    (token, limit): (Option<&str>, usize),
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>)> {
    let scope = Scope::new((context.place, request));
    let after = after(context, scope, token)?;
    let size = limit.min(usize::try_from(context.settings.logs_page_size).unwrap_or(usize::MAX));
    let rest = items.filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    Ok(page::cut(rest, &key, scope, size, context.now))
}

/// An operation that answers nothing.
type Nothing = Result<Value>;
