//! Ids that W3C Trace Context and X-Ray both accept: the first four bytes of a trace id are the second it began in.

use crate::random::random;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Generates the ids of all spans.
#[derive(Debug)]
pub(crate) struct XRayIds;

thread_local! {
    static OVERRIDE: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// While it lives, new traces on this thread get a given id: that of a caller's trace which names no parent to be a child of.
#[derive(Debug)]
pub(crate) struct TraceIdOverride;

impl TraceIdOverride {
    pub(crate) fn set(id: TraceId) -> Self {
        OVERRIDE.set(Some(id));
        Self
    }
}

impl Drop for TraceIdOverride {
    fn drop(&mut self) {
        OVERRIDE.set(None);
    }
}

impl IdGenerator for XRayIds {
    fn new_trace_id(&self) -> TraceId {
        if let Some(id) = OVERRIDE.get() {
            return id;
        }
        let id = tracewright_xray::id::TraceId::new(epoch_seconds(), random());
        TraceId::from_bytes(id.to_bytes())
    }

    fn new_span_id(&self) -> SpanId {
        // Zero is no id; its odds are those of a collision.
        SpanId::from(random::<u64>().max(1))
    }
}

/// The current second, since 1970.
pub(crate) fn epoch_seconds() -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

/// The trace id as X-Ray's domain has it; `None` for the invalid one.
pub(crate) fn xray_trace_id(id: TraceId) -> Option<tracewright_xray::id::TraceId> {
    tracewright_xray::id::TraceId::from_bytes(id.to_bytes()).ok()
}

/// The span id as X-Ray's domain has it; `None` for the invalid one.
pub(crate) fn segment_id(id: SpanId) -> Option<tracewright_xray::id::SegmentId> {
    tracewright_xray::id::SegmentId::from_bytes(id.to_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_begins_with_the_second_it_was_made_in() {
        let before = epoch_seconds();
        let id = xray_trace_id(XRayIds.new_trace_id()).unwrap();
        assert!((before..=epoch_seconds()).contains(&id.epoch_seconds()));
        assert_ne!(XRayIds.new_trace_id(), XRayIds.new_trace_id());
        {
            let _override = TraceIdOverride::set(TraceId::from(7));
            assert_eq!(XRayIds.new_trace_id(), TraceId::from(7));
        }
        assert_ne!(XRayIds.new_trace_id(), TraceId::from(7));
        assert_ne!(XRayIds.new_span_id(), XRayIds.new_span_id());
    }
}
