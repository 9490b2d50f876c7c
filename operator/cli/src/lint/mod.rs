//! `lint`: what is wrong with profiles, found without a cluster and without an AWS account.
//!
//! `source` reads files, `document` keeps where each value stands, `schema`, `metadata` and `validate` say what the API
//! server would say, `semantics` what only AWS or the SDKs would, and `render` prints it.

mod document;
mod finding;
mod metadata;
mod render;
mod rules;
mod schema;
mod semantics;
mod source;
mod structure;
mod validate;

pub use document::Place;
pub use finding::{Finding, Level};
pub use render::{json, text};
pub use source::{Source, SourceError, SourceErrors, Sources, read};

use serde_json::Value;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::field::{FieldPath, Segment};
use tracewright_xray::contract::name::{API_GROUP, API_VERSION, KIND};

use document::{Malformed, Node};
use finding::reason;
use schema::Schema;
use validate::{Check, Checked, NOT_CHECKED, Violation, validate};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// How many profiles there are.
    pub profiles: usize,
    /// Documents that are no profile.
    pub ignored: Vec<Ignored>,
}

/// A document that is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its kind and name.
    pub what: String,
    /// The file.
    pub file: String,
    /// Where it begins.
    pub line: u64,
}

impl Report {
    /// Whether something was found that is at least as bad.
    #[must_use]
    pub fn has(&self, level: Level) -> bool {
        self.findings
            .iter()
            .any(|finding| level == Level::Warning || finding.level == Level::Error)
    }

    /// How many findings there are of a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }
}

/// A profile and where it was read.
struct Profile<'a> {
    file: &'a str,
    node: Node,
    reference: String,
    /// The profile as the API server would store it, if its shape allows that.
    object: Option<ObservabilityProfile>,
}

/// A profile whose shape allows to read it, and where it stands.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The profile as the API server would store it.
    pub profile: ObservabilityProfile,
    /// The file.
    pub file: String,
    /// Where it begins.
    pub line: u64,
}

/// Lints files. Profiles of all of them are also compared with each other.
#[must_use]
pub fn lint(sources: &[Source]) -> Report {
    examine(sources).0
}

/// Lints files, and hands out the profiles in the order in which they stand there.
#[must_use]
pub fn examine(sources: &[Source]) -> (Report, Vec<Declared>) {
    let schema = Schema::of_profiles();
    let mut report = Report::default();
    let mut profiles = Vec::new();
    for source in sources {
        for document in document::read(&source.text) {
            match document {
                Ok(node) => report.sort_out(&source.name, node, &mut profiles),
                Err(malformed) => report.findings.push(unreadable(&source.name, malformed)),
            }
        }
    }
    report.profiles = profiles.len();
    for profile in &mut profiles {
        let checked = validate(&schema, profile.node.to_json());
        let told = checked
            .violations
            .iter()
            .map(|violation| profile.violation(violation));
        report.findings.extend(told);
        if checked.rules_left_out {
            report.findings.push(profile.rules_not_checked());
        }
        profile.object = readable(checked);
    }
    let readable: Vec<_> = profiles
        .iter()
        .filter_map(|profile| Some((profile, profile.object.as_ref()?)))
        .collect();
    let objects: Vec<_> = readable.iter().map(|(_, object)| *object).collect();
    for ((profile, _), remarks) in readable.iter().zip(semantics::remarks(&objects)) {
        report
            .findings
            .extend(remarks.into_iter().map(|remark| profile.remark(remark)));
    }
    let order = |finding: &Finding| {
        sources
            .iter()
            .position(|source| source.name == finding.file)
    };
    report
        .findings
        .sort_by_key(|finding| (order(finding), finding.place));
    let declared = profiles.into_iter().filter_map(|profile| {
        let line = profile.node.place().line;
        Some(Declared {
            profile: profile.object?,
            file: profile.file.to_owned(),
            line,
        })
    });
    (report, declared.collect())
}

