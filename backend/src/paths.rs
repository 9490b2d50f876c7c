//! Paths as Werkzeug reads them: an encoded slash is a slash, leading slashes are one, and a path with doubled slashes is sent
//! to the one without.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{ConnectionType, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse};
use std::borrow::Cow;

use crate::page;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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
    let upgrades = request.headers().contains_key(header::UPGRADE);
    let mut response = next.call(request).await?;
    if upgrades {
        // Nothing is upgraded to, and what comes after the request would be taken for its body.
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// The path with one slash in front, with what needs no encoding, and the slash, decoded, and with a percent sign that encodes
/// nothing encoded itself.
fn tidied(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.starts_with("//") {
        return Cow::Borrowed(path);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = rest.get(1..3).filter(|digits| {
            // A sign would be taken for a part of the number.
            digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) => {
                decoded.push(char::from(byte));
                rest = &rest[3..];
            }
            Some(_) => {
                decoded.push_str(&rest[..3]);
                rest = &rest[3..];
            }
            // It stands for itself, and must after the next decoding still.
            None => {
                decoded.push_str("%25");
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
    let query = request.uri().query().filter(|query| !query.is_empty());
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    page::moved(&format!("{}{merged}{query}", origin(&request)))
}

/// Scheme and host as the client knows them. A proxy may say that it speaks HTTPS, and nobody anything else.
fn origin(request: &HttpRequest) -> String {
    let text = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    let (scheme, default_port) = match text(FORWARDED_PROTO) {
        Some("https") => ("https", ":443"),
        _ => ("http", ":80"),
    };
    let host = text(header::HOST).unwrap_or_else(|| request.app_config().host());
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    format!("{scheme}://{host}")
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
            ("/%", "/%25"),
            ("/%4", "/%254"),
            ("/%zz%+1", "/%25zz%25+1"),
            ("/%é", "/%25é"),
            ("/%%410", "/%25A0"),
        ] {
            assert_eq!(tidied(path), expected);
        }
    }
}
