//! Paths as Werkzeug reads them: an encoded slash is a slash, leading slashes are one, and a path with doubled slashes is sent
//! to the one without.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Uri, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse};
use std::borrow::Cow;

use crate::page;

/// The middleware: routes see the path without needless encoding.
pub(crate) async fn tidy(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Cow::Owned(path) = tidied(request.path()) {
        let query = request.uri().query();
        let with_query = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        if let Ok(path_and_query) = PathAndQuery::try_from(with_query) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path_and_query);
            if let Ok(uri) = Uri::from_parts(parts) {
                request.match_info_mut().get_mut().update(&uri);
                request.head_mut().uri = uri;
            }
        }
    }
    next.call(request).await
}

/// The path with one slash in front, and with what needs no encoding, and the slash, decoded.
fn tidied(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.starts_with("//") {
        return Cow::Borrowed(path);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let byte = rest
            .get(1..3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte));
        match byte {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &rest[3..];
            }
            None => {
                decoded.push('%');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(format!("/{}", decoded.trim_start_matches('/')))
}

/// The answer where no route matches: to the path without doubled slashes, if that is one, else 404.
pub(crate) async fn unmatched(request: HttpRequest) -> HttpResponse {
    let mut merged = String::with_capacity(request.path().len());
    for c in request.path().chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    if merged == request.path() {
        return page::not_found();
    }
    let Some(pattern) = request.resource_map().match_pattern(&merged) else {
        return page::not_found();
    };
    let allow = crate::methods_of(&pattern);
    if !allow
        .split(", ")
        .any(|method| method == request.method().as_str())
    {
        return page::method_not_allowed(allow);
    }
    let scheme = request.connection_info().scheme().to_owned();
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let query = request.uri().query();
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    page::moved(&format!("{scheme}://{host}{merged}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_encoding_is_decoded() {
        for (path, expected) in [
            ("/api/activities/home", "/api/activities/home"),
            ("/%61pi/activities/home%2f", "/api/activities/home/"),
            ("//api//x", "/api//x"),
            ("/%2Fapi", "/api"),
            ("/a%20b%C3%A9%3F%25", "/a%20b%C3%A9%3F%25"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%+1", "/%zz%+1"),
            ("/%é", "/%é"),
        ] {
            assert_eq!(tidied(path), expected);
        }
    }
}
