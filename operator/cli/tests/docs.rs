//! The documents are true: metrics, permissions and options are those of the program, profiles in them are valid, links
//! lead somewhere, and the functions and files that ARCHITECTURE.md names exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracewright::args::{Program, grammar};
use tracewright::aws::inventory::Traffic;
use tracewright::lint::{self, Source};
use tracewright::metrics::{Census, Metrics, RuleLabel};
use tracewright_xray::contract::metric;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README, ARCHITECTURE and everything in `docs/`, by path.
fn pages() -> BTreeMap<String, String> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/ exists");
    let docs = docs.map(|entry| {
        format!(
            "docs/{}",
            entry.expect("docs/ can be read").file_name().display()
        )
    });
    let paths = docs
        .filter(|path| path.ends_with(".md"))
        .chain(["README.md", "ARCHITECTURE.md"].map(str::to_owned));
    paths.map(|path| (path.clone(), read(&path))).collect()
}

/// Blocks of a language, with the number of the line before their first.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().strip_prefix("```") != Some(language) {
            continue;
        }
        let text = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim() != "```");
        let text: String = text
            .map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()))
            .collect();
        blocks.push((number + 1, text));
    }
    blocks
}

/// The text of a section of level 2, up to the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, text) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    text.split_once("\n## ").map_or(text, |(text, _)| text)
}

/// Metric by name: type and labels, in the order of the text.
type Described = BTreeMap<String, (String, BTreeSet<String>)>;

/// The metrics that a table describes: name, type, labels.
fn documented(text: &str) -> Described {
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `tracewright_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[2]
            .split(", ")
            .map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (
            cells[0].trim_matches('`').to_owned(),
            (cells[1].to_owned(), labels),
        )
    })
    .collect()
}

/// All metrics of the operator, each with a value, as a scrape shows them.
fn scraped() -> Described {
    let metrics = Metrics::new();
    let second = Duration::from_secs(1);
    metrics.reconciled("ok", "", second);
    metrics.aws_call("xray.GetGroups", "OK", second);
    metrics.bucket_wait("xray.GetGroups", second);
    metrics.drift_repaired("Group");
    metrics.orphaned(1);
    metrics.leads(true);
    metrics.watch_age("Namespace", second);
    metrics.quota_used("groups", "123456789012", "us-east-1", 0.5);
    let rule = RuleLabel {
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        rule: "Cruddur".to_owned(),
    };
    let traffic = Traffic {
        requests: 10,
        sampled: 1,
    };
    metrics.rule_traffic(&[(rule, traffic)]);
    metrics.census(Census {
        profiles: [(("Ready".into(), "True".into()), 1)].into(),
        objects: [(("Group", "Synced".into()), 1)].into(),
        workloads: [("injected", 1)].into(),
    });
    let text = metrics.encode();
    let mut described = Described::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, kind) = line.split_once(' ').expect("a type has a name");
        let name = match kind {
            "counter" => format!("{family}_total"),
            "info" => format!("{family}_info"),
            _ => family.to_owned(),
        };
        let samples = text
            .lines()
            .filter(|sample| sample.starts_with(family) && !sample.starts_with('#'));
        let of_family = samples.filter(|sample| {
            let rest = &sample[family.len()..];
            ["{", " ", "_total", "_info", "_bucket", "_sum", "_count"]
                .iter()
                .any(|next| rest.starts_with(next))
        });
        let labels =
            of_family.filter_map(|sample| Some(sample.split_once('{')?.1.split_once('}')?.0));
        let labels =
            labels.flat_map(|labels| labels.split(',').filter_map(|label| label.split_once('=')));
        let labels = labels
            .map(|(label, _)| label.to_owned())
            .filter(|label| label != "le")
            .collect();
        described.insert(name, (kind.to_owned(), labels));
    }
    described
}

#[test]
fn every_metric_of_the_operator_is_documented_with_its_labels_and_no_other() {
    let scraped = scraped();
    let registered = read("operator/cli/src/metrics.rs")
        .matches("registry.register(")
        .count();
    assert_eq!(
        scraped.len(),
        registered,
        "a metric has no value in this test: {:?}",
        scraped.keys()
    );
    assert_eq!(
        documented(section(&read("docs/metrics.md"), "The operator")),
        scraped
    );
}

#[test]
fn the_contracts_metrics_are_among_those_of_the_operator() {
    let scraped = scraped();
    for metric::Metric { name, labels } in metric::OPERATOR {
        let (_, found) = scraped
            .get(*name)
            .unwrap_or_else(|| panic!("{name} is not there"));
        assert!(
            labels.iter().all(|label| found.contains(*label)),
            "{name} has {found:?}, not {labels:?}"
        );
    }
}

#[test]
fn every_metric_of_the_library_is_documented_with_its_labels_and_no_other() {
    let documented = documented(section(&read("docs/metrics.md"), "The telemetry library"));
    let documented: BTreeMap<_, _> = documented
        .into_iter()
        .map(|(name, (_, labels))| (name, labels))
        .collect();
    let contract = metric::TELEMETRY
        .iter()
        .map(|metric::Metric { name, labels }| {
            (
                (*name).to_owned(),
                labels
                    .iter()
                    .map(|label| (*label).to_owned())
                    .collect::<BTreeSet<_>>(),
            )
        });
    assert_eq!(documented, contract.collect());
}

