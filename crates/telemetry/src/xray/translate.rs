//! A span as a segment or subsegment: OpenTelemetry's attributes where X-Ray looks for them.
//!
//! Attributes that X-Ray has a member for become that member; `annotation.<key>` becomes an annotation and
//! `metadata.<namespace>.<key>` metadata of that namespace, which is percent-encoded where it holds a dot; everything else becomes metadata of namespace `default`.

use crate::random::random;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracewright_xray::segment::{self, Entity, Exception, Http, Namespace, Sql, rust_backtrace};

/// The prefix of attributes that become annotations.
pub(crate) const ANNOTATION: &str = "annotation.";
/// The prefix of attributes that become metadata of a namespace.
pub(crate) const METADATA: &str = "metadata.";
/// The attribute that becomes the segment's user.
pub(crate) const USER: &str = "enduser.id";

/// What is borrowed from a span's attributes and built from several of them.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    url: Option<String>,
    x_forwarded_for: Option<String>,
    pub(super) user: Option<&'a str>,
    members: Members<'a>,
    annotations: Vec<(&'a str, segment::Value<'a>)>,
    metadata: Vec<(Cow<'a, str>, &'a str, segment::Value<'a>)>,
    /// Those of events; without one, what the status says.
    exceptions: Vec<Exception<'a>>,
    has_exception_event: bool,
}

/// The attributes that have a member of their own.
#[derive(Debug, Default)]
struct Members<'a> {
    method: Option<&'a str>,
    original_method: Option<&'a str>,
    full_url: Option<&'a str>,
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<i64>,
    path: Option<&'a str>,
    user_agent: Option<&'a str>,
    client: Option<&'a str>,
    status: Option<i64>,
    response_bytes: Option<i64>,
    query: Option<&'a str>,
    database_system: Option<&'a str>,
    database_name: Option<&'a str>,
    database_user: Option<&'a str>,
    rpc_system: Option<&'a str>,
    rpc_service: Option<&'a str>,
    aws: Vec<(&'a str, &'a str)>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(span: &'a SpanData) -> Self {
        let mut facts = Self::default();
        for KeyValue { key, value, .. } in &span.attributes {
            facts.sort_in(key.as_str(), value);
        }
        facts.url = facts.members.url();
        for event in span.events.iter().filter(|event| event.name == "exception") {
            let text = |key: &str| {
                let found = event
                    .attributes
                    .iter()
                    .find(|attribute| attribute.key.as_str() == key);
                found
                    .and_then(|attribute| as_text(&attribute.value))
                    .unwrap_or_default()
            };
            facts.exceptions.push(Exception {
                id: random(),
                kind: text("exception.type"),
                message: text("exception.message"),
                remote: false,
                stack: rust_backtrace(text("exception.stacktrace")),
            });
        }
        facts.has_exception_event = !facts.exceptions.is_empty();
        if let (Status::Error { description }, false) = (&span.status, facts.has_exception_event)
            && !description.is_empty()
        {
            facts.exceptions.push(Exception {
                id: random(),
                message: description,
                ..Exception::default()
            });
        }
        facts
    }

    fn sort_in(&mut self, key: &'a str, value: &'a Value) {
        let members = &mut self.members;
        match (key, value) {
            ("http.request.method" | "http.method", Value::String(text)) => {
                members.method = Some(text.as_str())
            }
            ("http.request.method_original", Value::String(text)) => {
                members.original_method = Some(text.as_str())
            }
            ("url.full" | "http.url", Value::String(text)) => {
                members.full_url = Some(text.as_str())
            }
            ("url.scheme" | "http.scheme", Value::String(text)) => {
                members.scheme = Some(text.as_str())
            }
            ("server.address" | "net.host.name" | "net.peer.name", Value::String(text)) => {
                members.host = Some(text.as_str())
            }
            ("server.port" | "net.host.port", Value::I64(port)) => members.port = Some(*port),
            ("url.path", Value::String(text)) => members.path = Some(text.as_str()),
            ("user_agent.original" | "http.user_agent", Value::String(text)) => {
                members.user_agent = Some(text.as_str())
            }
            ("client.address" | "http.client_ip", Value::String(text)) => {
                members.client = Some(text.as_str())
            }
            ("http.request.header.x-forwarded-for", Value::Array(Array::String(values))) => {
                let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
                self.x_forwarded_for = Some(values.join(", "));
            }
            ("http.response.status_code" | "http.status_code", Value::I64(status)) => {
                members.status = Some(*status)
            }
            ("http.response.body.size", Value::I64(size)) => members.response_bytes = Some(*size),
            // The same again under an older name, or of no use to X-Ray.
            (
                "http.target" | "http.host" | "http.server_name" | "net.peer.ip" | "net.peer.port",
                _,
            ) => {}
            ("db.query.text" | "db.statement", Value::String(text)) => {
                members.query = Some(text.as_str())
            }
            ("db.system.name" | "db.system", Value::String(text)) => {
                members.database_system = Some(text.as_str())
            }
            ("db.namespace" | "db.name", Value::String(text)) => {
                members.database_name = Some(text.as_str())
            }
            ("db.user", Value::String(text)) => members.database_user = Some(text.as_str()),
            ("rpc.system", Value::String(text)) => members.rpc_system = Some(text.as_str()),
            ("rpc.service", Value::String(text)) => members.rpc_service = Some(text.as_str()),
            ("rpc.method", Value::String(text)) => members.aws.push(("operation", text.as_str())),
            ("cloud.region" | "aws.region", Value::String(text)) => {
                members.aws.push(("region", text.as_str()))
            }
            ("aws.request_id", Value::String(text)) => {
                members.aws.push(("request_id", text.as_str()))
            }
            ("aws.sqs.queue.url", Value::String(text)) => {
                members.aws.push(("queue_url", text.as_str()))
            }
            ("aws.s3.bucket", Value::String(text)) => {
                members.aws.push(("bucket_name", text.as_str()))
            }
            ("aws.dynamodb.table_names", Value::Array(Array::String(names))) => {
                members
                    .aws
                    .extend(names.first().map(|name| ("table_name", name.as_str())));
            }
            (USER, Value::String(text)) => self.user = Some(text.as_str()),
            _ => {
                if let Some(key) = key.strip_prefix(ANNOTATION) {
                    self.annotations.push((key, as_value(value)));
                } else if let Some((namespace, key)) = key
                    .strip_prefix(METADATA)
                    .and_then(|key| key.split_once('.'))
                {
                    let encoded = percent_decode_str(namespace);
                    let namespace = encoded.decode_utf8().unwrap_or(namespace.into());
                    self.metadata.push((namespace, key, as_value(value)));
                } else {
                    self.metadata.push(("default".into(), key, as_value(value)));
                }
            }
        }
    }

    /// The first exception, for its callers to refer to.
    pub(super) fn first_exception(&self) -> Option<&Exception<'a>> {
        self.exceptions.first()
    }

    /// The entity without what only its place in the trace tells: its name as a segment, root and cause.
    pub(super) fn entity<'s>(&'s self, span: &'s SpanData) -> Entity<'s>
    where
        'a: 's,
    {
        let members = &self.members;
        let is_call = matches!(span.span_kind, SpanKind::Client | SpanKind::Producer);
        let is_aws = members.rpc_system == Some("aws-api");
        let is_query = members.database_system.is_some();
        let status = members.status.and_then(|status| u16::try_from(status).ok());
        let name = match (is_call, is_aws, is_query) {
            (true, true, _) => members.rpc_service,
            (true, false, true) => members.database_name,
            (true, false, false) => members.host,
            _ => None,
        };
        let failed = matches!(span.status, Status::Error { .. });
        Entity {
            name: name.unwrap_or(&span.name),
            start: since_1970(span.start_time),
            end: since_1970(span.end_time.max(span.start_time)),
            root: None,
            namespace: is_call.then_some(if is_aws {
                Namespace::Aws
            } else {
                Namespace::Remote
            }),
            http: Http {
                url: self.url.as_deref(),
                method: members.original_method.or(members.method),
                user_agent: members.user_agent,
                client_ip: self.x_forwarded_for.as_deref().or(members.client),
                x_forwarded_for: self.x_forwarded_for.is_some(),
                status,
                content_length: members
                    .response_bytes
                    .and_then(|size| u64::try_from(size).ok()),
            },
            sql: Sql {
                sanitized_query: members.query,
                database_type: members.database_system,
                url: members.host.filter(|_| is_query),
                user: members.database_user,
            },
            aws: if is_aws {
                members.aws.clone()
            } else {
                Vec::new()
            },
            fault: status.is_some_and(|status| status >= 500)
                || self.has_exception_event
                || (failed && status.is_none_or(|status| status < 400)),
            error: status.is_some_and(|status| (400..500).contains(&status)),
            throttle: status == Some(429),
            exceptions: self.exceptions.clone(),
            cause: None,
            working_directory: None,
            annotations: self.annotations.clone(),
            metadata: self
                .metadata
                .iter()
                .map(|(namespace, key, value)| (&**namespace, *key, value.clone()))
                .collect(),
        }
    }
}

