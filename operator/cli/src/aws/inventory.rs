//! What an account holds in one region, read once for everybody: list once, compare many.
//!
//! Readers ask for a picture that is no older than a moment and share one fetch. The operator's own writes are carried
//! into the picture as they happen, so the next reader sees them without another call.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracewright_core::effect::carry_out;
use tracewright_core::identity::{Kind, OwnerTags, ProfileRef, TagMap};
use tracewright_core::observed::{Observed, Seen, Tags};
use tracewright_core::plan::Step;

/// How long a write is kept to be carried into a picture whose fetch began before it.
const WRITE_MEMORY: Duration = Duration::from_secs(60);
/// How many writes are kept at most.
const MAX_WRITES: usize = 10_000;
/// Refused creations that are remembered at most.
const MAX_REFUSED: usize = 1_000;
/// An object that is older than this was not made by a create of ours whose answer got lost.
const YOUNG: Duration = Duration::from_secs(600);

/// How tags are read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Tags that are given at creation appear late: a young object without our mark is somebody else's only after two
    /// looks this far apart.
    pub tag_settle: Duration,
    /// Tags are read again after this time.
    pub tag_drift_interval: Duration,
}

/// The shared picture of one account and region.
#[derive(Debug)]
pub struct Inventory {
    pub(super) settings: Settings,
    pub(super) fetching_xray: tokio::sync::Mutex<()>,
    pub(super) fetching_logs: tokio::sync::Mutex<()>,
    picture: Mutex<Picture>,
}

#[derive(Debug, Default)]
pub(super) struct Picture {
    /// Objects, with `Tags::Unread` throughout; tags are kept in `tags`.
    pub(super) objects: Observed,
    /// When the fetch of groups and rules began.
    pub(super) xray_at: Option<Instant>,
    /// When the fetch of a log group began, whether it exists or not.
    pub(super) log_groups_at: HashMap<String, Instant>,
    /// Log groups that somebody waits for, to be fetched together.
    pub(super) wanted_log_groups: BTreeSet<String>,
    /// Creation times where AWS tells them.
    pub(super) created: HashMap<(Kind, String), Timestamp>,
    pub(super) tags: HashMap<String, TagEntry>,
    /// Log groups that carry the mark of a profile of this cluster, declared or not.
    pub(super) marked_log_groups: BTreeSet<String>,
    writes: VecDeque<(Instant, Kind, String, String, Step)>,
    /// Since when AWS has refused to create an object.
    refused: HashMap<(Kind, String), Instant>,
    /// Requests and sampled requests of each rule, in AWS's last windows.
    pub(super) traffic: BTreeMap<String, Traffic>,
}

/// Requests that matched a sampling rule. (AWS X-Ray API, GetSamplingStatisticSummaries.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that matched.
    pub requests: i64,
    /// Of those, sampled.
    pub sampled: i64,
}

#[derive(Clone, Debug)]
pub(super) struct TagEntry {
    pub(super) tags: TagMap,
    /// When the object that they belong to was made, where AWS tells it. An ARN may come back: a rule's and a log
    /// group's follow from their names, whoever makes them.
    pub(super) created: Option<Timestamp>,
    /// When the object was first seen without our mark.
    pub(super) first_look: Instant,
    pub(super) read_at: Instant,
}

