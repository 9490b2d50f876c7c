//! Annotations, metadata and the user: what X-Ray can search for and show, set on the active span.

use crate::settings::ContextMissingStrategy;
use crate::telemetry::Telemetry;
use crate::xray::{ANNOTATION, METADATA, USER};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue, Value};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tracewright_xray::segment::RESERVED_NAMESPACES;

/// What would not read back in a namespace that ends at the first dot.
const IN_NAMESPACE: &AsciiSet = &CONTROLS.add(b'.').add(b'%');

/// No span is active, and `AWS_XRAY_CONTEXT_MISSING=RUNTIME_ERROR` makes that an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no span is active: call this within a request or a span of your own, or set AWS_XRAY_CONTEXT_MISSING=LOG_ERROR"
)]
pub struct ContextMissing;

impl Telemetry {
    /// Adds an annotation, an indexed value, to the active span's segment or subsegment. Keys consist of letters, digits and
    /// underscores; values are texts, numbers and booleans. It is the attribute `annotation.<key>` of the span.
    ///
    /// # Errors
    /// [`ContextMissing`], if no span is active and the strategy is `RUNTIME_ERROR`. By default that is logged.
    pub fn annotate(&self, key: &str, value: impl Into<Value>) -> Result<(), ContextMissing> {
        self.set_on_active(KeyValue::new(format!("{ANNOTATION}{key}"), value))
    }

    /// Adds metadata, a value that is shown but not indexed. It is the attribute `metadata.<namespace>.<key>` of the span, with
    /// dots and percent signs of the namespace percent-encoded. Namespaces that begin with `AWS.` are AWS's own; what is meant
    /// for one is left out, and logged.
    ///
    /// # Errors
    /// As [`Telemetry::annotate`].
    pub fn put_metadata(
        &self,
        namespace: &str,
        key: &str,
        value: impl Into<Value>,
    ) -> Result<(), ContextMissing> {
        if namespace.starts_with(RESERVED_NAMESPACES) {
            tracing::error!(
                "the metadata {key} is left out: the namespace {namespace} is AWS's own"
            );
            return Ok(());
        }
        let namespace = utf8_percent_encode(namespace, IN_NAMESPACE);
        self.set_on_active(KeyValue::new(format!("{METADATA}{namespace}.{key}"), value))
    }

    /// Tells who sends the request. It is the attribute `enduser.id` of the span, and the user of its segment.
    ///
    /// # Errors
    /// As [`Telemetry::annotate`].
    pub fn set_user(&self, user: &str) -> Result<(), ContextMissing> {
        self.set_on_active(KeyValue::new(USER, user.to_owned()))
    }

    fn set_on_active(&self, attribute: KeyValue) -> Result<(), ContextMissing> {
        let has_span = Context::map_current(|context| {
            let has_span = context.has_active_span();
            if has_span {
                context.span().set_attribute(attribute);
            }
            has_span
        });
        if has_span {
            return Ok(());
        }
        match self.0.context_missing {
            ContextMissingStrategy::Fail => return Err(ContextMissing),
            ContextMissingStrategy::Log => tracing::error!("{ContextMissing}"),
            ContextMissingStrategy::Ignore => {}
        }
        Ok(())
    }
}