impl Members<'_> {
    /// The URL without its query.
    fn url(&self) -> Option<String> {
        if let Some(url) = self.full_url {
            return Some(url.split(['?', '#']).next().unwrap_or(url).to_owned());
        }
        let host = self.host.filter(|_| self.method.is_some())?;
        let scheme = self.scheme.unwrap_or("http");
        let default_port = if scheme == "https" { 443 } else { 80 };
        let port = self.port.filter(|port| *port != default_port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!(
            "{scheme}://{host}{port}{}",
            self.path.unwrap_or("/")
        ))
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text.as_str()),
        _ => None,
    }
}

/// The value as X-Ray's documents have it.
fn as_value(value: &Value) -> segment::Value<'_> {
    match value {
        Value::String(text) => segment::Value::Text(text.as_str()),
        Value::I64(number) => segment::Value::Int(*number),
        Value::F64(number) => segment::Value::Float(*number),
        Value::Bool(value) => segment::Value::Bool(*value),
        Value::Array(Array::Bool(list)) => {
            segment::Value::List(list.iter().map(|v| segment::Value::Bool(*v)).collect())
        }
        Value::Array(Array::I64(list)) => {
            segment::Value::List(list.iter().map(|v| segment::Value::Int(*v)).collect())
        }
        Value::Array(Array::F64(list)) => {
            segment::Value::List(list.iter().map(|v| segment::Value::Float(*v)).collect())
        }
        Value::Array(Array::String(list)) => segment::Value::List(
            list.iter()
                .map(|v| segment::Value::Text(v.as_str()))
                .collect(),
        ),
        // Both enumerations may get further variants.
        _ => segment::Value::List(Vec::new()),
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
