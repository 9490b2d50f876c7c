//! Sampling rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::{DEFAULT, RateBoost, Rule};
use super::tags::{Tag, check_new_tags, tag_map};
use super::{ListInput, Result, invalid, page, seconds};
use crate::emulation::Context;
use crate::error::AwsError;
use crate::tags::TagSet;

/// `SamplingRule` and `SamplingRuleUpdate`, in and out.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields {
    rule_name: Option<String>,
    #[serde(rename = "RuleARN")]
    rule_arn: Option<String>,
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    priority: Option<i32>,
    fixed_rate: Option<f64>,
    reservoir_size: Option<i32>,
    service_name: Option<String>,
    service_type: Option<String>,
    host: Option<String>,
    #[serde(rename = "HTTPMethod")]
    http_method: Option<String>,
    #[serde(rename = "URLPath")]
    url_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
    attributes: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_rate_boost: Option<RateBoost>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    sampling_rule: Fields,
    created_at: f64,
    modified_at: f64,
}

fn show(name: &str, rule: &Rule) -> Record {
    let rule = rule.clone();
    Record {
        created_at: seconds(rule.created_at),
        modified_at: seconds(rule.modified_at),
        sampling_rule: Fields {
            rule_name: Some(name.to_owned()),
            rule_arn: Some(rule.arn),
            resource_arn: Some(rule.resource_arn),
            priority: Some(rule.priority),
            fixed_rate: Some(rule.fixed_rate),
            reservoir_size: Some(rule.reservoir_size),
            service_name: Some(rule.service_name),
            service_type: Some(rule.service_type),
            host: Some(rule.host),
            http_method: Some(rule.http_method),
            url_path: Some(rule.url_path),
            version: Some(rule.version),
            attributes: Some(rule.attributes),
            sampling_rate_boost: rule.sampling_rate_boost,
        },
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordOutput {
    sampling_rule_record: Record,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateInput {
    sampling_rule: Fields,
    tags: Option<Vec<Tag>>,
}

pub(super) fn create(context: &mut Context<'_>, input: CreateInput) -> Result<RecordOutput> {
    let fields = input.sampling_rule;
    if fields.rule_arn.is_some() {
        return Err(invalid(
            "RuleARN cannot be specified when creating a sampling rule.",
        ));
    }
    let name = fields
        .rule_name
        .clone()
        .ok_or_else(|| invalid("Rule name must be specified."))?;
    if name == DEFAULT {
        return Err(invalid("Rule name Default is reserved."));
    }
    let rules = &context.region.xray.sampling_rules;
    if rules.contains_key(&name) {
        return Err(invalid("Sampling rule already exists."));
    }
    if fields.version != Some(1) {
        return Err(invalid("Sampling rule version must be 1."));
    }
    if (rules.len() - 1) as u64 >= context.settings.xray_sampling_rules {
        return Err(AwsError::client(
            "RuleLimitExceededException",
            "You have reached the maximum number of sampling rules.",
        ));
    }
    let tags = tag_map(input.tags.unwrap_or_default());
    check_new_tags(&TagSet::default(), &tags, context.settings)?;
    let mut rule = Rule {
        arn: context.place.arn("xray", &format!("sampling-rule/{name}")),
        tags: TagSet::created(tags, context.now, context.settings.tag_delay_ms),
        created_at: context.now,
        ..Rule::default()
    };
    set(&mut rule, fields, context.now)?;
    let xray = &mut context.region.xray;
    xray.last_rule_modification = context.now;
    let rule = xray.sampling_rules.entry(name.clone()).or_insert(rule);
    Ok(RecordOutput {
        sampling_rule_record: show(&name, rule),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateInput {
    sampling_rule_update: Fields,
}

pub(super) fn update(context: &mut Context<'_>, input: UpdateInput) -> Result<RecordOutput> {
    let mut fields = input.sampling_rule_update;
    // Version is no member of SamplingRuleUpdate, and unknown members are ignored.
    fields.version = None;
    let name = find(context, fields.rule_name.as_ref(), fields.rule_arn.as_ref())?;
    if name == DEFAULT && touches_more_than_rate_and_reservoir(&fields) {
        return Err(invalid("Invalid update request for default sampling rule"));
    }
    let now = context.now;
    let xray = &mut context.region.xray;
    let Some(rule) = xray.sampling_rules.get_mut(&name) else {
        return Err(invalid("Sampling rule not found"));
    };
    set(rule, fields, now)?;
    xray.last_rule_modification = now;
    Ok(RecordOutput {
        sampling_rule_record: show(&name, rule),
    })
}

fn touches_more_than_rate_and_reservoir(fields: &Fields) -> bool {
    let Fields {
        rule_name: _,
        rule_arn: _,
        resource_arn,
        priority,
        fixed_rate: _,
        reservoir_size: _,
        service_name,
        service_type,
        host,
        http_method,
        url_path,
        version: _,
        attributes,
        sampling_rate_boost,
    } = fields;
    let texts = [
        resource_arn,
        service_name,
        service_type,
        host,
        http_method,
        url_path,
    ];
    texts.into_iter().any(Option::is_some)
        || priority.is_some()
        || attributes.is_some()
        || sampling_rate_boost.is_some()
}

/// Sets what is given and leaves the rest: a boost, once set, can be changed but not cleared.
fn set(rule: &mut Rule, fields: Fields, now: i64) -> Result<()> {
    let mut changed = rule.clone();
    let Fields {
        rule_name: _,
        rule_arn: _,
        resource_arn,
        priority,
        fixed_rate,
        reservoir_size,
        service_name,
        service_type,
        host,
        http_method,
        url_path,
        version: _,
        attributes,
        sampling_rate_boost,
    } = fields;
    let put = |field: &mut String, value: Option<String>| {
        if let Some(value) = value {
            *field = value;
        }
    };
    put(&mut changed.resource_arn, resource_arn);
    put(&mut changed.service_name, service_name);
    put(&mut changed.service_type, service_type);
    put(&mut changed.host, host);
    put(&mut changed.http_method, http_method);
    put(&mut changed.url_path, url_path);
    changed.attributes = attributes.unwrap_or(changed.attributes);
    changed.sampling_rate_boost = sampling_rate_boost.or(changed.sampling_rate_boost);
    changed.fixed_rate = fixed_rate.unwrap_or(changed.fixed_rate);
    changed.reservoir_size = reservoir_size.unwrap_or(changed.reservoir_size);
    if let Some(priority) = priority {
        // The update's model has no ranges; the rule's has, and a rule stays within them.
        if !(1..=9999).contains(&priority) {
            return Err(invalid("Priority must be between 1 and 9999."));
        }
        changed.priority = priority;
    }
    if !(0.0..=1.0).contains(&changed.fixed_rate) {
        return Err(invalid("FixedRate must be between 0 and 1."));
    }
    if changed.reservoir_size < 0 {
        return Err(invalid("ReservoirSize must be 0 or more."));
    }
    changed.modified_at = now;
    *rule = changed;
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteInput {
    rule_name: Option<String>,
    #[serde(rename = "RuleARN")]
    rule_arn: Option<String>,
}

pub(super) fn delete(context: &mut Context<'_>, input: DeleteInput) -> Result<RecordOutput> {
    let name = find(context, input.rule_name.as_ref(), input.rule_arn.as_ref())?;
    if name == DEFAULT {
        return Err(invalid("The default sampling rule cannot be deleted."));
    }
    let xray = &mut context.region.xray;
    let rule = xray
        .sampling_rules
        .remove(&name)
        .ok_or_else(|| invalid("Sampling rule not found"))?;
    xray.last_rule_modification = context.now;
    Ok(RecordOutput {
        sampling_rule_record: show(&name, &rule),
    })
}

/// The name of the rule that is meant: "by either name or ARN, but not both".
fn find(context: &Context<'_>, name: Option<&String>, arn: Option<&String>) -> Result<String> {
    let rules = &context.region.xray.sampling_rules;
    let found = match (name, arn) {
        (None, None) => return Err(invalid("Either RuleName or RuleARN must be specified.")),
        (Some(_), Some(_)) => {
            return Err(invalid(
                "Specify a rule by either name or ARN, but not both.",
            ));
        }
        (Some(name), None) => rules.get_key_value(name),
        (None, Some(arn)) => rules.iter().find(|(_, rule)| rule.arn == *arn),
    };
    found
        .map(|(name, _)| name.clone())
        .ok_or_else(|| invalid("Sampling rule not found"))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListOutput {
    sampling_rule_records: Vec<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn list(context: &mut Context<'_>, input: ListInput) -> Result<ListOutput> {
    let rules = context.region.xray.sampling_rules.iter();
    let token = input.next_token.as_deref();
    let (rules, next_token) = page(context, "GetSamplingRules", token, rules, |(name, _)| {
        (*name).clone()
    })?;
    Ok(ListOutput {
        sampling_rule_records: rules
            .into_iter()
            .map(|(name, rule)| show(name, rule))
            .collect(),
        next_token,
    })
}
