//! X-Ray: its operations, by family.

mod account;
mod documents;
mod graph;
mod groups;
mod policies;
mod rules;
mod sampling;
pub(crate) mod state;
mod summaries;
mod tags;
pub(crate) mod traces;
mod view;

use serde_json::Value;

use crate::emulation::{Context, typed};
use crate::error::AwsError;
use crate::model::Operation;
use crate::page::{self, Scope};
use crate::service::Service;

type Result<T> = std::result::Result<T, AwsError>;

/// Tokens a call takes from its bucket: one for each segment, else one.
pub(crate) fn cost(operation: &Operation, input: &Value) -> f64 {
    if operation.full_name != "xray.PutTraceSegments" {
        return 1.0;
    }
    let segments = input["TraceSegmentDocuments"]
        .as_array()
        .map_or(0, Vec::len);
    segments.max(1) as f64
}

/// Carries out one operation on input that its model allows.
pub(crate) fn call(operation: &Operation, context: Context<'_>, input: Value) -> Result<Value> {
    match operation.name {
        "CreateGroup" => typed(context, input, groups::create),
        "UpdateGroup" => typed(context, input, groups::update),
        "DeleteGroup" => typed(context, input, groups::delete),
        "GetGroup" => typed(context, input, groups::get),
        "GetGroups" => typed(context, input, groups::list),
        "CreateSamplingRule" => typed(context, input, rules::create),
        "UpdateSamplingRule" => typed(context, input, rules::update),
        "DeleteSamplingRule" => typed(context, input, rules::delete),
        "GetSamplingRules" => typed(context, input, rules::list),
        "GetSamplingTargets" => typed(context, input, sampling::targets),
        "GetSamplingStatisticSummaries" => typed(context, input, sampling::summaries),
        "TagResource" => typed(context, input, tags::tag),
        "UntagResource" => typed(context, input, tags::untag),
        "ListTagsForResource" => typed(context, input, tags::list),
        "GetIndexingRules" => typed(context, input, account::indexing_rules),
        "UpdateIndexingRule" => typed(context, input, account::update_indexing_rule),
        "GetTraceSegmentDestination" => typed(context, input, account::destination),
        "UpdateTraceSegmentDestination" => typed(context, input, account::update_destination),
        "GetEncryptionConfig" => typed(context, input, account::encryption),
        "PutEncryptionConfig" => typed(context, input, account::put_encryption),
        "PutResourcePolicy" => typed(context, input, policies::put),
        "DeleteResourcePolicy" => typed(context, input, policies::delete),
        "ListResourcePolicies" => typed(context, input, policies::list),
        "PutTraceSegments" => typed(context, input, traces::put),
        "PutTelemetryRecords" => typed(context, input, traces::put_telemetry),
        "BatchGetTraces" => typed(context, input, traces::batch_get),
        "GetTraceSummaries" => typed(context, input, summaries::get),
        "GetServiceGraph" => typed(context, input, graph::of_services),
        "GetTraceGraph" => typed(context, input, graph::of_traces),
        other => Err(operation.service.unknown_operation(other)),
    }
}

/// The one error that X-Ray has for nearly everything.
fn invalid(message: impl Into<String>) -> AwsError {
    Service::Xray.invalid(message)
}

/// Only the tag, indexing and retrieval operations say 404.
fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message)
}

/// The input of every list: X-Ray has no page-size parameter.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    next_token: Option<String>,
}

/// One page of `items`, which come in the order of `key`.
fn page<T>(
    context: &Context<'_>,
    operation: &str,
    token: Option<&str>,
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>)> {
    let scope = Scope::new((context.place, operation));
    let size = usize::try_from(context.settings.xray_page_size).unwrap_or(usize::MAX);
    let after = match token {
        None => None,
        Some(token) => Some(
            page::position(scope, token, context.now)
                .ok_or_else(|| invalid("Invalid NextToken"))?,
        ),
    };
    let rest = items.filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    Ok(page::cut(rest, &key, scope, size, context.now))
}

/// Epoch seconds with milliseconds, as X-Ray writes its timestamps.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
