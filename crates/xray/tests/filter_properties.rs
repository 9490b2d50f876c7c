//! Properties of the filter-expression parser over random text, random expressions and random traces.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use tracewright_xray::filter::{
    self, AnnotationValue, BooleanKeyword, Comparison, Equality, Expression, GroupKeyword, Node,
    NumberKeyword, NumberOperator, RootCauseElement, RootCauseKind, Scope, ServiceId,
    StringKeyword, StringOperator, TraceView, Unknown, parse,
};

/// Strategies are boxed: unboxed ones of this depth need more stack than a test's thread has.
fn text() -> BoxedStrategy<String> {
    prop_oneof![
        select(vec!["a", "b", "c"]).prop_map(String::from),
        "\\PC{0,12}",
        "[\"\\\\a]{0,6}"
    ]
    .boxed()
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-10_i8..10).prop_map(f64::from),
        proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
    ]
}

fn comparison() -> BoxedStrategy<Comparison> {
    prop_oneof![
        (select(Equality::ALL), any::<bool>()).prop_map(|(o, v)| Comparison::Boolean(o, v)),
        (select(NumberOperator::ALL), number()).prop_map(|(o, v)| Comparison::Number(o, v)),
        (select(StringOperator::ALL), text()).prop_map(|(o, v)| Comparison::String(o, v)),
    ]
    .boxed()
}

fn node() -> BoxedStrategy<Node> {
    let id = (of(text()), of(text()), of(text()))
        .prop_filter("an id says something", |(name, kind, account)| {
            name.is_some() || kind.is_some() || account.is_some()
        })
        .prop_map(|(name, kind, account)| Node::Id {
            name,
            kind,
            account,
        });
    prop_oneof![3 => text().prop_map(Node::Name), 1 => id].boxed()
}

fn leaf() -> BoxedStrategy<Expression> {
    prop_oneof![
        (
            select(BooleanKeyword::ALL),
            of((select(Equality::ALL), any::<bool>()))
        )
            .prop_map(|(k, c)| Expression::Boolean(k, c)),
        (
            select(NumberKeyword::ALL),
            select(NumberOperator::ALL),
            number()
        )
            .prop_map(|(k, o, v)| Expression::Number(k, o, v)),
        (
            select(StringKeyword::ALL),
            of((select(StringOperator::ALL), text()))
        )
            .prop_map(|(k, c)| Expression::String(k, c)),
        ("[A-Za-z0-9_]{1,6}|[A-Za-z0-9_.:/-]{1,12}", of(comparison()))
            .prop_map(|(k, c)| Expression::Annotation(k, c)),
        (select(GroupKeyword::ALL), select(Equality::ALL), text())
            .prop_map(|(k, o, v)| Expression::Group(k, o, v)),
        (select(Equality::ALL), vec(vec(any::<i8>(), 0..3), 0..3))
            .prop_map(|(o, json)| { Expression::RootCauseJson(o, format!("{json:?}")) }),
    ]
    .boxed()
}

fn expression() -> BoxedStrategy<Expression> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new).boxed();
        let filter = of(boxed.clone()).boxed();
        let unknown = (
            "zz_[a-zA-Z0-9_.]{0,6}",
            of(vec(node(), 0..3)),
            of(comparison()),
            filter.clone(),
        )
            .prop_map(|(keyword, arguments, comparison, filter)| {
                Expression::Unknown(Unknown {
                    keyword,
                    arguments,
                    comparison,
                    filter,
                })
            })
            .boxed();
        prop_oneof![
            3 => vec(inner.clone(), 2..4).prop_map(Expression::And).boxed(),
            3 => vec(inner.clone(), 2..4).prop_map(Expression::Or).boxed(),
            2 => boxed.clone().prop_map(Expression::Not).boxed(),
            3 => (of(node()), filter.clone()).prop_map(|(n, f)| Expression::Service(n, f)).boxed(),
            2 => (node(), node(), filter).prop_map(|(s, d, f)| Expression::Edge(s, d, f)).boxed(),
            1 => (select(RootCauseKind::ALL), select(RootCauseElement::ALL), boxed)
                .prop_map(|(k, e, f)| Expression::RootCause(k, e, f)).boxed(),
            1 => unknown,
        ]
    })
    .boxed()
}

/// Text made of the language's own pieces, mostly broken.
fn soup() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "ok",
        "fault",
        "!",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "=",
        "!=",
        "<",
        ">=",
        "AND",
        "or",
        "true",
        "service",
        "service(",
        "edge(",
        "id(",
        "name",
        "type",
        "account.id",
        "\"a\"",
        "\"",
        "\\",
        "annotation.",
        "annotation.k",
        "annotation[",
        "annotation[a.b]",
        "]",
        "1",
        "-2.5",
        "3.",
        "rootcause.fault.service",
        "rootcause.json",
        "#",
        "#[",
        "#[{}]",
        "zz",
        "CONTAINS",
        "user",
        "http.url",
        "duration",
        "é",
        "\u{0}",
        "\n",
        "\t",
        "…",
        "group.name",
    ]);
    vec((piece, select(vec!["", " "])), 0..40).prop_map(|pieces| {
        pieces
            .iter()
            .flat_map(|(piece, space)| [*piece, *space])
            .collect()
    })
}

