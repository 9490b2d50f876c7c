//! Admission: what the API server refuses and what it says, and that `tracewright lint` says the same without one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::core::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{ControlPlane, Namespace};
use tracewright_core::crd;

/// What the API server adds when it leaves rules out because of what it found before.
const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid";

/// Requests under way at a time.
const PARALLEL: usize = 8;

/// By how many others each value of a profile is replaced.
const REPLACEMENTS: usize = 4;

/// A row of `profiles/*.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    metadata: Option<Value>,
    /// The profile before it is changed.
    #[serde(default)]
    was: Option<Value>,
    /// Its status before it is changed.
    #[serde(default)]
    status: Option<Value>,
    spec: Value,
    #[serde(default)]
    refused: BTreeMap<String, Sentences>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Sentences {
    One(String),
    Many(Vec<String>),
}

/// A field and a sentence about it.
type Told = BTreeSet<(String, String)>;

impl Row {
    fn told(&self) -> Told {
        let sentences = |sentences: &Sentences| match sentences {
            Sentences::One(sentence) => vec![sentence.clone()],
            Sentences::Many(sentences) => sentences.clone(),
        };
        let fields = self.refused.iter();
        fields
            .flat_map(|(field, told)| {
                sentences(told)
                    .into_iter()
                    .map(|sentence| (as_lint_writes(field), sentence))
            })
            .collect()
    }

    fn profile(&self) -> Value {
        profile(self.metadata.as_ref(), &self.spec)
    }

    /// The same for the other kind of receiver.
    fn with_collector(&self) -> Option<Self> {
        let daemon = self.spec.pointer("/xray/receiver/daemon")?;
        if self.spec.pointer("/xray/receiver/collector").is_some() {
            return None;
        }
        let mut row = self.clone();
        row.spec["xray"]["receiver"] = json!({"collector": daemon});
        let text = serde_json::to_string(
            &self
                .refused
                .iter()
                .map(|(field, told)| (field, told.texts()))
                .collect::<BTreeMap<_, _>>(),
        );
        let text = text
            .ok()?
            .replace(".receiver.daemon", ".receiver.collector");
        row.refused = serde_json::from_str(&text).ok()?;
        Some(row)
    }
}

impl Sentences {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::One(sentence) => vec![sentence],
            Self::Many(sentences) => sentences.iter().map(String::as_str).collect(),
        }
    }
}

fn rows(file: &str) -> Result<Vec<Row>> {
    let path = folder("tests/system/profiles").join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let rows: Vec<Row> =
        serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?;
    let twins: Vec<Row> = rows.iter().filter_map(Row::with_collector).collect();
    Ok(rows.into_iter().chain(twins).collect())
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn profile(metadata: Option<&Value>, spec: &Value) -> Value {
    let metadata = metadata.cloned().unwrap_or_else(|| json!({"name": "bad"}));
    json!({
        "apiVersion": "tracewright.dev/v1alpha1",
        "kind": "ObservabilityProfile",
        "metadata": metadata,
        "spec": spec,
    })
}

/// A namespace, and the resource in the cluster.
struct Admission {
    namespace: Namespace,
}

impl Admission {
    async fn new() -> Result<Self> {
        let control_plane = ControlPlane::shared().await?;
        support::installation::install(control_plane.client().await?).await?;
        Ok(Self {
            namespace: Namespace::create(control_plane, "validation").await?,
        })
    }

    async fn send(
        &self,
        method: &str,
        name: &str,
        query: &str,
        body: &Value,
    ) -> Result<Result<Value, Status>> {
        let path = format!(
            "/apis/tracewright.dev/v1alpha1/namespaces/{}/observabilityprofiles",
            self.namespace.name()
        );
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{path}{name}?{query}"))
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body)?)?;
        match self.namespace.client().request(request).await {
            Ok(object) => Ok(Ok(object)),
            Err(kube::Error::Api(status)) => Ok(Err(*status)),
            Err(error) => Err(error.into()),
        }
    }

    /// What the API server says to the creation of a profile, as kubectl asks for it. Nothing is stored.
    async fn told_of_creation(&self, profile: &Value) -> Result<Answer> {
        answer(
            self.send("POST", "", "dryRun=All&fieldValidation=Strict", profile)
                .await?,
        )
    }

    /// What the API server says to a row. What a profile was before is stored, under a name of its own.
    async fn told_of(&self, number: usize, row: &Row) -> Result<Answer> {
        let Some(was) = &row.was else {
            return self.told_of_creation(&row.profile()).await;
        };
        let name = format!("row-{number}");
        let metadata = json!({"name": name});
        let stored = self
            .send("POST", "", "", &profile(Some(&metadata), was))
            .await?;
        let mut stored =
            stored.map_err(|status| anyhow::anyhow!("{was} is refused: {:?}", status.message))?;
        if let Some(status) = &row.status {
            stored["status"] = status.clone();
            let told = self
                .send("PUT", &format!("/{name}/status"), "", &stored)
                .await?;
            stored = told
                .map_err(|refusal| anyhow::anyhow!("{status} is refused: {:?}", refusal.message))?;
        }
        let mut changed = profile(Some(&metadata), &row.spec);
        changed["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
        answer(
            self.send(
                "PUT",
                &format!("/{name}"),
                "dryRun=All&fieldValidation=Strict",
                &changed,
            )
            .await?,
        )
    }
}

