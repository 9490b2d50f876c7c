//! What a namespace may do in AWS, decided by its cluster admin through annotations: a profile's author is not an AWS
//! admin.

use std::collections::BTreeMap;

use tracewright_xray::contract::annotation;

/// The rights of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    allowed_role_arns: Vec<String>,
    allowed_names: Option<Vec<String>>,
    allow_adopt: Vec<String>,
}

impl Rights {
    /// Reads the rights out of a namespace's annotations. Each is a comma list of patterns in which `*` stands for any
    /// run of characters.
    #[must_use]
    pub fn read(annotations: &BTreeMap<String, String>) -> Self {
        let list = |key: &str| {
            annotations.get(key).map(|value| {
                value
                    .split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty())
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
        };
        Self {
            allowed_role_arns: list(annotation::ALLOWED_ROLE_ARNS).unwrap_or_default(),
            allowed_names: list(annotation::ALLOWED_NAMES),
            allow_adopt: list(annotation::ALLOW_ADOPT).unwrap_or_default(),
        }
    }

    /// Whether profiles of the namespace may have this role assumed. No annotation: none.
    #[must_use]
    pub fn may_assume(&self, role_arn: &str) -> bool {
        self.allowed_role_arns
            .iter()
            .any(|pattern| matches(pattern, role_arn))
    }

    /// Whether profiles of the namespace may use this name of an AWS object. No annotation: any.
    #[must_use]
    pub fn may_name(&self, name: &str) -> bool {
        self.allowed_names
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| matches(pattern, name)))
    }

    /// Whether profiles of the namespace may adopt the object of this name, or manage the rule `Default`. No
    /// annotation: none.
    #[must_use]
    pub fn may_adopt(&self, name: &str) -> bool {
        self.allow_adopt
            .iter()
            .any(|pattern| matches(pattern, name))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_only() {
        for (pattern, text, expected) in [
            ("cruddur", "cruddur", true),
            ("cruddur", "cruddur2", false),
            ("cruddur", "xcruddur", false),
            ("team-*", "team-a", true),
            ("team-*", "a-team-a", false),
            ("*", "", true),
            ("*-prod", "a-prod", true),
            ("*-prod", "a-prod-x", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a**a", "aa", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn without_annotations_any_name_is_allowed_and_nothing_else() {
        let rights = Rights::read(&BTreeMap::new());
        assert!(rights.may_name("anything"));
        assert!(!rights.may_adopt("anything"));
        assert!(!rights.may_assume("arn:aws:iam::123456789012:role/x"));
    }

    #[test]
    fn an_empty_list_of_names_allows_none() {
        let rights = Rights::read(&BTreeMap::from([(
            annotation::ALLOWED_NAMES.to_owned(),
            String::new(),
        )]));
        assert!(!rights.may_name("anything"));
    }
}
