//! X-Ray resource policies: the only X-Ray objects with a revision.

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::Policy;
use super::{ListInput, Result, page, seconds};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::ids;

/// "Resource policies are limited to 5kb in size" (API reference, PutResourcePolicy).
const MAX_DOCUMENT: usize = 5 * 1024;
/// The revision that stands for "there is no policy yet".
const NO_REVISION: &str = "0";

fn show(name: &str, policy: &Policy) -> Value {
    json!({
        "PolicyName": name,
        "PolicyDocument": policy.document,
        "PolicyRevisionId": policy.revision,
        "LastUpdatedTime": seconds(policy.updated_at),
    })
}

fn check_revision(asked: Option<&str>, present: Option<&Policy>) -> Result<()> {
    let agreed = match (asked, present) {
        (None, _) | (Some(NO_REVISION), None) => true,
        (Some(asked), Some(policy)) => asked == policy.revision,
        (Some(_), None) => false,
    };
    match agreed {
        true => Ok(()),
        false => Err(AwsError::client(
            "InvalidPolicyRevisionIdException",
            "A policy revision id was provided which does not match the latest policy revision.",
        )),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutInput {
    policy_name: String,
    policy_document: String,
    policy_revision_id: Option<String>,
}

pub(super) fn put(context: &mut Context<'_>, input: PutInput) -> Result<Value> {
    let policies = &mut context.region.xray.resource_policies;
    if input.policy_document.len() > MAX_DOCUMENT {
        return Err(AwsError::client(
            "PolicySizeLimitExceededException",
            "Exceeded the maximum size for a resource policy.",
        ));
    }
    if !serde_json::from_str::<Value>(&input.policy_document)
        .is_ok_and(|document| document["Statement"].is_array() || document["Statement"].is_object())
    {
        return Err(AwsError::client(
            "MalformedPolicyDocumentException",
            "Invalid policy document provided in request.",
        ));
    }
    check_revision(
        input.policy_revision_id.as_deref(),
        policies.get(&input.policy_name),
    )?;
    if !policies.contains_key(&input.policy_name)
        && policies.len() as u64 >= context.settings.xray_resource_policies
    {
        return Err(AwsError::client(
            "PolicyCountLimitExceededException",
            "Exceeded the maximum number of resource policies for a target Amazon Web Services account.",
        ));
    }
    let policy = Policy {
        document: input.policy_document,
        revision: ids::uuid(),
        updated_at: context.now,
    };
    let shown = show(&input.policy_name, &policy);
    policies.insert(input.policy_name, policy);
    Ok(json!({ "ResourcePolicy": shown }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteInput {
    policy_name: String,
    policy_revision_id: Option<String>,
}

pub(super) fn delete(context: &mut Context<'_>, input: DeleteInput) -> Result<Value> {
    let policies = &mut context.region.xray.resource_policies;
    let present = policies.get(&input.policy_name);
    if present.is_none() {
        return Err(super::invalid("Resource policy not found"));
    }
    check_revision(input.policy_revision_id.as_deref(), present)?;
    policies.remove(&input.policy_name);
    Ok(json!({}))
}

pub(super) fn list(context: &mut Context<'_>, input: ListInput) -> Result<Value> {
    let policies = context.region.xray.resource_policies.iter();
    let token = input.next_token.as_deref();
    let (policies, next) = page(
        context,
        "ListResourcePolicies",
        token,
        policies,
        |(name, _)| (*name).clone(),
    )?;
    let mut output = json!({ "ResourcePolicies": policies.into_iter().map(|(name, policy)| show(name, policy)).collect::<Vec<_>>() });
    if let Some(next) = next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}
