//! The page of the charts' values, made of each chart's `values.yaml` (names, defaults, comments) and `values.schema.json`
//! (types).

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

/// Where the page stands in the project.
pub const FILE: &str = "docs/values.md";

const HEAD: &str = "\
# Values of the charts

Made of each chart's `values.yaml` and `values.schema.json` by `make generate`. A value that is not listed here is refused. Installing is in
[install.md](install.md).
";

/// The charts, and what they are.
const CHARTS: [(&str, &str); 2] = [
    ("tracewright", "The operator."),
    (
        "activities",
        "The sample service with its ObservabilityProfile.",
    ),
];

/// The page, of the charts in a checkout.
///
/// # Errors
/// A file is missing, or the schema is no JSON.
pub fn read(root: &Path) -> io::Result<String> {
    let mut page = HEAD.to_owned();
    for (name, about) in CHARTS {
        let folder = root.join("charts").join(name);
        let values = fs::read_to_string(folder.join("values.yaml"))?;
        let schema: Value = serde_json::from_slice(&fs::read(folder.join("values.schema.json"))?)?;
        let _ = write!(
            page,
            "\n## {name}\n\n{about}\n\n| value | type | default | meaning |\n|---|---|---|---|\n"
        );
        for entry in entries(&values) {
            let kind = kind(&schema, &entry.path);
            let default = match entry.default {
                "" => String::new(),
                default => format!("`{}`", default.replace('|', "\\|")),
            };
            let _ = writeln!(
                page,
                "| `{}` | {kind} | {default} | {} |",
                entry.path.join("."),
                entry.meaning.replace('|', "\\|")
            );
        }
    }
    Ok(page)
}

/// A value with what stands above it.
struct Entry<'a> {
    path: Vec<&'a str>,
    /// Empty for a section.
    default: &'a str,
    meaning: String,
}

/// The values in order. A section is an entry of its own only where something is said about it. (The file is written for this:
/// one key a line, comments above their key, indented as it.)
fn entries(values: &str) -> Vec<Entry<'_>> {
    let (mut entries, mut path, mut meaning) = (Vec::new(), Vec::new(), String::new());
    for line in values.lines() {
        let text = line.trim_start();
        if text.is_empty() {
            meaning.clear();
        } else if let Some(comment) = text.strip_prefix('#') {
            if !meaning.is_empty() {
                meaning.push(' ');
            }
            meaning.push_str(comment.trim());
        } else if let Some((key, default)) = text.split_once(':') {
            path.truncate((line.len() - text.len()) / 2);
            path.push(key);
            let (default, meaning) = (default.trim(), std::mem::take(&mut meaning));
            if !default.is_empty() || !meaning.is_empty() {
                entries.push(Entry {
                    path: path.clone(),
                    default,
                    meaning,
                });
            }
        }
    }
    entries
}

/// What the schema says of a value, in words.
fn kind(schema: &Value, path: &[&str]) -> String {
    let found = path
        .iter()
        .fold(schema, |schema, key| &schema["properties"][*key]);
    if let Some(choices) = found["enum"].as_array() {
        let shown: Vec<String> = choices
            .iter()
            .filter(|choice| **choice != "")
            .map(|choice| match choice.as_str() {
                Some(text) => format!("`{text}`"),
                None => choice.to_string(),
            })
            .collect();
        return shown.join(", ");
    }
    match found["type"].as_str() {
        Some("array") => "list",
        Some("object") => "map",
        Some(other) => other,
        None => "",
    }
    .to_owned()
}
