//! The actix-web middleware: one SERVER span for each request.

use crate::server::{ServerRequest, ServerResponse, ServerSpan};
use crate::telemetry::Telemetry;
use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Extractor;
use std::borrow::Cow;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Wraps an `App` so that each request is a span, and the span is active while it is served. Made by
/// [`Telemetry::middleware`].
#[derive(Debug, Clone)]
pub struct Middleware {
    telemetry: Telemetry,
    skipped: &'static [&'static str],
}

impl Telemetry {
    /// The middleware for `App::wrap`.
    #[must_use]
    pub fn middleware(&self) -> Middleware {
        Middleware {
            telemetry: self.clone(),
            skipped: &[],
        }
    }
}

impl Middleware {
    /// Requests of exactly these paths are not traced: probes and scrapes.
    #[must_use]
    pub fn skip(mut self, paths: &'static [&'static str]) -> Self {
        self.skipped = paths;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for Middleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = TracedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(TracedService {
            service,
            middleware: self.clone(),
        }))
    }
}

/// A service with [`Middleware`] around it.
#[derive(Debug)]
pub struct TracedService<S> {
    service: S,
    middleware: Middleware,
}

impl<S, B> Service<ServiceRequest> for TracedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Served<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let span = (!self.middleware.skipped.contains(&request.path()))
            .then(|| serve(&self.middleware.telemetry, &request));
        // The service may do its work before its future is polled.
        let _guard = span.as_ref().map(|span| span.context().clone().attach());
        Served {
            inner: self.service.call(request),
            span,
        }
    }
}

fn serve(telemetry: &Telemetry, request: &ServiceRequest) -> ServerSpan {
    let route = request.match_pattern();
    let connection = request.connection_info();
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded_for = all(headers, header::X_FORWARDED_FOR);
    let facts = ServerRequest {
        method: request.method().as_str(),
        route: route.as_deref(),
        scheme: connection.scheme(),
        host: text(header::HOST).unwrap_or_else(|| connection.host()),
        path: request.path(),
        query: request.query_string(),
        protocol_version: match request.version() {
            Version::HTTP_09 | Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => "1.1",
        },
        peer: request.peer_addr(),
        user_agent: text(header::USER_AGENT),
        forwarded_for: forwarded_for.as_deref(),
    };
    telemetry.serve(&facts, &Headers(headers))
}

/// The header's value; where it came in several lines, which mean one list, all of them.
fn all(headers: &HeaderMap, name: HeaderName) -> Option<Cow<'_, str>> {
    let mut values = headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok());
    let first = values.next()?;
    Some(values.fold(Cow::Borrowed(first), |list, value| {
        Cow::Owned(format!("{list},{value}"))
    }))
}

pin_project_lite::pin_project! {
    /// The answer of a [`TracedService`].
    #[derive(Debug)]
    pub struct Served<F> {
        #[pin]
        inner: F,
        span: Option<ServerSpan>,
    }
}

impl<F, B> Future for Served<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let guard = this
            .span
            .as_ref()
            .map(|span| span.context().clone().attach());
        let mut result = ready!(this.inner.poll(cx));
        drop(guard);
        let Some(span) = this.span.take() else {
            return Poll::Ready(result);
        };
        match &mut result {
            Ok(response) => {
                if let Some(value) = span
                    .answer_header()
                    .and_then(|value| HeaderValue::try_from(value).ok())
                {
                    let name = HeaderName::from_static(tracewright_xray::header::NAME);
                    response.headers_mut().insert(name, value);
                }
                let content_length = match response.response().body().size() {
                    BodySize::Sized(length) => Some(length),
                    BodySize::None => Some(0),
                    BodySize::Stream => None,
                };
                let error = response.response().error().map(ToString::to_string);
                let status = response.status().as_u16();
                span.end(&ServerResponse {
                    status,
                    content_length,
                    error: error.as_deref(),
                });
            }
            Err(error) => {
                let status = error.as_response_error().status_code().as_u16();
                span.end(&ServerResponse {
                    status,
                    content_length: None,
                    error: Some(&error.to_string()),
                });
            }
        }
        Poll::Ready(result)
    }
}

/// actix-web's headers for the propagators.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values: Vec<&str> = self
            .0
            .get_all(key)
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!values.is_empty()).then_some(values)
    }
}
