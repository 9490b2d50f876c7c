//! The inventory's reads: groups and rules in two lists, log groups by fifty.

use std::collections::BTreeSet;

use aws_sdk_cloudwatchlogs::types as logs;
use aws_sdk_xray::types as xray;
use futures::future::try_join_all;
use jiff::Timestamp;
use tokio::time::Instant;
use tracewright_core::crd::{LogGroupClass, SamplingRateBoost};
use tracewright_core::desired::CustomRule;
use tracewright_core::identity::Kind;
use tracewright_core::observed::{GroupState, LogGroupState, Observed, Seen, Tags};
use tracewright_xray::contract::name::DEFAULT_GROUP;

use super::account::Account;
use super::call::Operation;
use super::error::AwsError;
use super::inventory::Traffic;

/// `DescribeLogGroups` takes this many identifiers. (Amazon CloudWatch Logs API, DescribeLogGroups.)
const IDENTIFIERS_PER_CALL: usize = 50;
/// No list of X-Ray objects or statistics has this many pages; a token that never ends is an error of the service.
const MAX_PAGES: usize = 200;

impl Account {
    /// What the account holds, no older than `not_before`: all groups and rules, and the named log groups. Callers that
    /// ask at the same time share the fetch.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn observe(
        &self,
        log_groups: &BTreeSet<String>,
        not_before: Instant,
        namespace: &str,
    ) -> Result<Observed, AwsError> {
        tokio::try_join!(
            self.refresh_xray(not_before, namespace),
            self.refresh_log_groups(log_groups, not_before, namespace)
        )?;
        let mut observed = self.inventory.objects(log_groups);
        observed.account_id.clone_from(&self.id);
        Ok(observed)
    }

    /// Reads the named log groups alone, unless they are known and no older than `not_before`.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn observe_log_groups(
        &self,
        log_groups: &BTreeSet<String>,
        not_before: Instant,
        namespace: &str,
    ) -> Result<(), AwsError> {
        self.refresh_log_groups(log_groups, not_before, namespace)
            .await
    }

    /// The log groups of the picture, without its groups and rules, which may be old.
    pub fn log_groups_alone(&self, log_groups: &BTreeSet<String>) -> Observed {
        Observed {
            account_id: self.id.clone(),
            log_groups: self.inventory.objects(log_groups).log_groups,
            ..Observed::default()
        }
    }

    async fn refresh_xray(&self, not_before: Instant, namespace: &str) -> Result<(), AwsError> {
        let inventory = &self.inventory;
        let fresh = || inventory.lock().xray_at.is_some_and(|at| at >= not_before);
        if fresh() {
            return Ok(());
        }
        let _fetching = inventory.fetching_xray.lock().await;
        if fresh() {
            return Ok(());
        }
        let began = Instant::now();
        let (groups, rules) = tokio::try_join!(self.groups(namespace), self.rules(namespace))?;
        let mut picture = inventory.lock();
        picture
            .created
            .retain(|(kind, _), _| *kind != Kind::SamplingRule);
        for (name, (seen, created)) in &rules {
            if let Some(created) = created {
                picture.made(Kind::SamplingRule, name, &seen.arn, *created);
            }
        }
        picture.objects.groups = groups.into_iter().collect();
        picture.objects.rules = rules
            .into_iter()
            .map(|(name, (seen, _))| (name, seen))
            .collect();
        picture.xray_at = Some(began);
        picture.replay(began, &[Kind::Group, Kind::SamplingRule]);
        Ok(())
    }

    async fn groups(&self, namespace: &str) -> Result<Vec<(String, Seen<GroupState>)>, AwsError> {
        let (mut groups, mut token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .caller
                .call(Operation::GET_GROUPS, namespace, || {
                    self.xray.get_groups().set_next_token(token.clone()).send()
                })
                .await?;
            groups.extend(page.groups().iter().filter_map(group));
            token = page.next_token;
            if token.is_none() {
                return Ok(groups);
            }
        }
        Err(endless(Operation::GET_GROUPS))
    }

    async fn rules(
        &self,
        namespace: &str,
    ) -> Result<Vec<(String, (Seen<CustomRule>, Option<Timestamp>))>, AwsError> {
        let (mut rules, mut token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .caller
                .call(Operation::GET_SAMPLING_RULES, namespace, || {
                    self.xray
                        .get_sampling_rules()
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            for record in page.sampling_rule_records() {
                let created = record
                    .created_at()
                    .and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
                rules.extend(
                    record
                        .sampling_rule()
                        .and_then(rule)
                        .map(|(name, seen)| (name, (seen, created))),
                );
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(rules);
            }
        }
        Err(endless(Operation::GET_SAMPLING_RULES))
    }

    /// Reads how many requests matched each rule.
    ///
    /// # Errors
    /// The call that failed.
    pub async fn refresh_traffic(&self, namespace: &str) -> Result<(), AwsError> {
        let (mut traffic, mut token) = (std::collections::BTreeMap::<String, Traffic>::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .caller
                .call(
                    Operation::GET_SAMPLING_STATISTIC_SUMMARIES,
                    namespace,
                    || {
                        self.xray
                            .get_sampling_statistic_summaries()
                            .set_next_token(token.clone())
                            .send()
                    },
                )
                .await?;
            for summary in page.sampling_statistic_summaries() {
                let Some(rule) = summary.rule_name() else {
                    continue;
                };
                let entry = traffic.entry(rule.to_owned()).or_default();
                entry.requests += i64::from(summary.request_count());
                entry.sampled += i64::from(summary.sampled_count());
            }
            token = page.next_token;
            if token.is_none() {
                self.inventory.lock().traffic = traffic;
                return Ok(());
            }
        }
        Err(endless(Operation::GET_SAMPLING_STATISTIC_SUMMARIES))
    }

    async fn refresh_log_groups(
        &self,
        names: &BTreeSet<String>,
        not_before: Instant,
        namespace: &str,
    ) -> Result<(), AwsError> {
        let inventory = &self.inventory;
        let stale = || {
            let picture = inventory.lock();
            names
                .iter()
                .filter(|name| {
                    picture
                        .log_groups_at
                        .get(*name)
                        .is_none_or(|at| *at < not_before)
                })
                .cloned()
                .collect::<Vec<_>>()
        };
        let missing = stale();
        if missing.is_empty() {
            return Ok(());
        }
        inventory.lock().wanted_log_groups.extend(missing);
        let _fetching = inventory.fetching_logs.lock().await;
        if stale().is_empty() {
            return Ok(());
        }
        // Everything that somebody waits for goes along, so that many small profiles share calls of fifty.
        let mut wanted = std::mem::take(&mut inventory.lock().wanted_log_groups);
        wanted.extend(stale());
        let wanted: Vec<String> = wanted.into_iter().collect();
        try_join_all(
            wanted
                .chunks(IDENTIFIERS_PER_CALL)
                .map(|chunk| self.describe(chunk, namespace)),
        )
        .await?;
        Ok(())
    }

    async fn describe(&self, names: &[String], namespace: &str) -> Result<(), AwsError> {
        let began = Instant::now();
        let (mut found, mut token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .caller
                .call(Operation::DESCRIBE_LOG_GROUPS, namespace, || {
                    self.logs
                        .describe_log_groups()
                        .set_log_group_identifiers(Some(names.to_vec()))
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            found.extend(page.log_groups().iter().filter_map(log_group));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        let mut picture = self.inventory.lock();
        for name in names {
            picture.objects.log_groups.remove(name);
            picture.log_groups_at.insert(name.clone(), began);
        }
        for (name, created, seen) in found {
            // What was not asked for is not ours to judge.
            if !names.contains(&name) {
                continue;
            }
            if let Some(created) = created {
                picture.made(Kind::LogGroup, &name, &seen.arn, created);
            }
            picture.objects.log_groups.insert(name, seen);
        }
        picture.replay(began, &[Kind::LogGroup]);
        Ok(())
    }
}

fn endless(operation: Operation) -> AwsError {
    AwsError {
        kind: super::ErrorKind::Unreachable,
        operation: operation.name,
        code: "EndlessPages".to_owned(),
        message: format!("more than {MAX_PAGES} pages"),
    }
}

fn group(group: &xray::GroupSummary) -> Option<(String, Seen<GroupState>)> {
    let name = group.group_name().filter(|name| *name != DEFAULT_GROUP)?;
    let insights = group.insights_configuration();
    let state = GroupState {
        filter_expression: group.filter_expression().unwrap_or_default().to_owned(),
        insights_enabled: insights
            .and_then(xray::InsightsConfiguration::insights_enabled)
            .unwrap_or(false),
        notifications_enabled: insights
            .and_then(xray::InsightsConfiguration::notifications_enabled)
            .unwrap_or(false),
    };
    Some((
        name.to_owned(),
        Seen {
            arn: group.group_arn()?.to_owned(),
            state,
            tags: Tags::Unread,
        },
    ))
}

fn rule(rule: &xray::SamplingRule) -> Option<(String, Seen<CustomRule>)> {
    let state = CustomRule {
        priority: rule.priority(),
        fixed_rate: rule.fixed_rate(),
        reservoir_size: rule.reservoir_size(),
        service_name: rule.service_name().to_owned(),
        service_type: rule.service_type().to_owned(),
        host: rule.host().to_owned(),
        http_method: rule.http_method().to_owned(),
        url_path: rule.url_path().to_owned(),
        resource_arn: rule.resource_arn().to_owned(),
        attributes: rule
            .attributes()
            .map(|attributes| {
                attributes
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            })
            .unwrap_or_default(),
        rate_boost: rule.sampling_rate_boost().map(|boost| SamplingRateBoost {
            max_rate: boost.max_rate(),
            cooldown_window_minutes: boost.cooldown_window_minutes(),
        }),
    };
    let name = rule.rule_name()?.to_owned();
    Some((
        name,
        Seen {
            arn: rule.rule_arn()?.to_owned(),
            state,
            tags: Tags::Unread,
        },
    ))
}

fn log_group(group: &logs::LogGroup) -> Option<(String, Option<Timestamp>, Seen<LogGroupState>)> {
    let state = LogGroupState {
        retention_in_days: group.retention_in_days(),
        retention_policy_name: group.retention_policy_name().map(str::to_owned),
        class: match group.log_group_class() {
            None | Some(logs::LogGroupClass::Standard) => Some(LogGroupClass::Standard),
            Some(logs::LogGroupClass::InfrequentAccess) => Some(LogGroupClass::InfrequentAccess),
            Some(_) => None,
        },
        kms_key_arn: group.kms_key_id().map(str::to_owned),
        deletion_protection: group.deletion_protection_enabled().unwrap_or(false),
    };
    // `arn` ends with `:*`, which tag operations refuse; `logGroupArn` does not.
    let arn = group
        .log_group_arn()
        .or_else(|| group.arn().map(|arn| arn.trim_end_matches(":*")))?
        .to_owned();
    let created = group
        .creation_time()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    Some((
        group.log_group_name()?.to_owned(),
        created,
        Seen {
            arn,
            state,
            tags: Tags::Unread,
        },
    ))
}
