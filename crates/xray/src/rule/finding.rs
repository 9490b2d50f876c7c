//! What is probably wrong with a set of rules, although each of them is well formed.

use std::fmt;

use super::{Client, Ignored, RuleSet, SamplingRule, wildcard};
use crate::contract::condition::reason;

/// Something about one rule, or about two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The rule that it is about.
    pub rule: String,
    /// The families of clients for which it holds.
    pub clients: Vec<Client>,
    sentence: String,
}

impl Finding {
    /// What is wrong and what to do, in one sentence. The same as its `Display`.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What a [`Finding`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// An earlier rule matches every request that the rule matches.
    Unreachable {
        /// The earlier rule.
        by: String,
    },
    /// Another rule has the same priority; names decide which is tried first.
    EqualPriority {
        /// The rule that is tried next.
        with: String,
    },
    /// The service is never called what the rule's `ServiceName` asks for.
    NameCannotMatch,
    /// Clients never look at the rule.
    Ignored(Ignored),
}

impl FindingKind {
    /// The reason that condition `Advisories` gives for it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => reason::RULE_UNREACHABLE,
            Self::EqualPriority { .. } => reason::EQUAL_PRIORITY,
            Self::NameCannotMatch => reason::NAME_CANNOT_MATCH,
            Self::Ignored(_) => reason::ATTRIBUTES_IGNORED,
        }
    }
}

/// Rules that an earlier rule keeps from ever being reached.
///
/// A rule is reported if one earlier rule covers it: each pattern includes the later rule's pattern, which is decided
/// exactly ([`wildcard::includes`]). That several earlier rules cover it only together is not looked for. `Default` is
/// reported too if a rule matches everything; in most accounts that is meant.
#[must_use]
pub fn unreachable(rules: &RuleSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, rule) in rules.rules().iter().enumerate() {
        let mut shadows: Vec<(&SamplingRule, Vec<Client>)> = Vec::new();
        for client in Client::ALL.iter().copied() {
            let Some(by) = shadow(rule, &rules.rules()[..position], client) else {
                continue;
            };
            match shadows.iter_mut().find(|(known, _)| *known == by) {
                Some((_, clients)) => clients.push(client),
                None => shadows.push((by, vec![client])),
            }
        }
        findings.extend(
            shadows
                .into_iter()
                .map(|(by, clients)| shadowed(rule, by, clients)),
        );
    }
    findings
}

/// The first of the earlier rules that covers the rule for clients of the family, if they look at the rule at all.
fn shadow<'a>(
    rule: &SamplingRule,
    earlier: &'a [SamplingRule],
    client: Client,
) -> Option<&'a SamplingRule> {
    let seen = |rule: &SamplingRule| rule.ignored_by(client).is_none();
    earlier
        .iter()
        .find(|by| seen(rule) && seen(by) && by.covers(rule, client))
}

fn shadowed(rule: &SamplingRule, by: &SamplingRule, clients: Vec<Client>) -> Finding {
    let (name, priority) = (&rule.rule_name, rule.priority);
    let (other, before) = (&by.rule_name, by.priority);
    let reached_by_others = Client::ALL
        .iter()
        .any(|client| !clients.contains(client) && rule.ignored_by(*client).is_none());
    let whom = match clients.first() {
        Some(Client::XRaySdk) if reached_by_others => " by X-Ray SDKs",
        Some(Client::OpenTelemetry) if reached_by_others => " by OpenTelemetry samplers",
        _ => "",
    };
    let remedy = if rule.is_default() {
        format!("narrow `{other}` if the rate of `{name}` is to count")
    } else if before > 1 {
        format!("give `{name}` a priority below {before}, or narrow `{other}`")
    } else {
        format!("give `{other}` a priority above {priority}, or narrow it")
    };
    Finding {
        sentence: format!(
            "sampling rule `{name}` (priority {priority}) is never reached{whom}: `{other}` (priority {before}) is tried \
             before it and matches every request that it matches; {remedy}"
        ),
        kind: FindingKind::Unreachable { by: other.clone() },
        rule: name.clone(),
        clients,
    }
}

