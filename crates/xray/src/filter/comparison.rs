//! Operators and values behind a keyword.

use super::ast::Comparison;
use super::error::SyntaxError;
use super::keyword::{BooleanKeyword, Equality, NumberOperator, StringKeyword, StringOperator};
use super::lexer::Token;
use super::parser::Parser;

impl Parser<'_> {
    pub(super) fn boolean_comparison(
        &mut self,
        keyword: BooleanKeyword,
    ) -> Result<Option<(Equality, bool)>, SyntaxError> {
        match self.peek() {
            Token::Operator(_) => {
                let operator = self.equality(keyword.as_str())?;
                Ok(Some((operator, self.boolean(keyword.as_str(), operator)?)))
            }
            _ => self.no_operator(keyword.as_str(), "= or !=").map(|()| None),
        }
    }

    fn boolean(&mut self, keyword: &str, operator: Equality) -> Result<bool, SyntaxError> {
        let value = if self.at_word("true") {
            true
        } else if self.at_word("false") {
            false
        } else {
            return Err(self.expected(
                &format!("true or false after `{keyword} {operator}`"),
                "write it without quotation marks",
            ));
        };
        self.advance();
        Ok(value)
    }

    pub(super) fn string_comparison(
        &mut self,
        keyword: StringKeyword,
    ) -> Result<Option<(StringOperator, String)>, SyntaxError> {
        match self.string_operator() {
            Some(operator) => {
                let value = self.string(keyword.as_str(), operator.as_str())?;
                Ok(Some((operator, value)))
            }
            None => self
                .no_operator(keyword.as_str(), "=, !=, CONTAINS, BEGINSWITH or ENDSWITH")
                .map(|()| None),
        }
    }

    /// Refuses a value or an operator of another type behind a keyword that may stand alone.
    fn no_operator(&self, keyword: &str, operators: &str) -> Result<(), SyntaxError> {
        let misfit = match self.peek() {
            Token::Operator(_) | Token::Text(_) | Token::Number(_) | Token::Json(_) => true,
            Token::Word(word) => StringOperator::find(word).is_some(),
            _ => false,
        };
        if misfit {
            return Err(self.expected(
                &format!("one of {operators} after `{keyword}`, or nothing"),
                "",
            ));
        }
        Ok(())
    }

    pub(super) fn number_operator(&mut self, keyword: &str) -> Result<NumberOperator, SyntaxError> {
        match *self.peek() {
            Token::Operator(operator) => {
                self.advance();
                Ok(operator)
            }
            _ => Err(self.expected(
                &format!("one of =, !=, <, <=, > or >= after `{keyword}`"),
                &format!("write `{keyword} >= 1`"),
            )),
        }
    }

    pub(super) fn number(
        &mut self,
        keyword: &str,
        operator: NumberOperator,
    ) -> Result<f64, SyntaxError> {
        match *self.peek() {
            Token::Number(value) => {
                self.advance();
                Ok(value)
            }
            Token::Text(_) => Err(self.expected(
                &format!("a number after `{keyword} {operator}`"),
                "write it without quotation marks",
            )),
            _ => Err(self.expected(
                &format!("a number after `{keyword} {operator}`"),
                &format!("write `{keyword} {operator} 1`"),
            )),
        }
    }

    pub(super) fn equality(&mut self, keyword: &str) -> Result<Equality, SyntaxError> {
        let operator = match self.peek() {
            Token::Operator(NumberOperator::Equal) => Equality::Equal,
            Token::Operator(NumberOperator::NotEqual) => Equality::NotEqual,
            _ => {
                return Err(self.expected(&format!("= or != after `{keyword}`"), ""));
            }
        };
        self.advance();
        Ok(operator)
    }

    fn string_operator(&mut self) -> Option<StringOperator> {
        let operator = match self.peek() {
            Token::Operator(NumberOperator::Equal) => StringOperator::Equal,
            Token::Operator(NumberOperator::NotEqual) => StringOperator::NotEqual,
            Token::Word(word) => StringOperator::find(word)?,
            _ => return None,
        };
        self.advance();
        Some(operator)
    }

    pub(super) fn string(&mut self, keyword: &str, operator: &str) -> Result<String, SyntaxError> {
        let what = format!("a string after `{keyword} {operator}`");
        match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.advance();
                Ok(text)
            }
            Token::Word(_) | Token::Number(_) => {
                Err(self.expected(&what, "put it in double quotation marks"))
            }
            _ => Err(self.expected(&what, &format!("write `{keyword} {operator} \"…\"`"))),
        }
    }

    /// The comparison behind a keyword whose type only its value shows.
    pub(super) fn comparison(&mut self, keyword: &str) -> Result<Option<Comparison>, SyntaxError> {
        let operator = match *self.peek() {
            Token::Operator(operator) => operator,
            Token::Word(_) => {
                return match self.string_operator() {
                    Some(operator) => {
                        let value = self.string(keyword, operator.as_str())?;
                        Ok(Some(Comparison::String(operator, value)))
                    }
                    None => Ok(None),
                };
            }
            _ => return self.no_operator(keyword, "the operators").map(|()| None),
        };
        let equality = match operator {
            NumberOperator::Equal => Some((Equality::Equal, StringOperator::Equal)),
            NumberOperator::NotEqual => Some((Equality::NotEqual, StringOperator::NotEqual)),
            _ => None,
        };
        self.advance();
        let Some((equality, text_equality)) = equality else {
            return Ok(Some(Comparison::Number(
                operator,
                self.number(keyword, operator)?,
            )));
        };
        match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.advance();
                Ok(Some(Comparison::String(text_equality, text)))
            }
            Token::Number(value) => {
                let value = *value;
                self.advance();
                Ok(Some(Comparison::Number(operator, value)))
            }
            Token::Word(_) if self.at_word("true") || self.at_word("false") => Ok(Some(
                Comparison::Boolean(equality, self.boolean(keyword, equality)?),
            )),
            _ => Err(self.expected(
                &format!("a string, a number, true or false after `{keyword} {operator}`"),
                "put text in double quotation marks",
            )),
        }
    }
}
