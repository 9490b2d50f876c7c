//! The page of injected variables, made of the contract that the operator renders by and the library obeys.

use std::fmt::Write;

use tracewright_xray::contract::name::SIDECAR_CONTAINERS;
use tracewright_xray::contract::{VARIABLES, Variable, variable};

/// Where the page stands in the project.
pub const FILE: &str = "docs/environment.md";

const HEAD: &str = "\
# Injected environment variables

Made of the contract by `make generate`. How they get into workloads, and who wins where a workload sets one itself, is in
[injection.md](injection.md).

They stand in this order before the container's own entries, so that the container's entries may refer to them as `$(NAME)`; Kubernetes
expands references backwards only. A name that ends in `_` is the beginning of names. Examples are of
[`examples/cruddur.yaml`](../examples/cruddur.yaml), or of the smallest profile that has the variable.
";

const AFTER: &str = "
After these come the entries of `traces.env`, in the profile's order: literals whose names begin with PREFIXES. An entry for a
variable above takes its place there; the schema refuses those that have a field of their own.

## Rules

- Literals are percent-encoded where a list is made of them (resource attributes, headers), and `$(` in them is written `$$(`, so that Kubernetes
  expands only the references that are meant.
- Values out of a Secret are used as they are: what the syntax of `OTEL_EXPORTER_OTLP_HEADERS` reserves (`,` `;` `%` and space) must already be
  percent-encoded in the Secret.
- `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` are injected together or not at all; an argument that is not needed is empty, because an
  image's own argument would otherwise be taken for the injected sampler's.
- Never injected: `AWS_REGION`, AWS credentials, `AWS_ENDPOINT_URL` and its relatives. They belong to the workload.
- Init containers are never touched. Without `workloads.containers` neither are these sidecars: SIDECARS.
- How variables are rendered has a version. A workload keeps its version until its profile changes, so an upgrade of the operator restarts nobody.
";

/// The page.
pub fn environment() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| | variable | injected | example | meaning |\n|---|---|---|---|---|\n");
    for (
        position,
        Variable {
            name,
            starred: _,
            when,
            example,
            meaning,
        },
    ) in VARIABLES.iter().enumerate()
    {
        let (number, when, meaning) = (position + 1, named(when), named(meaning));
        let _ = writeln!(
            page,
            "| {number} | `{name}` | {when} | {} | {meaning} |",
            shown(example)
        );
    }
    let after = AFTER
        .replace("PREFIXES", &list(variable::USER_PREFIXES))
        .replace("SIDECARS", &list(SIDECAR_CONTAINERS));
    page.push_str(&after);
    page
}

/// An example: a value as code; a reference, which begins with its kind, as it is.
fn shown(example: &str) -> String {
    match example.split_once(' ') {
        Some((kind @ ("fieldRef" | "secretKeyRef"), source)) => {
            let (source, optional) = source
                .split_once(',')
                .map_or((source, ""), |(source, _)| (source, ", optional"));
            format!("{kind} `{source}`{optional}")
        }
        _ => format!("`{}`", example.replace('|', "\\|")),
    }
}

/// Names of variables in a sentence as code.
fn named(sentence: &str) -> String {
    let word = |word: &str| {
        let name = word.trim_end_matches(['.', ',', ':', ';']);
        let is_name =
            name.contains('_') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_name {
            format!("`{name}`{}", &word[name.len()..])
        } else {
            word.to_owned()
        }
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
