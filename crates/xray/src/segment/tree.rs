//! The open segment: parts of subsegments come in as they end, documents go out.

use super::entity::{Part, TO_STRING};
use super::{Exception, MAX_DOCUMENT_BYTES};
use crate::id::{SegmentId, TraceId};
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// With more subsegments than this in memory, completed subtrees are sent ahead of their segment: the X-Ray SDK for Python's
/// default.
pub const STREAMING_THRESHOLD: usize = 30;

/// A segment keeps no more subsegments in memory than this; further ones are refused and counted by the caller.
pub const MAX_OPEN_SUBSEGMENTS: usize = 10_000;

/// How many exceptions of a segment are remembered for their callers to refer to.
const MAX_KNOWN_EXCEPTIONS: usize = 32;

/// A document ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// At most [`MAX_DOCUMENT_BYTES`] long.
    pub json: String,
    /// How many segments and subsegments it holds.
    pub entities: usize,
}

/// Documents ready to be sent.
pub type Documents = Vec<Document>;

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
            Ended::take(self).send(&mut documents);
        }
        documents
    }

    /// Takes in the ended segment and returns its documents: the segment with its complete subtrees nested, as far as one
    /// document holds them, and everything else that has ended as subsegments of their own. What is still open is sent when
    /// it ends.
    pub fn end_root(&mut self, part: Part) -> Documents {
        self.root_ended = true;
        let mut documents = Documents::new();
        let mut ended = Ended::take(self);
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

    /// Tells the ancestors of an ended node that it is complete, as far up as that completes them.
    fn count_off(&mut self, mut id: SegmentId) {
        while let Some(node) = self.nodes.get(&id) {
            if !node.is_complete() || !node.counted {
                return;
            }
            id = node.parent;
            if let Some(parent) = self.nodes.get_mut(&id) {
                parent.pending -= 1;
            }
        }
    }
}

/// The ended subsegments, taken out of their tree to be sent.
struct Ended {
    trace: TraceId,
    nodes: Vec<(SegmentId, Node)>,
}

impl Ended {
    fn take(tree: &mut Tree) -> Self {
        let nodes = std::mem::take(&mut tree.ended);
        let nodes = nodes
            .into_iter()
            .filter_map(|id| Some((id, tree.nodes.remove(&id)?)))
            .collect();
        Self {
            trace: tree.trace,
            nodes,
        }
    }

    /// Sends everything: complete subtrees as one document each, incomplete nodes alone.
    fn send(mut self, documents: &mut Documents) {
        while !self.nodes.is_empty() {
            // A complete node below a complete one goes into the other's document. Ids that form a ring have no top.
            let top = self.nodes.iter().position(|(_, node)| {
                !node.is_complete()
                    || !self
                        .nodes
                        .iter()
                        .any(|(id, above)| *id == node.parent && above.is_complete())
            });
            self.send_subtree(top.unwrap_or(0), documents);
        }
    }

    fn send_subtree(&mut self, index: usize, documents: &mut Documents) {
        let (id, node) = self.nodes.remove(index);
        let complete = node.is_complete();
        let Some(part) = node.part else { return };
        let mut document = Document {
            json: part.json,
            entities: 1,
        };
        write!(
            document.json,
            ",\"type\":\"subsegment\",\"trace_id\":\"{}\",\"parent_id\":\"{}\"",
            self.trace, node.parent
        )
        .expect(TO_STRING);
        if complete {
            self.nest(id, &mut document, documents);
        } else {
            document.json.push('}');
        }
        documents.push(document);
    }

    /// Closes `document`, the JSON of `id`, around the complete children of `id`; those it has no room for are sent on
    /// their own.
    fn nest(&mut self, id: SegmentId, document: &mut Document, documents: &mut Documents) {
        let child = |nodes: &[(SegmentId, Node)]| {
            nodes
                .iter()
                .position(|(_, node)| node.parent == id && node.is_complete())
        };
        let mut separator = ",\"subsegments\":[";
        while let Some(index) = child(&self.nodes) {
            let room = MAX_DOCUMENT_BYTES - 2;
            if document.json.len() + self.subtree_len(index) > room {
                self.send_subtree(index, documents);
                continue;
            }
            let (child_id, node) = self.nodes.remove(index);
            if let Some(part) = node.part {
                let mut nested = Document {
                    json: part.json,
                    entities: 1,
                };
                self.nest(child_id, &mut nested, documents);
                document.json.push_str(separator);
                document.json.push_str(&nested.json);
                document.entities += nested.entities;
                separator = ",";
            }
        }
        document
            .json
            .push_str(if separator == "," { "]}" } else { "}" });
    }

