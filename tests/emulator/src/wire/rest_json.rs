//! restJson1, X-Ray's protocol: the path names the operation, the error code is a header.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::{Request, respond};
use crate::error::AwsError;
use crate::model::{self, Operation};
use crate::service::Service;

const CONTENT_TYPE: &str = "application/json";

/// Every X-Ray operation is a POST to a path of its own.
pub(super) fn operation(request: &Request<'_>) -> Result<&'static Operation, String> {
    let path = request.http.path();
    let found = model::of(Service::Xray)
        .operation_at(path)
        .filter(|_| request.is_post());
    found.ok_or_else(|| format!("{} {path}", request.http.method()))
}

pub(super) fn success(output: &Value, request_id: &str) -> HttpResponse {
    respond(200, CONTENT_TYPE, request_id).body(output.to_string())
}

pub(super) fn refusal(error: &AwsError, request_id: &str) -> HttpResponse {
    // X-Ray's modelled errors carry `Message`; what the front door says carries `message`.
    let member = match error.code.ends_with("TokenException")
        || error.code.ends_with("SignatureException")
    {
        true => "message",
        false => "Message",
    };
    respond(error.status, CONTENT_TYPE, request_id)
        .insert_header(("x-amzn-ErrorType", error.code.as_ref()))
        .body(json!({ member: error.message }).to_string())
}
