//! Words, values and signs of an expression.

use std::fmt;

use serde::de::IgnoredAny;

use super::error::SyntaxError;
use super::keyword::NumberOperator;

/// A piece of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// A keyword, or a part of one: letters, digits, `_` and `.`.
    Word(&'a str),
    /// The key in `annotation[key]`.
    BracketedKey(&'a str),
    /// A string, without quotation marks and escapes.
    Text(String),
    Number(f64),
    /// The JSON array behind `#`.
    Json(&'a str),
    Operator(NumberOperator),
    Not,
    ParenthesisOpen,
    ParenthesisClose,
    BraceOpen,
    BraceClose,
    Comma,
    Colon,
    End,
    /// Nothing that could be read; reported when the parser gets there, so that the leftmost error wins.
    Broken(Box<SyntaxError>),
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 30;
        let clip = |text: &str| match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        match self {
            Self::Word(word) => write!(f, "`{}`", clip(word)),
            Self::BracketedKey(key) => write!(f, "`annotation[{}]`", clip(key)),
            Self::Text(text) => write!(f, "the string \"{}\"", clip(text)),
            Self::Number(number) => write!(f, "the number {}", clip(&number.to_string())),
            Self::Json(_) => f.write_str("a JSON array"),
            Self::Operator(operator) => write!(f, "`{operator}`"),
            Self::Not => f.write_str("`!`"),
            Self::ParenthesisOpen => f.write_str("`(`"),
            Self::ParenthesisClose => f.write_str("`)`"),
            Self::BraceOpen => f.write_str("`{`"),
            Self::BraceClose => f.write_str("`}`"),
            Self::Comma => f.write_str("`,`"),
            Self::Colon => f.write_str("`:`"),
            Self::End => f.write_str("the end of the expression"),
            Self::Broken(error) => f.write_str(error.message()),
        }
    }
}

/// A token with the byte offsets at which it starts and ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Splits an expression. The last token is [`Token::End`] or [`Token::Broken`].
pub(super) fn tokens(source: &str) -> Vec<Spanned<'_>> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let token = lexer.next().unwrap_or_else(|(offset, message)| {
            Token::Broken(Box::new(SyntaxError::new(source, offset, message)))
        });
        let last = matches!(token, Token::End | Token::Broken(_));
        tokens.push(Spanned {
            token,
            start,
            end: lexer.at,
        });
        if last {
            return tokens;
        }
    }
}

/// An offset with a message, for the caller to make an error of.
type Fault = (usize, String);

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes characters as long as they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes `sign` if it is next.
    fn eat(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(sign);
        if found {
            self.at += sign.len_utf8();
        }
        found
    }

    fn next(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        let Some(c) = self.peek() else {
            return Ok(Token::End);
        };
        if c.is_ascii_alphabetic() || c == '_' {
            return self.word();
        }
        let digit_behind = self.rest()[c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        if c.is_ascii_digit() || (c == '-' && digit_behind) {
            return self.number();
        }
        self.at += c.len_utf8();
        Ok(match c {
            '"' => return self.text(start),
            '#' => return self.json(start),
            '(' => Token::ParenthesisOpen,
            ')' => Token::ParenthesisClose,
            '{' => Token::BraceOpen,
            '}' => Token::BraceClose,
            ',' => Token::Comma,
            ':' => Token::Colon,
            '!' if self.eat('=') => Token::Operator(NumberOperator::NotEqual),
            '!' => Token::Not,
            '<' if self.eat('=') => Token::Operator(NumberOperator::LessOrEqual),
            '<' => Token::Operator(NumberOperator::Less),
            '>' if self.eat('=') => Token::Operator(NumberOperator::GreaterOrEqual),
            '>' => Token::Operator(NumberOperator::Greater),
            '=' if self.peek() == Some('=') => {
                return Err((start, "`==` is not an operator; write a single `=`".into()));
            }
            '=' => Token::Operator(NumberOperator::Equal),
            '&' => return Err((start, "`&` is not an operator; write AND".into())),
            '|' => return Err((start, "`|` is not an operator; write OR".into())),
            '\'' | '“' | '”' | '‘' | '’' => {
                let message = format!(
                    "`{c}` does not start a string; write straight double quotation marks: \"…\""
                );
                return Err((start, message));
            }
            '.' if digit_behind => {
                let message = "a number starts with a digit; write 0 before the point";
                return Err((start, message.into()));
            }
            '[' | ']' => {
                let message = format!(
                    "`{c}` may stand only around an annotation's key; write `annotation[key]`"
                );
                return Err((start, message));
            }
            other => {
                let message = format!(
                    "the character {other:?} has no meaning here; put text in double quotation marks"
                );
                return Err((start, message));
            }
        })
    }

    fn word(&mut self) -> Result<Token<'a>, Fault> {
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        if word.eq_ignore_ascii_case("annotation") && self.eat('[') {
            return self.bracketed_key();
        }
        Ok(Token::Word(word))
    }

    fn bracketed_key(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        let key = self.take_while(is_key_character);
        if self.peek() != Some(']') {
            let message = match self.peek() {
                Some('"' | '\'') => {
                    "an annotation's key has no quotation marks; write `annotation[key]`"
                }
                _ => "expected `]` behind the annotation's key; write `annotation[key]`",
            };
            return Err((self.at, message.into()));
        }
        if key.is_empty() {
            let message = "expected an annotation's key; write `annotation[key]`";
            return Err((start, message.into()));
        }
        self.at += 1;
        Ok(Token::BracketedKey(key))
    }

    fn number(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        self.eat('-');
        self.take_while(|c| c.is_ascii_digit());
        let point = self.at;
        if self.eat('.') && self.take_while(|c| c.is_ascii_digit()).is_empty() {
            return Err((
                point,
                "expected a digit behind the point of a number".into(),
            ));
        }
        let number = &self.source[start..self.at];
        if self
            .peek()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '%'))
        {
            let message = format!(
                "a number has digits and at most one point, and no unit (times are in seconds, coverage is from 0 to 1); write {number:.20}, or put text in double quotation marks"
            );
            return Err((self.at, message));
        }
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Number(value)),
            _ => Err((start, "the number is too large".into())),
        }
    }

    /// Reads up to the closing quotation mark. AWS documents no escapes; here `\"` and `\\` stand for `"` and `\`, and
    /// any other backslash for itself.
    fn text(&mut self, start: usize) -> Result<Token<'a>, Fault> {
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| !matches!(c, '"' | '\\')));
            if self.eat('"') {
                return Ok(Token::Text(text));
            }
            if !self.eat('\\') {
                let message = "the string is not closed; write `\"` at its end";
                return Err((start, message.into()));
            }
            match self.peek() {
                Some(escaped @ ('"' | '\\')) => {
                    self.at += 1;
                    text.push(escaped);
                }
                _ => text.push('\\'),
            }
        }
    }

    fn json(&mut self, start: usize) -> Result<Token<'a>, Fault> {
        let rest = self.rest();
        if !rest.starts_with('[') {
            let message = "expected a JSON array behind `#`; write `#[…]`";
            return Err((self.at, message.into()));
        }
        // Skipping a value needs no recursion, so deep nesting costs no stack.
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                let end = values.byte_offset();
                self.at += end;
                Ok(Token::Json(&rest[..end]))
            }
            Some(Err(error)) => Err((start, format!("the JSON behind `#` is broken: {error}"))),
            None => Err((start, "expected a JSON array behind `#`".into())),
        }
    }
}

/// Whether a character may stand in the key of `annotation[key]`: whatever cannot be taken for the end of the key.
pub(super) fn is_key_character(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | '"' | '\''))
}
