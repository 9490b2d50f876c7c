//! The query protocol of STS: a form in, XML out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::{Request, respond};
use crate::error::AwsError;
use crate::model::{self, Kind, Operation, Shape};
use crate::service::Service;

const CONTENT_TYPE: &str = "text/xml";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const VERSION: &str = "2011-06-15";
/// Members of one list that are looked at; the models allow 50.
const MAX_LIST: usize = 100;

type Form<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

fn form<'a>(request: &'a Request<'_>) -> Form<'a> {
    let source = match request.is_post() {
        true => request.body.as_deref().unwrap_or_default(),
        false => request.http.query_string().as_bytes(),
    };
    form_urlencoded::parse(source).collect()
}

/// The operation of the form's `Action`.
pub(super) fn operation(request: &Request<'_>) -> Result<&'static Operation, AwsError> {
    let form = form(request);
    let Some(action) = form.get("Action") else {
        return Err(AwsError::client("MissingAction", "Missing Action"));
    };
    let version = form.get("Version").map_or("", |version| version);
    let found = model::of(Service::Sts)
        .operation(action)
        .filter(|_| version == VERSION);
    found.ok_or_else(|| {
        AwsError::client(
            "InvalidAction",
            format!("Could not find operation {action} for version {version}"),
        )
    })
}

/// The form's fields as the operation's input.
pub(super) fn input(operation: &Operation, request: &Request<'_>) -> Result<Value, AwsError> {
    let form = form(request);
    let shape = model::of(Service::Sts).input(operation);
    Ok(read(shape, &form, "")?.unwrap_or_else(|| json!({})))
}

/// What the fields under `name` say about a value of this shape; `None` if there are none.
fn read(shape: &Shape, form: &Form<'_>, name: &str) -> Result<Option<Value>, AwsError> {
    let model = model::of(Service::Sts);
    let text = || form.get(name).map(|text| text.as_ref());
    let unreadable = || AwsError::client("MalformedInput", format!("{name}: cannot be read"));
    Ok(match shape.kind {
        Kind::Structure => {
            let mut members = Map::new();
            for (member, shape) in &shape.members {
                let field = match name {
                    "" => member.clone(),
                    _ => format!("{name}.{member}"),
                };
                if let Some(value) = read(model.shape(shape), form, &field)? {
                    members.insert(member.clone(), value);
                }
            }
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Kind::List => {
            let mut items = Vec::new();
            if let Some(member) = &shape.member {
                for index in 1..=MAX_LIST {
                    match read(model.shape(member), form, &format!("{name}.member.{index}"))? {
                        Some(item) => items.push(item),
                        None => break,
                    }
                }
            }
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Kind::Integer | Kind::Long => match text() {
            Some(text) => Some(json!(text.parse::<i64>().map_err(|_| unreadable())?)),
            None => None,
        },
        Kind::Double | Kind::Timestamp => match text() {
            Some(text) => Some(json!(text.parse::<f64>().map_err(|_| unreadable())?)),
            None => None,
        },
        Kind::Boolean => match text() {
            Some(text) => Some(json!(text.parse::<bool>().map_err(|_| unreadable())?)),
            None => None,
        },
        Kind::String | Kind::Map => text().map(|text| json!(text)),
    })
}

pub(super) fn success(operation: &Operation, output: &Value, request_id: &str) -> HttpResponse {
    let name = operation.name;
    let mut result = String::new();
    if let Some(shape) = model::of(Service::Sts).output(operation) {
        write(shape, output, &mut result);
    }
    respond(200, CONTENT_TYPE, request_id).body(format!(
        "<{name}Response xmlns=\"{NAMESPACE}\"><{name}Result>{result}</{name}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
    ))
}

pub(super) fn refusal(error: &AwsError, request_id: &str) -> HttpResponse {
    let blame = if error.status < 500 {
        "Sender"
    } else {
        "Receiver"
    };
    let (code, message) = (escape(&error.code), escape(&error.message));
    respond(error.status, CONTENT_TYPE, request_id).body(format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{blame}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ))
}

/// Structures become nested elements. The outputs of STS that are emulated hold no lists.
fn write(shape: &Shape, value: &Value, xml: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let Some(member) = shape.members.get(name) else {
                    continue;
                };
                xml.push_str(&format!("<{name}>"));
                write(model::of(Service::Sts).shape(member), value, xml);
                xml.push_str(&format!("</{name}>"));
            }
        }
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Number(seconds) if shape.kind == Kind::Timestamp => {
            let time = seconds
                .as_i64()
                .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
            xml.push_str(&time.map_or_else(|| seconds.to_string(), |time| time.to_string()));
        }
        other => xml.push_str(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
