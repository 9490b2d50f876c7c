//! Findings for people and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Effects, Style};

use super::{Finding, Level, Report};

const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const PLACE: Style = Style::new().bold();
const FIELD: Style = AnsiColor::Cyan.on_default();

/// Prints findings as `file:line:column: level: message (field)`, and at the end what was looked at.
///
/// # Errors
/// Where the output cannot be written.
pub fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        line(finding, out)?;
    }
    for ignored in &report.ignored {
        writeln!(
            out,
            "{}:{}: ignored: {}",
            ignored.file, ignored.line, ignored.what
        )?;
    }
    let summary = [
        count(report.profiles, "profile"),
        count(report.count(Level::Error), "error"),
        count(report.count(Level::Warning), "warning"),
    ];
    let ignored = match report.ignored.len() {
        0 => String::new(),
        documents => format!(", {} ignored", count(documents, "other document")),
    };
    writeln!(out, "{}{ignored}", summary.join(", "))
}

fn line(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding {
        file,
        place,
        level,
        message,
        field,
        ..
    } = finding;
    let style = match level {
        Level::Error => ERROR,
        Level::Warning => WARNING,
    };
    let level = level.as_str();
    write!(
        out,
        "{PLACE}{file}:{}:{}:{PLACE:#} {style}{level}:{style:#} {message}",
        place.line, place.column
    )?;
    if !field.segments().is_empty() {
        write!(out, " {FIELD}({field}){FIELD:#}")?;
    }
    writeln!(out)?;
    for line in finding.excerpt.iter().flat_map(|excerpt| excerpt.lines()) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// Prints findings as a JSON array.
///
/// # Errors
/// Where the output cannot be written.
pub fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(&report.findings)?;
    text.push(b'\n');
    out.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::super::{Ignored, Place};
    use super::*;
    use tracewright_core::field::FieldPath;

    fn plain(report: &Report) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        text(report, &mut out).expect("memory takes everything");
        String::from_utf8(out.into_inner()).expect("it is text")
    }

    #[test]
    fn a_finding_is_a_line_with_place_level_message_and_field() {
        let finding = Finding {
            level: Level::Warning,
            reason: "FilterExpression",
            file: "a.yaml".to_owned(),
            place: Place { line: 3, column: 5 },
            profile: Some("ns/a".to_owned()),
            field: FieldPath::of("spec.xray.groups").index(0),
            message: "is odd".to_owned(),
            excerpt: Some("fault )\n      ^".to_owned()),
        };
        let ignored = Ignored {
            what: "Secret b".to_owned(),
            file: "a.yaml".to_owned(),
            line: 9,
        };
        let report = Report {
            findings: vec![finding],
            profiles: 1,
            ignored: vec![ignored],
        };
        assert_eq!(
            plain(&report),
            "a.yaml:3:5: warning: is odd (spec.xray.groups[0])\n    fault )\n          ^\n\
             a.yaml:9: ignored: Secret b\n1 profile, 0 errors, 1 warning, 1 other document ignored\n"
        );
    }

    #[test]
    fn nothing_found_is_said_too() {
        assert_eq!(
            plain(&Report::default()),
            "0 profiles, 0 errors, 0 warnings\n"
        );
    }
}
