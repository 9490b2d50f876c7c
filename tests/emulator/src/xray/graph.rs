//! Service graphs: the services of many traces, who calls whom, and how that went.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tracewright_xray::filter;

use super::groups::Identified;
use super::summaries::check_range;
use super::view::{Node, View};
use super::{Result, invalid, seconds};
use crate::emulation::Context;

/// Longest time range of a graph, seconds.
const MAX_RANGE: f64 = 6.0 * 3600.0;
/// The node in front of every entry point.
const CLIENT: &str = "client";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServicesInput {
    start_time: f64,
    end_time: f64,
    group_name: Option<String>,
    #[serde(rename = "GroupARN")]
    group_arn: Option<String>,
    next_token: Option<String>,
}

pub(super) fn of_services(context: &mut Context<'_>, input: ServicesInput) -> Result<Value> {
    check_range(input.start_time, input.end_time, MAX_RANGE)?;
    no_further_page(input.next_token.as_ref())?;
    let mut expression = None;
    let mut changed = false;
    if input.group_name.is_some() || input.group_arn.is_some() {
        let name = Identified::new(input.group_name, input.group_arn).find(context)?;
        let group = &context.region.xray.groups[&name];
        expression = group
            .filter_expression
            .as_deref()
            .and_then(|text| filter::parse(text).ok());
        let at = seconds(group.expression_changed_at);
        changed = group.expression_changed_at > group.created_at
            && (input.start_time..=input.end_time).contains(&at);
    }
    let xray = &context.region.xray;
    let views = xray
        .readable(context.now)
        .map(|(_, trace)| View::new(trace, context.place, Some(xray)));
    let selected = views.filter(|view| {
        (input.start_time..=input.end_time).contains(&view.span().0)
            && expression
                .as_ref()
                .is_none_or(|parsed| view.matches(&parsed.expression))
    });
    Ok(json!({
        "StartTime": input.start_time,
        "EndTime": input.end_time,
        "Services": graph(selected),
        "ContainsOldGroupVersions": changed,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TracesInput {
    trace_ids: Vec<String>,
    next_token: Option<String>,
}

pub(super) fn of_traces(context: &mut Context<'_>, input: TracesInput) -> Result<Value> {
    no_further_page(input.next_token.as_ref())?;
    let xray = &context.region.xray;
    let selected = xray
        .readable(context.now)
        .filter(|(id, _)| input.trace_ids.contains(id));
    let views = selected.map(|(_, trace)| View::new(trace, context.place, None));
    Ok(json!({ "Services": graph(views) }))
}

/// A graph comes in one piece, so no token can have been issued.
fn no_further_page(token: Option<&String>) -> Result<()> {
    match token {
        Some(_) => Err(invalid("Invalid NextToken")),
        None => Ok(()),
    }
}

/// What identifies a node of the graph: name, type, account.
type Key = (String, String, String);

#[derive(Default)]
struct Service {
    root: bool,
    statistics: Statistics,
    edges: BTreeMap<Key, Statistics>,
}

#[derive(Default)]
struct Statistics {
    first: Option<f64>,
    last: f64,
    ok: u64,
    throttled: u64,
    errors: u64,
    faults: u64,
    seconds: f64,
    /// Calls by duration in milliseconds.
    histogram: BTreeMap<u64, u64>,
}

impl Statistics {
    fn add(&mut self, node: &Node) {
        self.first = Some(self.first.unwrap_or(node.start).min(node.start));
        self.last = self.last.max(node.end);
        self.seconds += node.seconds();
        *self
            .histogram
            .entry((node.seconds() * 1000.0).round() as u64)
            .or_default() += 1;
        if node.fault {
            self.faults += 1;
        } else if node.throttle {
            self.throttled += 1;
        } else if node.error {
            self.errors += 1;
        } else {
            self.ok += 1;
        }
    }

    fn summary(&self) -> Value {
        let errors = self.throttled + self.errors;
        json!({
            "OkCount": self.ok,
            "ErrorStatistics": { "ThrottleCount": self.throttled, "OtherCount": self.errors, "TotalCount": errors },
            "FaultStatistics": { "OtherCount": self.faults, "TotalCount": self.faults },
            "TotalCount": self.ok + errors + self.faults,
            "TotalResponseTime": self.seconds,
        })
    }

    fn histogram(&self) -> Value {
        let entries = self
            .histogram
            .iter()
            .map(|(ms, count)| json!({ "Value": *ms as f64 / 1000.0, "Count": count }));
        entries.collect()
    }
}

fn key(node: &Node) -> Key {
    (node.name.clone(), node.kind.clone(), node.account.clone())
}

fn graph<'a>(views: impl Iterator<Item = View<'a>>) -> Vec<Value> {
    let mut services: BTreeMap<Key, Service> = BTreeMap::new();
    for view in views {
        for node in &view.nodes {
            let service = services.entry(key(node)).or_default();
            service.root |= node.root;
            service.statistics.add(node);
        }
        let client = view.nodes.first().map(|root| {
            let client = Node {
                name: root.name.clone(),
                kind: CLIENT.to_owned(),
                account: root.account.clone(),
                ..Node::default()
            };
            (key(&client), root)
        });
        let calls = view
            .edges
            .iter()
            .map(|(caller, callee)| (key(&view.nodes[*caller]), &view.nodes[*callee]));
        for (caller, callee) in client.into_iter().chain(calls) {
            let edges = &mut services.entry(caller).or_default().edges;
            edges.entry(key(callee)).or_default().add(callee);
        }
    }
    let references: BTreeMap<Key, usize> = services.keys().cloned().zip(0..).collect();
    let shown = services
        .iter()
        .map(|(key, service)| show(key, service, &references));
    shown.collect()
}

fn show(
    (name, kind, account): &Key,
    service: &Service,
    references: &BTreeMap<Key, usize>,
) -> Value {
    let edges = service.edges.iter().map(|(callee, statistics)| {
        json!({
            "ReferenceId": references.get(callee),
            "StartTime": statistics.first,
            "EndTime": statistics.last,
            "SummaryStatistics": statistics.summary(),
            "ResponseTimeHistogram": statistics.histogram(),
            "Aliases": [],
        })
    });
    let key = (name.clone(), kind.clone(), account.clone());
    let own = &service.statistics;
    // A client is known by its calls only.
    let seen = own.first.or_else(|| {
        service
            .edges
            .values()
            .filter_map(|edge| edge.first)
            .reduce(f64::min)
    });
    let last = service
        .edges
        .values()
        .map(|edge| edge.last)
        .fold(own.last, f64::max);
    let mut shown = json!({
        "ReferenceId": references.get(&key),
        "Name": name,
        "Names": [name],
        "Root": service.root,
        "AccountId": account,
        "State": "active",
        "StartTime": seen,
        "EndTime": last,
        "Edges": edges.collect::<Vec<_>>(),
    });
    if !kind.is_empty() {
        shown["Type"] = json!(kind);
    }
    if kind != CLIENT {
        shown["SummaryStatistics"] = own.summary();
        shown["DurationHistogram"] = own.histogram();
        shown["ResponseTimeHistogram"] = own.histogram();
    }
    shown
}
