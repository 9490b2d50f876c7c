//! Whether a trace matches an expression, for emulation and for tests of expressions.

use super::ast::{Comparison, Expression, Node};
use super::keyword::{
    BooleanKeyword, Equality, GroupKeyword, NumberKeyword, NumberOperator, RootCauseElement,
    RootCauseKind, StringKeyword, StringOperator,
};

/// What keywords are asked of: a whole trace, a service or edge in it, or an element of a root cause.
///
/// Answer what the thing has; a keyword that does not apply is `false`, `None` or empty.
pub trait Scope {
    /// The value of a boolean keyword.
    fn boolean(&self, keyword: BooleanKeyword) -> bool;

    /// The value of a number keyword; times in seconds.
    fn number(&self, keyword: NumberKeyword) -> Option<f64>;

    /// Every value of a string keyword: one for a request's URL, and one from each segment for such as `user`.
    fn strings(&self, keyword: StringKeyword) -> Vec<&str>;
}

/// A trace. The trace itself is the [`Scope`] of keywords outside of braces.
pub trait TraceView: Scope {
    /// The values of an annotation on any segment of the trace. Keys are compared exactly.
    fn annotations(&self, key: &str) -> Vec<AnnotationValue<'_>>;

    /// The services that the trace went through, each with the scope of its own segments.
    fn services(&self) -> Vec<(ServiceId<'_>, &dyn Scope)>;

    /// The connections between services, from source to destination, each with the scope of its own segments.
    fn edges(&self) -> Vec<(ServiceId<'_>, ServiceId<'_>, &dyn Scope)>;

    /// The elements of the trace's root causes of a kind, in order. None unless told.
    fn root_causes(&self, _kind: RootCauseKind, _element: RootCauseElement) -> Vec<&dyn Scope> {
        Vec::new()
    }

    /// Whether the trace has the root cause that a JSON array describes. No, unless told.
    fn has_root_cause(&self, _json: &str) -> bool {
        false
    }

    /// Whether the trace is in the group of that name or ARN. No, unless told.
    fn is_in_group(&self, _by: GroupKeyword, _name_or_arn: &str) -> bool {
        false
    }
}

/// What identifies a service in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceId<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type, such as `AWS::Lambda::Function`; empty if there is none.
    pub kind: &'a str,
    /// The account that it runs in; empty if it is not known.
    pub account: &'a str,
}

/// The value of an annotation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AnnotationValue<'a> {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Text.
    String(&'a str),
}

/// Whether the trace matches the expression.
///
/// Where AWS's documentation is silent, these rules hold:
/// - strings are compared exactly, with regard to case;
/// - of several values of one keyword one must fulfil a comparison, but `!=` demands that there is a value and none is equal;
/// - a comparison with a value of another type, or with no value at all, is false;
/// - inside the braces of `service` and `edge` the keywords speak of that service or edge, and of a `rootcause` keyword, of
///   its element; annotations, groups, `service` and `edge` speak of the trace everywhere;
/// - an unknown keyword is false.
///
/// ```
/// use tracewright_xray::filter::{self, *};
///
/// struct Trace;
///
/// impl Scope for Trace {
///     fn boolean(&self, keyword: BooleanKeyword) -> bool {
///         keyword == BooleanKeyword::Ok
///     }
///     fn number(&self, keyword: NumberKeyword) -> Option<f64> {
///         (keyword == NumberKeyword::Duration).then_some(2.5)
///     }
///     fn strings(&self, _: StringKeyword) -> Vec<&str> {
///         Vec::new()
///     }
/// }
///
/// impl TraceView for Trace {
///     fn annotations(&self, _: &str) -> Vec<AnnotationValue<'_>> {
///         Vec::new()
///     }
///     fn services(&self) -> Vec<(ServiceId<'_>, &dyn Scope)> {
///         vec![(ServiceId { name: "backend-flask", ..ServiceId::default() }, self)]
///     }
///     fn edges(&self) -> Vec<(ServiceId<'_>, ServiceId<'_>, &dyn Scope)> {
///         Vec::new()
///     }
/// }
///
/// let slow = filter::parse(r#"service("backend-flask") { ok } AND duration > 2"#)?.expression;
/// assert!(filter::matches(&slow, &Trace));
/// # Ok::<(), filter::SyntaxError>(())
/// ```
#[must_use]
pub fn matches(expression: &Expression, trace: &impl TraceView) -> bool {
    holds(expression, trace, trace)
}

