//! One segment or subsegment as JSON, written straight into a string and never larger than a document may be.

use super::cause::Frame;
use super::entity::{Entity, Http, Namespace, Sql, Value};
use super::name::clean_name;
use super::{MAX_DOCUMENT_BYTES, MAX_FRAMES};
use crate::id::SegmentId;
use std::fmt::Write;

/// What [`Part::write`] leaves free for the members a [`Tree`](super::Tree) adds when it closes the part.
const CLOSING_BYTES: usize = 160;

/// What a member of any size leaves free for the brackets, flags and numbers that are written without looking.
const SMALL_MEMBERS_BYTES: usize = 128;

/// X-Ray indexes at most this many annotations of a trace.
const MAX_ANNOTATIONS: usize = 50;

/// The longest text of an annotation, in characters; longer ones are cut.
const MAX_ANNOTATION_CHARS: usize = 1_000;

/// The longest key of an annotation.
const MAX_ANNOTATION_KEY: usize = 500;

/// The longest text of a member that AWS says nothing else of, in characters; longer ones are cut.
pub(super) const MAX_TEXT_CHARS: usize = 250;

/// Metadata of namespaces that begin like this is AWS's own and not written.
pub const RESERVED_NAMESPACES: &str = "AWS.";

/// An entity's JSON without its last members, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `{"name":…` without `subsegments` and the closing brace.
    pub(super) json: String,
}

/// What did not fit or was not valid, for the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Annotations left out: a bad key, a list, or more than X-Ray indexes. One that is set again does not count.
    pub annotations_dropped: usize,
    /// Metadata left out: a reserved namespace or no room. What is set again does not count.
    pub metadata_dropped: usize,
}

pub(super) const TO_STRING: &str = "writing to a string cannot fail";

