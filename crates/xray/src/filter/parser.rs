//! Recursive descent over the grammar of the module's documentation.

use super::ast::{Expression, Unknown};
use super::error::{SyntaxError, Warning, WarningKind};
use super::keyword::{
    BooleanKeyword, GroupKeyword, NumberKeyword, Place, RootCauseElement, RootCauseKind,
    StringKeyword, misplaced, suggest,
};
use super::lexer::{Spanned, Token, tokens};
use super::{MAX_DEPTH, MAX_LENGTH, MAX_WARNINGS, Parsed};

pub(super) fn parse(source: &str) -> Result<Parsed, SyntaxError> {
    if source.len() > MAX_LENGTH {
        let message = format!(
            "the expression is {} bytes long; {MAX_LENGTH} is the most that is accepted",
            source.len()
        );
        return Err(SyntaxError::new(source, MAX_LENGTH, message));
    }
    let mut parser = Parser {
        source,
        tokens: tokens(source),
        next: 0,
        place: Place::Trace,
        depth: 0,
        warnings: Vec::new(),
    };
    let expression = parser.or_expression()?;
    match parser.peek() {
        Token::End => Ok(Parsed {
            expression,
            warnings: parser.warnings,
        }),
        Token::ParenthesisClose => {
            Err(parser.fail("this `)` closes nothing; remove it, or write `(` before it"))
        }
        Token::BraceClose => {
            Err(parser.fail("this `}` closes nothing; remove it, or write `{` before it"))
        }
        _ => Err(parser.expected("AND, OR or the end of the expression", "")),
    }
}

/// The state of one parse. Comparisons and nodes have files of their own.
pub(super) struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Spanned<'a>>,
    next: usize,
    pub(super) place: Place,
    depth: usize,
    warnings: Vec<Warning>,
}

