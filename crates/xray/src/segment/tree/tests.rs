//! Whatever the order of starts and ends, everything goes out once and within the limit.

use super::super::{Entity, MAX_DOCUMENT_BYTES, Origin, Root};
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
    fn visit(entity: &Json, parent: Option<&str>, found: &mut BTreeMap<String, Option<String>>) {
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
        let json: Json =
            serde_json::from_str(&document.json).unwrap_or_else(|e| panic!("{e}: {document:?}"));
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
fn what_starts_below_an_ended_segment_is_sent_on_its_own() {
    let mut tree = Tree::below_ended(trace(), id(1));
    assert!(tree.start(id(2), id(1)) && tree.start(id(3), id(2)));
    let documents = [tree.end(id(3), part(3, 1)), tree.end(id(2), part(2, 1))].concat();
    assert_eq!(documents.len(), 2);
    let parents = parents(&documents);
    assert_eq!(parents[&id(2).to_string()], Some(id(1).to_string()));
    assert_eq!(parents[&id(3).to_string()], Some(id(2).to_string()));
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
