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
const ANY: &str = "*";

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

impl Cors {
    /// The origins that may read answers; `*` stands for all.
    pub(crate) fn new(mut origins: Vec<String>) -> Self {
        origins.sort();
        Self { origins }
    }

    fn add_headers(&self, request: &HttpRequest, headers: &mut HeaderMap) {
        let any = self.origins.iter().any(|known| known == ANY);
        let allowed = match origin(request) {
            Some(origin) => {
                let known =
                    |known: &String| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
                (any || self.origins.iter().any(known)).then_some(origin)
            }
            None if any => Some(HeaderValue::from_static(ANY)),
            None => self
                .origins
                .first()
                .and_then(|origin| HeaderValue::try_from(origin).ok()),
        };
        let Some(allowed) = allowed else { return };
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSE_HEADERS),
        );
        let is_allowed = |name: &str| {
            ALLOW_HEADERS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        allow(request, headers, allowed, METHODS, is_allowed);
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
    let allowed = origin(request).unwrap_or(HeaderValue::from_static(ANY));
    allow(request, answer.headers_mut(), allowed, ALL_METHODS, |_| {
        true
    });
}

/// What both policies answer to an origin that they allow.
fn allow(
    request: &HttpRequest,
    headers: &mut HeaderMap,
    origin: HeaderValue,
    methods: &'static str,
    is_allowed: impl Fn(&str) -> bool,
) {
    // An answer that is the same for all may be cached for all.
    if origin != ANY {
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if joined(request, &REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == "true") {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("false"));
    }
    // The library looks for the method anywhere in its list's text.
    if preflight_method(request).is_some_and(|method| methods.contains(&method)) {
        let wanted = wanted_headers(request, is_allowed);
        if let Ok(wanted) = HeaderValue::try_from(wanted)
            && !wanted.is_empty()
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(methods),
        );
    }
}

/// The request's origin; an empty one is none, and several are one that nobody knows.
fn origin(request: &HttpRequest) -> Option<HeaderValue> {
    joined(request, &header::ORIGIN).filter(|origin| !origin.is_empty())
}

/// A header's value; of several headers of one name, as a WSGI server joins them.
fn joined(request: &HttpRequest, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = request.headers().get_all(name);
    let first = values.next()?.clone();
    let several = values.fold(None, |list: Option<Vec<u8>>, next| {
        let mut list = list.unwrap_or_else(|| first.as_bytes().to_vec());
        list.push(b',');
        list.extend_from_slice(next.as_bytes());
        Some(list)
    });
    match several {
        Some(list) => HeaderValue::from_bytes(&list).ok(),
        None => Some(first),
    }
}

/// The method that a preflight request asks for, in upper case.
fn preflight_method(request: &HttpRequest) -> Option<String> {
    let asked = joined(request, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let asked = asked.to_str().ok().filter(|asked| !asked.is_empty())?;
    (request.method() == Method::OPTIONS).then(|| asked.to_ascii_uppercase())
}

/// The headers that a preflight request asks for, as far as they are allowed, sorted.
fn wanted_headers(request: &HttpRequest, is_allowed: impl Fn(&str) -> bool) -> String {
    let asked = joined(request, &header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked
        .as_ref()
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
