//! Reading events: `GetLogEvents` along one stream in both directions, `FilterLogEvents` across streams.

use serde::Deserialize;
use serde_json::{Value, json};

use super::filter_pattern::FilterPattern;
use super::put_events::DAY_MS;
use super::state::{EVENT_OVERHEAD, Event, LogGroup};
use super::streams::{no_stream, one_group};
use super::{Result, after, invalid, retention};
use crate::emulation::Context;
use crate::page::{self, Scope};

/// "Each page returned can contain up to 1 MB of log events or up to 10,000 log events."
const MAX_PAGE_BYTES: usize = 1_048_576;
const MAX_PAGE_EVENTS: usize = 10_000;
/// "Setting startFromHead to false is supported only when startTime is on or after Jan 1, 2024 00:00:00 UTC."
const DESCENDING_SINCE: i64 = 1_704_067_200_000;

fn not_of_class(operation: &str, group: &LogGroup) -> Result<()> {
    match group.class.as_str() {
        "STANDARD" => Ok(()),
        class => Err(invalid(format!(
            "{operation} is not supported for log groups in the {class} log class."
        ))),
    }
}

/// The oldest timestamp that has not expired.
fn oldest(context: &Context<'_>, name: &str) -> i64 {
    let logs = &context.region.logs;
    let days = logs.log_groups.get(name).and_then(|group| {
        retention::effective(&logs.account_policies, name, group, context.now).days
    });
    days.map_or(i64::MIN, |days| context.now - days * DAY_MS)
}

/// How many of these events make a page: at most `limit`, at most 1 MB, but at least one.
fn page_length<'a>(events: impl Iterator<Item = &'a Event>, limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |event: &&Event| {
        let first = bytes == 0;
        bytes += event.message.len() + EVENT_OVERHEAD;
        first || bytes <= MAX_PAGE_BYTES
    };
    events.take(limit).take_while(fits).count()
}

