//! Context in headers: the propagators of `OTEL_PROPAGATORS` in their order.
//!
//! Two decisions travel in two headers. `traceparent` carries OTLP's and `X-Amzn-Trace-Id` X-Ray's, and each is obeyed from
//! its own. The trace's id is `traceparent`'s where there is one, whatever the order, else `Root`.

use crate::ids::{segment_id, xray_trace_id};
use crate::settings::Propagator;
use crate::xray::{Decision, Recorder};
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use std::sync::Arc;
use tracewright_xray::header::{self, Sampled, TraceHeader};

/// What `X-Amzn-Trace-Id` said, kept in the extracted context.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) header: TraceHeader,
    /// False if the trace's id and parent come from `header`: then nobody has decided for OTLP.
    pub(crate) has_traceparent: bool,
}

/// The caller's span, kept in the extracted context where the SDK is disabled and must not stand between caller and callee.
#[derive(Debug)]
struct Caller(SpanContext);

/// All propagators of the process as one.
#[derive(Debug, Clone)]
pub(crate) struct Propagators {
    list: Vec<Propagator>,
    fields: Vec<String>,
    trace_context: TraceContextPropagator,
    baggage: Arc<BaggagePropagator>,
    sdk_disabled: bool,
    /// Knows X-Ray's decisions, if X-Ray is on.
    recorder: Option<Arc<Recorder>>,
}

impl Propagators {
    pub(crate) fn new(
        list: Vec<Propagator>,
        sdk_disabled: bool,
        recorder: Option<Arc<Recorder>>,
    ) -> Self {
        let fields = list.iter().flat_map(|propagator| match propagator {
            Propagator::TraceContext => ["traceparent", "tracestate"].as_slice(),
            Propagator::Baggage => &["baggage"],
            Propagator::XRay => &[header::NAME],
        });
        Self {
            fields: fields.map(|field| (*field).to_owned()).collect(),
            trace_context: TraceContextPropagator::new(),
            baggage: Arc::new(BaggagePropagator::new()),
            list,
            sdk_disabled,
            recorder,
        }
    }

    /// The context with the span that a disabled SDK passes on, which starts none itself: the caller's, or none.
    fn passed_on(context: &Context) -> Context {
        if context.span().span_context().is_remote() {
            return context.clone();
        }
        let caller = context.get::<Caller>();
        let caller = caller.map_or(SpanContext::NONE, |caller| caller.0.clone());
        context.with_remote_span_context(caller)
    }

    /// `X-Amzn-Trace-Id` for a request made below the active span.
    fn xray_header(&self, context: &Context) -> Option<TraceHeader> {
        let span = context.span();
        let span_context = span.span_context();
        let root = xray_trace_id(span_context.trace_id())?;
        let parent = segment_id(span_context.span_id())?;
        let incoming = context.get::<Incoming>();
        let sampled = match (&self.recorder, incoming.and_then(|it| it.header.sampled)) {
            (Some(recorder), _)
                if !span_context.is_remote() || context.get::<Decision>().is_some() =>
            {
                recorder.has_sampled(context)
            }
            // Without X-Ray in this process the caller's decision is passed on; without that, OTLP's.
            (_, Some(Sampled::Yes)) => true,
            (_, Some(Sampled::No)) => false,
            _ => span_context.is_sampled(),
        };
        Some(TraceHeader {
            root: Some(root),
            parent: Some(parent),
            sampled: Some(if sampled { Sampled::Yes } else { Sampled::No }),
            data: incoming
                .map(|incoming| incoming.header.data.clone())
                .unwrap_or_default(),
        })
    }
}

