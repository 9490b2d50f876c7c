//! The wire protocols: from an HTTP request to service, operation and input, and back.

pub(crate) mod auth;
mod aws_json;
mod encoding;
mod query;
mod rest_json;

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::error::AwsError;
use crate::model::{self, Operation};
use crate::service::Service;

/// A request with its body read and unpacked.
pub(crate) struct Request<'a> {
    pub(crate) http: &'a HttpRequest,
    /// `None`: it could not be unpacked.
    body: Option<Cow<'a, [u8]>>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(http: &'a HttpRequest, body: &'a [u8]) -> Self {
        let encoding = http
            .headers()
            .get(CONTENT_ENCODING)
            .and_then(|value| value.to_str().ok());
        Self {
            http,
            body: encoding::unpack(encoding, body),
        }
    }

    /// A header's text; one that is not text counts as absent.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.http
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    fn is_post(&self) -> bool {
        self.http.method() == actix_web::http::Method::POST
    }
}

/// The service a request is for as far as its form tells: how refusals are written while no credential scope is known.
pub(crate) fn looks_like(request: &Request<'_>) -> Service {
    if request.header("x-amz-target").is_some() {
        Service::Logs
    } else if request.http.path() != "/" {
        Service::Xray
    } else {
        Service::Sts
    }
}

/// The operation a request names.
pub(crate) fn operation(
    service: Service,
    request: &Request<'_>,
) -> Result<&'static Operation, AwsError> {
    let found = match service {
        Service::Xray => rest_json::operation(request),
        Service::Logs => aws_json::operation(request),
        Service::Sts => return query::operation(request),
    };
    found.map_err(|name| service.unknown_operation(&name))
}

/// The operation's input, as its model allows.
pub(crate) fn input(operation: &Operation, request: &Request<'_>) -> Result<Value, AwsError> {
    let input = match operation.service {
        Service::Xray | Service::Logs => json_body(request.body.as_deref())?,
        Service::Sts => query::input(operation, request)?,
    };
    model::of(operation.service).validate(operation, &input)?;
    Ok(input)
}

/// The answer to a call that did what it should.
pub(crate) fn success(operation: &Operation, output: &Value, request_id: &str) -> HttpResponse {
    match operation.service {
        Service::Xray => rest_json::success(output, request_id),
        Service::Logs => aws_json::success(operation, output, request_id),
        Service::Sts => query::success(operation, output, request_id),
    }
}

/// The answer to a call that was refused.
pub(crate) fn refusal(service: Service, error: &AwsError, request_id: &str) -> HttpResponse {
    if error.code.is_empty() {
        // As of a proxy, or of another stand-in for AWS.
        let status = StatusCode::from_u16(error.status).unwrap_or_default();
        let page = format!("<!doctype html><title>{status}</title><h1>{status}</h1>");
        return HttpResponse::build(status)
            .content_type("text/html")
            .body(page);
    }
    match service {
        Service::Xray => rest_json::refusal(error, request_id),
        Service::Logs => aws_json::refusal(error, request_id),
        Service::Sts => query::refusal(error, request_id),
    }
}

fn json_body(body: Option<&[u8]>) -> Result<Value, AwsError> {
    let unreadable = || AwsError::serialization("Unexpected token or end of input");
    let body = body.ok_or_else(unreadable)?;
    if body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(AwsError::serialization(
            "Start of structure or map expected",
        )),
    }
}

fn respond(status: u16, content_type: &str, request_id: &str) -> actix_web::HttpResponseBuilder {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, content_type));
    response.insert_header(("x-amzn-RequestId", request_id));
    response
}