/// A well-formed expression with some bytes overwritten, dropped or added.
fn damaged() -> impl Strategy<Value = String> {
    let damage = vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..6);
    (expression(), damage).prop_map(|(expression, damage)| {
        let mut bytes = expression.to_string().into_bytes();
        for (at, byte, what) in damage {
            let at = at.index(bytes.len().max(1));
            match what {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What must hold for any text at all.
fn check_any(source: &str) -> Result<(), TestCaseError> {
    match parse(source) {
        Ok(parsed) => {
            let canonical = parsed.expression.to_string();
            if canonical.len() <= filter::MAX_LENGTH {
                let again = parse(&canonical);
                prop_assert_eq!(again.map(|again| again.expression), Ok(parsed.expression));
            }
            for warning in parsed.warnings {
                prop_assert!(source.is_char_boundary(warning.offset()));
                prop_assert!(warning.caret(source).ends_with('^'));
            }
        }
        Err(error) => {
            prop_assert!(error.offset() <= source.len());
            prop_assert!(source.is_char_boundary(error.offset()), "{}", error);
            prop_assert!(!error.message().is_empty());
            prop_assert!(error.message().len() < 400, "{}", error);
            let before = &source[..error.offset()];
            let column = before
                .rsplit('\n')
                .next()
                .map_or(0, |line| line.chars().count());
            prop_assert_eq!(error.column(), column + 1);
            prop_assert!(error.caret().ends_with('^'));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..300)) {
        check_any(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_text_is_answered(source in ".{0,200}") {
        check_any(&source)?;
    }

    #[test]
    fn any_heap_of_pieces_is_answered(source in soup()) {
        check_any(&source)?;
    }

    #[test]
    fn any_damaged_expression_is_answered(source in damaged()) {
        check_any(&source)?;
    }

    #[test]
    fn the_canonical_form_parses_back(expression in expression()) {
        let canonical = expression.to_string();
        prop_assume!(canonical.len() <= filter::MAX_LENGTH);
        let parsed = parse(&canonical).map_err(|error| {
            TestCaseError::fail(format!("{canonical}\n{error}\n{}", error.caret()))
        })?;
        prop_assert_eq!(parsed.expression, expression);
    }

    #[test]
    fn a_match_needs_one_of_the_required_services(expression in expression(), trace in trace()) {
        let services = filter::services(&expression);
        if !services.is_empty() && filter::matches(&expression, &trace) {
            prop_assert!(
                trace.nodes.iter().any(|node| services.contains(node.name.as_str())),
                "{} matches without {:?}", expression, services
            );
        }
    }

    #[test]
    fn not_turns_every_answer_around(expression in expression(), trace in trace()) {
        let negated = Expression::Not(Box::new(expression.clone()));
        prop_assert_ne!(filter::matches(&negated, &trace), filter::matches(&expression, &trace));
    }

    #[test]
    fn and_and_or_are_what_their_parts_say(left in expression(), right in expression(), trace in trace()) {
        let (l, r) = (filter::matches(&left, &trace), filter::matches(&right, &trace));
        let both = Expression::And(vec![left.clone(), right.clone()]);
        let either = Expression::Or(vec![left, right]);
        prop_assert_eq!(filter::matches(&both, &trace), l && r);
        prop_assert_eq!(filter::matches(&either, &trace), l || r);
    }
}

/// A trace of a few services that all call each other, with the same facts on each level.
#[derive(Debug, Clone)]
struct Trace {
    nodes: Vec<Element>,
    facts: Element,
    annotation: Option<bool>,
}

#[derive(Debug, Clone)]
struct Element {
    name: String,
    fault: bool,
    duration: f64,
}

fn element() -> impl Strategy<Value = Element> {
    (select(vec!["a", "b", "c"]), any::<bool>(), 0_u8..4).prop_map(|(name, fault, duration)| {
        Element {
            name: name.to_owned(),
            fault,
            duration: f64::from(duration),
        }
    })
}

fn trace() -> impl Strategy<Value = Trace> {
    (vec(element(), 0..3), element(), of(any::<bool>())).prop_map(|(nodes, facts, annotation)| {
        Trace {
            nodes,
            facts,
            annotation,
        }
    })
}

impl Scope for Element {
    fn boolean(&self, _: BooleanKeyword) -> bool {
        self.fault
    }

    fn number(&self, keyword: NumberKeyword) -> Option<f64> {
        (keyword == NumberKeyword::Duration).then_some(self.duration)
    }

    fn strings(&self, keyword: StringKeyword) -> Vec<&str> {
        match keyword {
            StringKeyword::User => vec!["a", "b"],
            StringKeyword::Name => vec![&self.name],
            _ => Vec::new(),
        }
    }
}

impl Element {
    fn id(&self) -> ServiceId<'_> {
        ServiceId {
            name: &self.name,
            kind: "c",
            account: "",
        }
    }
}

impl Scope for Trace {
    fn boolean(&self, keyword: BooleanKeyword) -> bool {
        self.facts.boolean(keyword)
    }

    fn number(&self, keyword: NumberKeyword) -> Option<f64> {
        self.facts.number(keyword)
    }

    fn strings(&self, keyword: StringKeyword) -> Vec<&str> {
        self.facts.strings(keyword)
    }
}

impl TraceView for Trace {
    fn annotations(&self, _: &str) -> Vec<AnnotationValue<'_>> {
        self.annotation
            .map(AnnotationValue::Boolean)
            .into_iter()
            .collect()
    }

    fn services(&self) -> Vec<(ServiceId<'_>, &dyn Scope)> {
        self.nodes
            .iter()
            .map(|node| (node.id(), node as &dyn Scope))
            .collect()
    }

    fn edges(&self) -> Vec<(ServiceId<'_>, ServiceId<'_>, &dyn Scope)> {
        let pairs = self
            .nodes
            .iter()
            .flat_map(|from| self.nodes.iter().map(move |to| (from, to)));
        pairs
            .map(|(from, to)| (from.id(), to.id(), to as &dyn Scope))
            .collect()
    }

    fn root_causes(&self, _: RootCauseKind, _: RootCauseElement) -> Vec<&dyn Scope> {
        self.nodes.iter().map(|node| node as &dyn Scope).collect()
    }
}
