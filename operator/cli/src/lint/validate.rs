//! What the API server would say to a profile at creation: unknown fields, the schema, and the CEL rules.
//!
//! The order is the API server's: unknown fields are told, `null` is dropped, defaults are filled in, the schema is
//! checked, and then the rules. Sentences are its own. (k8s.io/apiextensions-apiserver `customresource_strategy.go`,
//! k8s.io/kube-openapi `pkg/validation`.)

use std::collections::HashMap;

use kube_cel::Validator;
use serde_json::{Map, Number, Value, json};
use tracewright_core::field::{FieldPath, Segment};

use super::metadata;
use super::schema::{Kind, ListType, Schema};

/// What the API server says when it leaves rules out.
pub const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Names that are at least as alike as this are worth a suggestion.
const SIMILAR: f64 = 0.8;

/// One thing that the API server refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The field.
    pub field: FieldPath,
    /// What the API server says.
    pub message: String,
    /// What kind of check found it.
    pub check: Check,
}

/// What kind of check found a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The schema has no such field.
    UnknownField,
    /// The schema.
    Schema,
    /// The schema, so badly that the rules around the field cannot be evaluated.
    Shape,
    /// A CEL rule.
    Rule,
}

/// What came of a check.
#[derive(Debug)]
pub struct Checked {
    /// What the API server refuses.
    pub violations: Vec<Violation>,
    /// Whether rules were left out, because what they read is not as the schema says.
    pub rules_left_out: bool,
    /// The object as the API server would store it.
    pub object: Value,
}

/// Checks an object against the schema of its kind.
#[must_use]
pub fn validate(schema: &Schema, mut object: Value) -> Checked {
    let mut violations = Vec::new();
    unknown_fields(schema, &object, &FieldPath::default(), &mut violations);
    // A subresource of its own, which is not written at creation.
    if let Value::Object(object) = &mut object {
        object.remove("status");
    }
    prune(schema, &mut object);
    fill_in(schema, &mut object);
    structure(schema, &object, &FieldPath::default(), &mut violations);
    violations.extend(metadata::check(&object["metadata"]));

    let invalid = violations
        .iter()
        .filter(|violation| violation.check == Check::Shape);
    let invalid: Vec<FieldPath> = invalid.map(|violation| violation.field.clone()).collect();
    let mut rules = Rules {
        validator: Validator::new(),
        invalid,
        left_out: false,
        violations,
    };
    rules.evaluate(schema, &object, &FieldPath::default());
    Checked {
        violations: rules.violations,
        rules_left_out: rules.left_out,
        object,
    }
}

fn unknown_fields(
    schema: &Schema,
    value: &Value,
    path: &FieldPath,
    violations: &mut Vec<Violation>,
) {
    match value {
        Value::Object(fields) if !schema.preserve_unknown => {
            for (key, value) in fields {
                if let Some(schema) = schema.properties.get(key) {
                    unknown_fields(schema, value, &path.field(key), violations);
                } else if let Some(schema) = &schema.additional_properties {
                    unknown_fields(schema, value, &path.key(key), violations);
                } else {
                    violations.push(unknown_field(schema, path.field(key), key));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(schema) = &schema.items {
                    unknown_fields(schema, item, &path.index(index), violations);
                }
            }
        }
        _ => {}
    }
}

fn unknown_field(schema: &Schema, field: FieldPath, key: &str) -> Violation {
    let alike = schema.properties.keys().map(|known| {
        (
            strsim::jaro_winkler(&known.to_lowercase(), &key.to_lowercase()),
            known,
        )
    });
    let suggestion = alike
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let mut message = format!("unknown field \"{}\"", in_body(&field));
    if let Some((_, known)) = suggestion {
        message += &format!("; did you mean {known}?");
    }
    Violation {
        field,
        message,
        check: Check::UnknownField,
    }
}

/// Drops what the schema does not know, and `null` where there is no default.
fn prune(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) if !schema.preserve_unknown => fields.retain(|key, value| {
            let schema = schema
                .properties
                .get(key)
                .or(schema.additional_properties.as_deref());
            let Some(schema) = schema else { return false };
            prune(schema, value);
            !value.is_null() || schema.default.is_some()
        }),
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| prune(schema, item));
            }
        }
        _ => {}
    }
}

fn fill_in(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in &schema.properties {
                if let Some(default) = &schema.default
                    && fields.get(name).is_none_or(Value::is_null)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (key, value) in fields {
                if let Some(schema) = schema
                    .properties
                    .get(key)
                    .or(schema.additional_properties.as_deref())
                {
                    fill_in(schema, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| fill_in(schema, item));
            }
        }
        _ => {}
    }
}

fn structure(schema: &Schema, value: &Value, path: &FieldPath, violations: &mut Vec<Violation>) {
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

struct Rules {
    validator: Validator,
    invalid: Vec<FieldPath>,
    left_out: bool,
    violations: Vec<Violation>,
}

impl Rules {
    fn evaluate(&mut self, schema: &Schema, value: &Value, path: &FieldPath) {
        if let Some(rules) = &schema.rules {
            let root = path.segments().is_empty();
            // The rules of the root may read nothing but the name (Kubernetes, "Validation rules").
            let reads = if root {
                FieldPath::of("metadata.name")
            } else {
                path.clone()
            };
            if self.invalid.iter().any(|invalid| reads.contains(invalid)) {
                self.left_out = true;
            } else {
                let generated = root.then(|| with_generated_name(value));
                let value = generated.as_ref().unwrap_or(value);
                let failed = self.validator.validate_compiled(rules, value, None).err();
                self.violations
                    .extend(failed.into_iter().flatten().map(|failed| Violation {
                        field: reads.clone(),
                        message: failed.message,
                        check: Check::Rule,
                    }));
            }
        }
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if let Some(schema) = schema.properties.get(key) {
                        self.evaluate(schema, value, &path.field(key));
                    } else if let Some(schema) = &schema.additional_properties {
                        self.evaluate(schema, value, &path.key(key));
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = &schema.items {
                    for (index, item) in items.iter().enumerate() {
                        self.evaluate(schema, item, &path.index(index));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The API server makes a name out of `generateName` before it asks the rules.
fn with_generated_name(object: &Value) -> Value {
    let mut object = object.clone();
    if object["metadata"]["name"].is_null()
        && let Some(prefix) = object["metadata"]["generateName"].as_str()
    {
        object["metadata"]["name"] = json!(format!("{prefix}xxxxx"));
    }
    object
}

/// A path as the schema's own sentences write it: keys of maps like fields.
fn in_body(path: &FieldPath) -> String {
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