impl Report {
    fn sort_out<'a>(&mut self, file: &'a str, node: Node, profiles: &mut Vec<Profile<'a>>) {
        let text = |key| node.get(key).and_then(Node::as_str).map(str::to_owned);
        let (version, kind) = (text("apiVersion"), text("kind"));
        let group = version
            .as_ref()
            .and_then(|version| version.split('/').next());
        match (version.as_deref(), kind) {
            // As `kubectl get -o yaml` prints.
            (Some("v1"), Some(kind)) if kind == "List" => {
                for item in node.get("items").map(Node::items).unwrap_or_default() {
                    self.sort_out(file, item.clone(), profiles);
                }
            }
            (version, Some(kind))
                if kind == KIND && (version.is_none() || group == Some(API_GROUP)) =>
            {
                let known = version == Some(&format!("{API_GROUP}/{API_VERSION}"));
                let reference = reference(&node);
                let profile = Profile {
                    file,
                    node,
                    reference,
                    object: None,
                };
                if !known {
                    self.findings.push(profile.unknown_version());
                }
                profiles.push(profile);
            }
            (_, kind) => {
                let name = node
                    .get("metadata")
                    .and_then(|metadata| metadata.get("name"))
                    .and_then(Node::as_str);
                let what = match (kind, name) {
                    (Some(kind), Some(name)) => format!("{kind} {name}"),
                    (Some(kind), None) => kind,
                    (None, _) => "a document without kind".to_owned(),
                };
                self.ignored.push(Ignored {
                    what,
                    file: file.to_owned(),
                    line: node.place().line,
                });
            }
        }
    }
}

/// The profile without the fields whose values cannot be read, so that the others can be judged all the same.
fn readable(checked: Checked) -> Option<ObservabilityProfile> {
    let mut object = checked.object;
    for violation in checked
        .violations
        .iter()
        .filter(|violation| violation.check == Check::Shape)
    {
        remove(&mut object, violation.field.segments());
    }
    serde_json::from_value(object).ok()
}

fn remove(value: &mut Value, path: &[Segment]) {
    match (path, value) {
        ([Segment::Field(key) | Segment::Key(key)], Value::Object(fields)) => {
            fields.remove(key);
        }
        ([Segment::Field(key) | Segment::Key(key), rest @ ..], Value::Object(fields)) => {
            if let Some(value) = fields.get_mut(key) {
                remove(value, rest);
            }
        }
        ([Segment::Index(index), rest @ ..], Value::Array(items)) => {
            if let Some(item) = items.get_mut(*index) {
                remove(item, rest);
            }
        }
        _ => {}
    }
}

fn reference(node: &Node) -> String {
    let text = |key| {
        node.get("metadata")
            .and_then(|metadata| metadata.get(key))
            .and_then(Node::as_str)
    };
    let name = text("name").or(text("generateName")).unwrap_or("?");
    text("namespace").map_or_else(
        || name.to_owned(),
        |namespace| format!("{namespace}/{name}"),
    )
}

fn unreadable(file: &str, malformed: Malformed) -> Finding {
    Finding {
        level: Level::Error,
        reason: reason::MALFORMED,
        file: file.to_owned(),
        place: malformed.place,
        profile: None,
        field: FieldPath::default(),
        message: malformed.message,
        excerpt: None,
    }
}

