//! X-Ray filter expressions: parsing, the canonical form, evaluation, and the services that an expression asks for.
//!
//! AWS publishes no grammar. This one is built from the developer guide's page
//! [Using filter expressions](https://docs.aws.amazon.com/xray/latest/devguide/xray-console-filters.html) and from the
//! expressions in AWS's own tools:
//!
//! ```ebnf
//! expression = and , { OR , and } ;                     AND binds tighter than OR (not documented)
//! and        = unary , { [ AND ] , unary } ;            juxtaposition is AND:  ok !partial duration <3
//! unary      = [ "!" ] , primary ;
//! primary    = "(" , expression , ")"
//!            | boolean , [ ( "=" | "!=" ) , ( "true" | "false" ) ]
//!            | number , ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) , digits
//!            | string , [ ( "=" | "!=" | CONTAINS | BEGINSWITH | ENDSWITH ) , '"' … '"' ]
//!            | ( "annotation." key | "annotation[" key "]" ) , [ any of the comparisons above ]
//!            | ( "group.name" | "group.arn" ) , ( "=" | "!=" ) , '"' … '"'
//!            | "service(" , [ node ] , ")" , [ braces ]
//!            | "edge(" , node , "," , node , ")" , [ braces ]
//!            | "rootcause." kind "." element , braces
//!            | "rootcause.json" , ( "=" | "!=" ) , "#" JSON-array ;
//! node       = '"' … '"' | "id(" , any of name, type, account.id , ":" , '"' … '"' , { "," … } , ")" ;
//! braces     = "{" , expression , "}" ;
//! ```
//!
//! Keywords, `AND`, `OR` and the operators are written in any case; annotation keys and strings keep theirs. AWS
//! documents no escapes in strings; here `\"` and `\\` are understood. A structure that is broken is a [`SyntaxError`].
//! A keyword that is not known may be newer than this parser, so it is a [`Warning`] only.
//!
//! ```
//! use tracewright_xray::filter;
//!
//! let parsed = filter::parse(r#"service("backend-flask") { fault } and responseTime > 2.50"#)?;
//! assert_eq!(parsed.expression.to_string(), r#"service("backend-flask") { fault } AND responsetime > 2.5"#);
//! assert!(parsed.warnings.is_empty());
//!
//! let parsed = filter::parse("response_time > 2")?;
//! assert_eq!(
//!     parsed.warnings[0].to_string(),
//!     "column 1: `response_time` is not a keyword that AWS documents; did you mean `responsetime`?"
//! );
//! # Ok::<(), filter::SyntaxError>(())
//! ```

mod ast;
mod comparison;
mod display;
mod error;
mod evaluate;
mod keyword;
mod lexer;
mod node;
mod parser;
mod position;
mod services;

pub use ast::{Comparison, Expression, Node, Unknown};
pub use error::{SyntaxError, Warning, WarningKind};
pub use evaluate::{AnnotationValue, Scope, ServiceId, TraceView, matches};
pub use keyword::{
    BooleanKeyword, Equality, GroupKeyword, NumberKeyword, NumberOperator, RootCauseElement,
    RootCauseKind, StringKeyword, StringOperator,
};
pub use services::{can_match_service, services};

/// Longest expression in bytes that is parsed. X-Ray's API model has no limit; this one bounds time and memory.
pub const MAX_LENGTH: usize = 16_384;

/// Deepest nesting of parentheses and braces that is parsed. It bounds the stack.
pub const MAX_DEPTH: usize = 32;

/// Most warnings that are kept of one expression, the leftmost ones.
pub const MAX_WARNINGS: usize = 20;

/// A well-formed expression, with what is probably wrong in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The expression.
    pub expression: Expression,
    /// What X-Ray may refuse or never match, from left to right, at most [`MAX_WARNINGS`].
    pub warnings: Vec<Warning>,
}

/// Parses a filter expression.
///
/// # Errors
///
/// A [`SyntaxError`] at the leftmost place where the structure is broken, or where the expression grows longer than
/// [`MAX_LENGTH`] or deeper than [`MAX_DEPTH`]. An empty expression is broken: X-Ray takes an absent expression, not an
/// empty one.
pub fn parse(expression: &str) -> Result<Parsed, SyntaxError> {
    parser::parse(expression)
}
