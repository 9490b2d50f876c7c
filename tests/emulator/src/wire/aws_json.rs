//! awsJson1.1, the protocol of CloudWatch Logs: a header names the operation, the error code is in the body.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::{Request, respond};
use crate::error::AwsError;
use crate::model::{self, Operation};
use crate::service::Service;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET_PREFIX: &str = "Logs_20140328.";

/// The operation of the `X-Amz-Target` header.
pub(super) fn operation(request: &Request<'_>) -> Result<&'static Operation, String> {
    let target = request.header("x-amz-target").unwrap_or_default();
    let name = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
    let served = request.is_post() && request.http.path() == "/";
    let found = model::of(Service::Logs).operation(name).filter(|_| served);
    found.ok_or_else(|| target.to_owned())
}

pub(super) fn success(operation: &Operation, output: &Value, request_id: &str) -> HttpResponse {
    let mut response = respond(200, CONTENT_TYPE, request_id);
    if model::of(Service::Logs).output(operation).is_none() {
        return response.finish();
    }
    response.body(output.to_string())
}

pub(super) fn refusal(error: &AwsError, request_id: &str) -> HttpResponse {
    let body = json!({ "__type": error.code, "message": error.message });
    respond(error.status, CONTENT_TYPE, request_id).body(body.to_string())
}