/// The id of `eventId`: it sorts by timestamp, ingestion time and order of arrival.
fn event_id(event: &Event) -> String {
    format!(
        "{:020}{:020}{:016}",
        event.timestamp, event.ingestion_time, event.id
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetInput {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    start_from_head: Option<bool>,
}

/// A place between two events: all with a smaller timestamp and id are before it.
type Boundary = (i64, u64);

#[derive(Clone, Copy)]
enum Direction {
    Forward(Boundary),
    Backward(Boundary),
}

/// Tokens do not carry the time: at the end of a stream the answer's token equals the request's.
fn stream_token(scope: Scope, way: char, (timestamp, id): Boundary) -> String {
    format!(
        "{way}/{}",
        page::token(scope, &format!("{way}{timestamp} {id}"), 0)
    )
}

fn read_stream_token(scope: Scope, token: &str) -> Option<Direction> {
    let position = page::position(scope, token.get(2..)?, 0)?;
    let (timestamp, id) = position.get(1..)?.split_once(' ')?;
    let boundary = (timestamp.parse().ok()?, id.parse().ok()?);
    match (token.get(..2)?, position.get(..1)?) {
        ("f/", "f") => Some(Direction::Forward(boundary)),
        ("b/", "b") => Some(Direction::Backward(boundary)),
        _ => None,
    }
}

pub(super) fn get(context: &mut Context<'_>, input: GetInput) -> Result<Value> {
    let place = context.place;
    let (name, group) = one_group(
        context,
        input.log_group_name.as_ref(),
        input.log_group_identifier.as_ref(),
    )?;
    not_of_class("GetLogEvents", group)?;
    let oldest = oldest(context, &name);
    let group = &context.region.logs.log_groups[&name];
    let stream = group
        .streams
        .get(&input.log_stream_name)
        .ok_or_else(no_stream)?;

    let scope = Scope::new((
        place,
        "GetLogEvents",
        &name,
        &input.log_stream_name,
        input.start_time,
        input.end_time,
    ));
    let direction = match &input.next_token {
        Some(token) => read_stream_token(scope, token)
            .ok_or_else(|| invalid("The specified nextToken is invalid."))?,
        None if input.start_from_head.unwrap_or(false) => Direction::Forward((i64::MIN, 0)),
        None => Direction::Backward((i64::MAX, 0)),
    };
    let start = input.start_time.unwrap_or(i64::MIN).max(oldest);
    let end = input.end_time.unwrap_or(i64::MAX);
    let key = |event: &Event| (event.timestamp, event.id);
    let inside = |event: &&Event| event.timestamp >= start && event.timestamp < end;
    let limit = input.limit.unwrap_or(MAX_PAGE_EVENTS);
    let events = stream.events.iter().filter(inside);
    let (page, boundary) = match direction {
        Direction::Forward(from) => {
            let mut page: Vec<&Event> = events.filter(|event| key(event) >= from).collect();
            page.truncate(page_length(page.iter().copied(), limit));
            (page, from)
        }
        Direction::Backward(until) => {
            let mut page: Vec<&Event> = events.rev().filter(|event| key(event) < until).collect();
            page.truncate(page_length(page.iter().copied(), limit));
            page.reverse();
            (page, until)
        }
    };
    let before = page.first().map_or(boundary, |event| key(event));
    let behind = page
        .last()
        .map_or(boundary, |event| (event.timestamp, event.id + 1));
    let events = page.into_iter().map(|event| {
        json!({
            "timestamp": event.timestamp,
            "message": event.message,
            "ingestionTime": event.ingestion_time,
        })
    });
    Ok(json!({
        "events": events.collect::<Vec<_>>(),
        "nextForwardToken": stream_token(scope, 'f', behind),
        "nextBackwardToken": stream_token(scope, 'b', before),
    }))
}

#[derive(Debug, Deserialize, Hash)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterInput {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    start_from_head: Option<bool>,
}

pub(super) fn filter(context: &mut Context<'_>, mut input: FilterInput) -> Result<Value> {
    if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
        return Err(invalid(
            "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.",
        ));
    }
    if let (Some(start), Some(end)) = (input.start_time, input.end_time)
        && start > end
    {
        return Err(invalid("endTime must be later than startTime."));
    }
    // "If you provide both nextToken and startFromHead, the direction of the nextToken is used."
    let asked_descending = input.start_from_head.take() == Some(false);
    if asked_descending && input.start_time.unwrap_or(0) < DESCENDING_SINCE {
        return Err(invalid(
            "startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00 UTC.",
        ));
    }
    let pattern = FilterPattern::parse(input.filter_pattern.as_deref().unwrap_or_default())
        .map_err(invalid)?;
    let token = input.next_token.take();
    let limit = input.limit.take().unwrap_or(MAX_PAGE_EVENTS);
    let scope = Scope::new((context.place, "FilterLogEvents", &input));
    let after = after(context, scope, token.as_deref())?;
    let (descending, after) = match after.as_deref() {
        None => (asked_descending, None),
        Some(position) => (position.starts_with('b'), Some(position[1..].to_owned())),
    };
    let now = context.now;
    let (name, group) = one_group(
        context,
        input.log_group_name.as_ref(),
        input.log_group_identifier.as_ref(),
    )?;
    not_of_class("FilterLogEvents", group)?;
    let oldest = oldest(context, &name);
    let group = &context.region.logs.log_groups[&name];
    if let Some(names) = &input.log_stream_names
        && names.iter().any(|name| !group.streams.contains_key(name))
    {
        return Err(no_stream());
    }

    let start = input.start_time.unwrap_or(i64::MIN).max(oldest);
    let end = input.end_time.unwrap_or(i64::MAX);
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    let streams = group.streams.iter().filter(|(stream, _)| {
        stream.starts_with(prefix)
            && input
                .log_stream_names
                .as_ref()
                .is_none_or(|names| names.contains(stream))
    });
    let mut events: Vec<(String, &String, &Event)> = streams
        .flat_map(|(stream, found)| found.events.iter().map(move |event| (stream, event)))
        .filter(|(_, event)| {
            event.timestamp >= start && event.timestamp <= end && pattern.matches(&event.message)
        })
        .map(|(stream, event)| (event_id(event), stream, event))
        .collect();
    events.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    if descending {
        events.reverse();
    }
    let rest = events.into_iter().filter(|(id, ..)| match &after {
        None => true,
        Some(after) if descending => id < after,
        Some(after) => id > after,
    });
    let mut page: Vec<_> = rest.collect();
    let length = page_length(page.iter().map(|(.., event)| *event), limit);
    let more = length < page.len();
    page.truncate(length);
    let next = page.last().filter(|_| more).map(|(id, ..)| {
        let way = if descending { 'b' } else { 'f' };
        page::token(scope, &format!("{way}{id}"), now)
    });
    let shown = page.into_iter().map(|(id, stream, event)| {
        json!({
            "logStreamName": stream,
            "timestamp": event.timestamp,
            "message": event.message,
            "ingestionTime": event.ingestion_time,
            "eventId": id,
        })
    });
    let mut output = json!({ "events": shown.collect::<Vec<_>>(), "searchedLogStreams": [] });
    if let Some(next) = next {
        output["nextToken"] = json!(next);
    }
    Ok(output)
}
