//! What is wrong with an expression (errors), and what is probably not meant (warnings).

use std::fmt;

use super::position::Position;

/// The expression's structure is broken. The message says what was expected and what to write.
///
/// ```
/// let error = tracewright_xray::filter::parse("responsetime > \"5\"").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "column 16: expected a number after `responsetime >`, found the string \"5\"; write it without quotation marks"
/// );
/// assert_eq!(error.caret(), "responsetime > \"5\"\n               ^");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SyntaxError {
    offset: usize,
    position: Position,
    message: String,
    caret: String,
}

impl SyntaxError {
    pub(super) fn new(source: &str, offset: usize, message: String) -> Self {
        let position = Position::of(source, offset);
        Self {
            offset,
            position,
            message,
            caret: position.caret(source),
        }
    }

    /// Where, in bytes from the start of the expression.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.position.line
    }

    /// The column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.position.column
    }

    /// What was expected, what was found, and what to write.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the expression, and below it a `^` under the column. A long line is cut.
    #[must_use]
    pub fn caret(&self) -> &str {
        &self.caret
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}", self.column)
    }
}

/// Something that is well formed and probably not meant. X-Ray may refuse it or never match it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    offset: usize,
    position: Position,
    kind: WarningKind,
}

impl Warning {
    pub(super) fn new(source: &str, offset: usize, kind: WarningKind) -> Self {
        Self {
            offset,
            position: Position::of(source, offset),
            kind,
        }
    }

    /// Where, in bytes from the start of the expression.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> &WarningKind {
        &self.kind
    }

    /// The line of the expression, and below it a `^` under the column.
    #[must_use]
    pub fn caret(&self, expression: &str) -> String {
        Position::of(expression, self.offset).caret(expression)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.kind)
    }
}

/// What a [`Warning`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// The keyword is not one that AWS documents.
    UnknownKeyword {
        /// As it was written.
        keyword: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The keyword has no meaning where it stands.
    Misplaced {
        /// The keyword.
        keyword: &'static str,
        /// Where it belongs.
        belongs: &'static str,
    },
    /// An annotation in the braces of `service` or `edge`, which AWS does not combine
    /// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-console-filters.html>, "Complex keywords").
    AnnotationInNode {
        /// The annotation's key.
        key: String,
    },
    /// A key with dots behind `annotation.`, where AWS's own tools write brackets.
    DottedKey {
        /// The annotation's key.
        key: String,
    },
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKeyword {
                keyword,
                suggestion,
            } => {
                write!(f, "`{keyword:.60}` is not a keyword that AWS documents")?;
                match suggestion {
                    Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
                    None => Ok(()),
                }
            }
            Self::Misplaced { keyword, belongs } => {
                write!(f, "`{keyword}` has a meaning only in {belongs}")
            }
            Self::AnnotationInNode { key } => write!(
                f,
                "annotation `{key:.60}` stands in the braces of `service` or `edge`, where X-Ray does not look at annotations; \
                 join it with AND outside of the braces"
            ),
            Self::DottedKey { key } => {
                write!(
                    f,
                    "an annotation key with dots is written in brackets; write `annotation[{key:.60}]`"
                )
            }
        }
    }
}
