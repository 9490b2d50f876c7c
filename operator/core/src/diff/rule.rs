//! X-Ray sampling rules: what differs between the declared and the observed one.

use super::Compare;
use super::change::change;
use crate::crd::SamplingRateBoost;
use crate::desired::{CustomRule, DEFAULT_RULE_FIXED_RATE, DEFAULT_RULE_RESERVOIR_SIZE, RuleSpec};
use crate::identity::{Kind, TagMap};
use crate::observed::Claims;
use crate::plan::{FieldChange, Note, RuleUpdate, Step};

pub(super) struct Rules;

/// Two rates that are the same to AWS, which keeps doubles but may print them with fewer digits.
const RATE_EPSILON: f64 = 1e-9;

/// The call that brings the rule `Default` back to what an account has when it is new.
pub(super) fn restore_default() -> Step {
    Step::UpdateSamplingRule(RuleUpdate {
        fixed_rate: Some(DEFAULT_RULE_FIXED_RATE),
        reservoir_size: Some(DEFAULT_RULE_RESERVOIR_SIZE),
        ..RuleUpdate::default()
    })
}

impl Compare for Rules {
    type Spec = RuleSpec;
    type State = CustomRule;
    const KIND: Kind = Kind::SamplingRule;

    fn quota(&self, claims: &Claims) -> Option<usize> {
        Some(claims.quotas.rules)
    }

    fn create(&self, _: &str, spec: &RuleSpec, tags: TagMap) -> Option<Vec<Step>> {
        match spec {
            RuleSpec::Custom(rule) => Some(vec![Step::CreateSamplingRule {
                rule: rule.clone(),
                tags,
            }]),
            RuleSpec::Default { .. } | RuleSpec::Observed { .. } => None,
        }
    }

    fn update(&self, spec: &RuleSpec, state: &CustomRule) -> (Vec<Step>, Vec<FieldChange>) {
        let mut changes = Vec::new();
        let update = match spec {
            RuleSpec::Default {
                fixed_rate,
                reservoir_size,
            } => RuleUpdate {
                fixed_rate: rate(
                    &mut changes,
                    "fixedRate",
                    Some(*fixed_rate),
                    state.fixed_rate,
                ),
                reservoir_size: change(
                    &mut changes,
                    "reservoirSize",
                    Some(reservoir_size),
                    Some(&state.reservoir_size),
                ),
                ..RuleUpdate::default()
            },
            RuleSpec::Observed {
                fixed_rate,
                reservoir_size,
                priority,
            } => RuleUpdate {
                priority: change(
                    &mut changes,
                    "priority",
                    priority.as_ref(),
                    Some(&state.priority),
                ),
                fixed_rate: rate(&mut changes, "fixedRate", *fixed_rate, state.fixed_rate),
                reservoir_size: change(
                    &mut changes,
                    "reservoirSize",
                    reservoir_size.as_ref(),
                    Some(&state.reservoir_size),
                ),
                ..RuleUpdate::default()
            },
            RuleSpec::Custom(rule) => custom(&mut changes, rule, state),
        };
        if changes.is_empty() {
            return (Vec::new(), changes);
        }
        (vec![Step::UpdateSamplingRule(update)], changes)
    }

    fn impossible(&self, _: &RuleSpec, _: &CustomRule) -> Option<String> {
        None
    }

    fn delete(&self, _: &str, _: &CustomRule) -> Result<Step, String> {
        Ok(Step::DeleteSamplingRule)
    }

    fn note(&self, _: &str, _: &RuleSpec, _: &CustomRule) -> Option<Note> {
        None
    }
}

fn custom(changes: &mut Vec<FieldChange>, rule: &CustomRule, state: &CustomRule) -> RuleUpdate {
    // Without `..`, so that a new field cannot be forgotten in the comparison.
    let CustomRule {
        priority,
        fixed_rate,
        reservoir_size,
        service_name,
        service_type,
        host,
        http_method,
        url_path,
        resource_arn,
        attributes,
        rate_boost,
    } = rule;
    RuleUpdate {
        priority: change(changes, "priority", Some(priority), Some(&state.priority)),
        fixed_rate: rate(changes, "fixedRate", Some(*fixed_rate), state.fixed_rate),
        reservoir_size: change(
            changes,
            "reservoirSize",
            Some(reservoir_size),
            Some(&state.reservoir_size),
        ),
        service_name: change(
            changes,
            "serviceName",
            Some(service_name),
            Some(&state.service_name),
        ),
        service_type: change(
            changes,
            "serviceType",
            Some(service_type),
            Some(&state.service_type),
        ),
        host: change(changes, "host", Some(host), Some(&state.host)),
        http_method: change(
            changes,
            "httpMethod",
            Some(http_method),
            Some(&state.http_method),
        ),
        url_path: change(changes, "urlPath", Some(url_path), Some(&state.url_path)),
        resource_arn: change(
            changes,
            "resourceArn",
            Some(resource_arn),
            Some(&state.resource_arn),
        ),
        attributes: (*attributes != state.attributes).then(|| {
            changes.push(FieldChange {
                field: "attributes",
                from: show_attributes(&state.attributes),
                to: show_attributes(attributes),
            });
            attributes.clone()
        }),
        rate_boost: boost(changes, rate_boost.as_ref(), state.rate_boost.as_ref()),
    }
}

fn rate(
    changes: &mut Vec<FieldChange>,
    field: &'static str,
    declared: Option<f64>,
    observed: f64,
) -> Option<f64> {
    let declared = declared.filter(|declared| (declared - observed).abs() > RATE_EPSILON)?;
    changes.push(FieldChange {
        field,
        from: Some(observed.to_string()),
        to: Some(declared.to_string()),
    });
    Some(declared)
}

/// AWS cannot remove a boost, so one that is no longer declared is turned down to nothing, once.
fn boost(
    changes: &mut Vec<FieldChange>,
    declared: Option<&SamplingRateBoost>,
    observed: Option<&SamplingRateBoost>,
) -> Option<SamplingRateBoost> {
    let wanted = match (declared, observed) {
        (Some(declared), _) => declared.clone(),
        (None, None) => return None,
        (None, Some(observed)) => SamplingRateBoost {
            max_rate: 0.0,
            ..observed.clone()
        },
    };
    let same = observed.is_some_and(|observed| {
        (observed.max_rate - wanted.max_rate).abs() <= RATE_EPSILON
            && observed.cooldown_window_minutes == wanted.cooldown_window_minutes
    });
    if same {
        return None;
    }
    let show = |boost: &SamplingRateBoost| {
        format!(
            "maxRate {}, cooldownWindowMinutes {}",
            boost.max_rate, boost.cooldown_window_minutes
        )
    };
    changes.push(FieldChange {
        field: "rateBoost",
        from: observed.map(show),
        to: Some(show(&wanted)),
    });
    Some(wanted)
}

fn show_attributes(attributes: &TagMap) -> Option<String> {
    (!attributes.is_empty()).then(|| {
        attributes
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(",")
    })
}
