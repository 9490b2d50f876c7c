//! The dialect of regular expressions in patterns ("Supported regular expressions (regex) syntax", user guide).

use regex::Regex;

const SYMBOLS: &str = ":_#=@/;,-";
const OPERATORS: &str = "^$?[]{}|\\*+.";
/// Largest compiled expression: a repetition of repetitions is refused, not computed.
const MAX_COMPILED: usize = 1 << 20;

/// Compiles an expression of the dialect, or says why it is none.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    if let Some(odd) = text.chars().find(|c| {
        !(c.is_ascii_alphanumeric()
            || c.is_ascii_whitespace()
            || SYMBOLS.contains(*c)
            || OPERATORS.contains(*c))
    }) {
        return Err(format!(
            "Invalid filter pattern: the regular expression %{text}% contains {odd:?}, which is not supported; write \\xhh"
        ));
    }
    regex::RegexBuilder::new(&translate(text)?)
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| {
            format!("Invalid filter pattern: the regular expression %{text}%: {error}")
        })
}

/// The classes are ASCII's, and all other letters behind a backslash but `x` have no meaning.
fn translate(text: &str) -> Result<String, String> {
    let mut translated = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            translated.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => translated.push_str("[0-9]"),
            Some('D') => translated.push_str("[^0-9]"),
            Some('s') => translated.push_str(r"[ \t\n]"),
            Some('S') => translated.push_str(r"[^ \t\n]"),
            Some('w') => translated.push_str("[a-zA-Z_0-9]"),
            Some('W') => translated.push_str("[^a-zA-Z_0-9]"),
            Some('t') => translated.push_str(r"\t"),
            Some('n') => translated.push_str(r"\n"),
            Some('x') => translated.push_str(r"\x"),
            Some(c) if c.is_ascii_alphanumeric() => {
                return Err(format!(
                    "Invalid filter pattern: the regular expression %{text}% contains \\{c}, which is not supported"
                ));
            }
            Some(c) => translated.push_str(&regex::escape(&c.to_string())),
            None => {
                return Err(format!(
                    "Invalid filter pattern: the regular expression %{text}% ends in a backslash"
                ));
            }
        }
    }
    Ok(translated)
}
