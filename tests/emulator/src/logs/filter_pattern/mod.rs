//! Filter patterns: terms in plain text, and selectors in JSON events.
//!
//! Modelled after the user guide's "Filter pattern syntax": plain terms, `"phrases"`, `?any`, `-not`, `%regex%`, and
//! `{ $.selector operator value }` with `&&`, `||` and parentheses. Space-delimited patterns (`[a, b]`) are refused.

mod parser;

use regex::Regex;
use serde_json::Value;

/// A parsed pattern.
#[derive(Debug)]
pub(super) enum FilterPattern {
    Terms {
        all: Vec<Term>,
        any: Vec<Term>,
        none: Vec<Term>,
    },
    Json(Condition),
}

#[derive(Debug)]
pub(super) enum Term {
    Text(String),
    Regex(Regex),
}

/// What a JSON event must be like.
#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare { path: Vec<Step>, test: Test },
}

#[derive(Debug)]
pub(super) enum Step {
    Member(String),
    Index(usize),
}

#[derive(Debug)]
pub(super) enum Test {
    /// Text with `*` at will.
    Text {
        pattern: String,
        equal: bool,
    },
    Matches {
        regex: Regex,
        equal: bool,
    },
    Number {
        operator: &'static str,
        number: f64,
    },
    Null,
    Boolean(bool),
    NotExists,
}

impl FilterPattern {
    /// Reads a pattern; the empty one matches everything.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        parser::parse(text.trim())
    }

    /// Whether a message matches.
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                all.iter().all(|term| term.is_in(message))
                    && (any.is_empty() || any.iter().any(|term| term.is_in(message)))
                    && !none.iter().any(|term| term.is_in(message))
            }
            Self::Json(condition) => {
                serde_json::from_str(message).is_ok_and(|value| condition.holds(&value))
            }
        }
    }
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Condition {
    fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(event)),
            Self::Compare { path, test } => {
                let found = path.iter().try_fold(event, |value, step| match step {
                    Step::Member(name) => value.get(name),
                    Step::Index(index) => value.get(index),
                });
                test.holds(found)
            }
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = || match value? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match self {
            Self::NotExists => value.is_none(),
            Self::Null => value.is_some_and(Value::is_null),
            Self::Boolean(expected) => value.and_then(Value::as_bool) == Some(*expected),
            Self::Text { pattern, equal } => {
                text().is_some_and(|text| crate::glob::matches(pattern, &text) == *equal)
            }
            Self::Matches { regex, equal } => {
                text().is_some_and(|text| regex.is_match(&text) == *equal)
            }
            Self::Number { operator, number } => {
                value
                    .and_then(Value::as_f64)
                    .is_some_and(|value| match *operator {
                        "=" => value == *number,
                        "!=" => value != *number,
                        "<" => value < *number,
                        "<=" => value <= *number,
                        ">" => value > *number,
                        _ => value >= *number,
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FilterPattern;

    #[test]
    fn patterns_match_as_the_user_guide_says() {
        let json = r#"{"level":"error","code":404,"user":{"name":"ada","tags":["x","y"]},"gone":null,"ok":true}"#;
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("ERROR", "[ERROR 400] BAD REQUEST", true),
            ("ERROR", "[error 400]", false),
            ("ERROR REQUEST", "[ERROR 400] BAD REQUEST", true),
            ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", false),
            ("\"BAD REQUEST\"", "[ERROR 400] BAD REQUEST", true),
            ("?ERROR ?WARN", "WARN: late", true),
            ("?ERROR ?WARN", "INFO: fine", false),
            ("ERROR -EXITING", "ERROR: EXITING", false),
            ("ERROR -EXITING", "ERROR: staying", true),
            ("%4[0-9]{2}%", "status 404", true),
            ("%5[0-9]{2}%", "status 404", false),
            ("{ $.level = \"error\" }", json, true),
            ("{ $.level = err* }", json, true),
            ("{ $.level != \"error\" }", json, false),
            ("{ $.code >= 400 && $.code < 500 }", json, true),
            ("{ $.code = 500 || ($.user.name = \"ada\") }", json, true),
            ("{ $.user.tags[1] = \"y\" }", json, true),
            ("{ $.gone IS NULL }", json, true),
            ("{ $.ok IS TRUE }", json, true),
            ("{ $.absent NOT EXISTS }", json, true),
            ("{ $.level NOT EXISTS }", json, false),
            ("{ $.level = %^err% }", json, true),
            ("{ $.level = \"error\" }", "no json", false),
        ] {
            let parsed = FilterPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(message), expected, "{pattern} on {message}");
        }
    }

    #[test]
    fn a_broken_pattern_is_refused() {
        for pattern in [
            "\"open",
            "{ $.a",
            "{ $.a = }",
            "{ $.a < x }",
            "{ a = 1 }",
            "{ $.a = 1 } b",
            "%(%",
            "[a, b]",
        ] {
            assert!(FilterPattern::parse(pattern).is_err(), "{pattern}");
        }
        let deep = format!("{{ {}$.a = 1", "(".repeat(500));
        assert!(FilterPattern::parse(&deep).is_err());
    }
}
