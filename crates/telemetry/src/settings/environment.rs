//! Reading variables one by one, noting what cannot be obeyed instead of failing.

use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A variable that cannot be obeyed. The process serves on without what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: String,
    /// Its value; left out where it may hold a secret.
    pub value: Option<String>,
    /// What is wrong, what happens now, and what to write instead.
    pub explanation: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?}: {}", self.variable, self.explanation),
            None => write!(f, "{}: {}", self.variable, self.explanation),
        }
    }
}

/// No wait is longer, in milliseconds: a day.
const LONGEST: u64 = 86_400_000;

/// The variables of a process, and what was found wrong with them.
pub(super) struct Environment {
    variables: BTreeMap<String, String>,
    pub(super) problems: Vec<Problem>,
}

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            problems: Vec::new(),
        }
    }

    /// The value, trimmed. An empty value is the same as none, as OpenTelemetry says.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The first of the names that is set, with its value.
    pub(super) fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names
            .iter()
            .find_map(|name| Some((*name, self.text(name)?)))
    }

    /// The entries of a comma-separated list, without empty ones.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.text(name)?;
        Some(
            value
                .split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// As [`Environment::first`], for a value out of a set. Case does not count.
    pub(super) fn choice<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        let (name, value) = self.first(names)?;
        Some((name, value.to_ascii_lowercase()))
    }

    /// As [`Environment::list`], for values out of a set. Case does not count.
    pub(super) fn choices(&self, name: &str) -> Option<Vec<String>> {
        let mut list = self.list(name)?;
        list.iter_mut()
            .for_each(|entry| entry.make_ascii_lowercase());
        Some(list)
    }

    /// A number within `range`. What is none is reported, and `default` holds.
    pub(super) fn number(
        &mut self,
        names: &[&str],
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let Some((name, value)) = self.first(names) else {
            return default;
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let explanation = format!(
                    "a whole number from {} to {} is expected; {default} holds",
                    range.start(),
                    range.end()
                );
                self.refuse(name, explanation);
                default
            }
        }
    }

    /// A time in milliseconds, at most [`LONGEST`], as [`Environment::number`].
    pub(super) fn milliseconds(&mut self, names: &[&str], default: u64) -> Duration {
        Duration::from_millis(self.number(names, default, 0..=LONGEST))
    }

    /// As [`Environment::milliseconds`], where 0 means no limit: then [`LONGEST`] is it.
    pub(super) fn timeout(&mut self, names: &[&str], default: u64) -> Duration {
        match self.milliseconds(names, default) {
            Duration::ZERO => Duration::from_millis(LONGEST),
            limit => limit,
        }
    }

    /// OpenTelemetry's booleans: only `true`, in any case, is true.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self
            .text(name)
            .map(|value| value.to_ascii_lowercase())
            .as_deref()
        {
            Some("true") => true,
            None | Some("false") => false,
            Some(_) => {
                self.refuse(name, "true or false is expected; false holds");
                false
            }
        }
    }

    /// Notes that a variable cannot be obeyed.
    pub(super) fn refuse(&mut self, name: &str, explanation: impl Into<String>) {
        let value = self.text(name);
        self.problems.push(Problem {
            variable: name.into(),
            value,
            explanation: explanation.into(),
        });
    }

    /// Like [`Environment::refuse`], for a variable whose value must not be shown.
    pub(super) fn refuse_secret(&mut self, name: &str, explanation: impl Into<String>) {
        self.problems.push(Problem {
            variable: name.into(),
            value: None,
            explanation: explanation.into(),
        });
    }
}

/// The pairs of `key=value,…` with percent-encoded values, as W3C Baggage writes them, or the first entry that is none.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, &str> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (key, value) = entry.split_once('=').ok_or(entry)?;
            let value = decoded(value.trim()).ok_or(entry)?;
            match key.trim() {
                "" => Err(entry),
                key => Ok((key.to_owned(), value)),
            }
        })
        .collect()
}

/// The text without its percent-encoding, if that gives a text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    Some(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(
            variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string())),
        )
    }

    #[test]
    fn empty_is_unset_and_text_is_trimmed() {
        let environment = environment(&[("A", " "), ("B", " x "), ("C", "a, ,b")]);
        assert_eq!(environment.text("A"), None);
        assert_eq!(environment.first(&["A", "B"]), Some(("B", "x".into())));
        assert_eq!(environment.list("C"), Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_bad_number_is_reported_by_name_and_value() {
        let mut environment = environment(&[("N", "1e3"), ("M", "7")]);
        assert_eq!(environment.number(&["N"], 5, 1..=10), 5);
        assert_eq!(environment.number(&["M"], 5, 1..=10), 7);
        assert_eq!(
            environment.problems[0].to_string(),
            "N=\"1e3\": a whole number from 1 to 10 is expected; 5 holds"
        );
        assert_eq!(environment.problems.len(), 1);
    }

    #[test]
    fn pairs_are_decoded_and_the_bad_one_is_named() {
        assert_eq!(
            pairs("a=1, b = x%2Cy%20z ,c=d=e,f="),
            Ok(vec![
                ("a".into(), "1".into()),
                ("b".into(), "x,y z".into()),
                ("c".into(), "d=e".into()),
                ("f".into(), String::new())
            ])
        );
        assert_eq!(pairs("a=1,b"), Err("b"));
        assert_eq!(pairs("=1"), Err("=1"));
        assert_eq!(pairs("a=%ff"), Err("a=%ff"));
    }
}
