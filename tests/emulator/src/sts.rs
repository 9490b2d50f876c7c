//! STS: who is calling, and temporary credentials of a role.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::{Accounts, Caller};
use crate::error::AwsError;
use crate::service::Service;

/// Default and, for a role assumed with a role's credentials, greatest length of a session, seconds.
const HOUR: i64 = 3600;

/// Carries out one operation on input that its model allows.
pub(crate) fn call(
    name: &str,
    caller: &Caller,
    accounts: &Accounts,
    input: Value,
    now: i64,
) -> Result<Value, AwsError> {
    match name {
        "GetCallerIdentity" => {
            Ok(json!({ "Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account }))
        }
        "AssumeRole" => {
            let input = serde_json::from_value(input)
                .map_err(|error| AwsError::serialization(error.to_string()))?;
            assume_role(caller, accounts, input, now)
        }
        other => Err(Service::Sts.unknown_operation(other)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleInput {
    role_arn: String,
    role_session_name: String,
    duration_seconds: Option<i64>,
    source_identity: Option<String>,
    policy: Option<String>,
}

/// Every well-formed role of every account may be assumed by everybody: roles and policies are not modelled.
fn assume_role(
    caller: &Caller,
    accounts: &Accounts,
    input: AssumeRoleInput,
    now: i64,
) -> Result<Value, AwsError> {
    let (partition, account, role) = role(&input.role_arn)
        .ok_or_else(|| Service::Sts.invalid(format!("{} is invalid", input.role_arn)))?;
    let is_policy = |policy: &String| {
        serde_json::from_str::<Value>(policy).is_ok_and(|policy| policy["Statement"] != Value::Null)
    };
    if input
        .policy
        .as_ref()
        .is_some_and(|policy| !is_policy(policy))
    {
        return Err(AwsError::client(
            "MalformedPolicyDocument",
            "The policy is not in the valid JSON format.",
        ));
    }
    let duration = input.duration_seconds.unwrap_or(HOUR);
    if caller.temporary && duration > HOUR {
        return Err(Service::Sts.invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let session_name = &input.role_session_name;
    let role_id = format!("AROA{}", crate::ids::upper(17));
    let assumed = Caller {
        account: account.to_owned(),
        arn: format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session_name}"),
        user_id: format!("{role_id}:{session_name}"),
        temporary: true,
    };
    let session = accounts.issue(assumed, now + duration * 1000);
    let mut output = json!({
        "AssumedRoleUser": { "AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn },
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "Expiration": session.expires_at.div_euclid(1000),
        },
    });
    if let Some(identity) = input.source_identity {
        output["SourceIdentity"] = json!(identity);
    }
    Ok(output)
}

/// Partition, account and name (without its path) of a role's ARN.
fn role(arn: &str) -> Option<(&str, &str, &str)> {
    let ["arn", partition, "iam", "", account, resource] =
        arn.splitn(6, ':').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let name = resource
        .strip_prefix("role/")?
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty())?;
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some((partition, account, name))
}
