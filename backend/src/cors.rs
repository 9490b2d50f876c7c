//! Cross-origin headers as flask-cors 6.0.5 sends them: one policy for everything below `/api`, another for the routes that are
//! posted to.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};

/// The policy for everything below `/api`.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    /// Sorted.
    origins: Vec<String>,
}

const METHODS: &str = "OPTIONS,GET,HEAD,POST";
const ALL_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
/// The original means these two, but its library takes them for one name and never sends them.
const ALLOW_HEADERS: [&str; 2] = ["content-type", "if-modified-since"];
const EXPOSE_HEADERS: &str = "location,link";

impl Cors {
    pub(crate) fn new(mut origins: Vec<String>) -> Self {
        origins.sort();
        origins.dedup();
        Self { origins }
    }

    fn add_headers(&self, request: &HttpRequest, headers: &mut HeaderMap) {
        let allowed = match request.headers().get(header::ORIGIN) {
            Some(origin) => {
                let known =
                    |known: &String| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
                if !self.origins.iter().any(known) {
                    return;
                }
                origin.clone()
            }
            None => match self
                .origins
                .first()
                .and_then(|origin| HeaderValue::try_from(origin).ok())
            {
                Some(first) => first,
                None => return,
            },
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSE_HEADERS),
        );
        if let Some(method) = preflight_method(request)
            && METHODS.split(',').any(|known| known == method)
        {
            let wanted = wanted_headers(request, |name| {
                ALLOW_HEADERS
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(name))
            });
            insert(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static(METHODS),
            );
        }
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// The middleware: adds the policy's headers to answers that have none yet.
pub(crate) async fn apply(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    // The original's pattern `/api/*` is a regular expression: `/api` and any number of slashes.
    let is_covered = response.request().path().starts_with("/api");
    if is_covered
        && !response
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        let request = response.request().clone();
        if let Some(cors) = request.app_data::<web::Data<Cors>>() {
            cors.add_headers(&request, response.headers_mut());
        }
    }
    Ok(response)
}

/// The policy of the original's `@cross_origin()`: every origin may post and read.
pub(crate) fn allow_any_origin(request: &HttpRequest, answer: &mut HttpResponse) {
    let headers = answer.headers_mut();
    match request.headers().get(header::ORIGIN) {
        Some(origin) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        None => headers
            .insert(
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            )
            .for_each(drop),
    }
    if let Some(method) = preflight_method(request)
        && ALL_METHODS.split(", ").any(|known| known == method)
    {
        insert(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            wanted_headers(request, |_| true),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(ALL_METHODS),
        );
    }
}

/// The method that a preflight request asks for, in upper case.
fn preflight_method(request: &HttpRequest) -> Option<String> {
    let asked = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_METHOD)?
        .to_str()
        .ok()?;
    (request.method() == Method::OPTIONS).then(|| asked.to_ascii_uppercase())
}

/// The headers that a preflight request asks for, as far as they are allowed, sorted.
fn wanted_headers(request: &HttpRequest, is_allowed: impl Fn(&str) -> bool) -> String {
    let asked = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut wanted: Vec<&str> = asked
        .split(',')
        .map(str::trim)
        .filter(|name| is_allowed(name))
        .collect();
    wanted.sort_unstable();
    wanted.join(", ")
}

/// An empty value is not sent.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}