/// What the API server said.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    told: Told,
    /// Whether it left rules out.
    not_checked: bool,
}

fn answer(answer: Result<Value, Status>) -> Result<Answer> {
    let Err(status) = answer else {
        return Ok(Answer::default());
    };
    let message = status.message;
    let mut answer = Answer::default();
    match status.code {
        400 => {
            let fields = message
                .split("unknown field \"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            answer.told.extend(
                fields.map(|field| (as_lint_writes(field), format!("unknown field \"{field}\""))),
            );
            ensure!(
                !answer.told.is_empty(),
                "not about an unknown field: {message}"
            );
            // It goes no further.
            answer.not_checked = true;
        }
        422 => {
            for cause in status
                .details
                .map(|details| details.causes)
                .unwrap_or_default()
            {
                let (field, sentence) = (cause.field, cause.message);
                if sentence.contains(NOT_CHECKED) {
                    answer.not_checked = true;
                } else {
                    answer
                        .told
                        .insert((field_of(&field, &sentence), without_value(&sentence)));
                }
            }
            ensure!(!answer.told.is_empty(), "no causes: {message}");
        }
        code => bail!("{code}: {message}"),
    }
    Ok(answer)
}

/// Of two sentences the API server does not say the field: rules of the whole, which read nothing but the name, and
/// numbers that are too large, whose field ends the sentence.
fn field_of(field: &str, sentence: &str) -> String {
    match field {
        "<nil>" if sentence.contains("metadata.name") => "metadata.name".to_owned(),
        "<nil>" => as_lint_writes(sentence.rsplit(' ').next().unwrap_or_default()),
        field => as_lint_writes(field),
    }
}

/// The schema's own checks write `map.key`, rules `map[key]`. Here it is always `map.key`.
fn as_lint_writes(field: &str) -> String {
    let mut text = String::new();
    for part in field.split_inclusive(']') {
        match part.split_once('[') {
            Some((before, index)) if index.trim_end_matches(']').parse::<usize>().is_ok() => {
                text += &format!("{before}[{index}");
            }
            Some((before, key)) => text += &format!("{before}.{}", key.trim_end_matches(']')),
            None => text += part,
        }
    }
    text
}

