//! Account-level policies. Retention policies have their effect; the others are kept and given back.

use serde::Deserialize;
use serde_json::{Value, json};

use super::retention::{self, POLICY_TYPE};
use super::state::{AccountPolicy, LogsState};
use super::{Result, invalid};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::state::Place;

/// "The JSON specified in policyDocument can be up to 30,720 characters long."
const MAX_DOCUMENT: usize = 30_720;
/// "The selectionCriteria string can be up to 25KB in length."
const MAX_CRITERIA: usize = 25 * 1024;
/// Groups named in the answer to a dry run.
const MAX_IMPACTED: usize = 10;

fn show(policy: &AccountPolicy, place: &Place) -> Value {
    let mut shown = json!({
        "policyName": policy.policy_name,
        "policyDocument": policy.policy_document,
        "lastUpdatedTime": policy.last_updated_time,
        "policyType": policy.policy_type,
        "scope": "ALL",
        "accountId": place.account,
    });
    if let Some(criteria) = &policy.selection_criteria {
        shown["selectionCriteria"] = json!(criteria);
    }
    shown
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutInput {
    policy_name: String,
    policy_document: String,
    policy_type: String,
    selection_criteria: Option<String>,
    dry_run: Option<bool>,
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Result<Value> {
    let dry_run = input.dry_run.unwrap_or(false);
    check(&input)?;
    let is_retention = input.policy_type == POLICY_TYPE;
    if dry_run && !is_retention {
        return Err(invalid(
            "dryRun is valid only when policyType is RETENTION_POLICY.",
        ));
    }
    let now = context.now;
    let mut after = context.region.logs.account_policies.clone();
    let same_type = after
        .iter()
        .filter(|policy| policy.policy_type == input.policy_type)
        .count() as u64;
    let present = position(&after, &input.policy_type, &input.policy_name);
    if present.is_none()
        && same_type >= quota(&input.policy_type, context.settings.logs_retention_policies)
    {
        return Err(AwsError::client(
            "LimitExceededException",
            "Resource limit exceeded.",
        ));
    }
    let mut policy = AccountPolicy {
        policy_name: input.policy_name,
        policy_type: input.policy_type,
        policy_document: input.policy_document,
        selection_criteria: input.selection_criteria,
        created_at: now,
        last_updated_time: now,
        effective_at: now,
        previous_document: None,
    };
    if is_retention && !dry_run {
        policy.effective_at =
            now.saturating_add_unsigned(context.settings.retention_policy_delay_ms);
    }
    match present {
        Some(index) => {
            let previous = &after[index];
            policy.created_at = previous.created_at;
            policy.previous_document = match now >= previous.effective_at {
                true => Some(previous.policy_document.clone()),
                false => previous.previous_document.clone(),
            };
            after[index] = policy.clone();
        }
        None => after.push(policy.clone()),
    }
    if dry_run {
        return Ok(json!({ "dryRunResult": compare(&context.region.logs, &after, now) }));
    }
    context.region.logs.account_policies = after;
    Ok(json!({ "accountPolicy": show(&policy, context.place) }))
}

fn check(input: &PutInput) -> Result<()> {
    if input.policy_name.is_empty() || input.policy_name.starts_with("aws/") {
        return Err(invalid(
            "Policy name must not be empty and must not start with aws/.",
        ));
    }
    if input.policy_document.chars().count() > MAX_DOCUMENT {
        return Err(invalid(format!(
            "policyDocument is longer than {MAX_DOCUMENT} characters."
        )));
    }
    if input.policy_type == POLICY_TYPE {
        retention::terms(&input.policy_document).map_err(invalid)?;
    } else if !serde_json::from_str::<Value>(&input.policy_document)
        .is_ok_and(|document| document.is_object() || document.is_array())
    {
        return Err(invalid("policyDocument is not a JSON document."));
    }
    let Some(criteria) = &input.selection_criteria else {
        return Ok(());
    };
    if criteria.len() > MAX_CRITERIA {
        return Err(invalid(format!(
            "selectionCriteria is longer than {MAX_CRITERIA} bytes."
        )));
    }
    let supported = match input.policy_type.as_str() {
        POLICY_TYPE => retention::prefixes(criteria).is_some(),
        "SUBSCRIPTION_FILTER_POLICY" | "FIELD_INDEX_POLICY" | "TRANSFORMER_POLICY" => true,
        _ => false,
    };
    match supported {
        true => Ok(()),
        false => Err(invalid(format!(
            "selectionCriteria {criteria} is not supported for {}. Write LogGroupNamePrefix IN [\"prefix\"] for a retention policy.",
            input.policy_type
        ))),
    }
}

/// How many policies of a type an account and region can have.
fn quota(policy_type: &str, retention_policies: u64) -> u64 {
    match policy_type {
        POLICY_TYPE => retention_policies,
        "TRANSFORMER_POLICY" | "FIELD_INDEX_POLICY" => 20,
        _ => 1,
    }
}

fn position(policies: &[AccountPolicy], policy_type: &str, name: &str) -> Option<usize> {
    policies
        .iter()
        .position(|policy| policy.policy_type == policy_type && policy.policy_name == name)
}

/// What a change of policies would do to every group's retention, as if it were in effect already.
fn compare(logs: &LogsState, after: &[AccountPolicy], now: i64) -> Value {
    let (mut longer, mut shorter, mut unchanged) = (0, 0, 0);
    let mut impacted = Vec::new();
    for (name, group) in &logs.log_groups {
        let before = retention::effective(&logs.account_policies, name, group, now);
        let after = retention::effective(after, name, group, now);
        if before == after {
            continue;
        }
        let length = |days: Option<i64>| days.unwrap_or(i64::MAX);
        match length(after.days).cmp(&length(before.days)) {
            std::cmp::Ordering::Greater => longer += 1,
            std::cmp::Ordering::Less => shorter += 1,
            std::cmp::Ordering::Equal => {
                unchanged += 1;
                continue;
            }
        }
        let text = |days: Option<i64>| {
            days.map_or_else(|| "NEVER_EXPIRE".to_owned(), |days| days.to_string())
        };
        impacted.push(json!({
            "logGroupName": name,
            "currentRetention": text(before.days),
            "proposedRetention": text(after.days),
            "storedBytes": group.stored_bytes(),
        }));
    }
    impacted.sort_by_key(|group| std::cmp::Reverse(group["storedBytes"].as_u64()));
    impacted.truncate(MAX_IMPACTED);
    json!({
        "totalMatchedLogGroups": longer + shorter + unchanged,
        "increasedRetentionLogGroupCount": longer,
        "decreasedRetentionLogGroupCount": shorter,
        "unchangedRetentionLogGroupCount": unchanged,
        "failedAnalysisCount": 0,
        "topLogGroupsImpacted": impacted,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteInput {
    policy_name: String,
    policy_type: String,
    dry_run: Option<bool>,
}

pub(super) fn delete(context: &mut Context<'_>, input: DeleteInput) -> Result<Value> {
    let dry_run = input.dry_run.unwrap_or(false);
    if dry_run && input.policy_type != POLICY_TYPE {
        return Err(invalid(
            "dryRun is valid only when policyType is RETENTION_POLICY.",
        ));
    }
    let mut after = context.region.logs.account_policies.clone();
    let index = position(&after, &input.policy_type, &input.policy_name).ok_or_else(no_policy)?;
    after.remove(index);
    if dry_run {
        return Ok(json!({ "dryRunResult": compare(&context.region.logs, &after, context.now) }));
    }
    context.region.logs.account_policies = after;
    Ok(json!({}))
}

fn no_policy() -> AwsError {
    AwsError::client(
        "ResourceNotFoundException",
        "The specified account policy does not exist.",
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeInput {
    policy_type: String,
    policy_name: Option<String>,
    next_token: Option<String>,
}

pub(super) fn describe(context: &mut Context<'_>, input: DescribeInput) -> Result<Value> {
    if input.next_token.is_some() {
        return Err(invalid("The specified nextToken is invalid."));
    }
    let policies = context.region.logs.account_policies.iter();
    let selected = policies.filter(|policy| {
        policy.policy_type == input.policy_type
            && input
                .policy_name
                .as_ref()
                .is_none_or(|name| *name == policy.policy_name)
    });
    let shown: Vec<Value> = selected.map(|policy| show(policy, context.place)).collect();
    if shown.is_empty() && input.policy_name.is_some() {
        return Err(no_policy());
    }
    Ok(json!({ "accountPolicies": shown }))
}
