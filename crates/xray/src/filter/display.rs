//! The canonical form: one space between words, keywords in lower case, operators in upper case, no needless parentheses.

use std::fmt::{self, Display, Formatter, Write};

use super::ast::{Comparison, Expression, Node, Unknown};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => join(f, parts, " AND ", |part| {
                matches!(part, Self::And(_) | Self::Or(_))
            }),
            Self::Or(parts) => join(f, parts, " OR ", |part| matches!(part, Self::Or(_))),
            Self::Not(part) => {
                f.write_char('!')?;
                let compound = matches!(**part, Self::And(_) | Self::Or(_) | Self::Not(_));
                write_part(f, part, compound)
            }
            Self::Boolean(keyword, None) => write!(f, "{keyword}"),
            Self::Boolean(keyword, Some((operator, value))) => {
                write!(f, "{keyword} {operator} {value}")
            }
            Self::Number(keyword, operator, value) => write!(f, "{keyword} {operator} {value}"),
            Self::String(keyword, None) => write!(f, "{keyword}"),
            Self::String(keyword, Some((operator, value))) => {
                write!(f, "{keyword} {operator} {}", Quoted(value))
            }
            Self::Annotation(key, comparison) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if key.chars().all(plain) {
                    write!(f, "annotation.{key}")?;
                } else {
                    write!(f, "annotation[{key}]")?;
                }
                write_comparison(f, comparison.as_ref())
            }
            Self::Group(keyword, operator, value) => {
                write!(f, "{keyword} {operator} {}", Quoted(value))
            }
            Self::Service(node, filter) => {
                f.write_str("service(")?;
                if let Some(node) = node {
                    write!(f, "{node}")?;
                }
                f.write_char(')')?;
                write_filter(f, filter.as_deref())
            }
            Self::Edge(source, destination, filter) => {
                write!(f, "edge({source}, {destination})")?;
                write_filter(f, filter.as_deref())
            }
            Self::RootCause(kind, element, filter) => {
                write!(f, "rootcause.{kind}.{element}")?;
                write_filter(f, Some(filter))
            }
            Self::RootCauseJson(operator, json) => write!(f, "rootcause.json {operator} #{json}"),
            Self::Unknown(unknown) => write!(f, "{unknown}"),
        }
    }
}

impl Display for Unknown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keyword)?;
        if let Some(arguments) = &self.arguments {
            f.write_char('(')?;
            for (position, node) in arguments.iter().enumerate() {
                let separator = if position == 0 { "" } else { ", " };
                write!(f, "{separator}{node}")?;
            }
            f.write_char(')')?;
        }
        write_comparison(f, self.comparison.as_ref())?;
        write_filter(f, self.filter.as_deref())
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{}", Quoted(name)),
            Self::Id {
                name,
                kind,
                account,
            } => {
                f.write_str("id(")?;
                let arguments = [("name", name), ("type", kind), ("account.id", account)];
                let mut separator = "";
                for (argument, value) in arguments {
                    if let Some(value) = value {
                        write!(f, "{separator}{argument}: {}", Quoted(value))?;
                        separator = ", ";
                    }
                }
                f.write_char(')')
            }
        }
    }
}

/// A string in double quotes, with `"` and `\` escaped.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

fn join(
    f: &mut Formatter<'_>,
    parts: &[Expression],
    operator: &str,
    needs_parentheses: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            f.write_str(operator)?;
        }
        write_part(f, part, needs_parentheses(part))?;
    }
    Ok(())
}

fn write_part(f: &mut Formatter<'_>, part: &Expression, parentheses: bool) -> fmt::Result {
    if parentheses {
        write!(f, "({part})")
    } else {
        write!(f, "{part}")
    }
}

fn write_comparison(f: &mut Formatter<'_>, comparison: Option<&Comparison>) -> fmt::Result {
    match comparison {
        None => Ok(()),
        Some(Comparison::Boolean(operator, value)) => write!(f, " {operator} {value}"),
        Some(Comparison::Number(operator, value)) => write!(f, " {operator} {value}"),
        Some(Comparison::String(operator, value)) => write!(f, " {operator} {}", Quoted(value)),
    }
}

fn write_filter(f: &mut Formatter<'_>, filter: Option<&Expression>) -> fmt::Result {
    match filter {
        None => Ok(()),
        Some(filter) => write!(f, " {{ {filter} }}"),
    }
}