/// `service:Operation` of all actions that a text names, without those that only the SDK calls.
fn actions(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let words = text.split(|c| !is_part(c));
    words
        .filter(|word| {
            ["xray:", "logs:", "sts:"]
                .iter()
                .any(|service| word.starts_with(service))
        })
        .filter(|word| {
            word.split(':')
                .nth(1)
                .is_some_and(|action| action.starts_with(char::is_uppercase))
        })
        .filter(|word| !word.contains("Role") || *word == "sts:AssumeRole")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_operators_policies_name_the_operations_that_it_calls_and_no_other() {
    let source = read("operator/cli/src/aws/call.rs");
    let (_, list) = source
        .split_once("\noperations! {\n")
        .expect("operations are listed in a macro");
    let (list, _) = list.split_once("\n}").expect("the list ends");
    let called: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.split('"').nth(1))
        .map(|name| name.replacen('.', ":", 1))
        .collect();
    assert!(called.len() > 20, "{called:?}");
    assert_eq!(
        actions(section(&read("docs/iam.md"), "The operator")),
        called
    );
}

#[test]
fn receivers_need_what_aws_s_managed_policy_allows() {
    // AWS managed policy AWSXRayDaemonWriteAccess.
    let managed = [
        "xray:GetSamplingRules",
        "xray:GetSamplingStatisticSummaries",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ];
    assert_eq!(
        actions(section(&read("docs/iam.md"), "Receivers")),
        managed.map(str::to_owned).into()
    );
}

#[test]
fn policies_are_json() {
    let page = read("docs/iam.md");
    let policies = blocks(&page, "json");
    assert!(policies.len() > 8, "{} policies", policies.len());
    for (line, text) in policies {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
            panic!("docs/iam.md:{line}: {error}");
        }
    }
}

#[test]
fn profiles_in_documents_are_valid_and_need_no_advice() {
    let mut profiles = 0;
    for (path, page) in pages() {
        for (line, text) in blocks(&page, "yaml") {
            if !text.starts_with("apiVersion: tracewright.dev") {
                continue;
            }
            let report = lint::lint(&[Source {
                name: format!("{path}, block at line {line}"),
                text,
            }]);
            assert!(
                report.findings.is_empty(),
                "{path}:{line}: {:#?}",
                report.findings
            );
            profiles += report.profiles;
        }
    }
    assert!(profiles >= 2, "{profiles} profiles were found");
}

#[test]
fn options_in_documents_exist() {
    let foreign = [
        "--all",
        "--take-ownership",
        "--post-data",
        "--type",
        "--field-manager",
        "--force",
        "--force-conflicts",
        "--force-replace",
        "--output",
        "--overwrite",
        "--server-side",
        "--server-side=false",
        "--show-managed-fields",
    ];
    let program = grammar(Program::Tracewright);
    let options: BTreeSet<String> = program
        .get_subcommands()
        .flat_map(|command| {
            command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
        })
        .map(|long| format!("--{long}"))
        .collect();
    for (path, page) in pages() {
        let in_code = page
            .split('`')
            .skip(1)
            .step_by(2)
            .flat_map(|code| code.split([' ', '=']));
        let unknown = in_code
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .filter(|word| !options.contains(*word) && !foreign.contains(word))
            .collect::<BTreeSet<_>>();
        assert!(unknown.is_empty(), "{path} names {unknown:?}");
    }
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    for (path, page) in &pages {
        for target in page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(path).parent().expect("a page is in a folder");
            let file = if file.is_empty() {
                PathBuf::from(path)
            } else {
                folder.join(file)
            };
            let there = root().join(&file);
            assert!(
                there.exists(),
                "{path} links to {target}, which is not there"
            );
            if !anchor.is_empty() {
                let text = fs::read_to_string(&there).expect("an anchor is in a page");
                let anchors: BTreeSet<String> = text.lines().filter_map(anchor_of).collect();
                assert!(
                    anchors.contains(anchor),
                    "{path} links to {target}, but there is no such heading: {anchors:?}"
                );
            }
        }
    }
}

/// The anchor that GitHub gives a heading.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line
        .strip_prefix('#')?
        .trim_start_matches('#')
        .strip_prefix(' ')?;
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .collect::<String>();
    Some(kept.replace(' ', "-"))
}

#[test]
fn what_the_architecture_names_exists() {
    let page = read("ARCHITECTURE.md");
    let code: Vec<&str> = page.split('`').collect();
    let (mut files, mut names) = (0, 0);
    for at in (1..code.len()).step_by(2) {
        let is_path =
            code[at].contains('/') && !code[at].starts_with('/') && !code[at].contains(' ');
        if !is_path {
            continue;
        }
        let file = root().join(code[at]);
        assert!(file.exists(), "{} is not there", code[at]);
        files += 1;
        // A name that stands before its file, as `name` in `file`.
        if at >= 2 && code[at - 1] == " in " {
            let (name, source) = (
                code[at - 2],
                fs::read_to_string(&file).expect("a source can be read"),
            );
            let kinds = [
                "fn ",
                "const ",
                "struct ",
                "trait ",
                "enum ",
                "macro_rules! ",
            ];
            let defined = kinds.iter().any(|kind| {
                source
                    .match_indices(&format!("{kind}{name}"))
                    .any(|(start, found)| {
                        !source[start + found.len()..]
                            .starts_with(|c: char| c.is_alphanumeric() || c == '_')
                    })
            });
            assert!(defined, "{name} is not in {}", code[at]);
            names += 1;
        }
    }
    assert!(
        files > 50 && names > 40,
        "{files} files and {names} names were found"
    );
}
