//! The facts of one segment or subsegment, borrowed from whoever knows them.

use super::cause::Exception;
use super::origin::Origin;
use crate::id::{SegmentId, TraceId};
use serde::Serialize;
use std::time::Duration;

/// The facts of one segment or subsegment.
#[derive(Debug, Clone, Default)]
pub struct Entity<'a> {
    /// For a segment the service's name, for a subsegment the operation's; cleaned when written.
    pub name: &'a str,
    /// Start, since 1970.
    pub start: Duration,
    /// End, since 1970.
    pub end: Duration,
    /// Only a segment has this.
    pub root: Option<Root<'a>>,
    /// Which kind of downstream call a subsegment is; `None` for work of its own.
    pub namespace: Option<Namespace>,
    /// The request served or made.
    pub http: Http<'a>,
    /// The query made.
    pub sql: Sql<'a>,
    /// Further members of `aws` about a call to an AWS service, such as `operation`, `region` and `request_id`. As with
    /// annotations and metadata, the last of each name is written.
    pub aws: Vec<(&'a str, &'a str)>,
    /// A server's mistake: status 5xx or an exception.
    pub fault: bool,
    /// A client's mistake: status 4xx.
    pub error: bool,
    /// Status 429.
    pub throttle: bool,
    /// What went wrong.
    pub exceptions: Vec<Exception<'a>>,
    /// The id of an exception that a subsegment of the same segment has already recorded; then `exceptions` is not written.
    pub cause: Option<[u8; 8]>,
    /// Where the process runs; written beside the exceptions.
    pub working_directory: Option<&'a str>,
    /// Indexed values. Keys outside of `[A-Za-z0-9_]{1,500}` are not written.
    pub annotations: Vec<(&'a str, Value<'a>)>,
    /// Other values as (namespace, key, value). Namespaces that begin with `AWS.` are not written.
    pub metadata: Vec<(&'a str, &'a str, Value<'a>)>,
}

/// What makes an entity a segment.
#[derive(Debug, Clone)]
pub struct Root<'a> {
    /// The trace.
    pub trace: TraceId,
    /// The caller's segment or subsegment.
    pub parent: Option<SegmentId>,
    /// What all segments of the process share.
    pub origin: &'a Origin,
    /// The central sampling rule that chose the request.
    pub sampling_rule: Option<&'a str>,
    /// Who sent the request.
    pub user: Option<&'a str>,
}

/// Which kind of downstream call a subsegment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// A call to an AWS service.
    Aws,
    /// Any other call.
    Remote,
}

/// `http`: the request and its response.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http<'a> {
    /// The URL without its query.
    pub url: Option<&'a str>,
    /// The method.
    pub method: Option<&'a str>,
    /// The request's `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The peer's address or the whole `X-Forwarded-For`.
    pub client_ip: Option<&'a str>,
    /// True if `client_ip` is what `X-Forwarded-For` said and may be forged.
    pub x_forwarded_for: bool,
    /// The response's status.
    pub status: Option<u16>,
    /// The response's length in bytes.
    pub content_length: Option<u64>,
}

/// `sql`: a query to a database.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sql<'a> {
    /// The query without its values.
    pub sanitized_query: Option<&'a str>,
    /// The kind of database.
    pub database_type: Option<&'a str>,
    /// Host or URL of the database.
    pub url: Option<&'a str>,
    /// The database's user.
    pub user: Option<&'a str>,
}

/// A value of an annotation or of metadata. Annotations are texts, numbers and booleans only.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// A number; what JSON cannot say becomes null.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A list; metadata only.
    List(Vec<Value<'a>>),
}
