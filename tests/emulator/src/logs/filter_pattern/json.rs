//! Conditions on JSON events: `{ $.selector operator value }` with `&&`, `||` and parentheses.

use serde_json::Value;

use super::scan::Scanner;
use super::test::Test;

/// Nesting of parentheses; the service takes patterns of at most 1,024 characters.
const MAX_DEPTH: usize = 64;
/// "You can only use up to one wildcard selector in a property selector, and up to three wildcard selectors in a filter
/// pattern with compound expressions."
const MAX_WILDCARDS: usize = 3;

/// What a JSON event must be like.
#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Property { path: Vec<Step>, check: Check },
}

#[derive(Debug)]
pub(super) enum Step {
    Member(String),
    Index(usize),
    AnyMember,
    AnyIndex,
}

#[derive(Debug)]
pub(super) enum Check {
    Compare(Test),
    Null,
    Boolean(bool),
    NotExists,
}

impl Condition {
    /// Reads a pattern in braces.
    pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Self, String> {
        let mut parser = Parser {
            scanner,
            depth: 0,
            wildcards: 0,
        };
        parser.scanner.expect("{")?;
        let condition = parser.any()?;
        parser.scanner.expect("}")?;
        parser.scanner.end("}")?;
        if parser.wildcards > MAX_WILDCARDS {
            return Err(format!(
                "Invalid filter pattern: at most {MAX_WILDCARDS} wildcard selectors in a pattern"
            ));
        }
        Ok(condition)
    }

    pub(super) fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(event)),
            Self::Property { path, check } => {
                let found = select(event, path);
                match check {
                    Check::NotExists => found.is_empty(),
                    Check::Null => found.into_iter().any(Value::is_null),
                    Check::Boolean(wanted) => found
                        .into_iter()
                        .any(|value| *value == Value::Bool(*wanted)),
                    Check::Compare(test) => found.into_iter().any(|value| passes(test, value)),
                }
            }
        }
    }
}

/// "Value nodes can be strings or numbers. … If a property selector points to an array or object, the filter pattern won't
/// match the log format."
fn passes(test: &Test, value: &Value) -> bool {
    match value {
        Value::String(text) => test.holds(text, None),
        Value::Number(number) => test.holds(&number.to_string(), number.as_f64()),
        _ => false,
    }
}

fn select<'a>(event: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    path.iter().fold(vec![event], |values, step| {
        let next = values.into_iter().flat_map(|value| -> Vec<&'a Value> {
            match step {
                Step::Member(name) => value.get(name).into_iter().collect(),
                Step::Index(index) => value.get(index).into_iter().collect(),
                Step::AnyMember => value
                    .as_object()
                    .map(|members| members.values().collect())
                    .unwrap_or_default(),
                Step::AnyIndex => value
                    .as_array()
                    .map(|items| items.iter().collect())
                    .unwrap_or_default(),
            }
        });
        next.collect()
    })
}

struct Parser<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    depth: usize,
    wildcards: usize,
}

impl Parser<'_, '_> {
    fn any(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.all()?];
        while self.scanner.take("||") {
            conditions.push(self.all()?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.one()?];
        while self.scanner.take("&&") {
            conditions.push(self.one()?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.scanner.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.scanner.error("fewer parentheses"));
            }
            let condition = self.any()?;
            self.depth -= 1;
            self.scanner.expect(")")?;
            return Ok(condition);
        }
        self.scanner.expect("$")?;
        let path = self.path()?;
        let check = self.check()?;
        Ok(Condition::Property { path, check })
    }

    fn path(&mut self) -> Result<Vec<Step>, String> {
        let scanner = &mut *self.scanner;
        let mut path = Vec::new();
        let mut wildcards = 0;
        loop {
            // A property whose name holds a period is written `$.['cluster.name']`.
            if let Some(rest) = scanner.rest.strip_prefix(".[")
                && rest.starts_with(['\'', '"'])
            {
                scanner.rest = &scanner.rest[1..];
            }
            if let Some(rest) = scanner.rest.strip_prefix("[*]") {
                scanner.rest = rest;
                wildcards += 1;
                path.push(Step::AnyIndex);
            } else if let Some(rest) = scanner.rest.strip_prefix('[') {
                let end = match rest.chars().next() {
                    Some('\'') => "']",
                    Some('"') => "\"]",
                    _ => "]",
                };
                let (inside, rest) = rest.split_once(end).ok_or_else(|| scanner.error(end))?;
                path.push(match inside.strip_prefix(['\'', '"']) {
                    Some(name) => Step::Member(name.to_owned()),
                    None => Step::Index(inside.parse().map_err(|_| scanner.error("an index"))?),
                });
                scanner.rest = rest;
            } else if let Some(rest) = scanner.rest.strip_prefix(".*") {
                scanner.rest = rest;
                wildcards += 1;
                path.push(Step::AnyMember);
            } else if let Some(rest) = scanner.rest.strip_prefix('.') {
                scanner.rest = rest;
                // "Property selectors are alphanumeric strings that support hyphen ("-") and underscore ("_") characters."
                let name = scanner.run(|c| c.is_alphanumeric() || "_-".contains(c));
                if name.is_empty() {
                    return Err(scanner.error("the name of a property"));
                }
                path.push(Step::Member(name.to_owned()));
            } else {
                break;
            }
        }
        if path.is_empty() {
            return Err(scanner.error("a property selector such as $.level"));
        }
        if wildcards > 1 {
            return Err(
                "Invalid filter pattern: at most one wildcard selector in a property selector"
                    .to_owned(),
            );
        }
        self.wildcards += wildcards;
        Ok(path)
    }

    fn check(&mut self) -> Result<Check, String> {
        let scanner = &mut *self.scanner;
        if scanner.take("NOT") {
            scanner.expect("EXISTS")?;
            return Ok(Check::NotExists);
        }
        if scanner.take("IS") {
            for (word, check) in [
                ("NULL", Check::Null),
                ("TRUE", Check::Boolean(true)),
                ("FALSE", Check::Boolean(false)),
            ] {
                if scanner.take(word) {
                    return Ok(check);
                }
            }
            return Err(scanner.error("NULL, TRUE or FALSE"));
        }
        match scanner.operator() {
            Some(operator) => scanner.value(operator).map(Check::Compare),
            None => Err(scanner.error("an operator")),
        }
    }
}