/// A rule's sentence without the value that the API server puts before it. The schema's own sentences keep it.
fn without_value(sentence: &str) -> String {
    let Some(rest) = sentence.strip_prefix("Invalid value: ") else {
        return sentence.to_owned();
    };
    if rest.contains(" in body ") || rest.contains("must be of type") {
        return sentence.to_owned();
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    match values.next() {
        Some(Ok(_)) => match rest[values.byte_offset()..].strip_prefix(": ") {
            Some(sentence) => sentence.to_owned(),
            None => rest.to_owned(),
        },
        _ => rest.to_owned(),
    }
}

/// A finding of `tracewright lint --output json`.
#[derive(Clone, Debug, Deserialize)]
struct Finding {
    level: String,
    reason: String,
    file: String,
    line: u64,
    column: u64,
    field: String,
    message: String,
}

impl Finding {
    /// Whether the API server would say it too.
    fn is_of_admission(&self) -> bool {
        ["UnknownField", "Schema", "Rule"].contains(&self.reason.as_str())
    }
}

/// Runs `tracewright lint` on a folder, and gives the findings of each file by its name.
fn lint(folder: &Path) -> Result<BTreeMap<String, Vec<Finding>>> {
    let output = Command::new(support::operator::program()?)
        .args(["lint", "--output", "json"])
        .arg(folder)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "tracewright lint: {:?} {told}",
        output.status
    );
    let findings: Vec<Finding> = serde_json::from_slice(&output.stdout)?;
    let mut files: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        let name = Path::new(&finding.file)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        files.entry(name.to_owned()).or_default().push(finding);
    }
    Ok(files)
}

/// Lints profiles, each in a file of its own.
fn lint_all<'a>(profiles: impl Iterator<Item = &'a Value>) -> Result<Vec<Vec<Finding>>> {
    let folder = tempfile::tempdir()?;
    let mut names = Vec::new();
    for (number, profile) in profiles.enumerate() {
        let name = format!("{number:05}.json");
        fs::write(folder.path().join(&name), profile.to_string())?;
        names.push(name);
    }
    let mut findings = lint(folder.path())?;
    Ok(names
        .iter()
        .map(|name| findings.remove(name).unwrap_or_default())
        .collect())
}

fn told_by_lint(findings: &[Finding]) -> Told {
    let of_admission = findings.iter().filter(|finding| finding.is_of_admission());
    of_admission
        .map(|finding| {
            // A suggestion, which the API server does not make.
            let sentence = finding
                .message
                .split("; did you mean ")
                .next()
                .unwrap_or_default();
            (as_lint_writes(&finding.field), sentence.to_owned())
        })
        .collect()
}

/// Where lint and API server differ. Lint may go on where the API server stops.
fn difference(server: &Answer, lint: &Told) -> Option<String> {
    let missed: Vec<_> = server.told.difference(lint).collect();
    let invented: Vec<_> = if server.not_checked {
        Vec::new()
    } else {
        lint.difference(&server.told).collect()
    };
    let is_silent = lint.is_empty() != server.told.is_empty();
    (is_silent || !missed.is_empty() || !invented.is_empty())
        .then(|| format!("only the API server says {missed:?}\n    only lint says {invented:?}"))
}

fn report(what: &str, failures: &[String]) -> Result<()> {
    ensure!(
        failures.is_empty(),
        "{} {what}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn every_bad_profile_is_refused_with_the_sentences_of_its_row() -> Result<()> {
    let admission = Admission::new().await?;
    let rows = rows("refused.yaml")?;
    ensure!(rows.len() >= 100, "{} rows", rows.len());
    let answers = stream::iter(rows.iter().enumerate())
        .map(|(number, row)| admission.told_of(number, row))
        .buffered(PARALLEL)
        .try_collect::<Vec<_>>()
        .await?;
    let failures: Vec<_> = rows
        .iter()
        .zip(&answers)
        .filter(|(row, answer)| row.told() != answer.told)
        .map(|(row, answer)| {
            format!(
                "  {}\n    expected {:?}\n    told     {:?}",
                row.spec,
                row.told(),
                answer.told
            )
        })
        .collect();
    report("rows are answered otherwise", &failures)
}

#[tokio::test]
async fn profiles_at_the_edges_are_accepted() -> Result<()> {
    let admission = Admission::new().await?;
    let rows = rows("accepted.yaml")?;
    let answers = stream::iter(rows.iter().enumerate())
        .map(|(number, row)| admission.told_of(number, row))
        .buffered(PARALLEL)
        .try_collect::<Vec<_>>()
        .await?;
    let told = rows
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer != Answer::default());
    let failures: Vec<_> = told
        .map(|(row, answer)| format!("  {}\n    {:?}", row.spec, answer.told))
        .collect();
    report("profiles are refused", &failures)
}

