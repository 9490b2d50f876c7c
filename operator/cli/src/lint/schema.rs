//! The schema of a profile, in the form in which values are checked.

use std::collections::BTreeMap;

use kube_cel::{CompiledSchema, compile_schema};
use serde::Deserialize;
use serde_json::{Value, json};
use tracewright_core::crd;

/// The rules of a schema's node, as CustomResourceDefinitions write them.
const RULES: &str = "x-kubernetes-validations";

/// A node of a structural schema (Kubernetes, "Specifying a structural schema"). It knows the keywords that the
/// CustomResourceDefinition uses and no others, so that none is overlooked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Schema {
    #[serde(rename = "title")]
    _title: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    /// What kind of value; `None` where `int_or_string` or `preserve_unknown` says it.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// How wide a number is.
    pub format: Option<String>,
    /// What an absent value is.
    pub default: Option<Value>,
    /// The values allowed.
    #[serde(rename = "enum")]
    pub allowed: Vec<Value>,
    /// Of a text, in characters.
    pub min_length: Option<usize>,
    /// Of a text, in characters.
    pub max_length: Option<usize>,
    /// Of a list.
    pub min_items: Option<usize>,
    /// Of a list.
    pub max_items: Option<usize>,
    /// Of a map.
    pub max_properties: Option<usize>,
    /// The fields of an object.
    pub properties: BTreeMap<String, Schema>,
    /// The fields that must be there.
    pub required: Vec<String>,
    /// The values of a map.
    pub additional_properties: Option<Box<Schema>>,
    /// The items of a list.
    pub items: Option<Box<Schema>>,
    /// Whether items or their keys must differ.
    #[serde(rename = "x-kubernetes-list-type")]
    pub list_type: Option<ListType>,
    /// The fields by which the items of a list are told apart.
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub list_map_keys: Vec<String>,
    /// Whether the value is an integer or a text.
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub int_or_string: bool,
    /// Whether any value is taken as it is.
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-validations")]
    _rules: Vec<Value>,
    /// The node's own rules.
    #[serde(skip)]
    pub rules: Option<CompiledSchema>,
}

/// What kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An object or a map.
    Object,
    /// A list.
    Array,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
}

impl Kind {
    /// The kind's name in JSON Schema.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// How the items of a list differ. (Kubernetes, "Merge strategy", listType.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListType {
    /// Not at all.
    Atomic,
    /// Each item is there once.
    Set,
    /// Each key is there once.
    Map,
}

impl Schema {
    /// The schema of ObservabilityProfile, with what the API server adds to it: `apiVersion`, `kind` and `metadata`.
    #[must_use]
    pub fn of_profiles() -> Self {
        let definition = serde_json::to_value(crd::definition())
            .expect("a CustomResourceDefinition has a form in JSON");
        let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        schema["properties"]["apiVersion"] = json!({"type": "string"});
        schema["properties"]["kind"] = json!({"type": "string"});
        schema["properties"]["metadata"] = metadata();
        Self::compile(&schema)
            .expect("the CustomResourceDefinition uses the keywords that Schema knows")
    }

    fn compile(json: &Value) -> serde_json::Result<Self> {
        let mut schema = Self::deserialize(json)?;
        schema.add_rules(json);
        Ok(schema)
    }

    /// Each node gets its own rules only: they are evaluated where the node is checked, so that their place is known.
    fn add_rules(&mut self, json: &Value) {
        if json.get(RULES).is_some() {
            let mut alone = json.clone();
            for below in nodes_below(&mut alone) {
                remove_rules(below);
            }
            self.rules = Some(compile_schema(&alone));
        }
        for (name, schema) in &mut self.properties {
            schema.add_rules(&json["properties"][name]);
        }
        if let Some(schema) = &mut self.items {
            schema.add_rules(&json["items"]);
        }
        if let Some(schema) = &mut self.additional_properties {
            schema.add_rules(&json["additionalProperties"]);
        }
    }
}

fn remove_rules(json: &mut Value) {
    if let Value::Object(node) = json {
        node.remove(RULES);
    }
    nodes_below(json).into_iter().for_each(remove_rules);
}

fn nodes_below(json: &mut Value) -> Vec<&mut Value> {
    let Value::Object(node) = json else {
        return Vec::new();
    };
    node.iter_mut()
        .flat_map(|(keyword, value)| match (keyword.as_str(), value) {
            ("properties", Value::Object(fields)) => fields.values_mut().collect(),
            ("items" | "additionalProperties", value) => vec![value],
            _ => Vec::new(),
        })
        .collect()
}

/// The fields of `metadata`. (Kubernetes API, meta/v1 ObjectMeta.) What is written by the API server alone is taken as it
/// is.
fn metadata() -> Value {
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    let texts = json!({"type": "object", "additionalProperties": text});
    let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
    json!({
        "type": "object",
        "properties": {
            "name": text,
            "generateName": text,
            "namespace": text,
            "labels": texts,
            "annotations": texts,
            "finalizers": {"type": "array", "items": text},
            "uid": text,
            "resourceVersion": text,
            "generation": number,
            "creationTimestamp": text,
            "deletionTimestamp": text,
            "deletionGracePeriodSeconds": number,
            "ownerReferences": anything,
            "managedFields": anything,
            "selfLink": text,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_resource_compiles() {
        fn check(schema: &Schema, rules: &mut usize) {
            if let Some(compiled) = &schema.rules {
                let errors = compiled.compilation_errors();
                assert!(errors.is_empty(), "{errors:?}");
                *rules += 1;
            }
            let below = schema.properties.values().chain(schema.items.as_deref());
            for schema in below.chain(schema.additional_properties.as_deref()) {
                check(schema, rules);
            }
        }
        let mut rules = 0;
        check(&Schema::of_profiles(), &mut rules);
        assert!(rules > 50, "{rules} nodes with rules");
    }

    #[test]
    fn a_keyword_that_is_not_known_is_not_overlooked() {
        assert!(Schema::compile(&json!({"type": "string", "pattern": "^a$"})).is_err());
    }
}
