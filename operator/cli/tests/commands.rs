//! The program from outside: names, help, exit codes, closed pipes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TRACEWRIGHT: &str = env!("CARGO_BIN_EXE_tracewright");

const PROFILE: &str =
    "apiVersion: tracewright.dev/v1alpha1\nkind: ObservabilityProfile\nmetadata: {name: a}\n";

fn run(program: impl AsRef<Path>, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program.as_ref())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that does not read its input may be gone already.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn tracewright(arguments: &[&str]) -> Output {
    run(TRACEWRIGHT, arguments, "")
}

fn lint(input: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(TRACEWRIGHT, &[&["lint", "-"], arguments].concat(), input);
    (output.status.code(), text(&output.stdout))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8")
}

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

/// The program under the name that makes it a command of kubectl.
fn as_plugin(folder: &Path) -> PathBuf {
    let plugin = folder.join("kubectl-tracewright");
    std::os::unix::fs::symlink(TRACEWRIGHT, &plugin).expect("a link");
    plugin
}

#[test]
fn help_says_what_the_user_types() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = as_plugin(folder.path());
    for (program, typed) in [
        (Path::new(TRACEWRIGHT), "tracewright"),
        (&plugin, "kubectl tracewright"),
    ] {
        let help = run(program, &["--help"], "");
        assert_eq!(help.status.code(), Some(0));
        assert!(
            text(&help.stdout).contains(&format!("Usage: {typed} <COMMAND>")),
            "{}",
            text(&help.stdout)
        );
        let help = text(&run(program, &["lint", "--help"], "").stdout);
        assert!(
            help.contains(&format!("Usage: {typed} lint [OPTIONS] <FILE>...")),
            "{help}"
        );
        let mistake = run(program, &["lint"], "");
        assert!(
            text(&mistake.stderr).contains(&format!("Usage: {typed} lint <FILE>...")),
            "{}",
            text(&mistake.stderr)
        );
    }
}

#[test]
fn mistakes_and_missing_files_are_errors_on_the_error_output() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["lint"],
        &["lint", "missing.yaml"],
        &["crd", "--output", "xml"],
    ] {
        let output = tracewright(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let output = tracewright(&["lint", "missing.yaml"]);
    assert!(
        text(&output.stderr).starts_with("error: cannot read missing.yaml: No such file"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_file_that_cannot_be_read_hides_nothing_about_the_others() {
    let input = format!("{PROFILE}spec: {{mode: Enforce}}\n");
    let arguments = ["lint", "missing.yaml", "-", "gone.yaml"];
    let output = run(Path::new(TRACEWRIGHT), &arguments, &input);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stdout).contains("<stdin>:4:14: error: Unsupported value: \"Enforce\""),
        "{}",
        text(&output.stdout)
    );
    let told = text(&output.stderr);
    assert!(
        told.contains("cannot read missing.yaml") && told.contains("cannot read gone.yaml"),
        "{told}"
    );
}

#[test]
fn lint_tells_findings_by_its_exit_code() {
    let warning = format!("{PROFILE}spec: {{traces: {{sampler: {{type: xray}}}}}}\n");
    let error = format!("{PROFILE}spec: {{mode: Enforce}}\n");
    for (input, arguments, code) in [
        (format!("{PROFILE}spec: {{}}\n"), &[][..], 0),
        (warning.clone(), &[], 0),
        (warning, &["--strict"], 1),
        (error.clone(), &[], 1),
        (error, &["--output", "json"], 1),
        ("a: [".to_owned(), &[], 1),
    ] {
        let (status, told) = lint(&input, arguments);
        assert_eq!(status, Some(code), "{input} {arguments:?}: {told}");
    }
}

#[test]
fn lint_reads_the_standard_input_and_says_where_and_what() {
    let (_, told) = lint(&format!("{PROFILE}spec:\n  mode: Enforce\n"), &[]);
    assert_eq!(
        told,
        "<stdin>:1:1: warning: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation\n\
         <stdin>:5:9: error: Unsupported value: \"Enforce\": supported values: \"Apply\", \"Preview\", \"Suspended\" (spec.mode)\n\
         1 profile, 1 error, 1 warning\n"
    );
}

#[test]
fn lint_prints_an_array_for_programs() {
    let (_, told) = lint(&format!("{PROFILE}spec: {{}}\n"), &["-o", "json"]);
    assert_eq!(told, "[]\n");
    let (_, told) = lint(
        &format!("{PROFILE}spec: {{xray: {{groups: [{{name: a, filterExpression: fault)}}]}}}}\n"),
        &["-o", "json"],
    );
    let findings: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
    let finding = &findings[0];
    for (key, expected) in [
        ("level", "error"),
        ("reason", "InvalidFilterExpression"),
        ("file", "<stdin>"),
        ("profile", "a"),
        ("field", "spec.xray.groups[0].filterExpression"),
        ("excerpt", "fault)\n     ^"),
    ] {
        assert_eq!(finding[key], expected, "{finding}");
    }
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&4.into(), &52.into()),
        "{finding}"
    );
}

#[test]
fn crd_prints_what_stands_in_the_project() {
    let written =
        fs::read_to_string(project("crds/observabilityprofiles.yaml")).expect("the file is there");
    let printed = tracewright(&["crd"]);
    assert_eq!(printed.status.code(), Some(0));
    assert!(
        text(&printed.stdout) == written,
        "crds/observabilityprofiles.yaml is stale: run `make generate`"
    );
}

#[test]
fn crd_prints_the_same_as_json() {
    let json: serde_json::Value =
        serde_json::from_slice(&tracewright(&["crd", "--output", "json"]).stdout)
            .expect("it is JSON");
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&text(&tracewright(&["crd"]).stdout)).expect("it is YAML");
    assert_eq!(json["kind"], "CustomResourceDefinition");
    assert_eq!(json, yaml);
}

#[test]
fn completions_are_for_the_name_that_was_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = as_plugin(folder.path());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        for (program, name) in [
            (Path::new(TRACEWRIGHT), "tracewright"),
            (&plugin, "kubectl-tracewright"),
        ] {
            let output = run(program, &["completions", shell], "");
            assert_eq!(output.status.code(), Some(0), "{shell}");
            let script = text(&output.stdout);
            assert!(
                script.contains(name) && script.contains("lint"),
                "{shell}: {script:.300}"
            );
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [
        &["crd"][..],
        &["crd", "-o", "json"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let mut child = Command::new(TRACEWRIGHT)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut first = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::with_capacity(16, stdout)
            .read_line(&mut first)
            .expect("a line");
        assert!(!first.is_empty(), "{arguments:?}");
        let status = child.wait().expect("the program ends");
        let mut told = String::new();
        child
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut told)
            .expect("UTF-8");
        assert_eq!(
            (status.code(), told.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn what_was_found_counts_although_nobody_reads_it() {
    let mut child = Command::new(TRACEWRIGHT)
        .args(["lint", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(format!("{PROFILE}spec: {{mode: Enforce}}\n").as_bytes())
        .expect("it is read");
    drop(stdin);
    assert_eq!(child.wait().expect("the program ends").code(), Some(1));
}
