//! Segment documents: what a service tells X-Ray about one request, as JSON of at most 64 kB a piece.
//!
//! An [`Entity`] holds the facts of one segment or subsegment, [`Part`] is its JSON, still open at the end, and a [`Tree`]
//! joins the parts of one segment into documents: nested where they fit, streamed as subsegments of their own where they
//! do not. Source of all fields and limits:
//! [X-Ray developer guide, "Segment documents"](https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html).

mod cause;
mod ended;
mod entity;
mod name;
mod origin;
mod part;
mod tree;

pub use cause::{Exception, Frame, MAX_FRAMES, rust_backtrace};
pub use ended::{Document, Documents};
pub use entity::{Entity, Http, Namespace, Root, Sql, Value};
pub use name::{MAX_NAME_CHARS, clean_name};
pub use origin::Origin;
pub use part::{Part, RESERVED_NAMESPACES, WriteReport};
pub use tree::{MAX_OPEN_SUBSEGMENTS, STREAMING_THRESHOLD, Tree};

/// The line that precedes each document in a datagram to the X-Ray daemon.
pub const DATAGRAM_HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";

/// The largest payload of an IPv4 UDP datagram.
const MAX_DATAGRAM_BYTES: usize = 65_507;

/// The largest document, in bytes: X-Ray's 64 kB, less what keeps document and header within one datagram.
pub const MAX_DOCUMENT_BYTES: usize = MAX_DATAGRAM_BYTES - DATAGRAM_HEADER.len();