#[test]
fn lint_says_the_sentences_of_each_row() -> Result<()> {
    let rows: Vec<_> = rows("refused.yaml")?
        .into_iter()
        .filter(|row| row.was.is_none())
        .collect();
    let accepted: Vec<_> = self::rows("accepted.yaml")?;
    let rows: Vec<_> = rows.into_iter().chain(accepted).collect();
    let profiles: Vec<_> = rows.iter().map(Row::profile).collect();
    let failures: Vec<_> = rows
        .iter()
        .zip(lint_all(profiles.iter())?)
        .filter_map(|(row, findings)| {
            let told = row.told();
            // The API server goes no further than unknown fields.
            let not_checked = told
                .iter()
                .any(|(_, sentence)| sentence.starts_with("unknown field"));
            let difference = difference(&Answer { told, not_checked }, &told_by_lint(&findings))?;
            Some(format!("  {}\n    {difference}", row.spec))
        })
        .collect();
    report("rows are told otherwise", &failures)
}

#[test]
fn every_rule_of_the_resource_refuses_something() -> Result<()> {
    let definition = serde_json::to_value(crd::definition())?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut rules = BTreeSet::new();
    collect_rules(schema, String::new(), &mut rules);
    ensure!(rules.len() >= 90, "{} rules", rules.len());
    for row in rows("refused.yaml")? {
        for (field, told) in &row.refused {
            for sentence in told.texts() {
                let field = if field == "metadata.name" { "" } else { field };
                rules.remove(&(place_in_schema(field), sentence.to_owned()));
            }
        }
    }
    let failures: Vec<_> = rules
        .iter()
        .map(|(field, sentence)| format!("  {field}: {sentence}"))
        .collect();
    report("rules refuse nothing in refused.yaml", &failures)
}

fn collect_rules(schema: &Value, place: String, rules: &mut BTreeSet<(String, String)>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        // Where the rule itself says of which field it speaks.
        let place = rule["fieldPath"].as_str().map_or_else(
            || place.clone(),
            |path| format!("{place}{path}").trim_start_matches('.').to_owned(),
        );
        rules.insert((
            place,
            rule["message"]
                .as_str()
                .unwrap_or("a rule without message")
                .to_owned(),
        ));
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let place = if place.is_empty() {
            name.clone()
        } else {
            format!("{place}.{name}")
        };
        collect_rules(schema, place, rules);
    }
    for (keyword, brackets) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[keyword].is_object() {
            collect_rules(&schema[keyword], format!("{place}{brackets}"), rules);
        }
    }
}

/// `a.b[0].c[key]` as `a.b[].c{}`.
fn place_in_schema(field: &str) -> String {
    let mut place = String::new();
    for part in field.split_inclusive(']') {
        match part.split_once('[') {
            Some((before, index)) => {
                let is_index = index.trim_end_matches(']').parse::<usize>().is_ok();
                place += before;
                place += if is_index { "[]" } else { "{}" };
            }
            None => place += part,
        }
    }
    place
}

fn examples() -> Result<Vec<(String, Value)>> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(folder("examples"))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        for document in serde_saphyr::from_multiple::<Value>(&fs::read_to_string(&path)?)? {
            examples.push((name.clone(), document));
        }
    }
    ensure!(examples.len() >= 6, "{} examples", examples.len());
    Ok(examples)
}

#[tokio::test]
async fn every_example_is_accepted() -> Result<()> {
    let admission = Admission::new().await?;
    for (name, mut example) in examples()? {
        // The namespace belongs to the reader.
        if let Some(metadata) = example["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        let answer = admission.told_of_creation(&example).await?;
        ensure!(answer == Answer::default(), "{name}: {:?}", answer.told);
    }
    Ok(())
}

#[test]
fn lint_has_nothing_to_say_about_the_examples_but_what_they_say_themselves() -> Result<()> {
    let told: Vec<_> = lint(&folder("examples"))?
        .into_iter()
        .flat_map(|(name, findings)| {
            findings
                .into_iter()
                .map(move |finding| (name.clone(), finding.level, finding.reason))
        })
        .collect();
    let expected = [("attributes-and-boost.yaml", "warning", "AttributesIgnored")];
    let expected = expected
        .map(|(file, level, reason)| (file.to_owned(), level.to_owned(), reason.to_owned()));
    ensure!(told == expected, "{told:?}");
    Ok(())
}

/// A profile that writes every field of the resource at least once, the mean values in it.
fn full_profile() -> Result<Value> {
    let path = folder("tests/system/profiles/full.yaml");
    Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?)
}

