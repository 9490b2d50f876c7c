//! Log streams.

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{LogGroup, Stream};
use super::{Nothing, Result, after, arn, identified, invalid, no_group};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::page::{self, Scope};

/// Items per page when the caller names no limit.
const DEFAULT_LIMIT: usize = 50;

pub(super) fn no_stream() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    log_group_name: String,
    log_stream_name: String,
}

pub(super) fn create(context: &mut Context<'_>, input: Named) -> Nothing {
    let group = context
        .region
        .logs
        .log_groups
        .get_mut(&input.log_group_name)
        .ok_or_else(no_group)?;
    if group.streams.contains_key(&input.log_stream_name) {
        return Err(AwsError::client(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ));
    }
    let stream = Stream {
        creation_time: context.now,
        ..Stream::default()
    };
    group.streams.insert(input.log_stream_name, stream);
    Ok(Value::Null)
}

pub(super) fn delete(context: &mut Context<'_>, input: Named) -> Nothing {
    let group = context
        .region
        .logs
        .log_groups
        .get_mut(&input.log_group_name)
        .ok_or_else(no_group)?;
    if group.deletion_protection_enabled {
        return Err(super::groups::protected());
    }
    group
        .streams
        .remove(&input.log_stream_name)
        .map(|_| Value::Null)
        .ok_or_else(no_stream)
}

/// The one log group of an input that takes a name or an identifier, "but not both".
pub(super) fn one_group<'a>(
    context: &'a mut Context<'_>,
    name: Option<&String>,
    identifier: Option<&String>,
) -> Result<(String, &'a mut LogGroup)> {
    match (name, identifier) {
        (Some(one), None) | (None, Some(one)) => identified(context, one),
        _ => Err(invalid(
            "You must include either logGroupIdentifier or logGroupName, but not both.",
        )),
    }
}

#[derive(Debug, Deserialize, Hash)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeInput {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    limit: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn describe(context: &mut Context<'_>, mut input: DescribeInput) -> Result<Value> {
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let token = input.next_token.take();
    let limit = input.limit.take().unwrap_or(DEFAULT_LIMIT);
    let scope = Scope::new((context.place, "DescribeLogStreams", &input));
    let after = after(context, scope, token.as_deref())?;
    let (place, now) = (context.place, context.now);
    let size = limit.min(usize::try_from(context.settings.logs_page_size).unwrap_or(usize::MAX));
    let (group_name, group) = one_group(
        context,
        input.log_group_name.as_ref(),
        input.log_group_identifier.as_ref(),
    )?;

    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    let selected = group
        .streams
        .iter()
        .filter(|(name, _)| name.starts_with(prefix));
    let mut streams: Vec<(String, (&String, &Stream))> = selected
        .map(|(name, stream)| match by_time {
            true => (
                format!("{:020} {name}", stream.last_event().unwrap_or_default()),
                (name, stream),
            ),
            false => (name.clone(), (name, stream)),
        })
        .collect();
    streams.sort_by(|(a, _), (b, _)| a.cmp(b));
    let descending = input.descending.unwrap_or(false);
    if descending {
        streams.reverse();
    }
    let rest = streams.into_iter().filter(|(key, _)| match &after {
        None => true,
        Some(after) if descending => key < after,
        Some(after) => key > after,
    });
    let (streams, next) = page::cut(rest, |(key, _)| key.clone(), scope, size, now);
    let shown = streams.into_iter().map(|(_, (name, stream))| {
        let mut shown = json!({
            "logStreamName": name,
            "creationTime": stream.creation_time,
            "arn": format!("{}:log-stream:{name}", arn(place, &group_name)),
            "uploadSequenceToken": SEQUENCE_TOKEN,
            "storedBytes": 0,
        });
        for (member, value) in [
            (
                "firstEventTimestamp",
                stream.events.first().map(|event| event.timestamp),
            ),
            ("lastEventTimestamp", stream.last_event()),
            ("lastIngestionTime", stream.last_ingestion_time),
        ] {
            if let Some(value) = value {
                shown[member] = json!(value);
            }
        }
        shown
    });
    let mut output = json!({ "logStreams": shown.collect::<Vec<_>>() });
    if let Some(next) = next {
        output["nextToken"] = json!(next);
    }
    Ok(output)
}

/// Sequence tokens are obsolete: always given, always ignored.
pub(super) const SEQUENCE_TOKEN: &str = "49039859654432786742164134826284842366364012000000000000";

impl Stream {
    fn last_event(&self) -> Option<i64> {
        self.events.last().map(|event| event.timestamp)
    }
}