    /// An upper bound for the length of the subtree's JSON.
    fn subtree_len(&self, index: usize) -> usize {
        let (id, node) = &self.nodes[index];
        let own = node.part.as_ref().map_or(0, Part::len);
        let below = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, (_, below))| below.parent == *id && below.is_complete());
        own + below
            .map(|(index, _)| self.subtree_len(index))
            .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entity, Origin, Root};
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;
    use std::collections::BTreeMap;

    fn id(n: u64) -> SegmentId {
        SegmentId::from_bytes(n.to_be_bytes()).unwrap()
    }

    fn trace() -> TraceId {
        TraceId::new(0x5759_e988, [7; 12])
    }

    fn part(n: u64, filler: usize) -> Part {
        let filler = "x".repeat(filler);
        let entity = Entity {
            name: "work",
            metadata: vec![("default", "filler", super::super::Value::Text(&filler))],
            ..Entity::default()
        };
        Part::write(id(n), &entity).0
    }

    fn root_part(n: u64) -> Part {
        let origin = Origin::default();
        let root = Root {
            trace: trace(),
            parent: None,
            origin: &origin,
            sampling_rule: None,
            user: None,
        };
        Part::write(
            id(n),
            &Entity {
                name: "service",
                root: Some(root),
                ..Entity::default()
            },
        )
        .0
    }

    /// All entities of the documents: id -> (id of the entity around it or said to be its parent).
    fn parents(documents: &[Document]) -> BTreeMap<String, Option<String>> {
        fn visit(
            entity: &Json,
            parent: Option<&str>,
            found: &mut BTreeMap<String, Option<String>>,
        ) {
            let id = entity["id"].as_str().unwrap();
            let parent = parent.or(entity["parent_id"].as_str()).map(str::to_owned);
            assert!(
                found.insert(id.to_owned(), parent).is_none(),
                "{id} was sent twice"
            );
            for below in entity["subsegments"].as_array().into_iter().flatten() {
                visit(below, Some(id), found);
            }
        }
        let mut found = BTreeMap::new();
        for document in documents {
            assert!(
                document.json.len() <= MAX_DOCUMENT_BYTES,
                "{} bytes",
                document.json.len()
            );
            let json: Json = serde_json::from_str(&document.json)
                .unwrap_or_else(|e| panic!("{e}: {document:?}"));
            assert_eq!(json["trace_id"], trace().to_string());
            assert!(json["type"] == "subsegment" || json["id"] == id(1).to_string());
            visit(&json, None, &mut found);
        }
        let entities: usize = documents.iter().map(|document| document.entities).sum();
        assert_eq!(found.len(), entities);
        found
    }

    #[test]
    fn a_small_segment_is_one_document_with_its_subsegments_nested() {
        let mut tree = Tree::new(trace(), id(1));
        assert!(tree.start(id(2), id(1)) && tree.start(id(3), id(2)) && tree.start(id(4), id(1)));
        for n in [3, 2, 4] {
            assert_eq!(tree.end(id(n), part(n, 1)), Documents::new());
        }
        let documents = tree.end_root(root_part(1));
        assert_eq!(documents.len(), 1);
        assert!(tree.is_finished());
        let json: Json = serde_json::from_str(&documents[0].json).unwrap();
        assert_eq!(json["subsegments"].as_array().unwrap().len(), 2);
        assert_eq!(
            json["subsegments"][0]["subsegments"][0]["id"],
            id(3).to_string()
        );
        assert_eq!(json["subsegments"][0].get("parent_id"), None);
    }

    #[test]
    fn above_the_threshold_what_has_ended_is_streamed() {
        let mut tree = Tree::new(trace(), id(1));
        let mut documents = Documents::new();
        for n in 2..=1_001 {
            assert!(tree.start(id(n), id(1)));
            documents.extend(tree.end(id(n), part(n, 1)));
            assert!(tree.nodes.len() <= STREAMING_THRESHOLD);
        }
        assert!(
            documents.len() > 900,
            "{} documents before the segment's end",
            documents.len()
        );
        documents.extend(tree.end_root(root_part(1)));
        assert_eq!(parents(&documents).len(), 1_001);
    }

    #[test]
    fn a_large_segment_is_split_at_the_limit() {
        let mut tree = Tree::new(trace(), id(1));
        for n in 2..=20 {
            tree.start(id(n), id(1));
            assert_eq!(tree.end(id(n), part(n, 20_000)), Documents::new());
        }
        let documents = tree.end_root(root_part(1));
        assert_eq!(
            documents.len(),
            17,
            "three fit beside the segment, sixteen go alone"
        );
        let parents = parents(&documents);
        assert_eq!(parents.len(), 20);
        assert!(
            parents
                .iter()
                .all(|(n, parent)| *n == id(1).to_string() || *parent == Some(id(1).to_string()))
        );
    }

    #[test]
    fn a_subsegment_that_outlives_its_segment_is_sent_when_it_ends() {
        let mut tree = Tree::new(trace(), id(1));
        tree.start(id(2), id(1));
        tree.start(id(3), id(2));
        tree.start(id(4), id(2));
        tree.end(id(4), part(4, 1));
        let first = tree.end_root(root_part(1));
        assert_eq!(
            parents(&first).keys().cloned().collect::<Vec<_>>(),
            [id(1).to_string(), id(4).to_string()]
        );
        assert!(!tree.is_finished());
        let late = [tree.end(id(2), part(2, 1)), tree.end(id(3), part(3, 1))].concat();
        assert_eq!(parents(&late)[&id(3).to_string()], Some(id(2).to_string()));
        assert!(tree.is_finished());
    }

    #[test]
    fn open_subsegments_are_bounded() {
        let mut tree = Tree::new(trace(), id(1));
        let started = (2..20_000)
            .filter(|n| tree.start(id(*n), id(n - 1)))
            .count();
        assert_eq!(started, MAX_OPEN_SUBSEGMENTS);
        let mut documents = Documents::new();
        // A chain of ended parents above one open child must not cost a stack frame each.
        for n in 2..20_000 {
            documents.extend(tree.end(id(n), part(n, 1)));
        }
        documents.extend(tree.end_root(root_part(1)));
        assert_eq!(parents(&documents).len(), MAX_OPEN_SUBSEGMENTS + 1);
    }

    #[test]
    fn a_known_exception_is_referred_to_by_its_id() {
        let mut tree = Tree::new(trace(), id(1));
        let exception = Exception {
            id: [1; 8],
            kind: "io::Error",
            message: "no route",
            ..Exception::default()
        };
        assert_eq!(tree.known_exception(&exception), None);
        assert_eq!(
            tree.known_exception(&Exception {
                id: [2; 8],
                ..exception.clone()
            }),
            Some([1; 8])
        );
        assert_eq!(
            tree.known_exception(&Exception {
                message: "other",
                ..exception
            }),
            None
        );
    }

    proptest! {
        /// Whatever the order of starts and ends, rings and unknown parents included: every ended entity is sent exactly
        /// once, below the parent it named, in documents within the limit.
        #[test]
        fn nothing_is_lost_doubled_or_moved(
            steps in proptest::collection::vec((any::<bool>(), 2u64..80, 1u64..80, prop_oneof![Just(1usize), Just(30_000)]), 0..300),
            end_root_at in 0usize..300,
        ) {
            let mut tree = Tree::new(trace(), id(1));
            let mut started = BTreeMap::new();
            let mut ended = BTreeMap::new();
            let mut documents = Documents::new();
            for (step, (start, n, parent, filler)) in steps.into_iter().enumerate() {
                if step == end_root_at {
                    documents.extend(tree.end_root(root_part(1)));
                }
                if start {
                    if !started.contains_key(&n) && !ended.contains_key(&n) && tree.start(id(n), id(parent)) {
                        started.insert(n, parent);
                    }
                } else if let Some(parent) = started.remove(&n) {
                    ended.insert(n, parent);
                    documents.extend(tree.end(id(n), part(n, filler)));
                }
            }
            if !tree.root_ended {
                documents.extend(tree.end_root(root_part(1)));
            }
            let found = parents(&documents);
            prop_assert_eq!(found.len(), ended.len() + 1);
            for (n, parent) in ended {
                prop_assert_eq!(&found[&id(n).to_string()], &Some(id(parent).to_string()));
            }
            prop_assert_eq!(tree.nodes.len(), started.len());
        }
    }
}
