//! Services, edges, and filters in braces.

use super::ast::{Expression, Node};
use super::error::SyntaxError;
use super::keyword::Place;
use super::lexer::Token;
use super::parser::Parser;

impl Parser<'_> {
    pub(super) fn service(&mut self) -> Result<Expression, SyntaxError> {
        self.open("service", "service(\"name\")")?;
        let node = match self.peek() {
            Token::ParenthesisClose => None,
            _ => Some(self.node()?),
        };
        self.expect(&Token::ParenthesisClose, "to close `service(`")?;
        Ok(Expression::Service(node, self.filter(Place::Node)?))
    }

    pub(super) fn edge(&mut self) -> Result<Expression, SyntaxError> {
        self.open("edge", "edge(\"source\", \"destination\")")?;
        let source = self.node()?;
        self.expect(
            &Token::Comma,
            "between the source and the destination of `edge(`",
        )?;
        let destination = self.node()?;
        self.expect(&Token::ParenthesisClose, "to close `edge(`")?;
        Ok(Expression::Edge(
            source,
            destination,
            self.filter(Place::Node)?,
        ))
    }

    pub(super) fn open(&mut self, keyword: &str, example: &str) -> Result<(), SyntaxError> {
        if self.eat(&Token::ParenthesisOpen) {
            return Ok(());
        }
        Err(self.expected(
            &format!("`(` after `{keyword}`"),
            &format!("write `{example}`"),
        ))
    }

    pub(super) fn node(&mut self) -> Result<Node, SyntaxError> {
        if let Token::Text(name) = self.peek() {
            let node = Node::Name(name.clone());
            self.advance();
            return Ok(node);
        }
        if self.at_word("id") {
            self.advance();
            return self.id();
        }
        let write = match self.peek() {
            Token::Word(_) => "put the name in double quotation marks",
            _ => "write `\"name\"` or `id(name: \"…\", type: \"…\")`",
        };
        Err(self.expected("a service", write))
    }

    pub(super) fn id(&mut self) -> Result<Node, SyntaxError> {
        const EXAMPLE: &str =
            "write `id(name: \"…\", type: \"…\", account.id: \"…\")`, or any of the three";
        self.open("id", "id(name: \"…\", type: \"…\")")?;
        let (mut name, mut kind, mut account) = (None, None, None);
        loop {
            let slot = if self.at_word("name") {
                &mut name
            } else if self.at_word("type") {
                &mut kind
            } else if self.at_word("account.id") {
                &mut account
            } else {
                return Err(self.expected("name, type or account.id", EXAMPLE));
            };
            if slot.is_some() {
                return Err(self.fail(format!("{} is given twice; remove one", self.peek())));
            }
            self.advance();
            self.expect(&Token::Colon, "between an argument of `id(` and its value")?;
            let Token::Text(value) = self.peek() else {
                return Err(self.expected("a string", "put the value in double quotation marks"));
            };
            *slot = Some(value.clone());
            self.advance();
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::ParenthesisClose, "to close `id(`")?;
        Ok(Node::Id {
            name,
            kind,
            account,
        })
    }

    /// The filter in braces, if there is one.
    pub(super) fn filter(&mut self, place: Place) -> Result<Option<Box<Expression>>, SyntaxError> {
        if !self.eat(&Token::BraceOpen) {
            return Ok(None);
        }
        if *self.peek() == Token::BraceClose {
            return Err(
                self.fail("the braces are empty; write a condition in them, or remove them")
            );
        }
        let outside = std::mem::replace(&mut self.place, place);
        let filter = self.nested(Self::or_expression)?;
        self.place = outside;
        self.expect(&Token::BraceClose, "to close the brace")?;
        Ok(Some(Box::new(filter)))
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Node>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.eat(&Token::ParenthesisClose) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.node()?);
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::ParenthesisClose, "to close the parenthesis")?;
        Ok(arguments)
    }
}
