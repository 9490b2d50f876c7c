//! CloudWatch Logs itself.

use super::batch::LogEvent;
use super::shipper::{LogSink, PutError, Rejected};
use crate::settings::LogShipping;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::create_log_stream::CreateLogStreamError;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};
use std::fmt::Debug;
use std::time::Duration;
use tokio::sync::OnceCell;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of a log group.
#[derive(Debug)]
pub(crate) struct CloudWatch {
    settings: LogShipping,
    /// Made with the first batch: finding region and credentials may take the SDK some time.
    client: OnceCell<Client>,
}

impl CloudWatch {
    pub(crate) fn new(settings: LogShipping) -> Self {
        Self {
            settings,
            client: OnceCell::new(),
        }
    }

    async fn client(&self) -> &Client {
        let make = async || {
            let timeouts = TimeoutConfig::builder()
                .operation_attempt_timeout(REQUEST_TIMEOUT)
                .operation_timeout(REQUEST_TIMEOUT)
                .build();
            let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
                // The shipper is the only one that tries again, so that what is lost is known.
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts);
            if let Some(region) = &self.settings.region {
                loader = loader.region(Region::new(region.clone()));
            }
            Client::new(&loader.load().await)
        };
        self.client.get_or_init(make).await
    }

    /// The error as the shipper has it. What is wrong with the request itself is refused; everything else may pass: even a
    /// wrong key may be replaced while the process runs.
    fn failure<E, R>(&self, error: &SdkError<E, R>) -> PutError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: Debug,
    {
        let LogShipping { group, stream, .. } = &self.settings;
        let text = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => DisplayErrorContext(error).to_string(),
        };
        let text = format!("log group {group}, stream {stream}: {text}");
        match error.code() {
            Some(
                "InvalidParameterException" | "ValidationException" | "SerializationException",
            ) => PutError::Refused(text),
            _ => PutError::Passing(text),
        }
    }
}

impl LogSink for CloudWatch {
    async fn put(&self, events: &[LogEvent]) -> Result<Rejected, PutError> {
        let events = events.iter().map(|event| {
            let event = InputLogEvent::builder()
                .timestamp(event.timestamp)
                .message(&event.message);
            event
                .build()
                .map_err(|error| PutError::Refused(error.to_string()))
        });
        let events: Vec<InputLogEvent> = events.collect::<Result<_, _>>()?;
        let count = events.len() as u64;
        let call = self.client().await.put_log_events();
        let call = call
            .log_group_name(&self.settings.group)
            .log_stream_name(&self.settings.stream);
        match call.set_log_events(Some(events)).send().await {
            Ok(answer) => Ok(answer
                .rejected_log_events_info()
                .map(|info| rejected(info, count))
                .unwrap_or_default()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Err(PutError::NoStream)
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn create_stream(&self) -> Result<(), PutError> {
        let call = self.client().await.create_log_stream();
        let call = call
            .log_group_name(&self.settings.group)
            .log_stream_name(&self.settings.stream);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(CreateLogStreamError::ResourceAlreadyExistsException(_)) => Ok(()),
                Some(CreateLogStreamError::ResourceNotFoundException(_)) => {
                    Err(PutError::Passing(format!(
                        "there is no log group {}; it must be created first (by a profile's logs.groups, for example)",
                        self.settings.group
                    )))
                }
                _ => Err(self.failure(&error)),
            },
        }
    }
}

/// The ranges as counts: events are too new from an index on, too old or expired before one.
fn rejected(info: &RejectedLogEventsInfo, count: u64) -> Rejected {
    let index = |index: Option<i32>| {
        index
            .and_then(|index| u64::try_from(index).ok())
            .map(|index| index.min(count))
    };
    let too_old = index(info.too_old_log_event_end_index()).unwrap_or(0);
    Rejected {
        too_new: count - index(info.too_new_log_event_start_index()).unwrap_or(count),
        too_old,
        expired: index(info.expired_log_event_end_index())
            .unwrap_or(0)
            .saturating_sub(too_old),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_ranges_become_counts() {
        let info = |new, old, expired| {
            RejectedLogEventsInfo::builder()
                .set_too_new_log_event_start_index(new)
                .set_too_old_log_event_end_index(old)
                .set_expired_log_event_end_index(expired)
                .build()
        };
        for (info, expected) in [
            (info(None, None, None), (0, 0, 0)),
            (info(Some(7), Some(2), None), (3, 2, 0)),
            (info(None, Some(2), Some(5)), (0, 2, 3)),
            (info(Some(99), Some(-1), Some(99)), (0, 0, 10)),
        ] {
            let rejected = rejected(&info, 10);
            assert_eq!(
                (rejected.too_new, rejected.too_old, rejected.expired),
                expected
            );
        }
    }
}
