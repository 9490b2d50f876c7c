//! What the schema alone says of an object: types, bounds, required fields, lists without duplicates.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use tracewright_core::field::{FieldPath, Segment};

use super::schema::{Kind, ListType, Schema};
use super::validate::{Check, Violation};

/// Checks a value and everything in it.
pub(super) fn structure(
    schema: &Schema,
    value: &Value,
    path: &FieldPath,
    violations: &mut Vec<Violation>,
) {
    if schema.preserve_unknown {
        return;
    }
    let mut say = |check: Check, message: String| {
        violations.push(Violation {
            field: path.clone(),
            message,
            check,
        })
    };
    if let Some(message) = wrong_type(schema, value, path) {
        say(Check::Shape, message);
    }
    if !schema.allowed.is_empty() && !schema.allowed.contains(value) {
        let allowed = schema
            .allowed
            .iter()
            .map(|allowed| format!("{:?}", plain(allowed)))
            .collect::<Vec<_>>();
        say(
            Check::Shape,
            format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
        );
    }
    match value {
        Value::String(text) => {
            let length = text.chars().count();
            if let Some(max) = schema.max_length.filter(|max| length > *max) {
                say(
                    Check::Shape,
                    format!("Too long: may not be more than {max} bytes"),
                );
            } else if let Some(min) = schema.min_length.filter(|min| length < *min) {
                let path = in_body(path);
                say(
                    Check::Schema,
                    format!(
                        "Invalid value: {value}: {path} in body should be at least {min} chars long"
                    ),
                );
            }
        }
        Value::Number(number) => {
            if let Some(format) = &schema.format
                && schema.kind == Some(Kind::Integer)
                && !fits(number, format)
            {
                let message = format!(
                    "Checked value must be of type integer with format {format} in {}",
                    in_body(path)
                );
                say(Check::Schema, format!("Invalid value: \"\": {message}"));
            }
        }
        Value::Array(items) => {
            let length = items.len();
            if let Some(max) = schema.max_items.filter(|max| length > *max) {
                say(
                    Check::Shape,
                    format!("Too many: {length}: must have at most {max} items"),
                );
            }
            if let Some(min) = schema.min_items.filter(|min| length < *min) {
                let path = in_body(path);
                say(
                    Check::Schema,
                    format!(
                        "Invalid value: {length}: {path} in body should have at least {min} items"
                    ),
                );
            }
            duplicates(schema, items, path, violations);
            if let Some(schema) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    structure(schema, item, &path.index(index), violations);
                }
            }
        }
        Value::Object(fields) => {
            let length = fields.len();
            if let Some(max) = schema.max_properties.filter(|max| length > *max) {
                say(
                    Check::Shape,
                    format!("Too many: {length}: must have at most {max} items"),
                );
            }
            object_structure(schema, fields, path, violations);
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn fits(number: &Number, format: &str) -> bool {
    match format {
        "int32" => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        _ => number.as_i64().is_some(),
    }
}

fn object_structure(
    schema: &Schema,
    fields: &Map<String, Value>,
    path: &FieldPath,
    violations: &mut Vec<Violation>,
) {
    for (key, value) in fields {
        if let Some(schema) = schema.properties.get(key) {
            structure(schema, value, &path.field(key), violations);
        } else if let Some(schema) = &schema.additional_properties {
            structure(schema, value, &path.key(key), violations);
        }
    }
    for name in schema
        .required
        .iter()
        .filter(|name| !fields.contains_key(*name))
    {
        let field = path.field(name);
        violations.push(Violation {
            field,
            message: "Required value".to_owned(),
            check: Check::Shape,
        });
    }
}

fn wrong_type(schema: &Schema, value: &Value, path: &FieldPath) -> Option<String> {
    let actual = type_name(value);
    let expected = match schema.kind {
        Some(kind) => kind.as_str(),
        None if schema.int_or_string => "integer,string",
        None => return None,
    };
    let fits = match (schema.kind, value) {
        (Some(Kind::Number), Value::Number(_)) => true,
        (Some(kind), _) => kind.as_str() == actual,
        (None, _) => matches!(actual, "integer" | "string"),
    };
    if fits {
        return None;
    }
    // Where the schema has a format, the API server names formats instead of types for all but texts and lists.
    let (expected, actual) = match (&schema.format, value) {
        (Some(format), Value::Number(_)) => (format.as_str(), "float64"),
        (Some(format), Value::Bool(_) | Value::Object(_)) => (format.as_str(), ""),
        _ => (expected, actual),
    };
    let path = in_body(path);
    Some(format!(
        "Invalid value: \"{actual}\": {path} in body must be of type {expected}: \"{actual}\""
    ))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn duplicates(schema: &Schema, items: &[Value], path: &FieldPath, violations: &mut Vec<Violation>) {
    if schema.list_type == Some(ListType::Map)
        && let Some(index) = items
            .iter()
            .position(|item| !item.is_object() && !item.is_null())
    {
        let message = "must be an object for an array of list-type map".to_owned();
        violations.push(Violation {
            field: path.index(index),
            message,
            check: Check::Schema,
        });
        return;
    }
    let key_of = |item: &Value| match schema.list_type {
        Some(ListType::Set) => Some(item.clone()),
        Some(ListType::Map) => {
            let keys = schema.list_map_keys.iter();
            Some(
                keys.filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
                    .collect(),
            )
        }
        Some(ListType::Atomic) | None => None,
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, key) in items.iter().map(key_of).enumerate() {
        let Some(key) = key else { return };
        let times = seen.entry(key.to_string()).or_default();
        *times += 1;
        // The API server tells the second of equal items and no more of them.
        if *times == 2 {
            let message = format!("Duplicate value: {key}");
            violations.push(Violation {
                field: path.index(index),
                message,
                check: Check::Schema,
            });
        }
    }
}

/// A path as the schema's own sentences write it: keys of maps like fields.
pub(super) fn in_body(path: &FieldPath) -> String {
    let mut text = String::new();
    for segment in path.segments() {
        match segment {
            Segment::Index(index) => text += &format!("[{index}]"),
            Segment::Field(name) | Segment::Key(name) if text.is_empty() => text += name,
            Segment::Field(name) | Segment::Key(name) => text += &format!(".{name}"),
        }
    }
    text
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
