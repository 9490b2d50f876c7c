//! The documents say what the contract says: every reason, state and variable is explained, and nothing that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tracewright_core::inject::DUPLICATE_ENV;
use tracewright_xray::contract::condition::CONDITIONS;
use tracewright_xray::contract::{item, skip};

#[path = "../../../tests/generate/environment.rs"]
mod environment;

/// Words of the status and of Events that are written in one place only and so are not of the contract.
const OWN_WORDS: [&str; 15] = [
    "Adopted",
    "Created",
    "Deleted",
    "DriftRepaired",
    "Failed",
    "Injected",
    "Released",
    "Restored",
    "Rolling",
    "Skipped",
    "Stale",
    "Updated",
    "Pending",
    "PatchRefused",
    DUPLICATE_ENV,
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text below a heading, up to the next heading of the same or a higher level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let level = heading
        .split(' ')
        .next()
        .expect("a heading begins with #")
        .len();
    let line = format!("\n{heading}\n");
    let start = page
        .find(&line)
        .unwrap_or_else(|| panic!("no heading {heading:?}"))
        + line.len();
    let text = &page[start..];
    let ends = |line: &str| {
        let marks = line.len() - line.trim_start_matches('#').len();
        (1..=level).contains(&marks)
    };
    let length: usize = text
        .split_inclusive('\n')
        .take_while(|line| !ends(line))
        .map(str::len)
        .sum();
    &text[..length]
}

/// The words that the tables explain: the first cell of each row.
fn explained(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(word, _)| word)
        .filter(|word| word.chars().all(char::is_alphanumeric))
        .collect()
}

/// Texts of the constants in a file of the contract, so that none is left out of a list.
fn constants(file: &str) -> BTreeSet<String> {
    let source = read(file);
    let texts: BTreeSet<String> = source
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("pub const ")?
                .split_once(": &str = \"")
        })
        .filter_map(|(_, value)| Some(value.split_once('"')?.0.to_owned()))
        .collect();
    assert!(
        !texts.is_empty(),
        "{file} has no constants of the expected form"
    );
    texts
}

#[test]
fn every_reason_of_a_condition_is_explained_in_its_section() {
    let page = read("docs/conditions.md");
    for condition in CONDITIONS {
        let words = explained(section(&page, &format!("## {}", condition.name)));
        let reasons = [
            condition.when_true,
            condition.when_false,
            condition.when_unknown,
        ]
        .concat();
        let missing: Vec<_> = reasons
            .into_iter()
            .filter(|reason| !words.contains(reason))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/conditions.md explains no {missing:?} of {}",
            condition.name
        );
    }
}

#[test]
fn every_word_of_the_contract_is_explained_and_no_other() {
    let page = read("docs/conditions.md");
    let words = explained(&page);
    let mut known = constants("crates/xray/src/contract/condition.rs");
    for condition in CONDITIONS {
        assert!(
            known.remove(condition.name),
            "{} is no constant",
            condition.name
        );
    }
    known.extend(
        item::ALL
            .iter()
            .chain(skip::ALL)
            .map(|word| (*word).to_owned()),
    );
    let missing: Vec<_> = known
        .iter()
        .filter(|word| !words.contains(word.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/conditions.md does not explain {missing:?}"
    );
    known.extend(OWN_WORDS.map(str::to_owned));
    let stale: Vec<_> = words
        .iter()
        .filter(|word| !known.contains(**word))
        .collect();
    assert!(
        stale.is_empty(),
        "docs/conditions.md explains {stale:?}, which nothing says"
    );
}

#[test]
fn item_states_and_skip_reasons_stand_in_their_tables() {
    let page = read("docs/conditions.md");
    let states: BTreeSet<&str> = item::ALL.iter().copied().collect();
    assert_eq!(
        explained(section(&page, "## States of AWS objects")),
        states
    );
    let mut reasons: BTreeSet<&str> = skip::ALL.iter().copied().collect();
    reasons.extend([DUPLICATE_ENV, "PatchRefused"]);
    assert_eq!(explained(section(&page, "## Skip reasons")), reasons);
}

#[test]
fn every_skip_reason_has_a_remedy_on_the_page_about_injection() {
    let page = read("docs/injection.md");
    let mut reasons: BTreeSet<&str> = skip::ALL.iter().copied().collect();
    reasons.insert(DUPLICATE_ENV);
    let table = section(&page, "## Every skip reason, and what to do");
    assert_eq!(explained(table), reasons);
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(
            cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()),
            "an empty cell: {row}"
        );
    }
}

#[test]
fn the_page_of_variables_is_what_the_contract_says() {
    assert_eq!(
        read(environment::FILE),
        environment::environment(),
        "run `make generate`"
    );
}
