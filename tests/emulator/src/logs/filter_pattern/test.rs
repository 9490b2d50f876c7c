//! Comparing one value of an event, a JSON property or a field, with what a pattern asks for.

use regex::Regex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What a value is compared with.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A number, and how it was written: text that is no number can still be equal to that.
    Number(f64, Wildcard),
    Text(Wildcard),
    Regex(Regex),
}

/// An operator and what stands behind it.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) operator: Operator,
    pub(super) wanted: Wanted,
}

impl Test {
    /// Whether a value passes; `number` is its number, if it is one.
    pub(super) fn holds(&self, text: &str, number: Option<f64>) -> bool {
        let equal = match (&self.wanted, number) {
            (Wanted::Number(wanted, _), Some(number)) => {
                return match self.operator {
                    Operator::Equal => number == *wanted,
                    Operator::NotEqual => number != *wanted,
                    Operator::Less => number < *wanted,
                    Operator::AtMost => number <= *wanted,
                    Operator::Greater => number > *wanted,
                    Operator::AtLeast => number >= *wanted,
                };
            }
            (Wanted::Number(_, written), None) => written.matches(text),
            (Wanted::Text(wanted), _) => wanted.matches(text),
            (Wanted::Regex(regex), _) => regex.is_match(text),
        };
        match self.operator {
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
            Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => false,
        }
    }
}

/// Text with `*` at its ends; one in the middle is itself ("`Ev*ent` will only match the actual string `Ev*ent`").
#[derive(Debug)]
pub(super) struct Wildcard {
    text: String,
    any_before: bool,
    any_after: bool,
}

impl Wildcard {
    pub(super) fn new(written: &str) -> Self {
        let (any_before, text) = match written.strip_prefix('*') {
            Some(text) => (true, text),
            None => (false, written),
        };
        let (any_after, text) = match text.strip_suffix('*') {
            Some(text) => (true, text),
            None => (false, text),
        };
        Self {
            text: text.to_owned(),
            any_before,
            any_after,
        }
    }

    fn matches(&self, text: &str) -> bool {
        match (self.any_before, self.any_after) {
            (false, false) => text == self.text,
            (true, false) => text.ends_with(&self.text),
            (false, true) => text.starts_with(&self.text),
            (true, true) => text.contains(&self.text),
        }
    }
}

/// A number as patterns and events write it: sign, decimals, exponent; never `inf` or `nan`.
pub(super) fn number(text: &str) -> Option<f64> {
    let written_as_number = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|_| written_as_number)
}