/// Rules that share a priority with the rule that is tried next.
#[must_use]
pub fn equal_priorities(rules: &RuleSet) -> Vec<Finding> {
    rules
        .rules()
        .windows(2)
        .filter(|pair| pair[0].priority == pair[1].priority)
        .map(|pair| {
            let (rule, with) = (&pair[0].rule_name, &pair[1].rule_name);
            Finding {
                kind: FindingKind::EqualPriority { with: with.clone() },
                rule: rule.clone(),
                clients: Client::ALL.to_vec(),
                sentence: format!(
                    "sampling rules `{rule}` and `{with}` both have priority {}, so their names decide that `{rule}` is \
                     tried first; give them different priorities",
                    pair[0].priority
                ),
            }
        })
        .collect()
}

/// Rules that clients of a family never look at.
#[must_use]
pub fn ignored(rules: &RuleSet) -> Vec<Finding> {
    rules
        .rules()
        .iter()
        .filter_map(|rule| {
            let clients: Vec<Client> = Client::ALL
                .iter()
                .copied()
                .filter(|client| rule.ignored_by(*client).is_some())
                .collect();
            let why = rule.ignored_by(*clients.first()?)?;
            let name = &rule.rule_name;
            let sentence = match why {
                Ignored::Version => format!(
                    "every client ignores sampling rule `{name}`, because its Version is {}; only 1 is known",
                    rule.version
                ),
                Ignored::ResourceArn => format!(
                    "X-Ray SDKs ignore sampling rule `{name}`, because its ResourceARN is not `*`; only OpenTelemetry \
                     samplers evaluate it"
                ),
                Ignored::Attributes => format!(
                    "X-Ray SDKs ignore sampling rule `{name}`, because it has Attributes; only OpenTelemetry samplers \
                     evaluate them"
                ),
                Ignored::ServiceType => format!(
                    "X-Ray SDKs ignore sampling rule `{name}`, because its ServiceType is empty; write `*`"
                ),
            };
            Some(Finding {
                kind: FindingKind::Ignored(why),
                rule: name.clone(),
                clients,
                sentence,
            })
        })
        .collect()
}

/// What a service's traces are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceNames<'a> {
    /// The service's name: `OTEL_SERVICE_NAME` and `AWS_XRAY_TRACING_NAME`.
    pub name: &'a str,
    /// The pattern of dynamic naming (`AWS_XRAY_URL`): X-Ray SDKs name the segment of a request after its host, if the
    /// host matches.
    pub dynamic: Option<&'a str>,
}

/// Rules that never match the service, because it is never called what their `ServiceName` asks for. `Default` matches
/// whatever the name.
///
/// Under dynamic naming a rule is reported for X-Ray SDKs if it matches none of the hosts of the pattern, because then it
/// matches no request that dynamic naming was meant for, even where it matches the others.
#[must_use]
pub fn name_cannot_match(rules: &RuleSet, names: ServiceNames<'_>) -> Vec<Finding> {
    let can_match = |pattern: &str, client| match (client, names.dynamic) {
        (Client::XRaySdk, Some(hosts)) => wildcard::intersects(pattern, hosts, client),
        _ => wildcard::matches(pattern, names.name, client),
    };
    rules
        .rules()
        .iter()
        .filter(|rule| !rule.is_default())
        .filter_map(|rule| {
            let pattern = &rule.service_name;
            let clients: Vec<Client> = Client::ALL
                .iter()
                .copied()
                .filter(|client| rule.ignored_by(*client).is_none() && !can_match(pattern, *client))
                .collect();
            let first = *clients.first()?;
            let (rule, name) = (&rule.rule_name, names.name);
            let sentence = match names.dynamic {
                Some(hosts) if first == Client::XRaySdk => format!(
                    "dynamic naming calls the segments of hosts like `{hosts}` after the host, which ServiceName \
                     `{pattern}` of sampling rule `{rule}` never matches, so those requests fall through to a later rule; \
                     remove dynamicNaming, or write a serviceName that matches those hosts"
                ),
                _ => {
                    let whom = match clients.as_slice() {
                        [Client::OpenTelemetry] => " in OpenTelemetry samplers, which compare with regard to case",
                        _ => "",
                    };
                    format!(
                        "ServiceName `{pattern}` of sampling rule `{rule}` never matches the service's name `{name}`{whom}; \
                         write serviceName: {name}"
                    )
                }
            };
            Some(Finding {
                kind: FindingKind::NameCannotMatch,
                rule: rule.clone(),
                clients,
                sentence,
            })
        })
        .collect()
}
