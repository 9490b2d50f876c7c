//! Segment documents: which are accepted, and how subsegments that came alone find their place again.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Largest document in bytes (AWS X-Ray endpoints and quotas).
const MAX_DOCUMENT: usize = 64 * 1024;
/// Longest name (segment documents, developer guide).
const MAX_NAME: usize = 200;
/// Deepest nesting of subsegments that is put together; deeper ones stay documents of their own.
const MAX_DEPTH: usize = 64;

/// Why a document was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The document's id, where it could be read.
    pub(super) id: Option<String>,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// One document that was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) trace_id: String,
    pub(super) id: String,
    pub(super) document: Value,
}

/// Reads one string of `TraceSegmentDocuments`: a segment, a subsegment, or an array of subsegments.
pub(super) fn read(text: &str) -> Vec<Result<Accepted, Refusal>> {
    if text.len() > MAX_DOCUMENT {
        let message = format!(
            "The document has {} bytes; at most {MAX_DOCUMENT} are allowed.",
            text.len()
        );
        return vec![Err(Refusal {
            id: None,
            code: "DocumentTooLarge",
            message,
        })];
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(documents)) => documents.into_iter().map(accept).collect(),
        Ok(document) => vec![accept(document)],
        Err(error) => vec![Err(Refusal {
            id: None,
            code: "ParseError",
            message: format!("Invalid JSON: {error}"),
        })],
    }
}

fn accept(document: Value) -> Result<Accepted, Refusal> {
    let id = document["id"].as_str().map(str::to_owned);
    let refuse = |(code, message): (&'static str, String)| Refusal {
        id: id.clone(),
        code,
        message,
    };
    check_part(&document, 0).map_err(refuse)?;
    let trace_id = document["trace_id"].as_str().unwrap_or_default();
    if !is_trace_id(trace_id) {
        return Err(refuse((
            "InvalidTraceId",
            format!("trace_id {trace_id:?} is not like 1-58406520-a006649127e371903a2de979"),
        )));
    }
    match document["type"].as_str() {
        None | Some("segment") => {}
        Some("subsegment") if is_id(&document["parent_id"]) => {}
        Some("subsegment") => {
            return Err(refuse((
                "MissingParentId",
                "a subsegment sent alone needs parent_id".to_owned(),
            )));
        }
        Some(other) => {
            return Err(refuse((
                "InvalidType",
                format!("type {other:?} is not segment or subsegment"),
            )));
        }
    }
    Ok(Accepted {
        trace_id: trace_id.to_owned(),
        id: document["id"].as_str().unwrap_or_default().to_owned(),
        document,
    })
}

/// What segments and subsegments have in common.
fn check_part(part: &Value, depth: usize) -> Result<(), (&'static str, String)> {
    if !part.is_object() {
        return Err(("ParseError", "a segment is a JSON object".to_owned()));
    }
    if !is_id(&part["id"]) {
        return Err((
            "InvalidId",
            format!("id {} is not 16 hexadecimal digits", part["id"]),
        ));
    }
    let name = part["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err((
            "InvalidName",
            format!(
                "name {} is not a text of 1 to {MAX_NAME} characters",
                part["name"]
            ),
        ));
    }
    let start = part["start_time"]
        .as_f64()
        .ok_or_else(|| ("MissingStartTime", "start_time is not a number".to_owned()))?;
    let in_progress = part["in_progress"] == Value::Bool(true);
    match part["end_time"].as_f64() {
        Some(end) if end < start => {
            return Err(("InvalidEndTime", "end_time is before start_time".to_owned()));
        }
        None if !in_progress => {
            return Err((
                "MissingEndTime",
                "either end_time or in_progress is needed".to_owned(),
            ));
        }
        _ => {}
    }
    if let Some(annotations) = part["annotations"].as_object()
        && let Some((key, _)) = annotations
            .iter()
            .find(|(_, value)| value.is_object() || value.is_array() || value.is_null())
    {
        return Err((
            "InvalidAnnotation",
            format!("annotation {key} is not a text, number or boolean"),
        ));
    }
    if depth > MAX_DEPTH {
        return Err((
            "TooDeep",
            format!("subsegments are nested deeper than {MAX_DEPTH}"),
        ));
    }
    for child in part["subsegments"].as_array().into_iter().flatten() {
        check_part(child, depth + 1)?;
    }
    Ok(())
}

fn is_id(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `1-`, 8 and 24 hexadecimal digits.
pub(super) fn is_trace_id(id: &str) -> bool {
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    matches!(id.split('-').collect::<Vec<_>>()[..], ["1", time, rest] if hex(time, 8) && hex(rest, 24))
}

/// The documents of a trace with subsegments that came alone put under their parents; what has no parent stays alone.
pub(super) fn assemble<'a>(documents: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Value> {
    let mut children: HashMap<String, Vec<Value>> = HashMap::new();
    let mut segments = Vec::new();
    for document in documents {
        match document["type"].as_str() {
            Some("subsegment") => {
                let parent = document["parent_id"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                children.entry(parent).or_default().push(document.clone());
            }
            _ => segments.push(document.clone()),
        }
    }
    for segment in &mut segments {
        adopt(segment, &mut children, 0);
    }
    segments.extend(children.into_values().flatten());
    segments
        .into_iter()
        .map(|document| {
            (
                document["id"].as_str().unwrap_or_default().to_owned(),
                document,
            )
        })
        .collect()
}

fn adopt(part: &mut Value, children: &mut HashMap<String, Vec<Value>>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let id = part["id"].as_str().unwrap_or_default();
    if let Some(adopted) = children.remove(id) {
        match &mut part["subsegments"] {
            Value::Array(present) => present.extend(adopted),
            absent => *absent = Value::Array(adopted),
        }
    }
    // By `get_mut`: an index would write a null where there is nothing.
    let subsegments = part.get_mut("subsegments").and_then(Value::as_array_mut);
    for child in subsegments.into_iter().flatten() {
        adopt(child, children, depth + 1);
    }
}
