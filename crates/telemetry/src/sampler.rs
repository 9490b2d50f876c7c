//! The decision for OTLP and the console, `OTEL_TRACES_SAMPLER`, kept apart from X-Ray's.

use crate::propagation::Incoming;
use crate::settings::{Root, Sampler};
use crate::xray::{Decider, Decision, Recorder, RequestFacts};
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    Sampler as SdkSampler, SamplingDecision, SamplingResult, ShouldSample,
};
use std::sync::Arc;

/// Decides for every span whether OTLP gets it, and whether X-Ray still needs it if OTLP does not.
#[derive(Debug, Clone)]
pub(crate) struct TwoDecisions {
    sampler: Sampler,
    decider: Arc<Decider>,
    recorder: Option<Arc<Recorder>>,
}

/// What X-Ray's rules decided on a request for OTLP, kept in its context where X-Ray itself is off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OtlpDecision(pub(crate) bool);

/// Whether nobody has decided for OTLP yet. A remote parent that only X-Ray's header names says nothing about it.
pub(crate) fn is_undecided(context: &Context) -> bool {
    let span = context.span();
    let parent = span.span_context();
    !parent.is_valid()
        || (parent.is_remote()
            && context
                .get::<Incoming>()
                .is_some_and(|incoming| !incoming.has_traceparent))
}

impl TwoDecisions {
    pub(crate) fn new(
        sampler: Sampler,
        decider: Arc<Decider>,
        recorder: Option<Arc<Recorder>>,
    ) -> Self {
        Self {
            sampler,
            decider,
            recorder,
        }
    }

    fn is_sampled_for_otlp(&self, context: &Context, trace: TraceId) -> bool {
        if self.sampler.parent_based && !is_undecided(context) {
            return context.span().span_context().is_sampled();
        }
        match &self.sampler.root {
            Root::AlwaysOn => true,
            Root::AlwaysOff => false,
            Root::Ratio(ratio) => {
                let ratio = SdkSampler::TraceIdRatioBased(*ratio);
                let result = ratio.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            }
            Root::XRay(_) => match (context.get::<Decision>(), context.get::<OtlpDecision>()) {
                (Some(decision), _) => decision.sampled,
                (None, Some(decision)) => decision.0,
                (None, None) => {
                    let caller = context
                        .get::<Incoming>()
                        .and_then(|incoming| incoming.header.sampled);
                    self.decider.decide(caller, RequestFacts::default()).sampled
                }
            },
        }
    }

    /// Whether X-Ray may want a span that OTLP does not: the root of a sampled or undecided segment, or what is below one.
    fn may_be_sampled_for_xray(&self, context: &Context) -> bool {
        let Some(recorder) = &self.recorder else {
            return false;
        };
        let span = context.span();
        let parent = span.span_context();
        if parent.is_valid() && !parent.is_remote() {
            // A parent that has ended records no more.
            return span.is_recording() || recorder.has_sampled(context);
        }
        context
            .get::<Decision>()
            .is_none_or(|decision| decision.sampled)
    }
}

impl ShouldSample for TwoDecisions {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        _name: &str,
        _span_kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let nothing = Context::new();
        let context = parent_context.unwrap_or(&nothing);
        let decision = if self.is_sampled_for_otlp(context, trace_id) {
            SamplingDecision::RecordAndSample
        } else if self.may_be_sampled_for_xray(context) {
            SamplingDecision::RecordOnly
        } else {
            SamplingDecision::Drop
        };
        let trace_state = context.span().span_context().trace_state().clone();
        SamplingResult {
            decision,
            attributes: Vec::new(),
            trace_state,
        }
    }
}