impl Part {
    /// Writes the entity with id `id`. However large the facts are, the part fits into one document: long texts are cut, and
    /// annotations and metadata that find no more room are left out and counted.
    #[must_use]
    pub fn write(id: SegmentId, entity: &Entity<'_>) -> (Self, WriteReport) {
        let mut out = Writer {
            json: String::with_capacity(512),
        };
        out.json.push('{');
        out.member("name", Some(&clean_name(entity.name)));
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
            if root.origin.members.len() <= out.room() {
                out.json.push_str(&root.origin.members);
            }
            out.member("user", root.user);
        }
        match entity.namespace {
            Some(Namespace::Aws) => out.json.push_str(",\"namespace\":\"aws\""),
            Some(Namespace::Remote) => out.json.push_str(",\"namespace\":\"remote\""),
            None => {}
        }
        for (flag, name) in [
            (entity.fault, "fault"),
            (entity.error, "error"),
            (entity.throttle, "throttle"),
        ] {
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

    /// `,"name":"value"`, cut to [`MAX_TEXT_CHARS`], where there is a value and room. Empty ones are omitted, as the SDKs do.
    fn member(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.entry(name, &Value::Text(cut(value, MAX_TEXT_CHARS)));
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
                if http.x_forwarded_for && http.client_ip.is_some_and(|ip| !ip.is_empty()) {
                    out.entry("x_forwarded_for", &Value::Bool(true));
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
                && root.origin.aws.len() <= out.room()
            {
                out.json.push_str(&root.origin.aws);
                out.member("sampling_rule_name", root.sampling_rule);
                out.json.push('}');
            }
            for (at, (name, value)) in entity.aws.iter().enumerate() {
                if !entity.aws[at + 1..].iter().any(|later| later.0 == *name) {
                    out.member(name, Some(value));
                }
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
        self.json.push_str(",\"cause\":{");
        if let Some(folder) = entity.working_directory.filter(|folder| !folder.is_empty()) {
            self.entry(
                "working_directory",
                &Value::Text(cut(folder, MAX_TEXT_CHARS)),
            );
        }
        let separator = if self.json.ends_with('{') { "" } else { "," };
        write!(self.json, "{separator}\"exceptions\":[").expect(TO_STRING);
        for (n, exception) in exceptions.enumerate() {
            self.json.push_str(if n == 0 {
                "{\"remote\":"
            } else {
                ",{\"remote\":"
            });
            write!(self.json, "{}", exception.remote).expect(TO_STRING);
            if let Ok(id) = SegmentId::from_bytes(exception.id) {
                write!(self.json, ",\"id\":\"{id}\"").expect(TO_STRING);
            }
            self.member("message", Some(exception.message));
            self.member("type", Some(exception.kind));
            self.frames(&exception.stack);
            self.json.push('}');
        }
        self.json.push_str("]}");
    }

    fn frames(&mut self, stack: &[Frame<'_>]) {
        const MAX_PATH_CHARS: usize = 128;
        for (n, frame) in stack.iter().take(MAX_FRAMES).enumerate() {
            let frame = Frame {
                path: cut(frame.path, MAX_PATH_CHARS),
                label: cut(frame.label, MAX_TEXT_CHARS),
                ..*frame
            };
            let frame = serde_json::to_string(&frame).expect("texts and numbers are always JSON");
            if n == 0 {
                self.json.push_str(",\"stack\":[");
            }
            if frame.len() + SMALL_MEMBERS_BYTES > self.room() {
                break;
            }
            if n > 0 {
                self.json.push(',');
            }
            self.json.push_str(&frame);
        }
        if !stack.is_empty() {
            self.json.push(']');
        }
    }

    /// Writes the annotations that are valid and fit, of each key the last one, and returns how many were not.
    fn annotations(&mut self, annotations: &[(&str, Value<'_>)]) -> usize {
        let (mut written, mut replaced) = (0, 0);
        self.object("annotations", |out| {
            for (at, (key, value)) in annotations.iter().enumerate() {
                if annotations[at + 1..].iter().any(|later| later.0 == *key) {
                    replaced += 1;
                    continue;
                }
                let valid = (1..=MAX_ANNOTATION_KEY).contains(&key.len())
                    && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
                let value = match value {
                    Value::Text(text) => Value::Text(cut(text, MAX_ANNOTATION_CHARS)),
                    Value::Float(number) if !number.is_finite() => continue,
                    Value::List(_) => continue,
                    value => value.clone(),
                };
                if valid && written < MAX_ANNOTATIONS && out.entry(key, &value) {
                    written += 1;
                }
            }
        });
        annotations.len() - written - replaced
    }

    /// Writes the metadata that is valid and fits, grouped by namespace, of each key the last one, and returns how many
    /// entries were not written.
    fn metadata(&mut self, metadata: &[(&str, &str, Value<'_>)]) -> usize {
        let (mut written, mut replaced) = (0, 0);
        let mut namespaces: Vec<&str> = metadata.iter().map(|(namespace, ..)| *namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        self.object("metadata", |out| {
            for namespace in namespaces {
                let mark = out.json.len();
                let name = serde_json::to_string(namespace).expect("a text is always JSON");
                if namespace.starts_with(RESERVED_NAMESPACES)
                    || name.len() + SMALL_MEMBERS_BYTES > out.room()
                {
                    continue;
                }
                if !out.json.ends_with('{') {
                    out.json.push(',');
                }
                out.json.push_str(&name);
                out.json.push_str(":{");
                let before = written;
                for (at, (of, key, value)) in metadata.iter().enumerate() {
                    if *of != namespace {
                        continue;
                    }
                    let later = &metadata[at + 1..];
                    if later.iter().any(|it| it.1 == *key && it.0 == namespace) {
                        replaced += 1;
                    } else {
                        written += usize::from(out.entry(key, value));
                    }
                }
                if written == before {
                    out.json.truncate(mark);
                } else {
                    out.json.push('}');
                }
            }
        });
        metadata.len() - written - replaced
    }

    /// `"key":value` if there is room for it.
    fn entry(&mut self, key: &str, value: &Value<'_>) -> bool {
        let key = serde_json::to_string(key).expect("a text is always JSON");
        let value =
            serde_json::to_string(value).expect("texts, numbers and booleans are always JSON");
        if key.len() + value.len() + SMALL_MEMBERS_BYTES > self.room() {
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

/// The first `max` characters of `text`.
pub(super) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = text.char_indices().nth(max).map(|(end, _)| end);
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests;
