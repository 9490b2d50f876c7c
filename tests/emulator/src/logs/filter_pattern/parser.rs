//! Reading filter patterns.

use regex::Regex;

use super::{Condition, FilterPattern, Step, Term, Test};

/// Nesting of parentheses; the service takes patterns of at most 1,024 characters.
const MAX_DEPTH: usize = 64;

/// Reads a pattern, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<FilterPattern, String> {
    match text.chars().next() {
        Some('{') => Parser {
            rest: text,
            depth: 0,
        }
        .json()
        .map(FilterPattern::Json),
        Some('[') => Err(
            "Invalid filter pattern: space-delimited patterns are not modelled by this emulator"
                .to_owned(),
        ),
        _ => terms(text),
    }
}

fn terms(text: &str) -> Result<FilterPattern, String> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (list, term) = match rest.chars().next() {
            Some('?') => (&mut any, &rest[1..]),
            Some('-') => (&mut none, &rest[1..]),
            _ => (&mut all, rest),
        };
        let (term, after) = match term.chars().next() {
            Some('"') => quoted(term).map(|(text, after)| (Term::Text(text), after))?,
            Some('%') => regex(term).map(|(regex, after)| (Term::Regex(regex), after))?,
            _ => {
                let (word, after) =
                    term.split_at(term.find(char::is_whitespace).unwrap_or(term.len()));
                (Term::Text(word.to_owned()), after)
            }
        };
        list.push(term);
        rest = after.trim_start();
    }
    Ok(FilterPattern::Terms { all, any, none })
}

/// A quoted text and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    Err("Invalid filter pattern: a quotation mark is not closed".to_owned())
}

/// A `%regex%` and what follows it.
fn regex(text: &str) -> Result<(Regex, &str), String> {
    let body = &text[1..];
    let end = body
        .find('%')
        .ok_or("Invalid filter pattern: a regular expression is not closed by %")?;
    let regex =
        Regex::new(&body[..end]).map_err(|error| format!("Invalid filter pattern: {error}"))?;
    Ok((regex, &body[end + 1..]))
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn json(mut self) -> Result<Condition, String> {
        self.expect("{")?;
        let condition = self.any()?;
        self.expect("}")?;
        match self.rest.trim().is_empty() {
            true => Ok(condition),
            false => Err(self.error("nothing after }")),
        }
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.all()?];
        while self.take("||") {
            conditions.push(self.all()?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.one()?];
        while self.take("&&") {
            conditions.push(self.one()?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.error("fewer parentheses"));
            }
            let condition = self.any()?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(condition);
        }
        self.expect("$")?;
        let path = self.path()?;
        let test = self.test()?;
        Ok(Condition::Compare { path, test })
    }

    fn path(&mut self) -> Result<Vec<Step>, String> {
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix("[\"") {
                let end = rest.find("\"]").ok_or_else(|| self.error("\"]"))?;
                path.push(Step::Member(rest[..end].to_owned()));
                self.rest = &rest[end + 2..];
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let end = rest.find(']').ok_or_else(|| self.error("]"))?;
                path.push(Step::Index(
                    rest[..end].parse().map_err(|_| self.error("an index"))?,
                ));
                self.rest = &rest[end + 1..];
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || "_-".contains(c)))
                    .unwrap_or(rest.len());
                path.push(Step::Member(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else {
                return Ok(path);
            }
        }
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.take("NOT") {
            self.expect("EXISTS")?;
            return Ok(Test::NotExists);
        }
        if self.take("IS") {
            for (word, test) in [
                ("NULL", Test::Null),
                ("TRUE", Test::Boolean(true)),
                ("FALSE", Test::Boolean(false)),
            ] {
                if self.take(word) {
                    return Ok(test);
                }
            }
            return Err(self.error("NULL, TRUE or FALSE"));
        }
        const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];
        let operator = OPERATORS
            .into_iter()
            .find(|operator| self.take(operator))
            .ok_or_else(|| self.error("an operator"))?;
        let equal = operator == "=";
        let compares_text = equal || operator == "!=";
        self.rest = self.rest.trim_start();
        match self.rest.chars().next() {
            Some('"') if compares_text => {
                let (pattern, rest) = quoted(self.rest)?;
                self.rest = rest;
                Ok(Test::Text { pattern, equal })
            }
            Some('%') if compares_text => {
                let (regex, rest) = regex(self.rest)?;
                self.rest = rest;
                Ok(Test::Matches { regex, equal })
            }
            _ => {
                let end = self
                    .rest
                    .find(|c: char| c.is_whitespace() || ")}&|".contains(c))
                    .unwrap_or(self.rest.len());
                let word = &self.rest[..end];
                let test = match word.parse::<f64>() {
                    Ok(number) => Test::Number { operator, number },
                    Err(_) if compares_text && !word.is_empty() => Test::Text {
                        pattern: word.to_owned(),
                        equal,
                    },
                    Err(_) => return Err(self.error("a number")),
                };
                self.rest = &self.rest[end..];
                Ok(test)
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(self.error(token)),
        }
    }

    fn error(&self, expected: &str) -> String {
        format!(
            "Invalid filter pattern: expected {expected} at {:?}",
            self.rest.trim_start()
        )
    }
}
