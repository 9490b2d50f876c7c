//! What the API server would say to a profile at creation: unknown fields, the schema, and the CEL rules.
//!
//! The order is the API server's: unknown fields are told, `null` is dropped, defaults are filled in, the schema is
//! checked, and then the rules. Sentences are its own. (k8s.io/apiextensions-apiserver `customresource_strategy.go`,
//! k8s.io/kube-openapi `pkg/validation`.)

use serde_json::Value;
use tracewright_core::field::FieldPath;

use super::metadata;
use super::rules::Rules;
use super::schema::Schema;
use super::structure::{in_body, structure};

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
    let mut rules = Rules::new(invalid);
    rules.evaluate(schema, &object, &FieldPath::default());
    violations.extend(rules.violations);
    Checked {
        violations,
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
