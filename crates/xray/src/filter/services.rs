//! The services without which an expression matches nothing.

use std::collections::BTreeSet;

use super::ast::Expression;
use super::keyword::{RootCauseElement, StringKeyword, StringOperator};

/// The literal service names that the expression asks for.
///
/// If there are any, every trace that matches the expression went through at least one of them. If there is none, the
/// expression may match whatever the services are called. Names in `service`, `edge`, `id(name: …)` and in `name = "…"`
/// inside the braces of `service` or of a root cause's service count; what stands behind `!`, or in only one branch of
/// an OR whose other branch asks for no name, does not.
///
/// ```
/// use tracewright_xray::filter;
///
/// let services = |text| -> Result<Vec<String>, filter::SyntaxError> {
///     let expression = filter::parse(text)?.expression;
///     Ok(filter::services(&expression).into_iter().map(String::from).collect())
/// };
/// assert_eq!(services(r#"service("a") AND (edge("b", "c") OR service("d")) AND !service("e")"#)?, ["a", "b", "c", "d"]);
/// assert!(services(r#"service("a") OR fault"#)?.is_empty());
/// # Ok::<(), filter::SyntaxError>(())
/// ```
#[must_use]
pub fn services(expression: &Expression) -> BTreeSet<&str> {
    required(expression, &|leaf| match leaf {
        Expression::Service(node, filter) => {
            match (node.as_ref().and_then(|node| node.name()), filter) {
                (Some(name), _) => BTreeSet::from([name]),
                (None, Some(filter)) => required(filter, &|leaf| name_of_element(leaf)),
                (None, None) => BTreeSet::new(),
            }
        }
        Expression::Edge(source, destination, _) => [source, destination]
            .into_iter()
            .filter_map(|node| node.name())
            .collect(),
        Expression::RootCause(_, RootCauseElement::Service, filter) => {
            required(filter, &|leaf| name_of_element(leaf))
        }
        _ => BTreeSet::new(),
    })
}

/// Whether the expression can match because of the service of that name: it names that service, or it names none.
///
/// ```
/// use tracewright_xray::filter;
///
/// let group = filter::parse(r#"service("backend-flask")"#)?.expression;
/// assert!(filter::can_match_service(&group, "backend-flask"));
/// // Under dynamic naming segments are named after the request's host.
/// assert!(!filter::can_match_service(&group, "4567-cruddur.example.com"));
/// # Ok::<(), filter::SyntaxError>(())
/// ```
#[must_use]
pub fn can_match_service(expression: &Expression, service: &str) -> bool {
    let named = services(expression);
    named.is_empty() || named.contains(service)
}

fn name_of_element(leaf: &Expression) -> BTreeSet<&str> {
    match leaf {
        Expression::String(StringKeyword::Name, Some((StringOperator::Equal, name))) => {
            BTreeSet::from([name.as_str()])
        }
        _ => BTreeSet::new(),
    }
}

/// Of AND every part must hold, so the names of all of them count; of OR any part may, so each must ask for a name.
fn required<'a>(
    expression: &'a Expression,
    leaf: &impl Fn(&'a Expression) -> BTreeSet<&'a str>,
) -> BTreeSet<&'a str> {
    match expression {
        Expression::And(parts) => parts.iter().flat_map(|part| required(part, leaf)).collect(),
        Expression::Or(parts) => {
            let branches: Vec<_> = parts.iter().map(|part| required(part, leaf)).collect();
            if branches.iter().any(BTreeSet::is_empty) {
                return BTreeSet::new();
            }
            branches.into_iter().flatten().collect()
        }
        other => leaf(other),
    }
}
