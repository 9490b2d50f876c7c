//! One segment or subsegment as JSON, written straight into a string and never larger than a document may be.

use super::cause::Exception;
use super::name::clean_name;
use super::{MAX_DOCUMENT_BYTES, MAX_FRAMES};
use crate::id::{SegmentId, TraceId};
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// What [`Part::write`] leaves free for the members a [`Tree`](super::Tree) adds when it closes the part.
const CLOSING_BYTES: usize = 160;

/// X-Ray indexes at most this many annotations of a trace.
const MAX_ANNOTATIONS: usize = 50;

/// The longest text of the fixed members and of an annotation, in bytes; longer ones are cut.
const MAX_TEXT_BYTES: usize = 1_000;

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
    /// Further members of `aws` about a call to an AWS service, such as `operation`, `region` and `request_id`.
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
    /// Indexed values. Keys outside of `[A-Za-z0-9_]` are not written.
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

/// What all segments of a process share, as JSON.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `,"origin":…,"service":…`: members that need no changes.
    members: String,
    /// The members of `aws` without the braces, up to and including `"xray":{"sdk":…` without its brace.
    aws: String,
}

impl Origin {
    /// `origin` is the AWS resource the process runs on (`AWS::EKS::Container`), `service` the members of `service`, `aws`
    /// further members of `aws` by name.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON.
    pub fn new(
        origin: Option<&str>,
        service: &serde_json::Map<String, serde_json::Value>,
        aws: &serde_json::Map<String, serde_json::Value>,
        sdk: &str,
        sdk_version: &str,
    ) -> Result<Self, serde_json::Error> {
        let mut shared = Self::default();
        if let Some(origin) = origin {
            write!(shared.members, ",\"origin\":{}", serde_json::to_string(origin)?).expect(TO_STRING);
        }
        if !service.is_empty() {
            write!(shared.members, ",\"service\":{}", serde_json::to_string(service)?).expect(TO_STRING);
        }
        for (name, value) in aws {
            write!(shared.aws, "{}:{},", serde_json::to_string(name)?, serde_json::to_string(value)?).expect(TO_STRING);
        }
        let xray = serde_json::to_string(&serde_json::json!({ "sdk": sdk, "sdk_version": sdk_version }))?;
        write!(shared.aws, "\"xray\":{}", xray.trim_end_matches('}')).expect(TO_STRING);
        Ok(shared)
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
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
    /// A list of texts; metadata only.
    Texts(&'a [&'a str]),
}

/// An entity's JSON without its last members, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `{"name":…` without `subsegments` and the closing brace.
    pub(super) json: String,
}

/// What did not fit or was not valid, for the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Annotations left out: a bad key, a list, or more than X-Ray indexes.
    pub annotations_dropped: usize,
    /// Metadata left out: a reserved namespace or no room.
    pub metadata_dropped: usize,
}

const TO_STRING: &str = "writing to a string cannot fail";

impl Part {
    /// Writes the entity with id `id`. However large the facts are, the part fits into one document: long texts are cut, and
    /// annotations and metadata that find no more room are left out and counted.
    #[must_use]
    pub fn write(id: SegmentId, entity: &Entity<'_>) -> (Self, WriteReport) {
        let mut out = Writer { json: String::with_capacity(512) };
        out.json.push_str("{\"name\":");
        out.text(&clean_name(entity.name));
        write!(
            out.json,
            ",\"id\":\"{id}\",\"start_time\":{}.{:06},\"end_time\":{}.{:06},\"in_progress\":false",
            entity.start.as_secs(),
            entity.start.subsec_micros(),
            entity.end.as_secs(),
            entity.end.subsec_micros()
        )
        .expect(TO_STRING);
        if let Some(root) = &entity.root {
            write!(out.json, ",\"trace_id\":\"{}\"", root.trace).expect(TO_STRING);
            if let Some(parent) = root.parent {
                write!(out.json, ",\"parent_id\":\"{parent}\"").expect(TO_STRING);
            }
            out.json.push_str(&root.origin.members);
            out.member("user", root.user);
        }
        match entity.namespace {
            Some(Namespace::Aws) => out.json.push_str(",\"namespace\":\"aws\""),
            Some(Namespace::Remote) => out.json.push_str(",\"namespace\":\"remote\""),
            None => {}
        }
        for (flag, name) in [(entity.fault, "fault"), (entity.error, "error"), (entity.throttle, "throttle")] {
            if flag {
                write!(out.json, ",\"{name}\":true").expect(TO_STRING);
            }
        }
        out.http(&entity.http);
        out.sql(&entity.sql);
        out.aws(entity);
        out.cause(entity);
        let report = WriteReport {
            annotations_dropped: out.annotations(&entity.annotations),
            metadata_dropped: out.metadata(&entity.metadata),
        };
        (Self { json: out.json }, report)
    }

    /// Length in bytes of the document this part becomes when it is closed as a subsegment of its own.
    pub(super) fn len(&self) -> usize {
        self.json.len() + CLOSING_BYTES
    }
}

struct Writer {
    json: String,
}

impl Writer {
    fn room(&self) -> usize {
        MAX_DOCUMENT_BYTES.saturating_sub(self.json.len() + CLOSING_BYTES)
    }

    fn text(&mut self, text: &str) {
        let text = cut(text, MAX_TEXT_BYTES);
        self.json.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
    }

