//! The rules in the order in which they are tried, and which of them a request meets.

use super::{Client, SamplingRule, wildcard};

/// What is known of a request when it is decided whether to trace it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The segment's name (X-Ray SDKs) or `service.name` (OpenTelemetry).
    pub service: Option<&'a str>,
    /// The service's type, such as `AWS::EKS::Container`.
    pub service_type: Option<&'a str>,
    /// The host that was asked.
    pub host: Option<&'a str>,
    /// The method.
    pub method: Option<&'a str>,
    /// The path, without the query.
    pub path: Option<&'a str>,
    /// The ARN of the resource on which the service runs.
    pub resource_arn: Option<&'a str>,
    /// The span's attributes.
    pub attributes: &'a [(&'a str, &'a str)],
}

/// Sampling rules in X-Ray's order: by priority, equal ones by name; `Default` last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleSet {
    rules: Vec<SamplingRule>,
}

impl RuleSet {
    /// Puts the rules in order.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = SamplingRule>) -> Self {
        let mut rules: Vec<_> = rules.into_iter().collect();
        rules.sort_by(|a, b| order(a).cmp(&order(b)));
        Self { rules }
    }

    /// The rules, first tried first.
    #[must_use]
    pub fn rules(&self) -> &[SamplingRule] {
        &self.rules
    }

    /// The rule by which clients of the family decide on the request.
    #[must_use]
    pub fn first_match(&self, request: &Request<'_>, client: Client) -> Option<&SamplingRule> {
        self.rules.iter().find(|rule| rule.matches(request, client))
    }
}

fn order(rule: &SamplingRule) -> (bool, i32, &str) {
    (rule.is_default(), rule.priority, &rule.rule_name)
}

impl SamplingRule {
    /// Whether clients of the family find that the rule matches the request. `Default` matches everything.
    #[must_use]
    pub fn matches(&self, request: &Request<'_>, client: Client) -> bool {
        if self.is_default() {
            return true;
        }
        if self.ignored_by(client).is_some() {
            return false;
        }
        let fields = [
            (&self.service_name, request.service),
            (&self.service_type, request.service_type),
            (&self.host, request.host),
            (&self.http_method, request.method),
            (&self.url_path, request.path),
        ];
        if !fields
            .into_iter()
            .all(|(pattern, value)| field_matches(pattern, value, client))
        {
            return false;
        }
        match client {
            // A rule that is not ignored has no attributes, and its ARN is `*`.
            Client::XRaySdk => true,
            Client::OpenTelemetry => {
                field_matches(&self.resource_arn, request.resource_arn, client)
                    && self.attributes.iter().all(|(key, pattern)| {
                        request.attributes.iter().any(|(name, value)| {
                            name == key && wildcard::matches(pattern, value, client)
                        })
                    })
            }
        }
    }

    /// Whether every request that `other` matches is matched by this rule too, for clients of the family. Each field is
    /// decided exactly; fields are taken to be independent of each other.
    pub(super) fn covers(&self, other: &Self, client: Client) -> bool {
        if self.is_default() {
            return true;
        }
        if other.is_default() {
            return self.covers(
                &Self {
                    rule_name: String::new(),
                    ..Self::factory_default()
                },
                client,
            );
        }
        let fields = [
            (&self.service_name, &other.service_name),
            (&self.service_type, &other.service_type),
            (&self.host, &other.host),
            (&self.http_method, &other.http_method),
            (&self.url_path, &other.url_path),
        ];
        if !fields
            .into_iter()
            .all(|(outer, inner)| field_includes(outer, inner, client))
        {
            return false;
        }
        match client {
            Client::XRaySdk => true,
            Client::OpenTelemetry => {
                field_includes(&self.resource_arn, &other.resource_arn, client)
                    && self.attributes.iter().all(|(key, outer)| {
                        other
                            .attributes
                            .get(key)
                            .is_some_and(|inner| field_includes(outer, inner, client))
                    })
            }
        }
    }
}

fn field_matches(pattern: &str, value: Option<&str>, client: Client) -> bool {
    match (client, value) {
        (Client::XRaySdk, None | Some("")) => true,
        (Client::OpenTelemetry, None) => pattern == "*",
        (_, Some(value)) => wildcard::matches(pattern, value, client),
    }
}

/// Whether [`field_matches`] with `inner` implies it with `outer`, whatever the value.
fn field_includes(outer: &str, inner: &str, client: Client) -> bool {
    match client {
        // To the SDKs an empty value is none, and none matches anything: only texts that are not empty count.
        Client::XRaySdk if inner.is_empty() => true,
        Client::XRaySdk if inner.chars().all(|c| c == '*') => {
            wildcard::includes(outer, "?*", client)
        }
        Client::XRaySdk => wildcard::includes(outer, inner, client),
        // No value (of an attribute: none that is text) matches `*` alone, not even `**`.
        Client::OpenTelemetry => {
            (inner != "*" || outer == "*") && wildcard::includes(outer, inner, client)
        }
    }
}
