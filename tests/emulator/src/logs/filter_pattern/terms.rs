//! Terms of plain text: all of them, any of the optional ones, none of the excluded ones.

use regex::Regex;

use super::scan::Scanner;

/// The terms of a pattern.
#[derive(Debug)]
pub(super) struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            // "You can match everything in your log events with double quotation marks": `" "`.
            Self::Text(text) => text.trim().is_empty() || message.contains(text),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Terms {
    pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Self, String> {
        let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
        while !scanner.rest.is_empty() {
            let terms = if scanner.take("?") {
                &mut any
            } else if scanner.take("-") {
                &mut none
            } else {
                &mut all
            };
            terms.push(term(scanner)?);
            scanner.rest = scanner.rest.trim_start();
        }
        // "If you combine "?" with other filter patterns, all question mark terms will be ignored."
        if !all.is_empty() || !none.is_empty() {
            any.clear();
        }
        Ok(Self { all, any, none })
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        self.all.iter().all(|term| term.is_in(message))
            && (self.any.is_empty() || self.any.iter().any(|term| term.is_in(message)))
            && !self.none.iter().any(|term| term.is_in(message))
    }
}

/// "Enclose exact phrases and terms that include non-alphanumeric characters in double quotation marks"; `_` is free too.
fn term(scanner: &mut Scanner<'_>) -> Result<Term, String> {
    let odd = |term: &str| format!("Invalid filter pattern: Invalid character(s) in term '{term}'");
    match scanner.rest.chars().next() {
        Some('"') => match scanner.quoted()? {
            text if text.is_empty() => Err(odd("\"\"")),
            text => Ok(Term::Text(text)),
        },
        Some('%') => scanner.regex().map(Term::Regex),
        _ => {
            let word = scanner.run(|c| !c.is_whitespace());
            let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
            match plain {
                true => Ok(Term::Text(word.to_owned())),
                false => Err(odd(word)),
            }
        }
    }
}
