//! The open segment: parts of subsegments come in as they end, documents go out.

use super::Exception;
use super::ended::{Document, Documents, Ended, Subsegment};
use super::part::Part;
use crate::id::{SegmentId, TraceId};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// With more subsegments than this in memory, completed subtrees are sent ahead of their segment: the X-Ray SDK for Python's
/// default.
pub const STREAMING_THRESHOLD: usize = 30;

/// A segment keeps no more subsegments in memory than this; further ones are refused and counted by the caller.
pub const MAX_OPEN_SUBSEGMENTS: usize = 10_000;

/// How many exceptions of a segment are remembered for their callers to refer to.
const MAX_KNOWN_EXCEPTIONS: usize = 32;

/// One segment with its subsegments, from the start of the segment until the last of them has ended.
#[derive(Debug)]
pub struct Tree {
    trace: TraceId,
    root: SegmentId,
    root_ended: bool,
    /// Subsegments that are open, or ended and not yet sent.
    nodes: HashMap<SegmentId, Node>,
    /// Those of `nodes` that have ended, in that order: never more than [`STREAMING_THRESHOLD`].
    ended: Vec<SegmentId>,
    /// Type and message of the exceptions seen, hashed, with their ids.
    exceptions: Vec<(u64, [u8; 8])>,
}

#[derive(Debug)]
struct Node {
    parent: SegmentId,
    /// `None` while the subsegment is open.
    part: Option<Part>,
    /// How many children are not complete.
    pending: usize,
    /// True if this node is among its parent's `pending`.
    counted: bool,
}

impl Node {
    /// Ended, and all below it too.
    fn is_complete(&self) -> bool {
        self.part.is_some() && self.pending == 0
    }
}

impl Tree {
    /// The tree of segment `root`, which has just started.
    #[must_use]
    pub fn new(trace: TraceId, root: SegmentId) -> Self {
        Self {
            trace,
            root,
            root_ended: false,
            nodes: HashMap::new(),
            ended: Vec::new(),
            exceptions: Vec::new(),
        }
    }

    /// The tree of what starts below `ended`, a segment or subsegment of `trace` that has been sent before: each subsegment is
    /// sent on its own when it ends.
    #[must_use]
    pub fn below_ended(trace: TraceId, ended: SegmentId) -> Self {
        Self {
            root_ended: true,
            ..Self::new(trace, ended)
        }
    }

    /// The segment's id.
    #[must_use]
    pub fn root(&self) -> SegmentId {
        self.root
    }

    /// Notes that subsegment `id` has started below `parent`. Returns false, and forgets it, if [`MAX_OPEN_SUBSEGMENTS`] are
    /// in memory already.
    pub fn start(&mut self, id: SegmentId, parent: SegmentId) -> bool {
        if self.nodes.len() >= MAX_OPEN_SUBSEGMENTS
            || self.nodes.contains_key(&id)
            || id == self.root
        {
            return false;
        }
        let parent_node = self
            .nodes
            .get_mut(&parent)
            .filter(|node| node.part.is_none());
        let counted = parent_node.is_some();
        if let Some(node) = parent_node {
            node.pending += 1;
        }
        self.nodes.insert(
            id,
            Node {
                parent,
                part: None,
                pending: 0,
                counted,
            },
        );
        true
    }

    /// The id of an exception like `exception` that one of this segment's subsegments has recorded; if there is none, the
    /// exception is remembered under its own id.
    pub fn known_exception(&mut self, exception: &Exception<'_>) -> Option<[u8; 8]> {
        let mut hasher = DefaultHasher::new();
        (exception.kind, exception.message).hash(&mut hasher);
        let hash = hasher.finish();
        if let Some((_, id)) = self.exceptions.iter().find(|(known, _)| *known == hash) {
            return Some(*id);
        }
        if self.exceptions.len() < MAX_KNOWN_EXCEPTIONS {
            self.exceptions.push((hash, exception.id));
        }
        None
    }

    /// Takes in an ended subsegment and returns what is to be sent now: nothing in most cases; all that has ended once more
    /// than [`STREAMING_THRESHOLD`] subsegments are in memory, or if their segment has been sent already.
    pub fn end(&mut self, id: SegmentId, part: Part) -> Documents {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.part.is_none()) else {
            return Documents::new();
        };
        node.part = Some(part);
        self.ended.push(id);
        self.count_off(id);
        let mut documents = Documents::new();
        if self.root_ended || self.nodes.len() > STREAMING_THRESHOLD {
            self.take_ended().send(&mut documents);
        }
        documents
    }

    /// Takes in the ended segment and returns its documents: the segment with its complete subtrees nested, as far as one
    /// document holds them, and everything else that has ended as subsegments of their own. What is still open is sent when
    /// it ends.
    pub fn end_root(&mut self, part: Part) -> Documents {
        self.root_ended = true;
        let mut documents = Documents::new();
        let mut ended = self.take_ended();
        let mut document = Document {
            json: part.json,
            entities: 1,
        };
        ended.nest(self.root, &mut document, &mut documents);
        documents.push(document);
        ended.send(&mut documents);
        documents
    }

    /// True once the segment and all its subsegments have ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.root_ended && self.nodes.is_empty()
    }

    fn take_ended(&mut self) -> Ended {
        let subsegments = std::mem::take(&mut self.ended)
            .into_iter()
            .filter_map(|id| {
                let node = self.nodes.remove(&id)?;
                Some(Subsegment {
                    id,
                    parent: node.parent,
                    is_complete: node.is_complete(),
                    part: node.part?,
                })
            })
            .collect();
        Ended {
            trace: self.trace,
            subsegments,
        }
    }

    /// Tells the ancestors of an ended node that it is complete, as far up as that completes them.
    fn count_off(&mut self, mut id: SegmentId) {
        while let Some(node) = self.nodes.get(&id) {
            if !node.is_complete() || !node.counted {
                return;
            }
            id = node.parent;
            if let Some(parent) = self.nodes.get_mut(&id) {
                // An id that is used again is not the parent that this one was counted at, and may close a ring.
                let Some(pending) = parent.pending.checked_sub(1) else {
                    return;
                };
                parent.pending = pending;
            }
        }
    }
}

#[cfg(test)]
mod tests;
