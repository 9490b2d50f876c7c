//! The inventory's slower half: tags, read once per object, and again on a cycle of their own.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::TagFilter;
use futures::future::try_join_all;
use tokio::time::Instant;
use tracewright_core::identity::{Kind, ProfileRef, TagMap};
use tracewright_xray::contract::tag;
use tracing::warn;

use super::account::Account;
use super::call::Operation;
use super::error::{AwsError, ErrorKind};
use super::inventory::TagEntry;

/// Failures without an error code of AWS after which the service is taken for one that lacks the operation, and the pause
/// before each further try.
const MAX_STRANGE: u32 = 3;
const STRANGE_PAUSE: Duration = Duration::from_secs(2);
/// More log groups than one cluster marks; a token that never ends is an error of the service.
const MAX_PAGES: usize = 1_000;

impl Account {
    /// Reads the tags of the named objects, where they are not known, or older than `not_before` or the tag cycle, or
    /// still settling.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn read_tags(
        &self,
        objects: &BTreeSet<(Kind, String)>,
        not_before: Option<Instant>,
        namespace: &str,
    ) -> Result<(), AwsError> {
        let now = Instant::now();
        let due: Vec<(Kind, String, String)> = {
            let picture = self.inventory.lock();
            let settings = self.inventory.settings;
            objects
                .iter()
                .filter_map(|(kind, name)| {
                    let arn = match kind {
                        Kind::Group => &picture.objects.groups.get(name)?.arn,
                        Kind::SamplingRule => &picture.objects.rules.get(name)?.arn,
                        Kind::LogGroup => &picture.objects.log_groups.get(name)?.arn,
                    };
                    let due = picture.tags.get(arn).is_none_or(|entry| {
                        not_before.is_some_and(|at| entry.read_at < at)
                            || now.duration_since(entry.read_at)
                                >= spread(arn, settings.tag_drift_interval)
                            || (matches!(
                                picture.tags_of(*kind, name, arn, settings),
                                tracewright_core::observed::Tags::Settling
                            ) && now.duration_since(entry.first_look) >= settings.tag_settle)
                    });
                    due.then(|| (*kind, name.clone(), arn.clone()))
                })
                .collect()
        };
        try_join_all(
            due.iter()
                .map(|(kind, name, arn)| self.read_tags_of(*kind, name, arn, namespace)),
        )
        .await?;
        Ok(())
    }

    async fn read_tags_of(
        &self,
        kind: Kind,
        name: &str,
        arn: &str,
        namespace: &str,
    ) -> Result<(), AwsError> {
        let began = Instant::now();
        let tags = match kind {
            Kind::Group | Kind::SamplingRule => self.xray_tags(arn, namespace).await,
            Kind::LogGroup => self
                .caller
                .call(Operation::LOGS_LIST_TAGS, namespace, || {
                    self.logs.list_tags_for_resource().resource_arn(arn).send()
                })
                .await
                .map(|answer| answer.tags.unwrap_or_default().into_iter().collect()),
        };
        let tags: TagMap = match tags {
            Ok(tags) => tags,
            // Gone since it was listed: the next list says so.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut picture = self.inventory.lock();
        // Own writes since the read began are newer than what it saw.
        if picture
            .tags
            .get(arn)
            .is_some_and(|entry| entry.read_at > began)
        {
            return Ok(());
        }
        let first_look = picture
            .tags
            .get(arn)
            .map_or(began, |entry| entry.first_look);
        let created = picture.created.get(&(kind, name.to_owned())).copied();
        picture.tags.insert(
            arn.to_owned(),
            TagEntry {
                tags,
                created,
                first_look,
                read_at: began,
            },
        );
        Ok(())
    }

    async fn xray_tags(&self, arn: &str, namespace: &str) -> Result<TagMap, AwsError> {
        let (mut tags, mut token) = (TagMap::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .caller
                .call(Operation::XRAY_LIST_TAGS, namespace, || {
                    self.xray
                        .list_tags_for_resource()
                        .resource_arn(arn)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            tags.extend(
                page.tags()
                    .iter()
                    .map(|tag| (tag.key().to_owned(), tag.value().to_owned())),
            );
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(tags)
    }

    /// Finds every log group that carries this cluster's mark, so that one that no profile lists any more is found even
    /// if the operator was away when it was removed from the list.
    ///
    /// # Errors
    /// The call that failed.
    pub async fn find_marked_log_groups(
        &self,
        cluster: &str,
        namespace: &str,
    ) -> Result<(), AwsError> {
        let names = self
            .log_groups_tagged(&[(tag::CLUSTER, cluster)], namespace)
            .await?;
        self.inventory.lock().marked_log_groups = names;
        Ok(())
    }

    /// Finds every log group that carries the mark of one profile, and reads it, tags included.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn find_log_groups_of(
        &self,
        cluster: &str,
        profile: &ProfileRef,
    ) -> Result<(), AwsError> {
        let (began, namespace) = (Instant::now(), &profile.namespace);
        let mark = [
            (tag::CLUSTER, cluster),
            (tag::PROFILE, &profile.to_string()),
        ];
        let names = self.log_groups_tagged(&mark, namespace).await?;
        self.inventory
            .lock()
            .marked_log_groups
            .extend(names.iter().cloned());
        self.observe_log_groups(&names, began, namespace).await?;
        let objects = names
            .into_iter()
            .map(|name| (Kind::LogGroup, name))
            .collect();
        self.read_tags(&objects, None, namespace).await
    }

    /// Names of the log groups that have all of these tags. None where the service cannot list by tags: then the status
    /// of a profile is all that tells of log groups that left its list.
    ///
    /// # Errors
    /// The call that failed.
    pub async fn log_groups_tagged(
        &self,
        tags: &[(&str, &str)],
        namespace: &str,
    ) -> Result<BTreeSet<String>, AwsError> {
        let filters = tags
            .iter()
            .map(|(key, value)| TagFilter::builder().key(*key).values(*value).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| AwsError {
                kind: ErrorKind::Refused,
                operation: Operation::LIST_LOG_GROUPS.name,
                code: "Construction".to_owned(),
                message: error.to_string(),
            })?;
        let (mut names, mut token) = (BTreeSet::new(), None);
        let mut strange = 0;
        for _ in 0..MAX_PAGES {
            let page = self
                .caller
                .call(Operation::LIST_LOG_GROUPS, namespace, || {
                    self.logs
                        .list_log_groups()
                        .set_log_group_tags(Some(filters.clone()))
                        .limit(1000)
                        .set_next_token(token.clone())
                        .send()
                })
                .await;
            // A service that gave a page has the operation, and half a list would leave objects behind.
            let bare_failure = |error: &AwsError| token.is_none() && error.is_bare_failure();
            let page = match page {
                Ok(page) => page,
                Err(error)
                    if error.kind == ErrorKind::Unsupported
                        || (bare_failure(&error) && strange == MAX_STRANGE - 1) =>
                {
                    warn!(account = self.id, region = self.region, %error, "log groups cannot be listed by tags");
                    break;
                }
                Err(error) if bare_failure(&error) => {
                    strange += 1;
                    tokio::time::sleep(STRANGE_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            names.extend(
                page.log_groups()
                    .iter()
                    .filter_map(|group| group.log_group_name())
                    .map(str::to_owned),
            );
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(names)
    }

    /// Names of all X-Ray objects, and of log groups with this cluster's mark: those whose tags tell whether something
    /// was left behind.
    #[must_use]
    pub fn taggable(&self) -> BTreeSet<(Kind, String)> {
        let picture = self.inventory.lock();
        let groups = picture
            .objects
            .groups
            .keys()
            .map(|name| (Kind::Group, name.clone()));
        let rules = picture
            .objects
            .rules
            .keys()
            .map(|name| (Kind::SamplingRule, name.clone()));
        let logs = picture
            .marked_log_groups
            .iter()
            .map(|name| (Kind::LogGroup, name.clone()));
        groups.chain(rules).chain(logs).collect()
    }
}

/// When the tags of an object are read again: within the last quarter of the tag cycle, at a time of the object's own, so
/// that what was read together at a start is not read together for ever.
fn spread(arn: &str, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    arn.hash(&mut hasher);
    interval - (interval / 1024) * (hasher.finish() % 256) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_again_within_the_last_quarter_of_the_cycle_and_not_all_at_once() {
        let interval = Duration::from_secs(6 * 3600);
        let times: BTreeSet<Duration> = (0..1000)
            .map(|number| spread(&format!("arn:{number}"), interval))
            .collect();
        let bounds = interval * 3 / 4..=interval;
        assert!(times.iter().all(|time| bounds.contains(time)), "{times:?}");
        assert!(times.len() > 200, "{} different times", times.len());
        assert!(spread("arn", Duration::MAX) > interval);
    }
}