/// What a value is replaced by.
fn values() -> [Value; 15] {
    [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(10_000_000_000_i64),
        json!(""),
        json!("x"),
        json!(" a b "),
        json!("ä|*?"),
        json!("x".repeat(700)),
        json!([]),
        json!([null]),
        json!({}),
        json!({"x": "y"}),
    ]
}

/// The profile with one change in each copy: a value replaced by another, left out, or listed twice. Each value is
/// replaced by a few others, in turn, so that all kinds of values meet all kinds of fields.
fn changes(profile: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    collect_pointers(profile, String::new(), &mut pointers);
    let mut values = values().into_iter().cycle();
    let mut changes = Vec::new();
    for pointer in pointers {
        for value in values.by_ref().take(REPLACEMENTS) {
            let mut changed = profile.clone();
            if let Some(place) = changed.pointer_mut(&pointer) {
                *place = value.clone();
            }
            changes.push((format!("{pointer} = {value:.40}"), changed));
        }
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        let mut changed = profile.clone();
        match changed.pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.remove(&key.replace("~1", "/"))),
            Some(Value::Array(items)) => items.push(items[0].clone()),
            _ => continue,
        }
        changes.push((
            format!("{pointer} left out, or its list's first item twice"),
            changed,
        ));
    }
    changes
}

/// Everything below `spec`.
fn collect_pointers(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    if pointer.starts_with("/spec") {
        pointers.push(pointer.clone());
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                collect_pointers(
                    value,
                    format!("{pointer}/{}", key.replace('/', "~1")),
                    pointers,
                );
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect_pointers(value, format!("{pointer}/{index}"), pointers);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn lint_and_the_api_server_agree_on_every_single_change_of_a_full_profile() -> Result<()> {
    let admission = Admission::new().await?;
    let profile = full_profile()?;
    let answer = admission.told_of_creation(&profile).await?;
    ensure!(
        answer == Answer::default(),
        "the profile itself: {:?}",
        answer.told
    );
    let changes = changes(&profile);
    ensure!(changes.len() >= 500, "{} changes", changes.len());
    let answers = stream::iter(&changes)
        .map(|(_, profile)| admission.told_of_creation(profile))
        .buffered(PARALLEL)
        .try_collect::<Vec<_>>()
        .await?;
    let findings = lint_all(changes.iter().map(|(_, profile)| profile))?;
    let refused = answers
        .iter()
        .filter(|answer| !answer.told.is_empty())
        .count();
    ensure!(
        refused >= changes.len() / 2,
        "{refused} of {} are refused",
        changes.len()
    );
    let failures: Vec<_> = changes
        .iter()
        .zip(answers.iter().zip(findings))
        .filter_map(|((change, _), (answer, findings))| {
            Some(format!(
                "  {change}\n    {}",
                difference(answer, &told_by_lint(&findings))?
            ))
        })
        .collect();
    report("changes are told otherwise", &failures)
}

#[test]
fn lint_points_at_the_line_and_column_of_each_finding() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = "apiVersion: tracewright.dev/v1alpha1\nkind: ObservabilityProfile\nmetadata: {name: a}\nspec:\n  logs:\n    groups:\n      - name: a\n      - name: my logs\n        retentionInDays: 8\n";
    fs::write(folder.path().join("a.yaml"), text)?;
    let findings = lint(folder.path())?.remove("a.yaml").unwrap_or_default();
    let places: BTreeSet<_> = findings
        .iter()
        .filter(|finding| finding.is_of_admission())
        .map(|finding| (finding.field.as_str(), finding.line, finding.column))
        .collect();
    ensure!(
        places
            == BTreeSet::from([
                ("spec.logs.groups[1].name", 8, 15),
                ("spec.logs.groups[1].retentionInDays", 9, 26),
            ]),
        "{places:?}"
    );
    Ok(())
}
