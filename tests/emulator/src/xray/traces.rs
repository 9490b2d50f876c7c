//! Traces: taking segments and giving back whole traces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::documents::{self, Accepted};
use super::state::XrayState;
use super::{Result, page};
use crate::emulation::Context;

/// "Retention 30 days" (AWS X-Ray endpoints and quotas).
const RETENTION_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Traces kept per account and region; those with the oldest ids go first.
const MAX_TRACES: usize = 50_000;
/// "500 KB dynamic": what a trace takes before further segments are dropped.
const MAX_TRACE_BYTES: usize = 500 * 1024;
/// Daemons' reports kept.
const MAX_TELEMETRY: usize = 1000;

/// A trace: its documents as they came, by id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Trace {
    pub(crate) documents: BTreeMap<String, Value>,
    pub(crate) received_at: i64,
    pub(crate) updated_at: i64,
    /// Counts the documents taken.
    pub(crate) revision: u32,
    /// Sizes of all documents taken.
    pub(crate) bytes: usize,
    pub(crate) limit_exceeded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutInput {
    trace_segment_documents: Vec<String>,
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Result<Value> {
    let mut unprocessed = Vec::new();
    let now = context.now;
    context
        .region
        .xray
        .traces
        .retain(|_, trace| now - trace.received_at < RETENTION_MS);
    for text in input.trace_segment_documents {
        for read in documents::read(&text) {
            match read {
                Ok(accepted) => keep(&mut context.region.xray, accepted, text.len(), now),
                Err(refusal) => {
                    let mut shown =
                        json!({ "ErrorCode": refusal.code, "Message": refusal.message });
                    if let Some(id) = refusal.id {
                        shown["Id"] = json!(id);
                    }
                    unprocessed.push(shown);
                }
            }
        }
    }
    Ok(json!({ "UnprocessedTraceSegments": unprocessed }))
}

/// A later document with the same id replaces the earlier one, as a finished segment does one in progress.
fn keep(xray: &mut XrayState, accepted: Accepted, size: usize, now: i64) {
    if xray.traces.len() >= MAX_TRACES && !xray.traces.contains_key(&accepted.trace_id) {
        xray.traces.pop_first();
    }
    let trace = xray
        .traces
        .entry(accepted.trace_id)
        .or_insert_with(|| Trace {
            received_at: now,
            ..Trace::default()
        });
    trace.updated_at = now;
    if trace.bytes + size > MAX_TRACE_BYTES {
        trace.limit_exceeded = true;
        return;
    }
    trace.bytes += size;
    trace.revision += 1;
    trace.documents.insert(accepted.id, accepted.document);
}

impl XrayState {
    /// The traces that can still be read; none while segments go to CloudWatch Logs.
    pub(super) fn readable(&self, now: i64) -> impl Iterator<Item = (&String, &Trace)> {
        let elsewhere = self.destination.name == "CloudWatchLogs";
        self.traces
            .iter()
            .filter(move |(_, trace)| !elsewhere && now - trace.received_at < RETENTION_MS)
    }
}

pub(super) fn put_telemetry(context: &mut Context<'_>, input: Value) -> Result<Value> {
    let kept = &mut context.region.xray.telemetry_records;
    kept.extend(
        input["TelemetryRecords"]
            .as_array()
            .into_iter()
            .flatten()
            .cloned(),
    );
    let surplus = kept.len().saturating_sub(MAX_TELEMETRY);
    kept.drain(..surplus);
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchGetInput {
    trace_ids: Vec<String>,
    next_token: Option<String>,
}

pub(super) fn batch_get(context: &mut Context<'_>, input: BatchGetInput) -> Result<Value> {
    let found: BTreeMap<&String, &Trace> = context
        .region
        .xray
        .readable(context.now)
        .filter(|(id, _)| input.trace_ids.contains(id))
        .collect();
    let unknown: Vec<&String> = input
        .trace_ids
        .iter()
        .filter(|id| !found.contains_key(id))
        .collect();
    let scope = format!("BatchGetTraces {:?}", input.trace_ids);
    let (traces, next) = page(
        context,
        &scope,
        input.next_token.as_deref(),
        found.into_iter(),
        |(id, _)| (*id).clone(),
    )?;
    let shown = traces.into_iter().map(|(id, trace)| {
        let segments = documents::assemble(trace.documents.values());
        let times = segments.values().map(|document| {
            let start = document["start_time"].as_f64().unwrap_or_default();
            (start, document["end_time"].as_f64().unwrap_or(start))
        });
        let (first, last) = times.fold((f64::MAX, f64::MIN), |(first, last), (start, end)| {
            (first.min(start), last.max(end))
        });
        json!({
            "Id": id,
            "Duration": (last - first).max(0.0),
            "LimitExceeded": trace.limit_exceeded,
            "Segments": segments
                .into_iter()
                .map(|(id, document)| json!({ "Id": id, "Document": document.to_string() }))
                .collect::<Vec<_>>(),
        })
    });
    let mut output = json!({ "Traces": shown.collect::<Vec<_>>(), "UnprocessedTraceIds": unknown });
    if let Some(next) = next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}
