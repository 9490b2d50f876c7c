//! The CEL rules of a schema, for every part of an object that they can read.

use kube_cel::Validator;
use serde_json::{Value, json};
use tracewright_core::field::FieldPath;

use super::schema::Schema;
use super::validate::{Check, Violation};

/// Evaluates rules, unless a field that one reads is invalid.
pub(super) struct Rules {
    validator: Validator,
    invalid: Vec<FieldPath>,
    /// Whether rules were left out.
    pub(super) left_out: bool,
    /// What failed.
    pub(super) violations: Vec<Violation>,
}

impl Rules {
    pub(super) fn new(invalid: Vec<FieldPath>) -> Self {
        Self {
            validator: Validator::new(),
            invalid,
            left_out: false,
            violations: Vec::new(),
        }
    }

    pub(super) fn evaluate(&mut self, schema: &Schema, value: &Value, path: &FieldPath) {
        if let Some(rules) = &schema.rules {
            let root = path.segments().is_empty();
            // Of a new profile the rules of the root read nothing but the name; the others compare it with what it was.
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
