//! The rules of `PutLogEvents`: what may be in one call.
//!
//! Source: [API reference, "PutLogEvents"](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html).

/// The most events of a call.
pub(super) const MAX_BATCH_EVENTS: usize = 10_000;
/// The most bytes of a call, each event with its overhead.
pub(super) const MAX_BATCH_BYTES: usize = 1_048_576;
/// What each event costs beside its text.
const EVENT_OVERHEAD_BYTES: usize = 26;
/// The most bytes of an event with its overhead: what CloudWatch agents and other senders keep to.
const MAX_EVENT_BYTES: usize = 262_144;
/// The most bytes of an event's text.
pub(super) const MAX_MESSAGE_BYTES: usize = MAX_EVENT_BYTES - EVENT_OVERHEAD_BYTES;

const HOUR_MS: i64 = 3_600_000;
/// The events of a call lie within a day.
const MAX_SPAN_MS: i64 = 24 * HOUR_MS;
const MAX_AGE_MS: i64 = 14 * 24 * HOUR_MS;
const MAX_AHEAD_MS: i64 = 2 * HOUR_MS;

/// One log event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogEvent {
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    /// Never empty.
    pub(super) message: String,
}

impl LogEvent {
    /// An event, its text cut to the largest that is sent, on a character boundary; `None` for an empty text, which CloudWatch
    /// does not take.
    pub(super) fn new(timestamp: i64, mut message: String) -> Option<Self> {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        (!message.is_empty()).then_some(Self { timestamp, message })
    }

    /// What the event counts for in a batch.
    pub(super) fn size(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD_BYTES
    }
}

/// Events as they may be sent, and how many may not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batches {
    pub(super) batches: Vec<Vec<LogEvent>>,
    pub(super) too_old: u64,
    pub(super) too_new: u64,
}

/// Sorts events by time and divides them into batches, each within all limits.
pub(super) fn batches(mut events: Vec<LogEvent>, now_ms: i64) -> Batches {
    let mut result = Batches::default();
    events.retain(|event| {
        let too_old = event.timestamp < now_ms - MAX_AGE_MS;
        let too_new = event.timestamp > now_ms + MAX_AHEAD_MS;
        result.too_old += u64::from(too_old);
        result.too_new += u64::from(too_new);
        !too_old && !too_new
    });
    events.sort_by_key(|event| event.timestamp);
    let mut batch: Vec<LogEvent> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let is_full = batch.len() == MAX_BATCH_EVENTS
            || bytes + event.size() > MAX_BATCH_BYTES
            || batch
                .first()
                .is_some_and(|first| event.timestamp - first.timestamp >= MAX_SPAN_MS);
        if is_full {
            result.batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += event.size();
        batch.push(event);
    }
    if !batch.is_empty() {
        result.batches.push(batch);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000_000;

    fn event(timestamp: i64, bytes: usize) -> LogEvent {
        LogEvent::new(timestamp, "x".repeat(bytes)).unwrap()
    }

    #[test]
    fn a_long_text_is_cut_on_a_character_boundary_and_an_empty_one_is_none() {
        let event = LogEvent::new(0, "é".repeat(200_000)).unwrap();
        assert_eq!(event.size(), MAX_EVENT_BYTES);
        let event = LogEvent::new(0, format!("x{}", "é".repeat(200_000))).unwrap();
        assert_eq!(event.size(), MAX_EVENT_BYTES - 1);
        assert_eq!(LogEvent::new(0, String::new()), None);
    }

    #[test]
    fn a_batch_is_closed_by_count_by_bytes_and_by_a_day() {
        let lengths = |events| {
            batches(events, NOW)
                .batches
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            lengths((0..10_001).map(|_| event(NOW, 1)).collect()),
            [10_000, 1]
        );
        assert_eq!(
            lengths((0..5).map(|_| event(NOW, MAX_EVENT_BYTES)).collect()),
            [4, 1],
            "26 bytes count for each"
        );
        assert_eq!(
            lengths(vec![
                event(NOW - MAX_SPAN_MS, 1),
                event(NOW - 1, 1),
                event(NOW, 1)
            ]),
            [2, 1]
        );
    }

    #[test]
    fn events_outside_of_the_window_are_counted_and_left_out() {
        let events = [-MAX_AGE_MS - 1, -MAX_AGE_MS, MAX_AHEAD_MS, MAX_AHEAD_MS + 1]
            .map(|offset| event(NOW + offset, 1));
        let result = batches(events.to_vec(), NOW);
        assert_eq!((result.too_old, result.too_new), (1, 1));
        assert_eq!(result.batches.concat().len(), 2);
    }

    proptest! {
        #[test]
        fn every_batch_keeps_every_limit_and_nothing_is_lost(
            events in proptest::collection::vec((-2_000_000_000i64..20_000_000, prop_oneof![1usize..100, 100_000usize..300_000]), 0..60),
        ) {
            let events: Vec<LogEvent> = events.into_iter().map(|(offset, bytes)| event(NOW + offset, bytes)).collect();
            let count = events.len() as u64;
            let result = batches(events, NOW);
            for batch in &result.batches {
                prop_assert!(!batch.is_empty() && batch.len() <= MAX_BATCH_EVENTS);
                prop_assert!(batch.iter().map(LogEvent::size).sum::<usize>() <= MAX_BATCH_BYTES);
                prop_assert!(batch.is_sorted_by_key(|event| event.timestamp));
                prop_assert!(batch[batch.len() - 1].timestamp - batch[0].timestamp < MAX_SPAN_MS);
            }
            let sent: usize = result.batches.iter().map(Vec::len).sum();
            prop_assert_eq!(sent as u64 + result.too_old + result.too_new, count);
        }
    }
}
