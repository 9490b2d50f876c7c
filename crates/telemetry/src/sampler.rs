//! The decision for OTLP and the console, `OTEL_TRACES_SAMPLER`, kept apart from X-Ray's.

use crate::propagation::Incoming;
use crate::settings::{Root, Sampler};
use crate::xray::{Decider, Decision, RequestFacts};
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
    xray_on: bool,
}

impl TwoDecisions {
    pub(crate) fn new(sampler: Sampler, decider: Arc<Decider>, xray_on: bool) -> Self {
        Self {
            sampler,
            decider,
            xray_on,
        }
    }

    fn is_sampled_for_otlp(&self, context: &Context, trace: TraceId) -> bool {
        let span = context.span();
        let parent = span.span_context();
        // A remote parent that only X-Ray's header names says nothing about OTLP.
        let is_undecided = !parent.is_valid()
            || (parent.is_remote()
                && context
                    .get::<Incoming>()
                    .is_some_and(|incoming| !incoming.has_traceparent));
        if self.sampler.parent_based && !is_undecided {
            return parent.is_sampled();
        }
        match &self.sampler.root {
            Root::AlwaysOn => true,
            Root::AlwaysOff => false,
            Root::Ratio(ratio) => {
                let ratio = SdkSampler::TraceIdRatioBased(*ratio);
                let result = ratio.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            }
            Root::XRay(_) => match context.get::<Decision>() {
                Some(decision) => decision.sampled,
                None => {
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
        if !self.xray_on {
            return false;
        }
        let span = context.span();
        let parent = span.span_context();
        if parent.is_valid() && !parent.is_remote() {
            return span.is_recording();
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
