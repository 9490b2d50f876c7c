//! What has ended, on its way out: complete subtrees nested into documents, as far as one holds them.

use super::MAX_DOCUMENT_BYTES;
use super::part::{Part, TO_STRING};
use crate::id::{SegmentId, TraceId};
use std::fmt::Write;

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

/// A subsegment that has ended.
pub(super) struct Subsegment {
    pub(super) id: SegmentId,
    pub(super) parent: SegmentId,
    pub(super) part: Part,
    /// All below it have ended too.
    pub(super) is_complete: bool,
}

/// Ended subsegments, taken out of their tree to be sent.
pub(super) struct Ended {
    pub(super) trace: TraceId,
    pub(super) subsegments: Vec<Subsegment>,
}

impl Ended {
    /// Sends everything: complete subtrees as one document each, incomplete subsegments alone.
    pub(super) fn send(mut self, documents: &mut Documents) {
        while !self.subsegments.is_empty() {
            // A complete one below a complete one goes into the other's document. Ids that form a ring have no top.
            let top = self.subsegments.iter().position(|it| {
                let is_above = |other: &Subsegment| other.id == it.parent && other.is_complete;
                !it.is_complete || !self.subsegments.iter().any(is_above)
            });
            self.send_subtree(top.unwrap_or(0), documents);
        }
    }

    fn send_subtree(&mut self, index: usize, documents: &mut Documents) {
        let top = self.subsegments.remove(index);
        let mut document = Document {
            json: top.part.json,
            entities: 1,
        };
        write!(
            document.json,
            ",\"type\":\"subsegment\",\"trace_id\":\"{}\",\"parent_id\":\"{}\"",
            self.trace, top.parent
        )
        .expect(TO_STRING);
        if top.is_complete {
            self.nest(top.id, &mut document, documents);
        } else {
            document.json.push('}');
        }
        documents.push(document);
    }

    /// Closes `document`, the JSON of `id`, around the complete children of `id`; those it has no room for are sent on
    /// their own.
    pub(super) fn nest(
        &mut self,
        id: SegmentId,
        document: &mut Document,
        documents: &mut Documents,
    ) {
        let child = |subsegments: &[Subsegment]| {
            subsegments
                .iter()
                .position(|it| it.parent == id && it.is_complete)
        };
        let mut separator = ",\"subsegments\":[";
        while let Some(index) = child(&self.subsegments) {
            let room = MAX_DOCUMENT_BYTES - 2;
            if document.json.len() + self.subtree_len(index) > room {
                self.send_subtree(index, documents);
                continue;
            }
            let child = self.subsegments.remove(index);
            let mut nested = Document {
                json: child.part.json,
                entities: 1,
            };
            self.nest(child.id, &mut nested, documents);
            document.json.push_str(separator);
            document.json.push_str(&nested.json);
            document.entities += nested.entities;
            separator = ",";
        }
        document
            .json
            .push_str(if separator == "," { "]}" } else { "}" });
    }

    /// An upper bound for the length of the subtree's JSON.
    fn subtree_len(&self, index: usize) -> usize {
        let top = &self.subsegments[index];
        let below = self
            .subsegments
            .iter()
            .enumerate()
            .filter(|(_, it)| it.parent == top.id && it.is_complete);
        top.part.len()
            + below
                .map(|(index, _)| self.subtree_len(index))
                .sum::<usize>()
    }
}
