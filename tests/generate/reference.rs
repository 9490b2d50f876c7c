//! The reference of the resource: a page made of the schema, so that it says what the API server enforces.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};
use tracewright_core::crd;

/// Where the page stands in the project.
pub const FILE: &str = "docs/profile.md";

const RULES: &str = "x-kubernetes-validations";

/// Sections of fewer fields are written out although another has the same.
const WORTH_SHARING: usize = 5;

const HEAD: &str = "\
# ObservabilityProfile

The reference of `tracewright.dev/v1alpha1`, kind `ObservabilityProfile` (short name `obsp`, category `observability`,
namespaced), made of its CustomResourceDefinition by `make generate`. The same texts are in `kubectl explain obsp.spec`;
complete profiles are in [`examples/`](../examples). `tracewright lint FILE…` checks a file against all of this, and
against what the schema cannot see, without a cluster.

`metadata.name` is at most 50 characters of a-z, 0-9 and `-`, begins with a letter and ends with a letter or digit,
because the receiver's Service is named `<name>-xray`.

";

/// The page.
pub fn profile() -> String {
    let definition = serde_json::to_value(crd::definition())
        .expect("a CustomResourceDefinition has a form in JSON");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    // The rule about the name is in the head; the others compare the whole with what it was.
    let about_fields = schema[RULES].as_array().into_iter().flatten();
    let about_fields = about_fields.filter(|rule| rule["fieldPath"].is_string());
    let mut page = Page {
        text: HEAD.to_owned(),
        of_the_whole: json!({RULES: about_fields.collect::<Vec<_>>()}),
        ..Page::default()
    };
    for field in ["spec", "status"] {
        page.section(field, &schema["properties"][field]);
    }
    page.text.trim_end().to_owned() + "\n"
}

#[derive(Default)]
struct Page {
    text: String,
    /// A schema with the rules that stand above `spec` and speak of its fields.
    of_the_whole: Value,
    /// Paths and fields of the sections so far.
    written: Vec<(String, Value)>,
}

impl Page {
    fn section(&mut self, path: &str, schema: &Value) {
        self.heading(path, schema);
        let own = fields(schema);
        if let Some(line) = self.same_as_another(&own) {
            self.line(&format!("{line}\n"));
            return;
        }
        self.line("| Field | Type | |\n|---|---|---|");
        let required: BTreeSet<_> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, field) in &own {
            let (kind, says) = (kind(field), about(field, required.contains(name.as_str())));
            self.line(&format!("| `{name}` | {kind} | {says} |"));
        }
        self.line("");
        self.rules(path, schema);
        self.written
            .push((path.to_owned(), schema["properties"].clone()));
        for (name, field) in own {
            let below = if field["items"].is_object() {
                &field["items"]
            } else {
                field
            };
            if below["properties"].is_object() {
                let list = if below == field { "" } else { "[]" };
                self.section(&format!("{path}.{name}{list}"), below);
            }
        }
    }

    /// The section that has all of these fields, and what it has besides.
    fn same_as_another(&self, own: &[(&String, &Value)]) -> Option<String> {
        let has_all = |fields: &Value| {
            own.iter()
                .all(|(name, field)| fields[name.as_str()] == **field)
        };
        let (path, fields) = self
            .written
            .iter()
            .find(|(_, fields)| own.len() >= WORTH_SHARING && has_all(fields))?;
        let names = fields
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name);
        let besides = names
            .filter(|name| own.iter().all(|(own, _)| own != name))
            .map(|name| format!("`{name}`"));
        let besides: Vec<_> = besides.collect();
        Some(match besides[..] {
            [] => format!("The fields of `{path}`."),
            _ => format!("The fields of `{path}` without {}.", besides.join(", ")),
        })
    }

    fn heading(&mut self, path: &str, schema: &Value) {
        let depth = path.matches('.').count().min(3);
        self.line(&format!("{} `{path}`\n", "#".repeat(depth + 2)));
        self.line(&format!("{}\n", text(schema)));
    }

    /// What the rules of a section say: those of the whole, and those of its fields that have no section of their own.
    fn rules(&mut self, path: &str, schema: &Value) {
        let mut rules = Vec::new();
        collect(schema, &mut rules);
        if path == "spec" {
            collect(&self.of_the_whole, &mut rules);
        }
        for (_, field) in fields(schema) {
            if field["properties"].is_object() || field["items"]["properties"].is_object() {
                // The rules of a list as a whole stand here, those of its items in their section.
                if field["items"].is_object() {
                    collect(field, &mut rules);
                }
                continue;
            }
            collect(field, &mut rules);
            collect(&field["items"], &mut rules);
            collect(&field["additionalProperties"], &mut rules);
        }
        if rules.is_empty() {
            return;
        }
        self.line("Refused with one of these sentences:\n");
        let mut said = BTreeSet::new();
        for rule in rules.into_iter().filter(|rule| said.insert(rule.clone())) {
            self.line(&format!("- {}", escape(&rule)));
        }
        self.line("");
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }
}

fn fields(schema: &Value) -> Vec<(&String, &Value)> {
    schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect()
}

fn collect(schema: &Value, rules: &mut Vec<String>) {
    let own = schema[RULES].as_array().into_iter().flatten();
    rules.extend(
        own.filter_map(|rule| rule["message"].as_str())
            .map(str::to_owned),
    );
}

fn kind(schema: &Value) -> String {
    if schema["x-kubernetes-int-or-string"] == true {
        return "number or string".to_owned();
    }
    let name = schema["type"].as_str().unwrap_or("any");
    match name {
        "array" => format!("list of {}", plural(&kind(&schema["items"]))),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}", plural(&kind(&schema["additionalProperties"])))
        }
        name => name.to_owned(),
    }
}

fn plural(kind: &str) -> String {
    match kind {
        "number or string" => "numbers or strings".to_owned(),
        kind => format!("{kind}s"),
    }
}

fn about(schema: &Value, required: bool) -> String {
    let mut says = text(schema);
    if required {
        says = format!("**Required.** {says}");
    }
    let allowed = schema["enum"]
        .as_array()
        .or(schema["items"]["enum"].as_array());
    if let Some(allowed) = allowed {
        let allowed: Vec<_> = allowed
            .iter()
            .map(|value| format!("`{}`", plain(value)))
            .collect();
        let _ = write!(says, " One of {}.", allowed.join(", "));
    }
    if !schema["default"].is_null() {
        let _ = write!(says, " Default `{}`.", plain(&schema["default"]));
    }
    if let Some(bounds) = bounds(schema) {
        let _ = write!(says, " {bounds}.");
    }
    says
}

fn bounds(schema: &Value) -> Option<String> {
    let bound = |keyword: &str| schema[keyword].as_u64();
    let range = |min: Option<u64>, max: Option<u64>, what: &str| match (min, max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max} {what}")),
        (None, Some(max)) => Some(format!("At most {max} {what}")),
        (Some(min), None) => Some(format!("At least {min} {what}")),
        (None, None) => None,
    };
    range(bound("minLength"), bound("maxLength"), "characters")
        .or_else(|| range(bound("minItems"), bound("maxItems"), "entries"))
        .or_else(|| range(bound("minProperties"), bound("maxProperties"), "entries"))
}

fn text(schema: &Value) -> String {
    escape(
        &schema["description"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Keeps Markdown from reading marks into texts that are plain, but for code in backticks.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut code = false;
    for c in text.chars() {
        code ^= c == '`';
        if c == '|' || (!code && matches!(c, '<' | '*' | '[' | ']')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
