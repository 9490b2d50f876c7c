//! `PutLogEvents` and its many rules.

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{EVENT_OVERHEAD, Event};
use super::streams::{SEQUENCE_TOKEN, no_stream};
use super::{Result, invalid, no_group, retention};
use crate::emulation::Context;

/// "The maximum batch size is 1,048,576 bytes" (API reference, PutLogEvents, as are the others).
const MAX_BATCH: usize = 1_048_576;
/// "Each log event can be no larger than 1 MB."
const MAX_EVENT: usize = 1_048_576;
const HOUR_MS: i64 = 60 * 60 * 1000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// "Events older than 14 days … are rejected while processing remaining valid events."
const MAX_AGE_MS: i64 = 14 * DAY_MS;
/// "Events more than 2 hours in the future are rejected while processing remaining valid events."
const MAX_AHEAD_MS: i64 = 2 * HOUR_MS;
/// Events kept per stream; the oldest go first.
const MAX_EVENTS: usize = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutInput {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<InputEvent>,
}

#[derive(Debug, Deserialize)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Result<Value> {
    let now = context.now;
    let logs = &mut context.region.logs;
    let group = logs
        .log_groups
        .get(&input.log_group_name)
        .ok_or_else(no_group)?;
    if !group.streams.contains_key(&input.log_stream_name) {
        return Err(no_stream());
    }
    let retention =
        retention::effective(&logs.account_policies, &input.log_group_name, group, now).days;
    let events = input.log_events;
    check_sizes(&events)?;
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }

    // Indexes are of the batch in its order, which is that of time; the ends are exclusive.
    let first_not = |limit: i64| events.partition_point(|event| event.timestamp < limit);
    let too_old_end = first_not(now - MAX_AGE_MS);
    let expired_end = retention.map_or(0, |days| first_not(now - days * DAY_MS));
    let too_new_start = events.partition_point(|event| event.timestamp <= now + MAX_AHEAD_MS);
    let mut output = json!({ "nextSequenceToken": SEQUENCE_TOKEN });
    for (member, index, rejected) in [
        ("tooOldLogEventEndIndex", too_old_end, too_old_end > 0),
        ("expiredLogEventEndIndex", expired_end, expired_end > 0),
        (
            "tooNewLogEventStartIndex",
            too_new_start,
            too_new_start < events.len(),
        ),
    ] {
        if rejected {
            output["rejectedLogEventsInfo"][member] = json!(index);
        }
    }
    let valid = too_old_end.max(expired_end).min(too_new_start)..too_new_start;
    if let [first, .., last] = &events[valid.clone()]
        && last.timestamp - first.timestamp > DAY_MS
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }

    let mut last_id = logs.last_event;
    let stream = logs
        .log_groups
        .get_mut(&input.log_group_name)
        .and_then(|group| group.streams.get_mut(&input.log_stream_name))
        .ok_or_else(no_stream)?;
    for event in events.into_iter().take(valid.end).skip(valid.start) {
        last_id += 1;
        stream.events.push(Event {
            timestamp: event.timestamp,
            ingestion_time: now,
            message: event.message,
            id: last_id,
        });
        stream.last_ingestion_time = Some(now);
    }
    stream
        .events
        .sort_by_key(|event| (event.timestamp, event.ingestion_time, event.id));
    let surplus = stream.events.len().saturating_sub(MAX_EVENTS);
    stream.events.drain(..surplus);
    logs.last_event = last_id;
    Ok(output)
}

fn check_sizes(events: &[InputEvent]) -> Result<()> {
    let mut batch = 0;
    for event in events {
        let size = event.message.len();
        if size > MAX_EVENT {
            return Err(invalid(format!(
                "Log event too large: {size} bytes exceeds limit of {MAX_EVENT}"
            )));
        }
        batch += size + EVENT_OVERHEAD;
    }
    match batch > MAX_BATCH {
        true => Err(invalid(format!(
            "Upload too large: {batch} bytes exceeds limit of {MAX_BATCH}"
        ))),
        false => Ok(()),
    }
}
