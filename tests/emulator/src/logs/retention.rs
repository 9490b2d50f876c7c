//! How long events are kept: the group's own number and the account-level policies above it.

use serde::Deserialize;
use serde_json::Value;

use super::groups::Named;
use super::state::{AccountPolicy, LogGroup};
use super::{Nothing, invalid, no_group};
use crate::emulation::Context;

/// The numbers `PutRetentionPolicy` takes.
pub(super) const DAYS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
/// The shortest retention an account-level policy can have.
const POLICY_MIN_DAYS: i64 = 30;
/// The type of account policy that overrides retention.
pub(super) const POLICY_TYPE: &str = "RETENTION_POLICY";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutInput {
    log_group_name: String,
    retention_in_days: i64,
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Nothing {
    if !DAYS.contains(&input.retention_in_days) {
        let days: Vec<_> = DAYS.iter().map(i64::to_string).collect();
        return Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            input.retention_in_days,
            days.join(", ")
        )));
    }
    set(
        context,
        &input.log_group_name,
        Some(input.retention_in_days),
    )
}

pub(super) fn delete(context: &mut Context<'_>, input: Named) -> Nothing {
    set(context, &input.log_group_name, None)
}

/// Saved even where an account-level policy decides: it counts again when the policy is gone.
fn set(context: &mut Context<'_>, name: &str, days: Option<i64>) -> Nothing {
    let group = context
        .region
        .logs
        .log_groups
        .get_mut(name)
        .ok_or_else(no_group)?;
    if group.class == "DELIVERY" {
        return Err(invalid(
            "The retention of log groups in the DELIVERY class cannot be changed.",
        ));
    }
    group.retention_in_days = days;
    Ok(Value::Null)
}

/// What an account-level retention policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PolicyTerms {
    /// `None`: never expire.
    pub(super) days: Option<i64>,
    new_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    retention_in_days: Value,
    enforcement_mode: String,
}

/// Reads a policy document, or says what is wrong with it.
pub(super) fn terms(document: &str) -> Result<PolicyTerms, String> {
    let document: Document = serde_json::from_str(document)
        .map_err(|error| format!("Invalid policy document: {error}"))?;
    let days = match &document.retention_in_days {
        Value::String(text) if text == "NEVER_EXPIRE" => None,
        Value::Number(number) => number.as_i64().filter(|days| *days >= POLICY_MIN_DAYS && DAYS.contains(days)).map(Some).ok_or_else(|| {
            format!("Invalid policy document: retentionInDays {number} is none of the values from 30 days or NEVER_EXPIRE")
        })?,
        other => return Err(format!("Invalid policy document: retentionInDays {other} is not a number or NEVER_EXPIRE")),
    };
    let new_only = match document.enforcement_mode.as_str() {
        "NEW_ONLY" => true,
        "RETROACTIVE" => false,
        other => {
            return Err(format!(
                "Invalid policy document: enforcementMode {other:?} is not NEW_ONLY or RETROACTIVE"
            ));
        }
    };
    Ok(PolicyTerms { days, new_only })
}

/// The prefix in a selection criteria `LogGroupNamePrefix IN ["a", "b"]`; all groups without one.
pub(super) fn prefixes(criteria: &str) -> Option<Vec<String>> {
    let list = criteria
        .trim()
        .strip_prefix("LogGroupNamePrefix")?
        .trim_start()
        .strip_prefix("IN")?;
    serde_json::from_str::<Vec<String>>(list.trim())
        .ok()
        .filter(|prefixes| !prefixes.is_empty())
}

/// Whether a policy selects a group.
pub(super) fn selects(
    policy: &AccountPolicy,
    terms: PolicyTerms,
    name: &str,
    group: &LogGroup,
) -> bool {
    let named = match &policy.selection_criteria {
        None => true,
        Some(criteria) => prefixes(criteria)
            .is_some_and(|prefixes| prefixes.iter().any(|prefix| name.starts_with(prefix))),
    };
    named && (!terms.new_only || group.creation_time >= policy.created_at)
}

/// How long a group's events are kept in the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effective<'a> {
    /// `None`: never expire.
    pub(super) days: Option<i64>,
    /// The account-level policy that decided.
    pub(super) policy: Option<&'a str>,
}

/// The account-level policy with the longest retention decides, of equal ones the oldest; without one the group itself.
pub(super) fn effective<'a>(
    policies: &'a [AccountPolicy],
    name: &str,
    group: &LogGroup,
    now: i64,
) -> Effective<'a> {
    let mut best: Option<(i64, Effective<'a>)> = None;
    for policy in policies
        .iter()
        .filter(|policy| policy.policy_type == POLICY_TYPE)
    {
        let document = match now >= policy.effective_at {
            true => Some(&policy.policy_document),
            false => policy.previous_document.as_ref(),
        };
        let Some(terms) = document.and_then(|document| terms(document).ok()) else {
            continue;
        };
        if !selects(policy, terms, name, group) {
            continue;
        }
        let length = terms.days.unwrap_or(i64::MAX);
        if best.as_ref().is_none_or(|(longest, _)| length > *longest) {
            best = Some((
                length,
                Effective {
                    days: terms.days,
                    policy: Some(&policy.policy_name),
                },
            ));
        }
    }
    best.map_or(
        Effective {
            days: group.retention_in_days,
            policy: None,
        },
        |(_, effective)| effective,
    )
}
