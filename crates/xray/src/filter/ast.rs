//! The parsed form of a filter expression.

use super::keyword::{
    BooleanKeyword, Equality, GroupKeyword, NumberKeyword, NumberOperator, RootCauseElement,
    RootCauseKind, StringKeyword, StringOperator,
};

/// A filter expression. Its [`Display`](std::fmt::Display) is the canonical form, which parses back to an equal value.
///
/// That holds for every value that [`parse`](super::parse) returns. A value put together by hand must keep to what the
/// parser can produce: two or more parts in [`And`](Self::And) and [`Or`](Self::Or), keys and unknown keywords made of
/// the letters that the language allows, finite numbers, and no deeper nesting than [`MAX_DEPTH`](super::MAX_DEPTH).
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// All parts hold. Written with `AND` or by juxtaposition; binds tighter than `OR`.
    And(Vec<Expression>),
    /// At least one part holds.
    Or(Vec<Expression>),
    /// The part does not hold.
    Not(Box<Expression>),
    /// A boolean keyword, alone or compared with `true` or `false`.
    Boolean(BooleanKeyword, Option<(Equality, bool)>),
    /// A number keyword compared with a number.
    Number(NumberKeyword, NumberOperator, f64),
    /// A string keyword, alone (it is set) or compared with a string.
    String(StringKeyword, Option<(StringOperator, String)>),
    /// An annotation, alone (it is set, or true if it is a boolean) or compared. The key keeps its case.
    Annotation(String, Option<Comparison>),
    /// The filter expression of a group.
    Group(GroupKeyword, Equality, String),
    /// A service of the trace: any, or the given one; with a filter on its segments.
    Service(Option<Node>, Option<Box<Expression>>),
    /// A connection from the first node to the second; with a filter on its segments.
    Edge(Node, Node, Option<Box<Expression>>),
    /// An element of a root cause.
    RootCause(RootCauseKind, RootCauseElement, Box<Expression>),
    /// A root cause given as a JSON array, kept as it was written.
    RootCauseJson(Equality, String),
    /// A keyword that this version does not know. X-Ray may.
    Unknown(Unknown),
}

/// An operator with the value that it compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// With `true` or `false`.
    Boolean(Equality, bool),
    /// With a number.
    Number(NumberOperator, f64),
    /// With a string.
    String(StringOperator, String),
}

/// A service in `service(…)` and `edge(…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// By name alone.
    Name(String),
    /// By any part of its identity, as `id(name: "…", type: "…", account.id: "…")`; at least one is given.
    Id {
        /// The service's name.
        name: Option<String>,
        /// The service's type, such as `AWS::Lambda::Function`.
        kind: Option<String>,
        /// The account that the service runs in.
        account: Option<String>,
    },
}

impl Node {
    /// The name that the node must have, if it says one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Id { name, .. } => name.as_deref(),
        }
    }
}

/// An unknown keyword with everything that was written to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// The keyword as it was written.
    pub keyword: String,
    /// Arguments in parentheses directly behind the keyword.
    pub arguments: Option<Vec<Node>>,
    /// What it is compared with.
    pub comparison: Option<Comparison>,
    /// A filter in braces.
    pub filter: Option<Box<Expression>>,
}
