//! A request that is served, as a span: extraction, the two decisions, attributes, the answer's header. No framework needed.
//!
//! Attributes have the names of OpenTelemetry's
//! [stable HTTP conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), with
//! `OTEL_SEMCONV_STABILITY_OPT_IN=http/dup` also the older ones.

use crate::ids::{TraceIdOverride, xray_trace_id};
use crate::propagation::Incoming;
use crate::sampler::{self, OtlpDecision};
use crate::telemetry::Telemetry;
use crate::xray::{Decision, RequestFacts};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, TraceId, Tracer};
use opentelemetry::{Context, KeyValue, StringValue, Value};
use std::borrow::Cow;
use std::net::SocketAddr;
use tracewright_xray::header::{Sampled, TraceHeader};

/// What a server knows of a request when it arrives.
#[derive(Debug, Clone, Default)]
pub struct ServerRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The pattern that the path matched, such as `/api/users/{id}`; `None` if there is no such route.
    pub route: Option<&'a str>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The `Host` header, with its port if it has one.
    pub host: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// What follows the `?`; empty if there is none.
    pub query: &'a str,
    /// `1.0`, `1.1` or `2`.
    pub protocol_version: &'static str,
    /// Who is connected.
    pub peer: Option<SocketAddr>,
    /// The `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// The `X-Forwarded-For` header.
    pub forwarded_for: Option<&'a str>,
}

/// What a server answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerResponse<'a> {
    /// The status.
    pub status: u16,
    /// The length of the body, if it is known.
    pub content_length: Option<u64>,
    /// What the error says that led to the answer, if it was one.
    pub error: Option<&'a str>,
}

/// A request under way. Dropped without an answer, it ends as cancelled, or as failed if the thread panics.
#[derive(Debug)]
pub struct ServerSpan {
    context: Context,
    answer_header: Option<String>,
    duplicate_attributes: bool,
    ended: bool,
}

impl Telemetry {
    /// Begins to serve a request: reads the caller's context from its headers, decides who gets the trace, and starts the
    /// span, in that context.
    #[must_use]
    pub fn serve(&self, request: &ServerRequest<'_>, headers: &dyn Extractor) -> ServerSpan {
        let inner = &*self.0;
        let mut context = inner
            .propagators
            .extract_with_context(&Context::new(), headers);
        let mut root = None;
        let mut asked = false;
        if let Some(Incoming {
            header,
            has_traceparent,
        }) = context.get::<Incoming>()
        {
            asked = header.sampled == Some(Sampled::Ask);
            // A root without a parent continues the trace without being anyone's child.
            root = header
                .root
                .filter(|_| !has_traceparent && header.parent.is_none());
        }
        let decides_for_otlp = inner.rules_sample && sampler::is_undecided(&context);
        if inner.recorder.is_some() || decides_for_otlp {
            let caller = context
                .get::<Incoming>()
                .and_then(|incoming| incoming.header.sampled);
            let facts = RequestFacts {
                host: Some(without_default_port(request.scheme, request.host)),
                method: Some(request.method),
                path: Some(request.path),
            };
            let decision = inner.decider.decide(caller, facts);
            context = if inner.recorder.is_some() {
                context.with_value(decision)
            } else {
                context.with_value(OtlpDecision(decision.sampled))
            };
        }
        let mut builder = SpanBuilder::from_name(request.span_name()).with_kind(SpanKind::Server);
        if inner.spans_on {
            builder = builder.with_attributes(request.attributes(inner.duplicate_http_attributes));
        }
        let _override = root.map(|root| TraceIdOverride::set(TraceId::from_bytes(root.to_bytes())));
        let span = inner.server_tracer.build_with_context(builder, &context);
        let context = context.with_span(span);
        let answer_header = inner
            .recorder
            .is_some()
            .then(|| answer_header(&context, asked));
        ServerSpan {
            context,
            answer_header,
            duplicate_attributes: inner.duplicate_http_attributes,
            ended: false,
        }
    }
}

/// The trace's id for the caller, and the decision if that is what it asked for.
fn answer_header(context: &Context, asked: bool) -> String {
    let sampled = context.get::<Decision>().map(|decision| {
        if decision.sampled {
            Sampled::Yes
        } else {
            Sampled::No
        }
    });
    let header = TraceHeader {
        root: xray_trace_id(context.span().span_context().trace_id()),
        sampled: sampled.filter(|_| asked),
        ..TraceHeader::default()
    };
    header.to_string()
}

impl ServerSpan {
    /// The context to be active while the request is served.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The value of the response's `X-Amzn-Trace-Id`, if X-Ray is on.
    #[must_use]
    pub fn answer_header(&self) -> Option<&str> {
        self.answer_header.as_deref()
    }

