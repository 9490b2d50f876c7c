//! The one span processor: every ended span goes to OTLP, the console and X-Ray, as far as each wants it.
//!
//! The SDK hands each processor a copy of the span; with a single one nothing is copied, and each exporter turns the span
//! into its own bytes at once.

use crate::attributes::keep_last;
use crate::console::SpanLines;
use crate::otlp::SpanQueue;
use crate::xray::Recorder;
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use std::sync::Arc;
use std::time::Duration;

/// Where spans go.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) otlp: Option<Arc<SpanQueue>>,
    pub(crate) console: Option<SpanLines>,
    pub(crate) xray: Option<Arc<Recorder>>,
}

impl SpanProcessor for Pipeline {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if let Some(xray) = &self.xray {
            xray.start(span, context);
        }
    }

    fn on_end(&self, mut span: SpanData) {
        keep_last(&mut span.attributes);
        for event in &mut span.events.events {
            keep_last(&mut event.attributes);
        }
        for link in &mut span.links.links {
            keep_last(&mut link.attributes);
        }
        if span.span_context.is_sampled() {
            if let Some(otlp) = &self.otlp {
                otlp.push(&span);
            }
            if let Some(console) = &self.console {
                console.write(&span);
            }
        }
        if let Some(xray) = &self.xray {
            xray.end(&span);
        }
    }

    /// [`Telemetry::flush`](crate::Telemetry::flush) delivers what is queued.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// [`Telemetry::shutdown`](crate::Telemetry::shutdown) delivers what is queued.
    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
