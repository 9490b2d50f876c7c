//! Steps about CloudWatch log groups.

use aws_sdk_cloudwatchlogs::types::LogGroupClass;
use tracewright_core::crd;
use tracewright_core::identity::Kind;
use tracewright_core::plan::Step;

use super::Target;
use super::xray::misdirected;
use crate::aws::{AwsError, Operation};

/// Carries a step out. The ARN of the object, where the step makes it.
pub(super) async fn step(target: &Target<'_>, step: &Step) -> Result<Option<String>, AwsError> {
    let Target {
        account,
        caller,
        name,
        arn,
        namespace,
    } = *target;
    let logs = &account.logs;
    match step {
        Step::CreateLogGroup {
            class,
            kms_key_arn,
            deletion_protection,
            tags,
        } => {
            caller
                .call(Operation::CREATE_LOG_GROUP, namespace, || {
                    logs.create_log_group()
                        .log_group_name(name)
                        .set_log_group_class(class.map(log_group_class))
                        .set_kms_key_id(kms_key_arn.clone())
                        .set_deletion_protection_enabled(*deletion_protection)
                        .set_tags(Some(tags.clone().into_iter().collect()))
                        .send()
                })
                .await?;
            Ok(Some(log_group_arn(&account.region, &account.id, name)))
        }
        Step::PutRetentionPolicy { days } => caller
            .call(Operation::PUT_RETENTION_POLICY, namespace, || {
                logs.put_retention_policy()
                    .log_group_name(name)
                    .retention_in_days(*days)
                    .send()
            })
            .await
            .map(|_| None),
        Step::AssociateKmsKey { arn } => caller
            .call(Operation::ASSOCIATE_KMS_KEY, namespace, || {
                logs.associate_kms_key()
                    .log_group_name(name)
                    .kms_key_id(arn)
                    .send()
            })
            .await
            .map(|_| None),
        Step::PutLogGroupDeletionProtection { enabled } => caller
            .call(
                Operation::PUT_LOG_GROUP_DELETION_PROTECTION,
                namespace,
                || {
                    logs.put_log_group_deletion_protection()
                        .log_group_identifier(name)
                        .deletion_protection_enabled(*enabled)
                        .send()
                },
            )
            .await
            .map(|_| None),
        Step::DeleteLogGroup => caller
            .call(Operation::DELETE_LOG_GROUP, namespace, || {
                logs.delete_log_group().log_group_name(name).send()
            })
            .await
            .map(|_| None),
        Step::Tag { tags } => caller
            .call(Operation::LOGS_TAG, namespace, || {
                logs.tag_resource()
                    .resource_arn(arn)
                    .set_tags(Some(tags.clone().into_iter().collect()))
                    .send()
            })
            .await
            .map(|_| None),
        Step::Untag { keys } => caller
            .call(Operation::LOGS_UNTAG, namespace, || {
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                logs.untag_resource()
                    .resource_arn(arn)
                    .set_tag_keys(Some(keys))
                    .send()
            })
            .await
            .map(|_| None),
        Step::CreateGroup { .. }
        | Step::UpdateGroup { .. }
        | Step::DeleteGroup
        | Step::CreateSamplingRule { .. }
        | Step::UpdateSamplingRule(_)
        | Step::DeleteSamplingRule => Err(misdirected(Kind::LogGroup, step)),
    }
}

fn log_group_class(class: crd::LogGroupClass) -> LogGroupClass {
    match class {
        crd::LogGroupClass::Standard => LogGroupClass::Standard,
        crd::LogGroupClass::InfrequentAccess => LogGroupClass::InfrequentAccess,
    }
}

/// The ARN of a log group. (Service Authorization Reference, "Resource types defined by Amazon CloudWatch Logs".)
fn log_group_arn(region: &str, account: &str, name: &str) -> String {
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:logs:{region}:{account}:log-group:{name}")
}
