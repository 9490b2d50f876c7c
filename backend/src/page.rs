//! Error pages, as Werkzeug writes them.

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use std::fmt;

const HTML: &str = "text/html; charset=utf-8";

/// An error that ends a request with a page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The body is no JSON.
    BadRequest,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is larger than the service takes.
    TooLarge,
    /// The body does not come.
    TooSlow,
    /// What the original fails on with an unhandled exception.
    Broken(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRequest => "the body is no JSON",
            Self::UnsupportedMediaType => "the content type is not application/json",
            Self::TooLarge => "the body is too large",
            Self::TooSlow => "the body did not come in time",
            Self::Broken(exception) => exception,
        })
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        page(
            HttpResponse::build(self.status_code()),
            match self {
                Self::BadRequest => {
                    "The browser (or proxy) sent a request that this server could not understand."
                }
                Self::UnsupportedMediaType => {
                    "Did not attempt to load JSON data because the request Content-Type was not &#39;application/json&#39;."
                }
                Self::TooLarge => "The data value transmitted exceeds the capacity limit.",
                Self::TooSlow => {
                    "The server closed the network connection because the browser didn&#39;t finish the request within the \
                     specified time."
                }
                Self::Broken(_) => {
                    "The server encountered an internal error and was unable to complete your request. Either the server is \
                     overloaded or there is an error in the application."
                }
            },
        )
    }
}

/// 404 for everything that is no route.
pub(crate) fn not_found() -> HttpResponse {
    page(
        HttpResponse::NotFound(),
        "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.",
    )
}

/// 405, with the methods that the route has.
pub(crate) fn method_not_allowed(allow: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::MethodNotAllowed();
    answer.insert_header(("allow", allow));
    page(answer, "The method is not allowed for the requested URL.")
}

/// 308, to the same route by another URL.
pub(crate) fn moved(location: &str) -> HttpResponse {
    let shown = location
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;");
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, location))
        .content_type(HTML)
        .body(format!(
            "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be \
             redirected automatically to the target URL: <a href=\"{shown}\">{shown}</a>. If not, click the link.\n"
        ))
}

fn page(mut answer: HttpResponseBuilder, text: &str) -> HttpResponse {
    let answer = answer.content_type(HTML);
    let empty = answer.finish();
    let (status, code) = (empty.status(), empty.status().as_u16());
    let name = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        _ => status.canonical_reason().unwrap_or_default(),
    };
    let body = format!(
        "<!doctype html>\n<html lang=en>\n<title>{code} {name}</title>\n<h1>{name}</h1>\n<p>{text}</p>\n"
    );
    empty.set_body(BoxBody::new(body))
}