    /// Ends the span with what was answered.
    pub fn end(mut self, response: &ServerResponse<'_>) {
        self.ended = true;
        let span = self.context.span();
        if !span.is_recording() {
            return;
        }
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(response.status),
        ));
        if self.duplicate_attributes {
            span.set_attribute(KeyValue::new(
                "http.status_code",
                i64::from(response.status),
            ));
        }
        if let Some(length) = response
            .content_length
            .and_then(|length| i64::try_from(length).ok())
        {
            span.set_attribute(KeyValue::new("http.response.body.size", length));
        }
        if response.status >= 500 {
            span.set_attribute(KeyValue::new("error.type", response.status.to_string()));
            span.set_status(Status::error(""));
            if let Some(error) = response.error {
                let exception = vec![
                    KeyValue::new("exception.type", "error"),
                    KeyValue::new("exception.message", error.to_owned()),
                ];
                span.add_event("exception", exception);
            }
        }
        span.end();
    }
}

impl Drop for ServerSpan {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let span = self.context.span();
        if std::thread::panicking() {
            span.set_attribute(KeyValue::new("http.response.status_code", 500));
            span.set_attribute(KeyValue::new("error.type", "panic"));
            span.add_event(
                "exception",
                vec![
                    KeyValue::new("exception.type", "panic"),
                    KeyValue::new("exception.message", "the handler panicked"),
                ],
            );
            span.set_status(Status::error(""));
        } else {
            span.set_attribute(KeyValue::new("error.type", "cancelled"));
        }
        span.end();
    }
}

impl ServerRequest<'_> {
    /// `GET /route`, or `GET` where no route matched: names are few, whatever clients ask for.
    fn span_name(&self) -> Cow<'static, str> {
        let method = known_method(self.method).unwrap_or("HTTP");
        match self.route {
            Some(route) => format!("{method} {route}").into(),
            None => method.into(),
        }
    }

    fn attributes(&self, duplicate: bool) -> Vec<KeyValue> {
        // Room for what the answer adds.
        let mut attributes = Vec::with_capacity(if duplicate { 32 } else { 17 });
        let mut add = |key: &'static str, value: Value| attributes.push(KeyValue::new(key, value));
        let text = |text: &str| Value::String(StringValue::from(text.to_owned()));
        let scheme = if self.scheme == "https" {
            "https"
        } else {
            "http"
        };
        let (address, port) = split_host(self.host);
        // A socket of both families tells IPv4 clients by IPv6 addresses.
        let peer = self
            .peer
            .map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        add(
            "http.request.method",
            known_method(self.method).unwrap_or("_OTHER").into(),
        );
        if known_method(self.method).is_none() {
            add("http.request.method_original", text(self.method));
        }
        if let Some(route) = self.route {
            add("http.route", text(route));
        }
        add("url.scheme", scheme.into());
        add("url.path", text(self.path));
        if !self.query.is_empty() {
            add("url.query", text(self.query));
        }
        add("server.address", text(address));
        if let Some(port) = port {
            add("server.port", i64::from(port).into());
        }
        add("network.protocol.version", self.protocol_version.into());
        if let Some(peer) = peer {
            add("network.peer.address", peer.ip().to_string().into());
            add("network.peer.port", i64::from(peer.port()).into());
        }
        let forwarded_for = self.forwarded_for.filter(|list| !list.trim().is_empty());
        match (forwarded_for, peer) {
            (Some(forwarded), _) => {
                add(
                    "client.address",
                    text(forwarded.split(',').next().unwrap_or(forwarded).trim()),
                );
                let header = vec![StringValue::from(forwarded.to_owned())];
                add(
                    "http.request.header.x-forwarded-for",
                    Value::Array(header.into()),
                );
            }
            (None, Some(peer)) => add("client.address", peer.ip().to_string().into()),
            (None, None) => {}
        }
        if let Some(agent) = self.user_agent {
            add("user_agent.original", text(agent));
        }
        if duplicate {
            let target = if self.query.is_empty() {
                self.path.to_owned()
            } else {
                format!("{}?{}", self.path, self.query)
            };
            add("http.method", text(self.method));
            add("http.scheme", scheme.into());
            add("http.target", target.into());
            add("http.host", text(self.host));
            add("http.flavor", self.protocol_version.into());
            add("net.host.name", text(address));
            if let Some(port) = port {
                add("net.host.port", i64::from(port).into());
            }
            if let Some(peer) = peer {
                add("net.peer.ip", peer.ip().to_string().into());
                add("net.peer.port", i64::from(peer.port()).into());
            }
            if let Some(agent) = self.user_agent {
                add("http.user_agent", text(agent));
            }
        }
        attributes
    }
}

/// The methods of RFC 9110 and PATCH, as themselves.
pub(crate) fn known_method(method: &str) -> Option<&'static str> {
    let known = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    known.into_iter().find(|known| *known == method)
}

/// The host as rules and patterns see it: the port counts where it is not the scheme's own, as in the X-Ray SDK for Python.
fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(port).unwrap_or(host)
}

/// Host and port of a `Host` header.
fn split_host(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.ends_with(':') && (!name.contains(':') || name.ends_with(']')) =>
        {
            port.parse().map_or((host, None), |port| (name, Some(port)))
        }
        _ => (host, None),
    }
}
