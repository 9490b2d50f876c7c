//! Trace summaries, by time and filter expression.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracewright_xray::filter;

use super::traces::Trace;
use super::view::{Node, View};
use super::{Result, invalid, page, seconds};
use crate::emulation::Context;

/// Longest time range, seconds.
const MAX_RANGE: f64 = 24.0 * 3600.0;
/// "Indexed annotations per trace: 50" (AWS X-Ray endpoints and quotas).
const MAX_ANNOTATIONS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetInput {
    start_time: f64,
    end_time: f64,
    time_range_type: Option<String>,
    filter_expression: Option<String>,
    next_token: Option<String>,
}

pub(super) fn get(context: &mut Context<'_>, input: GetInput) -> Result<Value> {
    check_range(input.start_time, input.end_time, MAX_RANGE)?;
    let expression = match &input.filter_expression {
        None => None,
        Some(text) => {
            let parsed = filter::parse(text)
                .map_err(|error| invalid(format!("Invalid filter expression: {error}")))?;
            Some(parsed.expression)
        }
    };
    let xray = &context.region.xray;
    let traces = xray
        .readable(context.now)
        .map(|(id, trace)| (id, trace, View::new(trace, context.place, Some(xray))));
    let in_range: Vec<_> = traces
        .filter(|(_, trace, view)| {
            let (start, end) = view.span();
            let time = match input.time_range_type.as_deref() {
                Some("Event") => seconds(trace.updated_at),
                Some("Service") => end,
                _ => start,
            };
            (input.start_time..=input.end_time).contains(&time)
        })
        .collect();
    let processed = in_range.len();
    let matching = in_range.into_iter().filter(|(_, _, view)| {
        expression
            .as_ref()
            .is_none_or(|expression| view.matches(expression))
    });
    let scope = format!(
        "GetTraceSummaries {} {} {:?} {:?}",
        input.start_time, input.end_time, input.time_range_type, input.filter_expression
    );
    let (page, next) = page(
        context,
        &scope,
        input.next_token.as_deref(),
        matching,
        |(id, ..)| (*id).clone(),
    )?;
    let mut output = json!({
        "TraceSummaries": page.iter().map(|(id, trace, view)| summary(id, trace, view)).collect::<Vec<_>>(),
        "ApproximateTime": seconds(context.now),
        "TracesProcessedCount": processed,
    });
    if let Some(next) = next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

/// Refuses ranges that end before they start or are too long.
pub(super) fn check_range(start: f64, end: f64, longest: f64) -> Result<()> {
    if end < start {
        return Err(invalid("EndTime cannot be before StartTime."));
    }
    if end - start > longest {
        return Err(invalid(format!(
            "The time range cannot be longer than {} hours.",
            longest / 3600.0
        )));
    }
    Ok(())
}

/// A service as the API names it.
pub(super) fn service_id(node: &Node) -> Value {
    let mut id = json!({ "Name": node.name, "Names": [node.name], "AccountId": node.account });
    if !node.kind.is_empty() {
        id["Type"] = json!(node.kind);
    }
    id
}

fn summary(id: &str, trace: &Trace, view: &View<'_>) -> Value {
    let (start, end) = view.span();
    let mut summary = json!({
        "Id": id,
        "StartTime": start,
        "Duration": end - start,
        "IsPartial": view.partial,
        "Annotations": annotations(view),
        "ServiceIds": distinct(view.nodes.iter().map(service_id)),
        "Users": users(view),
        "ResourceARNs": distinct(view.nodes.iter().filter_map(|node| node.resource_arn.as_ref()).map(|arn| json!({ "ARN": arn }))),
        "InstanceIds": distinct(view.nodes.iter().filter_map(|node| node.instance_id.as_ref()).map(|id| json!({ "Id": id }))),
        "AvailabilityZones": distinct(view.nodes.iter().filter_map(|node| node.availability_zone.as_ref()).map(|name| json!({ "Name": name }))),
        "FaultRootCauses": [],
        "ErrorRootCauses": [],
        "ResponseTimeRootCauses": [],
        "Revision": trace.revision,
        "MatchedEventTime": seconds(trace.updated_at),
    });
    let Some(root) = view.nodes.first() else {
        return summary;
    };
    summary["ResponseTime"] = json!(root.seconds());
    summary["HasFault"] = json!(root.fault);
    summary["HasError"] = json!(root.error);
    summary["HasThrottle"] = json!(root.throttle);
    summary["EntryPoint"] = service_id(root);
    summary["Http"] = http(&root.http);
    summary
}

fn http(http: &Value) -> Value {
    let (request, response) = (&http["request"], &http["response"]);
    let members = [
        ("HttpURL", &request["url"]),
        ("HttpStatus", &response["status"]),
        ("HttpMethod", &request["method"]),
        ("UserAgent", &request["user_agent"]),
        ("ClientIp", &request["client_ip"]),
    ];
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    present
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect::<Map<_, _>>()
        .into()
}

fn distinct(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn annotations(view: &View<'_>) -> Value {
    let mut shown: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let all = view.nodes.iter().flat_map(|node| {
        node.annotations
            .iter()
            .map(move |annotation| (node, annotation))
    });
    for (node, (key, value)) in all.take(MAX_ANNOTATIONS) {
        let typed = match value {
            Value::Bool(value) => json!({ "BooleanValue": value }),
            Value::Number(value) => json!({ "NumberValue": value }),
            value => json!({ "StringValue": value }),
        };
        let services = shown.entry(key).or_default();
        match services
            .iter_mut()
            .find(|known| known["AnnotationValue"] == typed)
        {
            Some(known) => {
                if let Some(ids) = known["ServiceIds"].as_array_mut() {
                    ids.push(service_id(node));
                }
            }
            None => {
                services.push(json!({ "AnnotationValue": typed, "ServiceIds": [service_id(node)] }))
            }
        }
    }
    json!(shown)
}

fn users(view: &View<'_>) -> Vec<Value> {
    let mut users: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for node in &view.nodes {
        if let Some(user) = &node.user {
            users.entry(user).or_default().push(service_id(node));
        }
    }
    let shown = users
        .into_iter()
        .map(|(user, services)| json!({ "UserName": user, "ServiceIds": services }));
    shown.collect()
}
