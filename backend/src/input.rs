//! What is posted, read with Python's eyes: a field may be anything that has a length.

use crate::body::Body;
use crate::page::Failure;
use actix_web::HttpRequest;
use actix_web::http::header;
use serde_json::Value;

/// The body of a POST.
#[derive(Debug)]
pub(crate) struct Input(Value);

impl Input {
    /// Reads the body as Flask does: by its declared type, then as JSON.
    pub(crate) fn read(request: &HttpRequest, body: Body) -> Result<Self, Failure> {
        let declared = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let declared = declared
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if declared != "application/json"
            && !(declared.starts_with("application/") && declared.ends_with("+json"))
        {
            return Err(Failure::UnsupportedMediaType);
        }
        let body = body.0?;
        // Python reads a text with a byte order mark too.
        serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body))
            .map(Self)
            .map_err(|_| Failure::BadRequest)
    }

    /// A field; where it is missing, or the body has no fields, the original fails.
    pub(crate) fn field(&self, name: &str) -> Result<&Value, Failure> {
        match &self.0 {
            Value::Object(fields) => fields
                .get(name)
                .ok_or(Failure::Broken("KeyError: a field is missing")),
            _ => Err(Failure::Broken("TypeError: the body is no object")),
        }
    }
}

/// Whether a field is null or empty; the original fails on what has no length.
pub(crate) fn is_blank(value: &Value) -> Result<bool, Failure> {
    Ok(value.is_null() || length(value)? == 0)
}

/// The code of the failing check of a message, if one fails.
pub(crate) fn check_message(
    message: &Value,
    longest: usize,
) -> Result<Option<&'static str>, Failure> {
    if is_blank(message)? {
        return Ok(Some("message_blank"));
    }
    Ok((length(message)? > longest).then_some("message_exceed_max_chars"))
}

/// Characters of a text, entries of a list or map.
fn length(value: &Value) -> Result<usize, Failure> {
    match value {
        Value::String(text) => Ok(text.chars().count()),
        Value::Array(list) => Ok(list.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Err(Failure::Broken("TypeError: the value has no length"))
        }
    }
}
