//! What a step does to an account, as data: the operator's picture of an account stays true between two reads, and the
//! tests can carry out a plan without an account.

use tracewright_xray::contract::name::DEFAULT_RULE;

use crate::crd::LogGroupClass;
use crate::desired::CustomRule;
use crate::identity::{Kind, TagMap};
use crate::observed::{GroupState, LogGroupState, Observed, Seen, Tags};
use crate::plan::{RuleUpdate, Step};

/// Carries a step out on the picture. `arn` is the ARN of the object that the step makes or concerns. A step about an
/// object that the picture does not hold changes nothing.
pub fn carry_out(observed: &mut Observed, kind: Kind, name: &str, arn: &str, step: &Step) {
    match step {
        Step::CreateGroup {
            filter_expression,
            insights,
            tags,
        } => {
            let (insights_enabled, notifications_enabled) = insights.unwrap_or_default();
            let state = GroupState {
                filter_expression: filter_expression.clone(),
                insights_enabled,
                notifications_enabled,
            };
            observed
                .groups
                .insert(name.to_owned(), seen(arn, state, tags));
        }
        Step::UpdateGroup {
            filter_expression,
            insights,
        } => {
            let Some(group) = observed.groups.get_mut(name) else {
                return;
            };
            if let Some(expression) = filter_expression {
                group.state.filter_expression.clone_from(expression);
            }
            if let Some((enabled, notifications)) = insights {
                group.state.insights_enabled = *enabled;
                group.state.notifications_enabled = *notifications;
            }
        }
        Step::DeleteGroup => drop(observed.groups.remove(name)),
        Step::CreateSamplingRule { rule, tags } => {
            observed
                .rules
                .insert(name.to_owned(), seen(arn, rule.clone(), tags));
        }
        Step::UpdateSamplingRule(update) => {
            if let Some(rule) = observed.rules.get_mut(name) {
                update_rule(&mut rule.state, update);
            }
        }
        Step::DeleteSamplingRule if name == DEFAULT_RULE => {}
        Step::DeleteSamplingRule => drop(observed.rules.remove(name)),
        Step::CreateLogGroup {
            class,
            kms_key_arn,
            deletion_protection,
            tags,
        } => {
            let state = LogGroupState {
                class: Some(class.unwrap_or(LogGroupClass::Standard)),
                kms_key_arn: kms_key_arn.clone(),
                deletion_protection: deletion_protection.unwrap_or(false),
                ..LogGroupState::default()
            };
            observed
                .log_groups
                .insert(name.to_owned(), seen(arn, state, tags));
        }
        Step::PutRetentionPolicy { days } => {
            log_group(observed, name, |state| {
                state.retention_in_days = Some(*days)
            });
        }
        Step::AssociateKmsKey { arn } => log_group(observed, name, |state| {
            state.kms_key_arn = Some(arn.clone())
        }),
        Step::PutLogGroupDeletionProtection { enabled } => {
            log_group(observed, name, |state| state.deletion_protection = *enabled);
        }
        Step::DeleteLogGroup => drop(observed.log_groups.remove(name)),
        Step::Tag { tags } => {
            with_tags(observed, kind, name, |current| {
                current.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
            });
        }
        Step::Untag { keys } => {
            with_tags(observed, kind, name, |current| {
                current.retain(|key, _| !keys.contains(&key.as_str()))
            });
        }
    }
}

fn seen<S>(arn: &str, state: S, tags: &TagMap) -> Seen<S> {
    Seen {
        arn: arn.to_owned(),
        state,
        tags: Tags::Read(tags.clone()),
    }
}

fn log_group(observed: &mut Observed, name: &str, change: impl FnOnce(&mut LogGroupState)) {
    if let Some(group) = observed.log_groups.get_mut(name) {
        change(&mut group.state);
    }
}

fn with_tags(observed: &mut Observed, kind: Kind, name: &str, change: impl FnOnce(&mut TagMap)) {
    let tags = match kind {
        Kind::Group => observed.groups.get_mut(name).map(|seen| &mut seen.tags),
        Kind::SamplingRule => observed.rules.get_mut(name).map(|seen| &mut seen.tags),
        Kind::LogGroup => observed.log_groups.get_mut(name).map(|seen| &mut seen.tags),
    };
    let Some(tags) = tags else { return };
    let mut map = match std::mem::replace(tags, Tags::Unread) {
        Tags::Read(map) => map,
        Tags::Unread | Tags::Settling => TagMap::new(),
    };
    change(&mut map);
    *tags = Tags::Read(map);
}

fn update_rule(rule: &mut CustomRule, update: &RuleUpdate) {
    fn set<T: Clone>(field: &mut T, value: Option<&T>) {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    // Without `..`, so that a new field cannot be forgotten.
    let RuleUpdate {
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
    } = update;
    set(&mut rule.priority, priority.as_ref());
    set(&mut rule.fixed_rate, fixed_rate.as_ref());
    set(&mut rule.reservoir_size, reservoir_size.as_ref());
    set(&mut rule.service_name, service_name.as_ref());
    set(&mut rule.service_type, service_type.as_ref());
    set(&mut rule.host, host.as_ref());
    set(&mut rule.http_method, http_method.as_ref());
    set(&mut rule.url_path, url_path.as_ref());
    set(&mut rule.resource_arn, resource_arn.as_ref());
    set(&mut rule.attributes, attributes.as_ref());
    if rate_boost.is_some() {
        rule.rate_boost.clone_from(rate_boost);
    }
}
