//! Finding the first rule that matches a request.
//!
//! The two fields whose patterns tell the rules apart most are looked at first, and only for which characters occur in
//! them: most rules lack one and are passed over without trying a pattern.

use super::pattern::{Pattern, characters_of};
use crate::rule::{Request, SamplingRule};

const PROBES: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Matcher {
    probes: [Option<Field>; PROBES],
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Host,
    Method,
    Path,
    Service,
    ServiceType,
}

#[derive(Debug)]
struct Rule {
    /// The characters that each probe's text must have.
    needs: [u64; PROBES],
    /// The patterns but for those that match everything.
    patterns: Vec<(Field, Pattern)>,
}

impl Field {
    const ALL: [Self; 5] = [
        Self::Host,
        Self::Method,
        Self::Path,
        Self::Service,
        Self::ServiceType,
    ];

    fn pattern(self, rule: &SamplingRule) -> &str {
        match self {
            Self::Host => &rule.host,
            Self::Method => &rule.http_method,
            Self::Path => &rule.url_path,
            Self::Service => &rule.service_name,
            Self::ServiceType => &rule.service_type,
        }
    }

    /// What the request says; nothing where it says nothing, and then every pattern matches.
    fn text<'a>(self, request: &Request<'a>) -> Option<&'a str> {
        let text = match self {
            Self::Host => request.host,
            Self::Method => request.method,
            Self::Path => request.path,
            Self::Service => request.service,
            Self::ServiceType => request.service_type,
        };
        text.filter(|text| !text.is_empty())
    }
}

impl Matcher {
    /// Takes the rules in the order in which they are to be tried.
    pub(super) fn new(rules: &[SamplingRule]) -> Self {
        let different = |field: Field| {
            let mut patterns: Vec<&str> = rules.iter().map(|rule| field.pattern(rule)).collect();
            patterns.sort_unstable();
            patterns.dedup();
            patterns.len()
        };
        let mut fields = Field::ALL;
        fields.sort_by_cached_key(|field| std::cmp::Reverse(different(*field)));
        let probes = std::array::from_fn(|n| (different(fields[n]) > 1).then_some(fields[n]));
        let rules = rules
            .iter()
            .map(|rule| Rule::new(rule, fields, probes))
            .collect();
        Self { probes, rules }
    }

    /// The index of the first rule that matches.
    #[inline]
    pub(super) fn first_match(&self, request: &Request<'_>) -> Option<usize> {
        let has = self.probes.map(|field| {
            field
                .and_then(|field| field.text(request))
                .map_or(u64::MAX, characters_of)
        });
        self.rules.iter().position(|rule| {
            let lacks = (rule.needs[0] & !has[0]) | (rule.needs[1] & !has[1]);
            lacks == 0 && rule.matches(request)
        })
    }
}

impl Rule {
    fn new(rule: &SamplingRule, fields: [Field; 5], probes: [Option<Field>; PROBES]) -> Self {
        // The rule `Default` matches by its name.
        let fields = if rule.is_default() {
            [].as_slice()
        } else {
            &fields
        };
        let patterns: Vec<(Field, Pattern)> = fields
            .iter()
            .map(|field| (*field, Pattern::new(field.pattern(rule))))
            .filter(|(_, pattern)| !pattern.matches_everything())
            .collect();
        let needs = probes.map(|probe| {
            let pattern = patterns.iter().find(|(field, _)| Some(*field) == probe);
            pattern.map_or(0, |(_, pattern)| pattern.characters())
        });
        Self { needs, patterns }
    }

    #[inline]
    fn matches(&self, request: &Request<'_>) -> bool {
        self.patterns
            .iter()
            .all(|(field, pattern)| field.text(request).is_none_or(|text| pattern.matches(text)))
    }
}
