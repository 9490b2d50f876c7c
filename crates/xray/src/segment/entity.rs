//! One segment or subsegment as JSON, written straight into a string and never larger than a document may be.

use super::cause::{Exception, Frame};
use super::name::clean_name;
use super::{MAX_DOCUMENT_BYTES, MAX_FRAMES};
use crate::id::{SegmentId, TraceId};
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// What [`Part::write`] leaves free for the members a [`Tree`](super::Tree) adds when it closes the part.
const CLOSING_BYTES: usize = 160;

/// What a member of any size leaves free for the brackets, flags and numbers that are written without looking.
const SMALL_MEMBERS_BYTES: usize = 128;

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
            write!(
                shared.members,
                ",\"origin\":{}",
                serde_json::to_string(origin)?
            )
            .expect(TO_STRING);
        }
        if !service.is_empty() {
            write!(
                shared.members,
                ",\"service\":{}",
                serde_json::to_string(service)?
            )
            .expect(TO_STRING);
        }
        for (name, value) in aws {
            write!(
                shared.aws,
                "{}:{},",
                serde_json::to_string(name)?,
                serde_json::to_string(value)?
            )
            .expect(TO_STRING);
        }
        let xray =
            serde_json::to_string(&serde_json::json!({ "sdk": sdk, "sdk_version": sdk_version }))?;
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

    /// `,"name":"value"`, cut to [`MAX_TEXT_BYTES`], where there is a value and room. Empty ones are omitted, as the SDKs do.
    fn member(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.entry(name, &Value::Text(cut(value, MAX_TEXT_BYTES)));
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
                if http.x_forwarded_for && http.client_ip.is_some() {
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
                && root.origin.aws.len() <= out.room()
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
        const MAX_PATH_BYTES: usize = 128;
        const MAX_LABEL_BYTES: usize = 256;
        for (n, frame) in stack.iter().take(MAX_FRAMES).enumerate() {
            let frame = Frame {
                path: cut(frame.path, MAX_PATH_BYTES),
                label: cut(frame.label, MAX_LABEL_BYTES),
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

    /// Writes the annotations that are valid and fit, and returns how many were not.
    fn annotations(&mut self, annotations: &[(&str, Value<'_>)]) -> usize {
        let mut written = 0;
        self.object("annotations", |out| {
            for (key, value) in annotations {
                let valid =
                    !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
                let value = match value {
                    Value::Text(text) => Value::Text(cut(text, MAX_TEXT_BYTES)),
                    Value::Float(number) if !number.is_finite() => continue,
                    Value::List(_) => continue,
                    value => value.clone(),
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
                let name = serde_json::to_string(namespace).expect("a text is always JSON");
                if namespace.starts_with("AWS.") || name.len() + SMALL_MEMBERS_BYTES > out.room() {
                    continue;
                }
                if !out.json.ends_with('{') {
                    out.json.push(',');
                }
                out.json.push_str(&name);
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

/// The longest beginning of `text` of at most `max` bytes that ends on a character.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn id() -> SegmentId {
        SegmentId::from_bytes([9; 8]).unwrap()
    }

    fn written(entity: &Entity<'_>) -> (Json, WriteReport) {
        let (part, report) = Part::write(id(), entity);
        let json = part.json + "}";
        (
            serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}")),
            report,
        )
    }

    #[test]
    fn a_segment_has_every_member_where_x_ray_looks_for_it() {
        let service = json!({"version": "1.2", "runtime": "rustc"});
        let aws = json!({"eks": {"pod": "p-1"}, "cloudwatch_logs": [{"log_group": "cruddur"}]});
        let origin = Origin::new(
            Some("AWS::EKS::Container"),
            service.as_object().unwrap(),
            aws.as_object().unwrap(),
            "X-Ray for Rust",
            "0.1.0",
        )
        .unwrap();
        let entity = Entity {
            name: "backend-flask",
            start: Duration::from_micros(1_700_000_000_000_001),
            end: Duration::from_micros(1_700_000_000_250_000),
            root: Some(Root {
                trace: "1-5759e988-bd862e3fe1be46a994272793".parse().unwrap(),
                parent: "53995c3f42cd8ad8".parse().ok(),
                origin: &origin,
                sampling_rule: Some("Cruddur"),
                user: Some("andrew"),
            }),
            http: Http {
                url: Some("http://localhost:4567/api/activities/home"),
                method: Some("GET"),
                user_agent: Some("curl/8"),
                client_ip: Some("10.0.0.1, 10.0.0.2"),
                x_forwarded_for: true,
                status: Some(429),
                content_length: Some(965),
            },
            error: true,
            throttle: true,
            fault: true,
            exceptions: vec![Exception {
                id: [1; 8],
                kind: "io::Error",
                message: "a \"quoted\"\nmessage",
                remote: false,
                stack: vec![Frame {
                    path: "home.rs",
                    line: 3,
                    label: "run",
                }],
            }],
            annotations: vec![
                ("tier", Value::Text("gold")),
                ("n", Value::Int(3)),
                ("ok", Value::Bool(true)),
                ("f", Value::Float(0.5)),
            ],
            metadata: vec![
                ("default", "app.now", Value::Text("t")),
                (
                    "own",
                    "list",
                    Value::List(vec![Value::Text("a"), Value::Int(2)]),
                ),
                ("default", "x", Value::Int(1)),
            ],
            ..Entity::default()
        };
        let (json, report) = written(&entity);
        assert_eq!(report, WriteReport::default());
        assert_eq!(
            json,
            json!({
                "name": "backend-flask",
                "id": "0909090909090909",
                "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
                "parent_id": "53995c3f42cd8ad8",
                "start_time": 1_700_000_000.000_001,
                "end_time": 1_700_000_000.25,
                "in_progress": false,
                "origin": "AWS::EKS::Container",
                "service": {"version": "1.2", "runtime": "rustc"},
                "user": "andrew",
                "fault": true,
                "error": true,
                "throttle": true,
                "http": {
                    "request": {
                        "url": "http://localhost:4567/api/activities/home", "method": "GET", "user_agent": "curl/8",
                        "client_ip": "10.0.0.1, 10.0.0.2", "x_forwarded_for": true,
                    },
                    "response": {"status": 429, "content_length": 965},
                },
                "aws": {
                    "eks": {"pod": "p-1"},
                    "cloudwatch_logs": [{"log_group": "cruddur"}],
                    "xray": {"sdk": "X-Ray for Rust", "sdk_version": "0.1.0", "sampling_rule_name": "Cruddur"},
                },
                "cause": {"exceptions": [{
                    "id": "0101010101010101", "message": "a \"quoted\"\nmessage", "type": "io::Error", "remote": false,
                    "stack": [{"path": "home.rs", "line": 3, "label": "run"}],
                }]},
                "annotations": {"tier": "gold", "n": 3, "ok": true, "f": 0.5},
                "metadata": {"default": {"app.now": "t", "x": 1}, "own": {"list": ["a", 2]}},
            })
        );
    }

    #[test]
    fn a_subsegment_has_only_what_it_knows() {
        let entity = Entity {
            name: "work",
            ..Entity::default()
        };
        assert_eq!(
            written(&entity).0,
            json!({"name": "work", "id": "0909090909090909", "start_time": 0.0, "end_time": 0.0, "in_progress": false})
        );
        let entity = Entity {
            name: "db",
            namespace: Some(Namespace::Remote),
            sql: Sql {
                sanitized_query: Some("SELECT ?"),
                url: Some("db:5432"),
                ..Sql::default()
            },
            aws: vec![("operation", "PutItem")],
            cause: Some([1; 8]),
            ..Entity::default()
        };
        let json = written(&entity).0;
        assert_eq!(json["namespace"], "remote");
        assert_eq!(
            json["sql"],
            json!({"sanitized_query": "SELECT ?", "url": "db:5432"})
        );
        assert_eq!(json["aws"], json!({"operation": "PutItem"}));
        assert_eq!(json["cause"], "0101010101010101");
    }

    #[test]
    fn invalid_annotations_and_metadata_are_counted_not_written() {
        let many: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
        let mut annotations: Vec<_> = many
            .iter()
            .map(|key| (key.as_str(), Value::Int(1)))
            .collect();
        annotations.extend([
            ("a.b", Value::Int(1)),
            ("", Value::Int(1)),
            ("l", Value::List(vec![])),
            ("nan", Value::Float(f64::NAN)),
        ]);
        let entity = Entity {
            annotations,
            metadata: vec![("AWS.x", "k", Value::Int(1)), ("AWS", "k", Value::Int(1))],
            ..Entity::default()
        };
        let (json, report) = written(&entity);
        assert_eq!(
            json["annotations"].as_object().unwrap().len(),
            MAX_ANNOTATIONS
        );
        assert_eq!(
            report,
            WriteReport {
                annotations_dropped: 14,
                metadata_dropped: 1
            }
        );
        assert_eq!(json["metadata"], json!({"AWS": {"k": 1}}));
    }

    /// A long text of characters that grow in JSON.
    fn long() -> impl Strategy<Value = String> {
        (".{1,4}", 0..1_000usize).prop_map(|(unit, times)| unit.repeat(times))
    }

    proptest! {
        #[test]
        fn a_part_is_json_and_fits_whatever_the_facts(
            texts in proptest::collection::vec(prop_oneof![".{0,50}".boxed(), long().boxed()], 8),
            many in proptest::collection::vec((".{0,20}", long()), 0..60),
        ) {
            let text = |n: usize| texts[n % texts.len()].as_str();
            let frame = Frame { path: text(0), line: 1, label: text(1) };
            let exception = Exception { kind: text(2), message: text(3), stack: vec![frame; 20], ..Exception::default() };
            let entity = Entity {
                name: text(4),
                http: Http { url: Some(text(5)), user_agent: Some(text(6)), client_ip: Some(text(7)), ..Http::default() },
                sql: Sql { sanitized_query: Some(text(1)), database_type: Some(text(2)), ..Sql::default() },
                aws: vec![(text(3), text(4)); 12],
                exceptions: vec![exception; 5],
                annotations: many.iter().map(|(key, value)| (key.as_str(), Value::Text(value))).collect(),
                metadata: many.iter().map(|(key, value)| (key.as_str(), key.as_str(), Value::Text(value))).collect(),
                ..Entity::default()
            };
            let (part, report) = Part::write(id(), &entity);
            prop_assert!(part.len() <= MAX_DOCUMENT_BYTES, "{} bytes", part.len());
            prop_assert!(report.metadata_dropped <= many.len());
            let json = part.json + "}";
            prop_assert!(serde_json::from_str::<Json>(&json).is_ok(), "{}", json);
        }
    }
}
