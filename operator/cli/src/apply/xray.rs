//! Steps about X-Ray groups and sampling rules.

use aws_sdk_xray::types::{
    InsightsConfiguration, SamplingRateBoost, SamplingRule, SamplingRuleUpdate, Tag,
};
use tracewright_core::crd;
use tracewright_core::desired::CustomRule;
use tracewright_core::identity::{Kind, TagMap};
use tracewright_core::plan::{RuleUpdate, Step};

use super::Target;
use crate::aws::{AwsError, ErrorKind, Operation};

/// The only version of sampling rules. (AWS X-Ray API, SamplingRule.)
const RULE_VERSION: i32 = 1;

/// Carries a step out. The ARN of the object, where the answer tells it.
pub(super) async fn step(
    target: &Target<'_>,
    kind: Kind,
    step: &Step,
) -> Result<Option<String>, AwsError> {
    let Target {
        account,
        caller,
        name,
        arn,
        namespace,
    } = *target;
    let xray = &account.xray;
    match step {
        Step::CreateGroup {
            filter_expression,
            insights,
            tags,
        } => {
            let tags = xray_tags(Operation::CREATE_GROUP, tags)?;
            let answer = caller
                .call(Operation::CREATE_GROUP, namespace, || {
                    xray.create_group()
                        .group_name(name)
                        .filter_expression(filter_expression)
                        .set_insights_configuration(insights.map(configuration))
                        .set_tags(Some(tags.clone()))
                        .send()
                })
                .await?;
            Ok(answer.group.and_then(|group| group.group_arn))
        }
        Step::UpdateGroup {
            filter_expression,
            insights,
        } => caller
            .call(Operation::UPDATE_GROUP, namespace, || {
                xray.update_group()
                    .group_arn(arn)
                    .set_filter_expression(filter_expression.clone())
                    .set_insights_configuration(insights.map(configuration))
                    .send()
            })
            .await
            .map(|_| None),
        Step::DeleteGroup => caller
            .call(Operation::DELETE_GROUP, namespace, || {
                xray.delete_group().group_arn(arn).send()
            })
            .await
            .map(|_| None),
        Step::CreateSamplingRule { rule, tags } => {
            let tags = xray_tags(Operation::CREATE_SAMPLING_RULE, tags)?;
            let rule = new_rule(name, rule)?;
            let answer = caller
                .call(Operation::CREATE_SAMPLING_RULE, namespace, || {
                    xray.create_sampling_rule()
                        .sampling_rule(rule.clone())
                        .set_tags(Some(tags.clone()))
                        .send()
                })
                .await?;
            Ok(answer
                .sampling_rule_record
                .and_then(|record| record.sampling_rule?.rule_arn))
        }
        Step::UpdateSamplingRule(update) => {
            let update = rule_update(name, update);
            caller
                .call(Operation::UPDATE_SAMPLING_RULE, namespace, || {
                    xray.update_sampling_rule()
                        .sampling_rule_update(update.clone())
                        .send()
                })
                .await
                .map(|_| None)
        }
        Step::DeleteSamplingRule => caller
            .call(Operation::DELETE_SAMPLING_RULE, namespace, || {
                xray.delete_sampling_rule().rule_name(name).send()
            })
            .await
            .map(|_| None),
        Step::Tag { tags } => {
            let tags = xray_tags(Operation::XRAY_TAG, tags)?;
            caller
                .call(Operation::XRAY_TAG, namespace, || {
                    xray.tag_resource()
                        .resource_arn(arn)
                        .set_tags(Some(tags.clone()))
                        .send()
                })
                .await
                .map(|_| None)
        }
        Step::Untag { keys } => caller
            .call(Operation::XRAY_UNTAG, namespace, || {
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                xray.untag_resource()
                    .resource_arn(arn)
                    .set_tag_keys(Some(keys))
                    .send()
            })
            .await
            .map(|_| None),
        Step::CreateLogGroup { .. }
        | Step::PutRetentionPolicy { .. }
        | Step::AssociateKmsKey { .. }
        | Step::PutLogGroupDeletionProtection { .. }
        | Step::DeleteLogGroup => Err(misdirected(kind, step)),
    }
}

fn configuration((enabled, notifications): (bool, bool)) -> InsightsConfiguration {
    InsightsConfiguration::builder()
        .insights_enabled(enabled)
        .notifications_enabled(notifications)
        .build()
}

fn xray_tags(operation: Operation, tags: &TagMap) -> Result<Vec<Tag>, AwsError> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(|error| unbuildable(operation, &error.to_string()))
}

fn new_rule(name: &str, rule: &CustomRule) -> Result<SamplingRule, AwsError> {
    SamplingRule::builder()
        .rule_name(name)
        .priority(rule.priority)
        .fixed_rate(rule.fixed_rate)
        .reservoir_size(rule.reservoir_size)
        .service_name(&rule.service_name)
        .service_type(&rule.service_type)
        .host(&rule.host)
        .http_method(&rule.http_method)
        .url_path(&rule.url_path)
        .resource_arn(&rule.resource_arn)
        .set_attributes(
            (!rule.attributes.is_empty()).then(|| rule.attributes.clone().into_iter().collect()),
        )
        .set_sampling_rate_boost(rule.rate_boost.as_ref().map(boost))
        .version(RULE_VERSION)
        .build()
        .map_err(|error| unbuildable(Operation::CREATE_SAMPLING_RULE, &error.to_string()))
}

fn rule_update(name: &str, update: &RuleUpdate) -> SamplingRuleUpdate {
    SamplingRuleUpdate::builder()
        .rule_name(name)
        .set_priority(update.priority)
        .set_fixed_rate(update.fixed_rate)
        .set_reservoir_size(update.reservoir_size)
        .set_service_name(update.service_name.clone())
        .set_service_type(update.service_type.clone())
        .set_host(update.host.clone())
        .set_http_method(update.http_method.clone())
        .set_url_path(update.url_path.clone())
        .set_resource_arn(update.resource_arn.clone())
        .set_attributes(
            update
                .attributes
                .clone()
                .map(|attributes| attributes.into_iter().collect()),
        )
        .set_sampling_rate_boost(update.rate_boost.as_ref().map(boost))
        .build()
}

fn boost(boost: &crd::SamplingRateBoost) -> SamplingRateBoost {
    SamplingRateBoost::builder()
        .max_rate(boost.max_rate)
        .cooldown_window_minutes(boost.cooldown_window_minutes)
        .build()
}

pub(super) fn unbuildable(operation: Operation, message: &str) -> AwsError {
    AwsError {
        kind: ErrorKind::Refused,
        operation: operation.name,
        code: "Construction".to_owned(),
        message: message.to_owned(),
    }
}

pub(super) fn misdirected(kind: Kind, step: &Step) -> AwsError {
    AwsError {
        kind: ErrorKind::Refused,
        operation: "plan",
        code: "Misdirected".to_owned(),
        message: format!("a step of another kind for a {}: {step:?}", kind.noun()),
    }
}
