//! Reading a pattern from left to right: symbols, quoted text, regular expressions, and values to compare with.

use regex::Regex;

use super::dialect;
use super::test::{Operator, Test, Wanted, Wildcard, number};

/// What is still to be read of a pattern.
pub(super) struct Scanner<'a> {
    pub(super) rest: &'a str,
    /// Regular expressions read so far.
    pub(super) regexes: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            regexes: 0,
        }
    }

    /// Takes a symbol or word, if it comes next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(self.error(token)),
        }
    }

    /// Refuses anything behind the end of the pattern.
    pub(super) fn end(&self, after: &str) -> Result<(), String> {
        match self.rest.trim().is_empty() {
            true => Ok(()),
            false => Err(self.error(&format!("nothing after {after}"))),
        }
    }

    pub(super) fn error(&self, expected: &str) -> String {
        format!(
            "Invalid filter pattern: expected {expected} at {:?}",
            self.rest.trim_start()
        )
    }

    /// The text in quotation marks that comes next.
    pub(super) fn quoted(&mut self) -> Result<String, String> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(value);
                }
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                c => value.push(c),
            }
        }
        Err("Invalid filter pattern: a quotation mark is not closed".to_owned())
    }

    /// The `%regex%` that comes next.
    pub(super) fn regex(&mut self) -> Result<Regex, String> {
        let body = self.rest.strip_prefix('%').unwrap_or(self.rest);
        let (body, rest) = body
            .split_once('%')
            .ok_or("Invalid filter pattern: a regular expression is not closed by %")?;
        self.rest = rest;
        self.regexes += 1;
        dialect::compile(body)
    }

    /// The longest run of characters that `belongs` takes.
    pub(super) fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    pub(super) fn operator(&mut self) -> Option<Operator> {
        [
            ("!=", Operator::NotEqual),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ]
        .into_iter()
        .find_map(|(symbol, operator)| self.take(symbol).then_some(operator))
    }

    /// The value after an operator: a quoted or plain text with `*` at its ends, a `%regex%` or a number.
    pub(super) fn value(&mut self, operator: Operator) -> Result<Test, String> {
        self.rest = self.rest.trim_start();
        let compares_text = matches!(operator, Operator::Equal | Operator::NotEqual);
        let wanted = match self.rest.chars().next() {
            Some('"') if compares_text => Wanted::Text(Wildcard::new(&self.quoted()?)),
            Some('%') if compares_text => Wanted::Regex(self.regex()?),
            _ => {
                let before = self.rest;
                // "Strings that contain types other than alphanumeric characters and the underscore symbol must be placed
                // in double quotation marks"; the guide's own examples leave dots of addresses out of that.
                let word = self.run(|c| c.is_alphanumeric() || "_*.:/+-".contains(c));
                match number(word) {
                    Some(number) => Wanted::Number(number, Wildcard::new(word)),
                    None if compares_text && !word.is_empty() => Wanted::Text(Wildcard::new(word)),
                    None => {
                        self.rest = before;
                        return Err(self.error(match compares_text {
                            true => "a value, text with other characters than letters, digits and _ in quotation marks,",
                            false => "a number",
                        }));
                    }
                }
            }
        };
        Ok(Test { operator, wanted })
    }
}
