//! The service models: which operations exist, what their inputs may hold and what their outputs are like.
//!
//! `model/*.json` are extracts of botocore's models (`model/extract.py`). One validator for all operations keeps the
//! emulator as strict as the models are; what no model says is checked by the operation itself. In debug builds, those of
//! the tests, each answer is held to the model too.

mod answer;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use crate::service::Service;

/// All operations and shapes of one service.
#[derive(Debug)]
pub(crate) struct Model {
    operations: HashMap<&'static str, Operation>,
    shapes: HashMap<String, Shape>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The service it belongs to.
    pub(crate) service: Service,
    /// `CreateGroup`.
    pub(crate) name: &'static str,
    /// `xray.CreateGroup`.
    pub(crate) full_name: &'static str,
    /// The error codes in its model.
    pub(crate) errors: Vec<String>,
    uri: String,
    input: String,
    /// `None`: it answers nothing at all, not even an empty structure.
    output: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOperation {
    uri: String,
    input: String,
    errors: Vec<String>,
    output: Option<String>,
}

#[derive(Deserialize)]
struct RawModel {
    operations: BTreeMap<String, RawOperation>,
    shapes: HashMap<String, RawShape>,
}

#[derive(Deserialize)]
struct RawShape {
    r#type: Kind,
    #[serde(default)]
    members: BTreeMap<String, String>,
    #[serde(default)]
    required: Vec<String>,
    member: Option<String>,
    key: Option<String>,
    value: Option<String>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<String>,
    r#enum: Option<Vec<String>>,
}

/// The kinds of shape that inputs and outputs are made of.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Structure,
    List,
    Map,
    String,
    Integer,
    Long,
    Double,
    Boolean,
    Timestamp,
}

#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Members of a structure, with their shapes.
    pub(crate) members: BTreeMap<String, String>,
    /// Shape of a list's members.
    pub(crate) member: Option<String>,
    required: Vec<String>,
    map: Option<(String, String)>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<(String, Regex)>,
    values: Option<Vec<String>>,
}

static XRAY: LazyLock<Model> =
    LazyLock::new(|| Model::load(Service::Xray, include_str!("../../model/xray.json")));
static LOGS: LazyLock<Model> =
    LazyLock::new(|| Model::load(Service::Logs, include_str!("../../model/logs.json")));
static STS: LazyLock<Model> =
    LazyLock::new(|| Model::load(Service::Sts, include_str!("../../model/sts.json")));

/// The model of a service.
pub(crate) fn of(service: Service) -> &'static Model {
    match service {
        Service::Xray => &XRAY,
        Service::Logs => &LOGS,
        Service::Sts => &STS,
    }
}

impl Model {
    fn load(service: Service, json: &str) -> Self {
        let raw: RawModel = serde_json::from_str(json)
            .expect("the extracted models are part of the build and a test reads each");
        let operations = raw.operations.into_iter().map(|(name, operation)| {
            // Leaked once per process: every call record names its operation without a copy.
            let full_name: &'static str =
                Box::leak(format!("{}.{name}", service.name()).into_boxed_str());
            let name = &full_name[service.name().len() + 1..];
            let operation = Operation {
                service,
                name,
                full_name,
                errors: operation.errors,
                uri: operation.uri,
                input: operation.input,
                output: operation.output,
            };
            (name, operation)
        });
        Self {
            operations: operations.collect(),
            shapes: raw
                .shapes
                .into_iter()
                .map(|(name, shape)| (name, Shape::new(shape)))
                .collect(),
        }
    }

    /// The operation of that name.
    pub(crate) fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// The operation behind a request path.
    pub(crate) fn operation_at(&self, path: &str) -> Option<&Operation> {
        self.operations
            .values()
            .find(|operation| operation.uri == path)
    }

    pub(crate) fn shape(&self, name: &str) -> &Shape {
        &self.shapes[name]
    }

    /// The shape of an operation's input.
    pub(crate) fn input(&self, operation: &Operation) -> &Shape {
        self.shape(&operation.input)
    }

    /// The shape of an operation's output, if it has one.
    pub(crate) fn output(&self, operation: &Operation) -> Option<&Shape> {
        operation.output.as_ref().map(|name| self.shape(name))
    }
}

impl Shape {
    fn new(raw: RawShape) -> Self {
        Self {
            kind: raw.r#type,
            members: raw.members,
            member: raw.member,
            required: raw.required,
            map: raw.key.zip(raw.value),
            min: raw.min,
            max: raw.max,
            pattern: raw.pattern.map(|pattern| {
                let regex = whole(&pattern);
                (pattern, regex)
            }),
            values: raw.r#enum,
        }
    }
}

/// The models' patterns are Java's: they match the whole text, and `\w` and `\d` are ASCII.
fn whole(pattern: &str) -> Regex {
    let pattern = pattern
        .replace(r"\w", "a-zA-Z0-9_")
        .replace(r"[\d]", "[0-9]")
        .replace(r"\d", "[0-9]");
    // A model writes the supplementary planes as if `\u` took five digits.
    let pattern = pattern.replace(r"\u10000-\u10FFFF", r"\u{10000}-\u{10FFFF}");
    Regex::new(&format!("^(?:{pattern})$"))
        .expect("the extracted models are part of the build and a test reads each")
}

/// The full names of all emulated operations.
pub(crate) fn operation_names() -> impl Iterator<Item = &'static str> {
    [Service::Xray, Service::Logs, Service::Sts]
        .into_iter()
        .flat_map(|service| {
            of(service)
                .operations
                .values()
                .map(|operation| operation.full_name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_read_and_every_shape_is_there() {
        for service in [Service::Xray, Service::Logs, Service::Sts] {
            let model = of(service);
            assert!(!model.operations.is_empty());
            for operation in model.operations.values() {
                let shapes = [Some(model.input(operation)), model.output(operation)];
                for shape in shapes.into_iter().flatten() {
                    assert_eq!(shape.kind, Kind::Structure, "{}", operation.full_name);
                }
            }
            for shape in model.shapes.values() {
                let members = shape.members.values().chain(&shape.member);
                let pairs = shape.map.iter().flat_map(|(key, value)| [key, value]);
                for name in members.chain(pairs) {
                    model.shape(name);
                }
            }
        }
    }
}