fn holds(expression: &Expression, trace: &dyn TraceView, scope: &dyn Scope) -> bool {
    let inside = |filter: &Option<Box<Expression>>, scope: &dyn Scope| match filter {
        Some(filter) => holds(filter, trace, scope),
        None => true,
    };
    match expression {
        Expression::And(parts) => parts.iter().all(|part| holds(part, trace, scope)),
        Expression::Or(parts) => parts.iter().any(|part| holds(part, trace, scope)),
        Expression::Not(part) => !holds(part, trace, scope),
        Expression::Boolean(keyword, None) => scope.boolean(*keyword),
        Expression::Boolean(keyword, Some((operator, wanted))) => {
            same(scope.boolean(*keyword) == *wanted, *operator)
        }
        Expression::Number(keyword, operator, wanted) => scope
            .number(*keyword)
            .is_some_and(|value| compare_numbers(&[value], *operator, *wanted)),
        Expression::String(keyword, None) => !scope.strings(*keyword).is_empty(),
        Expression::String(keyword, Some((operator, wanted))) => {
            compare_strings(&scope.strings(*keyword), *operator, wanted)
        }
        Expression::Annotation(key, comparison) => {
            compare_annotation(&trace.annotations(key), comparison.as_ref())
        }
        Expression::Group(by, operator, value) => same(trace.is_in_group(*by, value), *operator),
        Expression::Service(node, filter) => trace
            .services()
            .into_iter()
            .filter(|(id, _)| node.as_ref().is_none_or(|node| is_node(node, *id)))
            .any(|(_, scope)| inside(filter, scope)),
        Expression::Edge(source, destination, filter) => trace
            .edges()
            .into_iter()
            .filter(|(from, to, _)| is_node(source, *from) && is_node(destination, *to))
            .any(|(_, _, scope)| inside(filter, scope)),
        Expression::RootCause(kind, element, filter) => trace
            .root_causes(*kind, *element)
            .into_iter()
            .any(|scope| holds(filter, trace, scope)),
        Expression::RootCauseJson(operator, json) => same(trace.has_root_cause(json), *operator),
        Expression::Unknown(_) => false,
    }
}

fn same(equal: bool, operator: Equality) -> bool {
    equal == (operator == Equality::Equal)
}

fn is_node(node: &Node, id: ServiceId<'_>) -> bool {
    match node {
        Node::Name(name) => name == id.name,
        Node::Id {
            name,
            kind,
            account,
        } => [(name, id.name), (kind, id.kind), (account, id.account)]
            .into_iter()
            .all(|(wanted, is)| wanted.as_ref().is_none_or(|wanted| wanted == is)),
    }
}

fn compare_numbers(values: &[f64], operator: NumberOperator, wanted: f64) -> bool {
    let any = |holds: fn(f64, f64) -> bool| values.iter().any(|value| holds(*value, wanted));
    match operator {
        NumberOperator::Equal => any(|value, wanted| value == wanted),
        NumberOperator::NotEqual => {
            !values.is_empty() && !compare_numbers(values, NumberOperator::Equal, wanted)
        }
        NumberOperator::Less => any(|value, wanted| value < wanted),
        NumberOperator::LessOrEqual => any(|value, wanted| value <= wanted),
        NumberOperator::Greater => any(|value, wanted| value > wanted),
        NumberOperator::GreaterOrEqual => any(|value, wanted| value >= wanted),
    }
}

fn compare_strings(values: &[&str], operator: StringOperator, wanted: &str) -> bool {
    let any = |holds: fn(&str, &str) -> bool| values.iter().any(|value| holds(value, wanted));
    match operator {
        StringOperator::Equal => any(|value, wanted| value == wanted),
        StringOperator::NotEqual => {
            !values.is_empty() && !compare_strings(values, StringOperator::Equal, wanted)
        }
        StringOperator::Contains => any(|value, wanted| value.contains(wanted)),
        StringOperator::BeginsWith => any(|value, wanted| value.starts_with(wanted)),
        StringOperator::EndsWith => any(|value, wanted| value.ends_with(wanted)),
    }
}

fn compare_annotation(values: &[AnnotationValue<'_>], comparison: Option<&Comparison>) -> bool {
    match comparison {
        // "The expression is true if the keyword is set. If the keyword is of boolean type, it will evaluate to the
        // boolean value."
        None => values
            .iter()
            .any(|value| *value != AnnotationValue::Boolean(false)),
        Some(Comparison::Boolean(operator, wanted)) => {
            let mut booleans = values.iter().filter_map(|value| match value {
                AnnotationValue::Boolean(value) => Some(*value),
                _ => None,
            });
            match operator {
                Equality::Equal => booleans.any(|value| value == *wanted),
                Equality::NotEqual => {
                    let first = booleans.next();
                    first.is_some_and(|first| first != *wanted)
                        && booleans.all(|value| value != *wanted)
                }
            }
        }
        Some(Comparison::Number(operator, wanted)) => {
            let numbers: Vec<f64> = values
                .iter()
                .filter_map(|value| match value {
                    AnnotationValue::Number(value) => Some(*value),
                    _ => None,
                })
                .collect();
            compare_numbers(&numbers, *operator, *wanted)
        }
        Some(Comparison::String(operator, wanted)) => {
            let strings: Vec<&str> = values
                .iter()
                .filter_map(|value| match value {
                    AnnotationValue::String(value) => Some(*value),
                    _ => None,
                })
                .collect();
            compare_strings(&strings, *operator, wanted)
        }
    }
}
