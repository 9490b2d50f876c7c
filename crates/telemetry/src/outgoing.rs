//! A request that is made, as a span whose context travels with it.

use crate::server::known_method;
use crate::telemetry::Telemetry;
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

impl Telemetry {
    /// Sends a request with `client` in a CLIENT span below the active one, with the context in the headers that
    /// `OTEL_PROPAGATORS` names.
    ///
    /// # Errors
    /// As [`reqwest::Client::execute`]; the error is recorded on the span.
    pub async fn send(
        &self,
        client: &reqwest::Client,
        mut request: reqwest::Request,
    ) -> reqwest::Result<reqwest::Response> {
        let context = self.start_call(request.method().as_str(), request.url());
        self.0
            .propagators
            .inject_context(&context, &mut Headers(request.headers_mut()));
        // A future that is dropped ends the span with its context.
        let result = client.execute(request).await;
        let span = context.span();
        match &result {
            Ok(response) => {
                let status = response.status();
                span.set_attribute(KeyValue::new(
                    "http.response.status_code",
                    i64::from(status.as_u16()),
                ));
                if status.is_client_error() || status.is_server_error() {
                    span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
                    span.set_status(Status::error(""));
                }
            }
            Err(error) => {
                span.set_attribute(KeyValue::new("error.type", "reqwest::Error"));
                span.add_event(
                    "exception",
                    vec![
                        KeyValue::new("exception.type", "reqwest::Error"),
                        // The URL is an attribute already, and its query is nobody's business.
                        KeyValue::new("exception.message", innermost(error)),
                    ],
                );
                span.set_status(Status::error(""));
            }
        }
        span.end();
        result
    }

    fn start_call(&self, method: &str, url: &Url) -> Context {
        let known = known_method(method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", known.unwrap_or("_OTHER")),
            KeyValue::new("url.full", redacted(url)),
        ];
        if known.is_none() {
            let original = method.to_owned();
            attributes.push(KeyValue::new("http.request.method_original", original));
        }
        if let Some(host) = url.host_str() {
            attributes.push(KeyValue::new("server.address", host.to_owned()));
        }
        if let Some(port) = url.port_or_known_default() {
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        let builder = SpanBuilder::from_name(known.unwrap_or("HTTP"))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let parent = Context::current();
        let span = self.0.server_tracer.build_with_context(builder, &parent);
        parent.with_span(span)
    }
}

/// The URL without credentials.
fn redacted(url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return url.as_str().to_owned();
    }
    let mut url = url.clone();
    // Only URLs that cannot have credentials refuse, and those have none.
    let _ = url
        .set_username("REDACTED")
        .and_then(|()| url.set_password(Some("REDACTED")));
    url.into()
}

/// What an error says without those around it, which repeat the URL.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    source.to_string()
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