    /// `,"name":"value"` where there is a value and none of it is empty, as the SDKs omit empty members.
    fn member(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            if !self.json.ends_with('{') {
                self.json.push(',');
            }
            self.text(name);
            self.json.push(':');
            self.text(value);
        }
    }

    /// `,"name":{…}` around what `body` writes; nothing where that is nothing.
    fn object(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        let before = self.json.len();
        if !self.json.ends_with('{') {
            self.json.push(',');
        }
        write!(self.json, "\"{name}\":{{").expect(TO_STRING);
        let start = self.json.len();
        body(self);
        if self.json.len() == start {
            self.json.truncate(before);
        } else {
            self.json.push('}');
        }
    }

    fn http(&mut self, http: &Http<'_>) {
        self.object("http", |out| {
            out.object("request", |out| {
                out.member("url", http.url);
                out.member("method", http.method);
                out.member("user_agent", http.user_agent);
                out.member("client_ip", http.client_ip);
                if http.x_forwarded_for {
                    out.json.push_str(",\"x_forwarded_for\":true");
                }
            });
            out.object("response", |out| {
                let mut separator = "";
                if let Some(status) = http.status {
                    write!(out.json, "\"status\":{status}").expect(TO_STRING);
                    separator = ",";
                }
                if let Some(length) = http.content_length {
                    write!(out.json, "{separator}\"content_length\":{length}").expect(TO_STRING);
                }
            });
        });
    }

    fn sql(&mut self, sql: &Sql<'_>) {
        self.object("sql", |out| {
            out.member("sanitized_query", sql.sanitized_query);
            out.member("database_type", sql.database_type);
            out.member("url", sql.url);
            out.member("user", sql.user);
        });
    }

    fn aws(&mut self, entity: &Entity<'_>) {
        self.object("aws", |out| {
            if let Some(root) = &entity.root
                && !root.origin.aws.is_empty()
            {
                out.json.push_str(&root.origin.aws);
                out.member("sampling_rule_name", root.sampling_rule);
                out.json.push('}');
            }
            for (name, value) in &entity.aws {
                out.member(name, Some(value));
            }
        });
    }

    fn cause(&mut self, entity: &Entity<'_>) {
        if let Some(id) = entity.cause.and_then(|id| SegmentId::from_bytes(id).ok()) {
            write!(self.json, ",\"cause\":\"{id}\"").expect(TO_STRING);
            return;
        }
        // Two long exceptions show more than ten of which the last are lost for want of room.
        const MAX_EXCEPTIONS: usize = 2;
        let mut exceptions = entity.exceptions.iter().take(MAX_EXCEPTIONS).peekable();
        if exceptions.peek().is_none() {
            return;
        }
        self.json.push_str(",\"cause\":{\"exceptions\":[");
        for (n, exception) in exceptions.enumerate() {
            self.json.push_str(if n == 0 { "{" } else { ",{" });
            if let Ok(id) = SegmentId::from_bytes(exception.id) {
                write!(self.json, "\"id\":\"{id}\"").expect(TO_STRING);
            }
            self.member("message", Some(exception.message));
            self.member("type", Some(exception.kind));
            if !self.json.ends_with('{') {
                self.json.push(',');
            }
            write!(self.json, "\"remote\":{}", exception.remote).expect(TO_STRING);
            if !exception.stack.is_empty() {
                self.json.push_str(",\"stack\":[");
                for (n, frame) in exception.stack.iter().take(MAX_FRAMES).enumerate() {
                    self.json.push_str(if n == 0 { "{\"path\":" } else { ",{\"path\":" });
                    self.text(frame.path);
                    write!(self.json, ",\"line\":{},\"label\":", frame.line).expect(TO_STRING);
                    self.text(frame.label);
                    self.json.push('}');
                }
                self.json.push(']');
            }
            self.json.push('}');
        }
        self.json.push_str("]}");
    }

    /// Writes the annotations that are valid and fit, and returns how many were not.
    fn annotations(&mut self, annotations: &[(&str, Value<'_>)]) -> usize {
        let mut written = 0;
        self.object("annotations", |out| {
            for (key, value) in annotations {
                let valid = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
                let value = match value {
                    Value::Text(text) => Value::Text(cut(text, MAX_TEXT_BYTES)),
                    Value::Float(number) if !number.is_finite() => continue,
                    Value::Texts(_) => continue,
                    value => *value,
                };
                if valid && written < MAX_ANNOTATIONS && out.entry(key, &value) {
                    written += 1;
                }
            }
        });
        annotations.len() - written
    }

    /// Writes the metadata that is valid and fits, grouped by namespace, and returns how many entries were not written.
    fn metadata(&mut self, metadata: &[(&str, &str, Value<'_>)]) -> usize {
        let mut written = 0;
        let mut namespaces: Vec<&str> = metadata.iter().map(|(namespace, ..)| *namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        self.object("metadata", |out| {
            for namespace in namespaces {
                let mark = out.json.len();
                if namespace.starts_with("AWS.") || namespace.len() + 8 > out.room() {
                    continue;
                }
                if !out.json.ends_with('{') {
                    out.json.push(',');
                }
                out.json.push_str(&serde_json::to_string(namespace).expect("a text is always JSON"));
                out.json.push_str(":{");
                let before = written;
                for (_, key, value) in metadata.iter().filter(|entry| entry.0 == namespace) {
                    written += usize::from(out.entry(key, value));
                }
                if written == before {
                    out.json.truncate(mark);
                } else {
                    out.json.push('}');
                }
            }
        });
        metadata.len() - written
    }

    /// `"key":value` if there is room for it.
    fn entry(&mut self, key: &str, value: &Value<'_>) -> bool {
        let key = serde_json::to_string(key).expect("a text is always JSON");
        let value = serde_json::to_string(value).expect("texts, numbers and booleans are always JSON");
        // Two braces may still have to follow.
        if key.len() + value.len() + 4 > self.room() {
            return false;
        }
        if !self.json.ends_with('{') {
            self.json.push(',');
        }
        self.json.push_str(&key);
        self.json.push(':');
        self.json.push_str(&value);
        true
    }
}

/// The longest beginning of `text` of at most `max` bytes that ends on a character.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
