//! Open segments: every sampled local root is one, with the spans below it as its subsegments.

use super::decide::{Decider, Decision, RequestFacts};
use super::emitter::Emitter;
use super::translate::Facts;
use crate::health::Health;
use crate::ids::{segment_id, xray_trace_id};
use crate::metrics::{Exporter, Metrics};
use crate::propagation::Incoming;
use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanContext, SpanId, TraceContextExt};
use opentelemetry_sdk::trace::{Span, SpanData};
use prometheus_client::metrics::counter::Counter;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tracewright_xray::header::Sampled;
use tracewright_xray::id::SegmentId;
use tracewright_xray::segment::{Origin, Part, Root, Tree};

/// More spans are not followed at a time; the segments of further ones are lost and counted.
const MAX_OPEN_SPANS: usize = 100_000;

/// Spread over so many locks, threads seldom wait for each other.
const SHARDS: usize = 16;

/// So many ended spans are remembered in each shard, to tell that what starts below them later is X-Ray's too. A span whose
/// place another one takes, which is the more likely the more have ended since, is forgotten.
const ENDED_SPANS: usize = 1_024;

/// Follows the spans of sampled segments.
#[derive(Debug)]
pub(crate) struct Recorder {
    decider: Arc<Decider>,
    /// True if OTLP's sampled flag is X-Ray's decision, where no request's decision is in the context.
    follows_flag: bool,
    origin: Origin,
    /// Where the process runs, which is said beside exceptions.
    working_directory: Option<String>,
    emitter: Arc<Emitter>,
    shards: [Mutex<Shard>; SHARDS],
    too_many: Counter,
    invalid: Health,
}

#[derive(Debug)]
struct Shard {
    open: HashMap<SpanId, Arc<Segment>>,
    /// Spans that have ended, each at the place its id names.
    ended: Box<[SpanId]>,
}

/// One segment that is being recorded, or what is below a span that ended before.
#[derive(Debug)]
struct Segment {
    /// `None` below a span that ended before: its segment has been sent.
    decision: Option<Decision>,
    /// The caller's segment, as X-Ray's header names it.
    parent: Option<SegmentId>,
    /// The user, if a subsegment's span tells who it is: only segments have one.
    user: OnceLock<String>,
    tree: Mutex<Tree>,
}