impl<'a> Parser<'a> {
    pub(super) fn spanned(&self) -> &Spanned<'a> {
        // The last token is never taken, so `next` stays within.
        &self.tokens[self.next]
    }

    pub(super) fn peek(&self) -> &Token<'a> {
        &self.spanned().token
    }

    /// Takes the next token, unless it is the last.
    pub(super) fn advance(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    pub(super) fn eat(&mut self, token: &Token<'_>) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    /// An error at the next token; or that token's own, if it could not even be read.
    pub(super) fn fail(&self, message: impl Into<String>) -> SyntaxError {
        match &self.spanned().token {
            Token::Broken(error) => (**error).clone(),
            _ => SyntaxError::new(self.source, self.spanned().start, message.into()),
        }
    }

    pub(super) fn expected(&self, what: &str, write: &str) -> SyntaxError {
        let separator = if write.is_empty() { "" } else { "; " };
        self.fail(format!(
            "expected {what}, found {}{separator}{write}",
            self.peek()
        ))
    }

    pub(super) fn expect(&mut self, token: &Token<'_>, behind: &str) -> Result<(), SyntaxError> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.expected(&format!("{token} {behind}"), ""))
        }
    }

    /// Warns, unless there are warnings enough. The kind is made only then: a suggestion costs time.
    fn warn(&mut self, offset: usize, kind: impl FnOnce() -> WarningKind) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings
                .push(Warning::new(self.source, offset, kind()));
        }
    }

    /// Parses one level deeper, if that is still allowed.
    pub(super) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail(format!(
                "the expression is nested more than {MAX_DEPTH} levels deep; write it with fewer parentheses and braces"
            )));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(super) fn or_expression(&mut self) -> Result<Expression, SyntaxError> {
        let first = self.and_expression()?;
        if !self.at_word("or") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.at_word("or") {
            self.advance();
            parts.push(self.and_expression()?);
        }
        Ok(Expression::Or(parts))
    }

    fn and_expression(&mut self) -> Result<Expression, SyntaxError> {
        let first = self.unary()?;
        if !self.at_another_part() {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.at_another_part() {
            if self.at_word("and") {
                self.advance();
            }
            parts.push(self.unary()?);
        }
        Ok(Expression::And(parts))
    }

    /// Whether AND comes next, or the start of a part that stands there without it.
    fn at_another_part(&self) -> bool {
        match self.peek() {
            Token::Word(_) => !self.at_word("or"),
            Token::BracketedKey(_) | Token::Not | Token::ParenthesisOpen => true,
            _ => false,
        }
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        if !self.eat(&Token::Not) {
            return self.primary();
        }
        if *self.peek() == Token::Not {
            return Err(
                self.fail("a second `!` undoes the first; write none, or parentheses between them")
            );
        }
        Ok(Expression::Not(Box::new(self.primary()?)))
    }

    fn primary(&mut self) -> Result<Expression, SyntaxError> {
        const EXAMPLE: &str =
            "write a keyword such as `fault`, `responsetime > 5` or `service(\"name\")`";
        let start = self.spanned().start;
        match *self.peek() {
            Token::ParenthesisOpen => {
                self.advance();
                let inner = self.nested(Self::or_expression)?;
                self.expect(&Token::ParenthesisClose, "to close the parenthesis")?;
                Ok(inner)
            }
            Token::BracketedKey(key) => {
                self.advance();
                self.annotation(start, key)
            }
            Token::Word(word) => self.keyword(start, word),
            Token::BraceOpen => Err(self.expected(
                "a condition",
                "braces stand behind `service(…)`, `edge(…)` or a `rootcause` keyword",
            )),
            Token::Text(_) => Err(self.expected(
                "a keyword",
                "a string stands behind a keyword and an operator, or in `service(…)`",
            )),
            _ => Err(self.expected("a condition", EXAMPLE)),
        }
    }

    fn keyword(&mut self, start: usize, word: &'a str) -> Result<Expression, SyntaxError> {
        let lower = word.to_ascii_lowercase();
        if let Some((what, write)) = misused(&lower) {
            return Err(self.expected(what, write));
        }
        self.advance();
        if let Some(known) = BooleanKeyword::find(word) {
            self.check_place(start, known.as_str());
            return Ok(Expression::Boolean(known, self.boolean_comparison(known)?));
        }
        if let Some(known) = NumberKeyword::find(word) {
            self.check_place(start, known.as_str());
            let operator = self.number_operator(known.as_str())?;
            let value = self.number(known.as_str(), operator)?;
            return Ok(Expression::Number(known, operator, value));
        }
        if let Some(known) = StringKeyword::find(word) {
            self.check_place(start, known.as_str());
            return Ok(Expression::String(known, self.string_comparison(known)?));
        }
        if let Some(known) = GroupKeyword::find(word) {
            let operator = self.equality(known.as_str())?;
            let value = self.string(known.as_str(), operator.as_str())?;
            return Ok(Expression::Group(known, operator, value));
        }
        match lower.as_str() {
            "service" => self.service(),
            "edge" => self.edge(),
            "rootcause.json" => self.root_cause_json(),
            _ => match (root_cause(&lower), word.split_once('.')) {
                (Some((kind, element)), _) => self.root_cause(kind, element),
                (None, Some((prefix, key))) if prefix.eq_ignore_ascii_case("annotation") => {
                    if key.contains('.') {
                        self.warn(start, || WarningKind::DottedKey {
                            key: key.to_owned(),
                        });
                    }
                    self.annotation(start, key)
                }
                _ => self.unknown(start, word),
            },
        }
    }

    fn check_place(&mut self, offset: usize, keyword: &'static str) {
        if let Some(belongs) = misplaced(keyword, self.place) {
            self.warn(offset, || WarningKind::Misplaced { keyword, belongs });
        }
    }

    fn annotation(&mut self, start: usize, key: &str) -> Result<Expression, SyntaxError> {
        if self.place == Place::Node {
            self.warn(start, || WarningKind::AnnotationInNode {
                key: key.to_owned(),
            });
        }
        let comparison = self.comparison("annotation")?;
        Ok(Expression::Annotation(key.to_owned(), comparison))
    }

    fn root_cause(
        &mut self,
        kind: RootCauseKind,
        element: RootCauseElement,
    ) -> Result<Expression, SyntaxError> {
        match self.filter(Place::RootCause)? {
            Some(filter) => Ok(Expression::RootCause(kind, element, filter)),
            None => Err(self.expected(
                &format!("`{{` behind `rootcause.{kind}.{element}`"),
                &format!("write `rootcause.{kind}.{element} {{ name = \"…\" }}`"),
            )),
        }
    }

    fn root_cause_json(&mut self) -> Result<Expression, SyntaxError> {
        let operator = self.equality("rootcause.json")?;
        let Token::Json(json) = *self.peek() else {
            return Err(self.expected(
                &format!("a JSON array after `rootcause.json {operator}`"),
                "write `#[…]`",
            ));
        };
        self.advance();
        Ok(Expression::RootCauseJson(operator, json.to_owned()))
    }

    fn unknown(&mut self, start: usize, word: &str) -> Result<Expression, SyntaxError> {
        self.warn(start, || WarningKind::UnknownKeyword {
            keyword: word.to_owned(),
            suggestion: suggest(word),
        });
        // `foo("x")` is a call, `foo ("x" …)` would be a condition joined by AND.
        let called = self.spanned().start == start + word.len();
        let arguments = if called && self.eat(&Token::ParenthesisOpen) {
            Some(self.arguments()?)
        } else {
            None
        };
        let comparison = self.comparison(&format!("{word:.30}"))?;
        let filter = self.filter(Place::Node)?;
        Ok(Expression::Unknown(Unknown {
            keyword: word.to_owned(),
            arguments,
            comparison,
            filter,
        }))
    }
}

/// What is expected where a word of the language stands that is no keyword, and what to write.
fn misused(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "and" | "or" => ("a condition", "AND and OR stand between two conditions"),
        "true" | "false" => (
            "a keyword",
            "write the value behind one, such as `ok = false`",
        ),
        "contains" | "beginswith" | "endswith" => (
            "a keyword",
            "write one before the operator, such as `http.url CONTAINS \"/api/\"`",
        ),
        "id" => (
            "a keyword",
            "id(…) stands in the parentheses of `service` or `edge`",
        ),
        "annotation" | "annotation." => (
            "the key of an annotation",
            "write `annotation.key` or `annotation[key]`",
        ),
        _ => return None,
    })
}

fn root_cause(word: &str) -> Option<(RootCauseKind, RootCauseElement)> {
    let (kind, element) = word.strip_prefix("rootcause.")?.split_once('.')?;
    Some((RootCauseKind::find(kind)?, RootCauseElement::find(element)?))
}
