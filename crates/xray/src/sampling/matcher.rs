//! Finding the first rule that matches a request: all rules at once, one bit each.
//!
//! Equal patterns of one field are tried once for all rules that have them, and only while one of those rules can still
//! match. The field with the most patterns goes first, because it tells the rules apart.

use super::pattern::{Folded, Pattern};
use crate::rule::{Request, SamplingRule};

/// How many rules one [`Matcher`] holds: the bits of its masks.
pub(super) const MAX_RULES: usize = 64;

#[derive(Debug)]
pub(super) struct Matcher {
    all: u64,
    fields: Vec<(Field, Vec<Alternative>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Host,
    Method,
    Path,
    Service,
    ServiceType,
}

/// A pattern and the rules that have it.
#[derive(Debug)]
struct Alternative {
    pattern: Pattern,
    rules: u64,
}

impl Matcher {
    /// Takes at most [`MAX_RULES`] rules, in the order in which they are to be tried.
    pub(super) fn new(rules: &[SamplingRule]) -> Self {
        assert!(rules.len() <= MAX_RULES, "the caller splits longer lists");
        let all = [
            Field::Host,
            Field::Method,
            Field::Path,
            Field::Service,
            Field::ServiceType,
        ];
        let mut fields: Vec<(Field, Vec<Alternative>)> = all
            .into_iter()
            .map(|field| (field, alternatives(field, rules)))
            .filter(|(_, alternatives)| !alternatives.is_empty())
            .collect();
        fields.sort_by_key(|(_, alternatives)| std::cmp::Reverse(alternatives.len()));
        Self {
            all: if rules.len() == MAX_RULES {
                u64::MAX
            } else {
                (1 << rules.len()) - 1
            },
            fields,
        }
    }

    /// The index of the first rule that matches.
    #[inline]
    pub(super) fn first_match(&self, request: &Request<'_>) -> Option<usize> {
        let mut candidates = self.all;
        for (field, alternatives) in &self.fields {
            let text = match field {
                Field::Host => request.host,
                Field::Method => request.method,
                Field::Path => request.path,
                Field::Service => request.service,
                Field::ServiceType => request.service_type,
            };
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                continue;
            };
            let text = Folded::new(text);
            for alternative in alternatives {
                if candidates & alternative.rules != 0 && !alternative.pattern.matches(&text) {
                    candidates &= !alternative.rules;
                }
            }
        }
        (candidates != 0).then(|| candidates.trailing_zeros() as usize)
    }
}

fn alternatives(field: Field, rules: &[SamplingRule]) -> Vec<Alternative> {
    let mut alternatives: Vec<Alternative> = Vec::new();
    for (n, rule) in rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| !rule.is_default())
    {
        let pattern = Pattern::new(match field {
            Field::Host => &rule.host,
            Field::Method => &rule.http_method,
            Field::Path => &rule.url_path,
            Field::Service => &rule.service_name,
            Field::ServiceType => &rule.service_type,
        });
        if pattern.matches_everything() {
            continue;
        }
        match alternatives
            .iter_mut()
            .find(|alternative| alternative.pattern == pattern)
        {
            Some(alternative) => alternative.rules |= 1 << n,
            None => alternatives.push(Alternative {
                pattern,
                rules: 1 << n,
            }),
        }
    }
    alternatives
}