impl Recorder {
    pub(crate) fn new(
        decider: Arc<Decider>,
        follows_flag: bool,
        origin: Origin,
        emitter: Arc<Emitter>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            decider,
            follows_flag,
            origin,
            working_directory: std::env::current_dir()
                .ok()
                .map(|folder| folder.to_string_lossy().into_owned()),
            emitter,
            shards: std::array::from_fn(|_| Mutex::new(Shard::new())),
            too_many: metrics.dropped(Exporter::XRay, "too_many_open"),
            invalid: Health::new("recording of annotations and metadata for X-Ray"),
        }
    }

    /// Notes that a span has started below what is active in `context`.
    pub(crate) fn start(&self, span: &Span, context: &Context) {
        let own = span.span_context();
        let above = context.span();
        let above = above.span_context();
        let segment = if above.is_valid() && !above.is_remote() {
            // A span of an unsampled segment, in most cases.
            let Some(segment) = self.segment_below(above, context) else {
                return;
            };
            let ids = segment_id(own.span_id()).zip(segment_id(above.span_id()));
            if !ids.is_some_and(|(own, above)| segment.tree().start(own, above)) {
                self.too_many.inc();
                return;
            }
            segment
        } else {
            let Some(segment) = self.begin(own, context) else {
                return;
            };
            Arc::new(segment)
        };
        let mut shard = self.shard(own.span_id());
        if shard.open.len() < MAX_OPEN_SPANS / SHARDS {
            shard.open.insert(own.span_id(), segment);
        } else {
            self.too_many.inc();
        }
    }

    /// Whether X-Ray gets the segment of the local span that is active in `context`, as far as that is remembered.
    pub(crate) fn has_sampled(&self, context: &Context) -> bool {
        match context.get::<Decision>() {
            Some(decision) => decision.sampled,
            None => {
                let id = context.span().span_context().span_id();
                let shard = self.shard(id);
                shard.open.contains_key(&id) || shard.has_ended(id)
            }
        }
    }

    /// Where a span belongs that starts below `above`, if X-Ray gets it. Below a span that has ended it is sent on its own, as
    /// a subsegment of that one.
    fn segment_below(&self, above: &SpanContext, context: &Context) -> Option<Arc<Segment>> {
        let shard = self.shard(above.span_id());
        if let Some(segment) = shard.open.get(&above.span_id()) {
            return Some(Arc::clone(segment));
        }
        let is_sampled = context.get::<Decision>().map_or_else(
            || shard.has_ended(above.span_id()),
            |decision| decision.sampled,
        );
        if !is_sampled {
            return None;
        }
        let (trace, above) = xray_trace_id(above.trace_id()).zip(segment_id(above.span_id()))?;
        Some(Arc::new(Segment {
            decision: None,
            parent: None,
            user: OnceLock::new(),
            tree: Mutex::new(Tree::below_ended(trace, above)),
        }))
    }

    /// The segment of a local root, if it is sampled.
    fn begin(&self, own: &SpanContext, context: &Context) -> Option<Segment> {
        let incoming = context.get::<Incoming>();
        let decision = match context.get::<Decision>() {
            Some(decision) => decision.clone(),
            None => {
                let flag = if own.is_sampled() {
                    Sampled::Yes
                } else {
                    Sampled::No
                };
                let caller = incoming.and_then(|incoming| incoming.header.sampled);
                let caller = match caller {
                    None | Some(Sampled::Ask) if self.follows_flag => Some(flag),
                    caller => caller,
                };
                self.decider.decide(caller, RequestFacts::default())
            }
        };
        if !decision.sampled {
            return None;
        }
        let trace = xray_trace_id(own.trace_id())?;
        let parent = incoming
            .filter(|incoming| incoming.header.root == Some(trace))
            .and_then(|i| i.header.parent);
        let tree = Mutex::new(Tree::new(trace, segment_id(own.span_id())?));
        Some(Segment {
            decision: Some(decision),
            parent,
            user: OnceLock::new(),
            tree,
        })
    }

    /// Notes that a span has ended, and sends what is complete.
    pub(crate) fn end(&self, span: &SpanData) {
        let id = span.span_context.span_id();
        let Some(segment) = self.shard(id).end(id) else {
            return;
        };
        let (Some(id), Some(trace)) = (segment_id(id), xray_trace_id(span.span_context.trace_id()))
        else {
            return;
        };
        let facts = Facts::of(span);
        let mut entity = facts.entity(span);
        entity.working_directory = self.working_directory.as_deref();
        let mut tree = segment.tree();
        entity.cause = facts
            .first_exception()
            .and_then(|exception| tree.known_exception(exception));
        let root = segment.decision.as_ref().filter(|_| tree.root() == id);
        if let Some(decision) = root {
            let remote = span
                .parent_span_is_remote
                .then(|| segment_id(span.parent_span_id))
                .flatten();
            entity.name = &decision.name;
            entity.namespace = None;
            entity.root = Some(Root {
                trace,
                parent: segment.parent.or(remote),
                origin: &self.origin,
                sampling_rule: decision.rule.as_deref(),
                user: facts.user.or(segment.user.get().map(String::as_str)),
            });
        } else if let Some(user) = facts.user {
            // The first one stays.
            let _ = segment.user.set(user.to_owned());
        }
        let (part, report) = Part::write(id, &entity);
        if report.annotations_dropped + report.metadata_dropped > 0 {
            self.invalid.bad(&format_args!(
                "{} annotations and {} metadata of {} are not valid or do not fit",
                report.annotations_dropped, report.metadata_dropped, span.name
            ));
        }
        let documents = if root.is_some() {
            tree.end_root(part)
        } else {
            tree.end(id, part)
        };
        drop(tree);
        for document in documents {
            self.emitter.push(document);
        }
    }

    fn shard(&self, id: SpanId) -> MutexGuard<'_, Shard> {
        let shard = usize::from(id.to_bytes()[7]) % SHARDS;
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            open: HashMap::new(),
            ended: vec![SpanId::INVALID; ENDED_SPANS].into(),
        }
    }

    /// Takes out an open span and remembers that it has ended.
    fn end(&mut self, id: SpanId) -> Option<Arc<Segment>> {
        let segment = self.open.remove(&id)?;
        self.ended[Self::place(id)] = id;
        Some(segment)
    }

    fn has_ended(&self, id: SpanId) -> bool {
        id != SpanId::INVALID && self.ended[Self::place(id)] == id
    }

    fn place(id: SpanId) -> usize {
        // The last byte chooses the shard.
        let [.., high, low, _] = id.to_bytes();
        usize::from(u16::from_be_bytes([high, low])) % ENDED_SPANS
    }
}

impl Segment {
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