impl TextMapPropagator for Propagators {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let passed_on = self.sdk_disabled.then(|| Self::passed_on(context));
        for propagator in &self.list {
            let context = match (propagator, &passed_on) {
                // X-Ray has its own switch.
                (Propagator::XRay, _) if self.recorder.is_some() => context,
                // Nobody has decided for OTLP.
                (Propagator::TraceContext, Some(_)) if is_named_by_xray(context) => continue,
                (_, passed_on) => passed_on.as_ref().unwrap_or(context),
            };
            match propagator {
                Propagator::TraceContext => self.trace_context.inject_context(context, injector),
                Propagator::Baggage => self.baggage.inject_context(context, injector),
                Propagator::XRay => {
                    if let Some(header) = self.xray_header(context) {
                        injector.set(header::NAME, header.to_string());
                    }
                }
            }
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let mut context = context.clone();
        let mut has_traceparent = false;
        let mut incoming = None;
        for propagator in &self.list {
            match propagator {
                Propagator::TraceContext => {
                    // Without the header the given context comes back, with whatever span is active in it.
                    if extractor.get("traceparent").is_some() {
                        let extracted = self
                            .trace_context
                            .extract_with_context(&Context::new(), extractor);
                        let remote = extracted.span().span_context().clone();
                        if remote.is_valid() {
                            has_traceparent = true;
                            context = context.with_remote_span_context(remote);
                        }
                    }
                }
                Propagator::Baggage => {
                    context = self.baggage.extract_with_context(&context, extractor)
                }
                Propagator::XRay => incoming = read_header(extractor),
            }
        }
        if let Some(header) = &incoming
            && !has_traceparent
            && let (Some(root), Some(parent)) = (header.root, header.parent)
        {
            let remote = SpanContext::new(
                TraceId::from_bytes(root.to_bytes()),
                SpanId::from_bytes(parent.to_bytes()),
                TraceFlags::default(),
                true,
                TraceState::default(),
            );
            context = context.with_remote_span_context(remote);
        }
        if self.sdk_disabled && context.span().span_context().is_remote() {
            let caller = context.span().span_context().clone();
            context = context.with_value(Caller(caller));
        }
        match incoming {
            Some(header) => context.with_value(Incoming {
                header,
                has_traceparent,
            }),
            None => context,
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

fn read_header(extractor: &dyn Extractor) -> Option<TraceHeader> {
    match TraceHeader::parse(extractor.get(header::NAME)?) {
        Ok(header) => Some(header),
        Err(error) => {
            tracing::debug!("the request's X-Amzn-Trace-Id is ignored: {error}");
            None
        }
    }
}

/// Whether only X-Ray's header names the trace.
fn is_named_by_xray(context: &Context) -> bool {
    context
        .get::<Incoming>()
        .is_some_and(|incoming| !incoming.has_traceparent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const XRAY: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=x";

    fn propagators(list: &[Propagator]) -> Propagators {
        Propagators::new(list.to_vec(), false, None)
    }

    fn extract(list: &[Propagator], headers: &[(&str, &str)]) -> Context {
        let headers: HashMap<String, String> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        propagators(list).extract_with_context(&Context::new(), &headers)
    }

    fn inject(list: &[Propagator], context: &Context) -> HashMap<String, String> {
        let mut headers = HashMap::new();
        propagators(list).inject_context(context, &mut headers);
        headers
    }

    #[test]
    fn traceparent_names_the_trace_in_any_order_and_x_ray_s_header_is_kept_beside_it() {
        use Propagator::{TraceContext, XRay};
        for list in [[TraceContext, XRay], [XRay, TraceContext]] {
            let context = extract(&list, &[("traceparent", TRACEPARENT), (header::NAME, XRAY)]);
            assert_eq!(
                context.span().span_context().trace_id().to_string(),
                "4bf92f3577b34da6a3ce929d0e0e4736"
            );
            let incoming = context.get::<Incoming>().unwrap();
            assert!(incoming.has_traceparent);
            assert_eq!(incoming.header.sampled, Some(Sampled::No));
        }
    }

    #[test]
    fn root_and_parent_continue_the_trace_where_there_is_no_traceparent() {
        let context = extract(
            &[Propagator::TraceContext, Propagator::XRay],
            &[(header::NAME, XRAY)],
        );
        let span = context.span().span_context().clone();
        assert_eq!(
            span.trace_id().to_string(),
            "5759e988bd862e3fe1be46a994272793"
        );
        assert_eq!(span.span_id().to_string(), "53995c3f42cd8ad8");
        assert!(span.is_remote());
        assert!(!context.get::<Incoming>().unwrap().has_traceparent);
    }

    #[test]
    fn a_header_of_a_propagator_that_is_not_listed_is_not_read() {
        let context = extract(&[Propagator::TraceContext], &[(header::NAME, XRAY)]);
        assert!(context.get::<Incoming>().is_none() && !context.span().span_context().is_valid());
        let context = extract(&[Propagator::XRay], &[("traceparent", TRACEPARENT)]);
        assert!(!context.span().span_context().is_valid());
    }

    #[test]
    fn without_x_ray_the_caller_s_decision_and_data_are_passed_on() {
        let list = [Propagator::TraceContext, Propagator::XRay];
        let context = extract(&list, &[("traceparent", TRACEPARENT), (header::NAME, XRAY)]);
        let headers = inject(&list, &context);
        assert_eq!(headers["traceparent"], TRACEPARENT);
        assert_eq!(
            headers[header::NAME],
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0;Lineage=x"
        );
        let asked = extract(
            &list,
            &[("traceparent", TRACEPARENT), (header::NAME, "Sampled=?")],
        );
        assert!(
            inject(&list, &asked)[header::NAME].ends_with("Sampled=1"),
            "OTLP's decision"
        );
    }

    #[test]
    fn a_disabled_sdk_passes_on_what_came_in() {
        let list = [Propagator::TraceContext, Propagator::XRay];
        let propagators = Propagators::new(list.to_vec(), true, None);
        let passed_on = |headers: &[(&str, &str)]| {
            let headers: HashMap<String, String> = headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            let context = propagators.extract_with_context(&Context::new(), &headers);
            let own = SpanContext::new(
                context.span().span_context().trace_id(),
                SpanId::from(7),
                TraceFlags::default(),
                false,
                TraceState::NONE,
            );
            let mut headers = HashMap::new();
            // A span of the process stands between.
            propagators.inject_context(&context.with_remote_span_context(own), &mut headers);
            headers
        };
        let both = passed_on(&[("traceparent", TRACEPARENT), (header::NAME, XRAY)]);
        assert_eq!(both["traceparent"], TRACEPARENT);
        assert_eq!(
            both[header::NAME],
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0;Lineage=x"
        );
        assert_eq!(
            passed_on(&[(header::NAME, XRAY)]),
            HashMap::from([(header::NAME.into(), XRAY.into())])
        );
        assert_eq!(passed_on(&[]), HashMap::new());
    }

    #[test]
    fn baggage_travels() {
        let context = extract(&[Propagator::Baggage], &[("baggage", "a=1")]);
        assert_eq!(inject(&[Propagator::Baggage], &context)["baggage"], "a=1");
        assert_eq!(
            inject(&[Propagator::XRay], &context),
            HashMap::new(),
            "there is no span"
        );
    }

    proptest! {
        #[test]
        fn any_headers_are_answered(traceparent in ".{0,60}", xray in ".{0,60}", baggage in ".{0,60}") {
            let list = [Propagator::TraceContext, Propagator::Baggage, Propagator::XRay];
            let context = extract(&list, &[("traceparent", &traceparent), (header::NAME, &xray), ("baggage", &baggage)]);
            inject(&list, &context);
        }
    }
}
