//! Space-delimited patterns: `[ip, user, ..., status_code = 4*, bytes]` names the fields of an event and tests some.

use super::scan::Scanner;
use super::test::{Test, number};

/// A pattern of fields.
#[derive(Debug)]
pub(super) struct Fields {
    /// Before the ellipsis; all, if there is none.
    head: Vec<Field>,
    /// Behind the ellipsis.
    tail: Option<Vec<Field>>,
}

/// The tests on one field: any of these must hold, of which all parts hold. None: the field only must be there.
#[derive(Debug)]
struct Field(Vec<Vec<Test>>);

impl Field {
    fn holds(&self, text: &str) -> bool {
        let passes = |test: &Test| test.holds(text, number(text));
        self.0.is_empty() || self.0.iter().any(|all| all.iter().all(passes))
    }

    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, String> {
        let name = name(scanner);
        let Some(operator) = scanner.operator() else {
            return Ok(Self(Vec::new()));
        };
        let mut any = vec![vec![scanner.value(operator)?]];
        loop {
            let or = scanner.take("||");
            if !or && !scanner.take("&&") {
                return Ok(Self(any));
            }
            let again = self::name(scanner);
            if again != name {
                return Err(scanner.error(&format!("a condition on {name:?}, not on {again:?},")));
            }
            let operator = scanner
                .operator()
                .ok_or_else(|| scanner.error("an operator"))?;
            let test = scanner.value(operator)?;
            match any.last_mut() {
                Some(all) if !or => all.push(test),
                _ => any.push(vec![test]),
            }
        }
    }
}

/// A field's name, which may be left out.
fn name<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.rest = scanner.rest.trim_start();
    scanner.run(|c| c.is_alphanumeric() || "_-".contains(c))
}

impl Fields {
    pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Self, String> {
        scanner.expect("[")?;
        let (mut head, mut tail) = (Vec::new(), None);
        loop {
            if scanner.take("...") {
                if tail.is_some() {
                    return Err(scanner.error("no second ellipsis"));
                }
                tail = Some(Vec::new());
            } else {
                let field = Field::parse(scanner)?;
                tail.as_mut().unwrap_or(&mut head).push(field);
            }
            if !scanner.take(",") {
                break;
            }
        }
        scanner.expect("]")?;
        scanner.end("]")?;
        Ok(Self { head, tail })
    }

    /// Without an ellipsis the last field takes all that is left: `[w1=ERROR, w2]` is any event that begins with ERROR and
    /// goes on.
    pub(super) fn matches(&self, message: &str) -> bool {
        let mut values = split(message);
        let holds = |fields: &[Field], values: &[(usize, &str)]| {
            fields
                .iter()
                .zip(values)
                .all(|(field, (_, text))| field.holds(text))
        };
        match &self.tail {
            Some(tail) => {
                values.len() >= self.head.len() + tail.len()
                    && holds(&self.head, &values)
                    && holds(tail, &values[values.len() - tail.len()..])
            }
            None => {
                if values.len() < self.head.len() {
                    return false;
                }
                if values.len() > self.head.len()
                    && let Some(last) = self.head.len().checked_sub(1)
                {
                    values[last].1 = message[values[last].0..].trim_end();
                }
                holds(&self.head, &values)
            }
        }
    }
}

/// Where each field of an event begins, and its text: "Characters between brackets ("[]") and double quotation marks ("")
/// are considered single fields."
fn split(message: &str) -> Vec<(usize, &str)> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = message[at..].trim_start();
        at = message.len() - rest.len();
        let enclosed = match rest.chars().next() {
            None => return fields,
            Some('[') => rest[1..].find(']'),
            Some('"') => closing_mark(&rest[1..]),
            Some(_) => None,
        };
        let (text, length) = match enclosed {
            Some(end) => (&rest[1..=end], end + 2),
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        fields.push((at, text));
        at += length;
    }
}

/// The next quotation mark that is not escaped.
fn closing_mark(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}
