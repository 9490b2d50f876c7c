//! What was called: exact counts per operation, and the latest calls one by one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Value, json};

/// Calls kept one by one; the counts are exact however many there were.
const MAX_CALLS: usize = 50_000;

/// How a call ended, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The service did it, whether or not the answer reached the caller.
    Ok,
    /// Refused for its rate.
    Throttled,
    /// Refused for anything else, or never answered.
    Error,
}

/// One call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    /// Counted from 1 since start or reset.
    seq: u64,
    /// Emulated time, RFC 3339.
    time: String,
    account: String,
    region: String,
    /// `xray.CreateGroup`.
    operation: &'static str,
    /// The HTTP status; 0 when no answer was given.
    status: u16,
    /// The error code, null for success.
    code: Option<String>,
    #[serde(skip)]
    ending: Ending,
}

/// What is known of a call when it has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) time_ms: i64,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) ending: Ending,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Counts {
    ok: u64,
    throttled: u64,
    error: u64,
}

impl Counts {
    fn add(&mut self, ending: Ending) {
        match ending {
            Ending::Ok => self.ok += 1,
            Ending::Throttled => self.throttled += 1,
            Ending::Error => self.error += 1,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    counts: BTreeMap<&'static str, Counts>,
    calls: VecDeque<Call>,
}

/// The call log.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Inner>);

impl Calls {
    /// Records a call that has ended.
    pub(crate) fn record(&self, ended: Ended) {
        let mut inner = self.lock();
        inner.last += 1;
        inner
            .counts
            .entry(ended.operation)
            .or_default()
            .add(ended.ending);
        if inner.calls.len() == MAX_CALLS {
            inner.calls.pop_front();
        }
        let call = Call {
            seq: inner.last,
            time: rfc3339(ended.time_ms),
            account: ended.account,
            region: ended.region,
            operation: ended.operation,
            status: ended.status,
            code: ended.code,
            ending: ended.ending,
        };
        inner.calls.push_back(call);
    }

    /// The calls after `since`, and counts of just these; from 0 the counts cover every call since start or reset.
    pub(crate) fn since(&self, since: u64) -> Value {
        let inner = self.lock();
        let calls: Vec<&Call> = inner.calls.iter().filter(|call| call.seq > since).collect();
        let lost = inner.last.saturating_sub(since) - calls.len() as u64;
        let counts = if since == 0 {
            inner.counts.clone()
        } else {
            calls
                .iter()
                .fold(BTreeMap::<_, Counts>::new(), |mut counts, call| {
                    counts.entry(call.operation).or_default().add(call.ending);
                    counts
                })
        };
        json!({ "counts": counts, "calls": calls, "last": inner.last, "lost": lost })
    }

    /// Forgets everything and counts from 1 again.
    pub(crate) fn reset(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// RFC 3339 with milliseconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(operation: &'static str, ending: Ending) -> Ended {
        Ended {
            time_ms: 0,
            account: "1".into(),
            region: "r".into(),
            operation,
            status: 200,
            code: None,
            ending,
        }
    }

    #[test]
    fn the_log_is_bounded_and_the_counts_stay_exact() {
        let calls = Calls::default();
        for _ in 0..MAX_CALLS + 3 {
            calls.record(ended("xray.GetGroups", Ending::Ok));
        }
        let all = calls.since(0);
        assert_eq!(all["calls"].as_array().map(Vec::len), Some(MAX_CALLS));
        assert_eq!(all["counts"]["xray.GetGroups"]["ok"], MAX_CALLS as u64 + 3);
        assert_eq!(all["lost"], 3);
    }

    #[test]
    fn counts_since_a_call_are_of_the_later_calls_only() {
        let calls = Calls::default();
        calls.record(ended("xray.GetGroups", Ending::Ok));
        calls.record(ended("xray.GetGroups", Ending::Throttled));
        calls.record(ended("xray.GetGroup", Ending::Error));
        let later = calls.since(1);
        assert_eq!(
            later["counts"]["xray.GetGroups"],
            json!({"ok": 0, "throttled": 1, "error": 0})
        );
        assert_eq!(later["counts"]["xray.GetGroup"]["error"], 1);
        assert_eq!(later["calls"][0]["seq"], 2);
        assert_eq!(later["last"], 3);
    }
}