impl Profile<'_> {
    fn error(&self, reason: &'static str, field: FieldPath, message: String) -> Finding {
        Finding {
            level: Level::Error,
            reason,
            file: self.file.to_owned(),
            place: self.node.place_of(&field),
            profile: Some(self.reference.clone()),
            field,
            message,
            excerpt: None,
        }
    }

    fn unknown_version(&self) -> Finding {
        let message = format!("apiVersion must be {API_GROUP}/{API_VERSION}");
        self.error(
            reason::UNKNOWN_VERSION,
            FieldPath::of("apiVersion"),
            message,
        )
    }

    fn violation(&self, violation: &Violation) -> Finding {
        let Violation {
            field,
            message,
            check,
        } = violation;
        let reason = match check {
            Check::UnknownField => reason::UNKNOWN_FIELD,
            Check::Schema | Check::Shape => reason::SCHEMA,
            Check::Rule => reason::RULE,
        };
        let finding = self.error(reason, field.clone(), message.clone());
        match check {
            Check::UnknownField => Finding {
                place: self.node.place_of_key(field),
                ..finding
            },
            Check::Schema | Check::Shape | Check::Rule => finding,
        }
    }

    fn rules_not_checked(&self) -> Finding {
        let finding = self.error(
            reason::RULES_NOT_CHECKED,
            FieldPath::default(),
            NOT_CHECKED.to_owned(),
        );
        Finding {
            level: Level::Warning,
            ..finding
        }
    }

    fn remark(&self, remark: semantics::Remark) -> Finding {
        let semantics::Remark {
            level,
            reason,
            field,
            message,
            excerpt,
        } = remark;
        Finding {
            level,
            excerpt,
            ..self.error(reason, field, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint_text(text: &str) -> Report {
        lint(&[Source {
            name: "a.yaml".to_owned(),
            text: text.to_owned(),
        }])
    }

    fn told(report: &Report) -> Vec<(&'static str, u64, String)> {
        let told = |finding: &Finding| {
            (
                finding.reason,
                finding.place.line,
                finding.field.to_string(),
            )
        };
        report.findings.iter().map(told).collect()
    }

    #[test]
    fn documents_of_other_kinds_are_named_and_ignored() {
        let report = lint_text(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\nreplicas: 2\n---\n\
             apiVersion: tracewright.dev/v1alpha1\nkind: ObservabilityProfile\nmetadata: {name: a}\nspec: {}\n---\n\
             apiVersion: other.dev/v1\nkind: ObservabilityProfile\n",
        );
        assert_eq!((report.profiles, &report.findings[..]), (1, &[][..]));
        let ignored: Vec<_> = report
            .ignored
            .iter()
            .map(|ignored| (ignored.what.as_str(), ignored.line))
            .collect();
        assert_eq!(
            ignored,
            [
                ("Deployment web", 1),
                ("a document without kind", 5),
                ("ObservabilityProfile", 12)
            ]
        );
    }

    #[test]
    fn the_items_of_a_list_are_documents() {
        let report = lint_text(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: tracewright.dev/v1alpha1\n  kind: ObservabilityProfile\n  \
             metadata: {name: a}\n  spec:\n    mode: Enforce\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: b}\n",
        );
        let expected = (reason::SCHEMA, 8, "spec.mode".to_owned());
        assert!(told(&report).contains(&expected), "{:?}", told(&report));
        assert_eq!(report.ignored[0].what, "Secret b");
    }

    #[test]
    fn another_version_of_the_resource_is_no_other_kind() {
        for version in [
            "",
            "apiVersion: tracewright.dev/v1\n",
            "apiVersion: tracewright.dev\n",
        ] {
            let report = lint_text(&format!(
                "{version}kind: ObservabilityProfile\nmetadata: {{name: a}}\nspec: {{}}\n"
            ));
            assert_eq!(
                told(&report),
                [(reason::UNKNOWN_VERSION, 1, "apiVersion".to_owned())],
                "{version}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_with_its_place() {
        let report = lint_text("a: 1\nb: [\n");
        assert_eq!(told(&report), [(reason::MALFORMED, 2, String::new())]);
        assert!(report.has(Level::Error));
    }

    #[test]
    fn what_can_be_read_of_a_profile_is_judged_all_the_same() {
        let report = lint_text(
            "apiVersion: tracewright.dev/v1alpha1\nkind: ObservabilityProfile\nmetadata: {name: a}\nspec:\n  mode: Enforce\n  \
             logs: {groups: [{name: a, retentionInDays: 8}]}\n  xray:\n    groups:\n    - {name: b, filterExpression: fault)}\n",
        );
        let expected = [
            (reason::RULES_NOT_CHECKED, 1, ""),
            (reason::SCHEMA, 5, "spec.mode"),
            (reason::SCHEMA, 6, "spec.logs.groups[0].retentionInDays"),
            (
                "InvalidFilterExpression",
                9,
                "spec.xray.groups[0].filterExpression",
            ),
        ];
        assert_eq!(
            told(&report),
            expected.map(|(reason, line, field)| (reason, line, field.to_owned()))
        );
    }

    #[test]
    fn a_profile_as_the_cluster_returns_it_is_fine() {
        let report = lint_text(
            "apiVersion: tracewright.dev/v1alpha1\nkind: ObservabilityProfile\nmetadata:\n  name: a\n  namespace: b\n  \
             uid: 1-2\n  generation: 3\n  resourceVersion: \"4\"\n  creationTimestamp: 2026-01-01T00:00:00Z\n  finalizers: \
             [tracewright.dev/cleanup]\n  managedFields: [{manager: kubectl, fieldsV1: {f:spec: {}}}]\nspec: {mode: Apply}\n\
             status:\n  observedGeneration: 3\n  summary: {xray: 1/1, logs: 0/0, workloads: 1/1}\n",
        );
        assert_eq!(told(&report), []);
    }
}