impl Inventory {
    /// An empty picture.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            fetching_xray: tokio::sync::Mutex::default(),
            fetching_logs: tokio::sync::Mutex::default(),
            picture: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Picture> {
        // A panic between two changes of the picture leaves it stale at worst, and the next fetch mends that.
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator carried a step out: the picture follows.
    pub fn record(&self, kind: Kind, name: &str, arn: &str, step: &Step) {
        let now = Instant::now();
        let mut picture = self.lock();
        picture.carry(now, kind, name, arn, step);
        picture.refused.remove(&(kind, name.to_owned()));
        picture
            .writes
            .push_back((now, kind, name.to_owned(), arn.to_owned(), step.clone()));
        while picture.writes.len() > MAX_WRITES
            || picture
                .writes
                .front()
                .is_some_and(|(at, ..)| now.duration_since(*at) > WRITE_MEMORY)
        {
            picture.writes.pop_front();
        }
    }

    /// Whether a write is so young that a fetch may not show it.
    pub(super) fn holds_writes(&self) -> bool {
        let last = self.lock().writes.back().map(|(at, ..)| *at);
        last.is_some_and(|at| at.elapsed() <= WRITE_MEMORY)
    }

    /// A write failed in a way that says the picture is wrong: the next reader fetches anew.
    pub fn invalidate(&self, kind: Kind, name: &str) {
        let mut picture = self.lock();
        match kind {
            Kind::Group | Kind::SamplingRule => picture.xray_at = None,
            Kind::LogGroup => drop(picture.log_groups_at.remove(name)),
        }
    }

    /// Forgets log groups that nobody has looked at since `before`, and tags of what is no longer there.
    pub fn prune(&self, before: Instant) {
        let mut picture = self.lock();
        let Picture {
            objects,
            log_groups_at,
            created,
            tags,
            ..
        } = &mut *picture;
        log_groups_at.retain(|_, at| *at >= before);
        objects
            .log_groups
            .retain(|name, _| log_groups_at.contains_key(name));
        created.retain(|(kind, name), _| {
            *kind != Kind::LogGroup || objects.log_groups.contains_key(name)
        });
        let there: HashSet<&String> = objects
            .groups
            .values()
            .map(|seen| &seen.arn)
            .chain(objects.rules.values().map(|seen| &seen.arn))
            .chain(objects.log_groups.values().map(|seen| &seen.arn))
            .collect();
        tags.retain(|arn, _| there.contains(arn));
    }

    /// AWS refused to create an object; for how long it has.
    pub fn refused_for(&self, kind: Kind, name: &str) -> Duration {
        let now = Instant::now();
        let mut picture = self.lock();
        if picture.refused.len() >= MAX_REFUSED {
            // Those that are still refused begin anew.
            picture.refused.clear();
        }
        let since = picture
            .refused
            .entry((kind, name.to_owned()))
            .or_insert(now);
        now.duration_since(*since)
    }

    /// Requests that matched a rule in AWS's last windows.
    #[must_use]
    pub fn traffic(&self, rule: &str) -> Traffic {
        self.lock().traffic.get(rule).copied().unwrap_or_default()
    }

    /// The picture of all groups and rules, and of the named log groups, with what is known of their tags.
    #[must_use]
    pub fn objects(&self, log_groups: &BTreeSet<String>) -> Observed {
        let picture = self.lock();
        let known =
            |name: &String| Some((name.clone(), picture.objects.log_groups.get(name)?.clone()));
        let mut observed = Observed {
            account_id: picture.objects.account_id.clone(),
            groups: picture.objects.groups.clone(),
            rules: picture.objects.rules.clone(),
            log_groups: log_groups.iter().filter_map(known).collect(),
        };
        for (name, seen) in &mut observed.groups {
            seen.tags = picture.tags_of(Kind::Group, name, &seen.arn, self.settings);
        }
        for (name, seen) in &mut observed.rules {
            seen.tags = picture.tags_of(Kind::SamplingRule, name, &seen.arn, self.settings);
        }
        for (name, seen) in &mut observed.log_groups {
            seen.tags = picture.tags_of(Kind::LogGroup, name, &seen.arn, self.settings);
        }
        observed
    }

    /// Log groups that carry the mark of any profile of this cluster.
    #[must_use]
    pub fn all_marked_log_groups(&self) -> BTreeSet<String> {
        self.lock().marked_log_groups.clone()
    }

    /// Log groups that carry the mark of this profile, as far as tags have been read.
    #[must_use]
    pub fn marked_log_groups(&self, cluster: &str, profile: &ProfileRef) -> BTreeSet<String> {
        let picture = self.lock();
        let ours = |name: &&String| {
            picture
                .objects
                .log_groups
                .get(*name)
                .and_then(|seen| OwnerTags::read(&picture.tags.get(&seen.arn)?.tags))
                .is_some_and(|owner| owner.cluster == cluster && owner.profile == *profile)
        };
        picture
            .marked_log_groups
            .iter()
            .filter(ours)
            .cloned()
            .collect()
    }
}

impl Picture {
    fn carry(&mut self, now: Instant, kind: Kind, name: &str, arn: &str, step: &Step) {
        carry_out(&mut self.objects, kind, name, arn, step);
        match step {
            Step::CreateGroup { tags, .. }
            | Step::CreateSamplingRule { tags, .. }
            | Step::CreateLogGroup { tags, .. } => {
                let entry = TagEntry {
                    tags: tags.clone(),
                    created: None,
                    first_look: now,
                    read_at: now,
                };
                self.tags.insert(arn.to_owned(), entry);
                if kind == Kind::LogGroup {
                    self.log_groups_at.insert(name.to_owned(), now);
                }
            }
            Step::Tag { tags } => {
                if let Some(entry) = self.tags.get_mut(arn) {
                    entry
                        .tags
                        .extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
            }
            Step::Untag { keys } => {
                if let Some(entry) = self.tags.get_mut(arn) {
                    entry.tags.retain(|key, _| !keys.contains(&key.as_str()));
                }
            }
            Step::DeleteGroup | Step::DeleteSamplingRule | Step::DeleteLogGroup => {
                drop(self.tags.remove(arn))
            }
            _ => {}
        }
        // The picture keeps tags apart from objects.
        match kind {
            Kind::Group => unread(self.objects.groups.get_mut(name)),
            Kind::SamplingRule => unread(self.objects.rules.get_mut(name)),
            Kind::LogGroup => unread(self.objects.log_groups.get_mut(name)),
        }
    }

    /// Carries in what was written since a fetch began.
    pub(super) fn replay(&mut self, began: Instant, kinds: &[Kind]) {
        let writes: Vec<_> = self
            .writes
            .iter()
            .filter(|(at, kind, ..)| *at >= began && kinds.contains(kind))
            .cloned()
            .collect();
        for (at, kind, name, arn, step) in writes {
            self.carry(at, kind, &name, &arn, &step);
        }
    }

    /// An object was made at this time: what is known of the tags of one that had the same ARN before means nothing.
    pub(super) fn made(&mut self, kind: Kind, name: &str, arn: &str, created: Timestamp) {
        self.created.insert((kind, name.to_owned()), created);
        let known = self
            .tags
            .get_mut(arn)
            .map(|entry| *entry.created.get_or_insert(created));
        if known.is_some_and(|known| known != created) {
            self.tags.remove(arn);
        }
    }

    pub(super) fn tags_of(&self, kind: Kind, name: &str, arn: &str, settings: Settings) -> Tags {
        let Some(entry) = self.tags.get(arn) else {
            return Tags::Unread;
        };
        if OwnerTags::read(&entry.tags).is_none()
            && entry.read_at.duration_since(entry.first_look) < settings.tag_settle
            && self.may_be_ours(kind, name)
        {
            return Tags::Settling;
        }
        Tags::Read(entry.tags.clone())
    }

    /// Whether an object may come from a create of ours whose answer was lost. AWS does not say when a group was made,
    /// so any group may.
    fn may_be_ours(&self, kind: Kind, name: &str) -> bool {
        self.created
            .get(&(kind, name.to_owned()))
            .is_none_or(|created| {
                let age = Timestamp::now().duration_since(*created);
                age.is_negative() || age.unsigned_abs() < YOUNG
            })
    }
}

fn unread<S>(seen: Option<&mut Seen<S>>) {
    if let Some(seen) = seen {
        seen.tags = Tags::Unread;
    }
}
