//! Rendered variables → patch of a workload: what to write, what to leave alone, and why.
//!
//! A patch is a strategic merge patch, sent as an *update* (never as a server-side apply, which would own fields that
//! the workload's user then could not remove) and guarded by the resourceVersion that was read. It holds names and
//! values of ours only; whatever else the workload has is neither read nor written.

mod container;
mod contest;
mod holder;
pub(crate) mod instrumentation;
mod patch;
mod record;
mod skip;
mod template_hash;

pub use contest::{REMOVALS, WINDOW, contested, removed};
pub use holder::{Candidate, holder};
pub use patch::Patch;
pub use record::Record;
pub use skip::Skip;

use std::collections::{BTreeMap, BTreeSet};

use crate::crd::ObservabilityProfileSpec;
use crate::env::{self, Hash, RENDER_VERSION, Rendered, SecretKey, Target, Value};
use crate::workload::{Container, EnvFromSource, Workload};
use patch::Change;

/// What a profile wants of the workloads that it holds.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The profile's name.
    pub profile: &'a str,
    /// The profile's generation.
    pub generation: i64,
    /// The profile.
    pub spec: &'a ObservabilityProfileSpec,
    /// The receiver's address, see [`crate::receiver::address`].
    pub receiver: Option<&'a str>,
    /// The AWS region, the profile's or the operator's.
    pub region: Option<&'a str>,
}

/// What was observed around a workload.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The profile that holds the workload, see [`holder`].
    pub holder: Option<&'a str>,
    /// The annotations of the workload's namespace.
    pub namespace_annotations: &'a BTreeMap<String, String>,
    /// Keys of the objects that [`env_from_sources`] lists. An object that does not exist has none; one that may not
    /// be read is absent from the map.
    pub env_from: &'a BTreeMap<EnvFromSource, BTreeSet<String>>,
    /// Those of [`env::secret_keys`] that do not exist.
    pub missing_secrets: &'a BTreeSet<SecretKey>,
    /// Of those that exist and could be read, a hash of the value.
    pub secrets: &'a BTreeMap<SecretKey, Hash>,
}

/// The decision about one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// What to do.
    pub action: Action,
    /// Variables that are left as the workload has them.
    pub left: Vec<Left>,
}

/// What to do with a workload.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write this.
    Patch(Patch),
    /// Nothing: the workload is as the profile wants it.
    UpToDate,
    /// Nothing yet: these Secrets are not there, and variables that refer to them would be broken.
    Wait(Vec<SecretKey>),
    /// Leave the workload alone.
    Skip(Skip),
}

/// A variable that is left as the workload has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// The container's name.
    pub container: String,
    /// The variable's name.
    pub variable: String,
    /// Why: a word of [`tracewright_xray::contract::skip`], or [`DUPLICATE_ENV`].
    pub reason: &'static str,
}

/// The container sets this variable twice, so nothing is written into its `env`: every patch that is keyed by names
/// moves such entries together, and a `$(NAME)` between them would change its meaning.
pub const DUPLICATE_ENV: &str = "DuplicateEnv";

/// Objects whose keys [`decide`] needs to know: the `envFrom` of all containers that the profile would inject.
#[must_use]
pub fn env_from_sources<'a>(
    workload: &'a Workload,
    spec: &ObservabilityProfileSpec,
) -> BTreeSet<&'a EnvFromSource> {
    selected(workload, spec)
        .into_iter()
        .flat_map(|container| &container.env_from)
        .map(|entry| &entry.source)
        .collect()
}

/// Decides about a workload that the profile selects and that is not being deleted.
#[must_use]
pub fn decide(workload: &Workload, demand: &Demand<'_>, facts: &Facts<'_>) -> Injection {
    decide_by(
        Renderer {
            newest: RENDER_VERSION,
            render: env::render,
        },
        workload,
        demand,
        facts,
    )
}

/// Takes everything of ours out of a workload, as if it had never been injected. `None` if there is nothing.
#[must_use]
pub fn uninject(workload: &Workload) -> Option<Patch> {
    (workload.marked || workload.env_hash.is_some())
        .then(|| patch::build(workload, &withdraw(workload), None, None))
        .flatten()
}

/// Takes the variables out of a workload whose rollout failed, and records that they stay out until the profile's
/// generation changes, and with what evidence it failed. `None` if that is recorded already.
#[must_use]
pub fn revert(
    workload: &Workload,
    profile: &str,
    generation: i64,
    evidence: Option<String>,
) -> Option<Patch> {
    let done = workload
        .record
        .as_ref()
        .is_some_and(|record| record.reverted && record.is_of(profile, generation));
    if done {
        return None;
    }
    let record = Record {
        profile: profile.to_owned(),
        generation,
        render_version: RENDER_VERSION,
        workload_generation: None,
        containers: BTreeMap::new(),
        reverted: true,
        evidence,
    };
    patch::build(workload, &withdraw(workload), Some(&record), None)
}

/// Whether nobody has changed a workload since we wrote its template, as the workload itself tells: what rolls out then is
/// our change, whoever wrote it of the operators before this one. For a Deployment annotations count as well.
#[must_use]
pub fn untouched(workload: &Workload) -> bool {
    let record = workload.record.as_ref();
    record.is_some_and(|record| record.workload_generation == Some(workload.generation))
}

/// What an operator can render, and by which version it renders what has changed.
#[derive(Clone, Copy)]
struct Renderer {
    newest: u32,
    render: fn(u32, &Target<'_>) -> Option<Vec<Rendered>>,
}

fn decide_by(
    renderer: Renderer,
    workload: &Workload,
    demand: &Demand<'_>,
    facts: &Facts<'_>,
) -> Injection {
    let containers = selected(workload, demand.spec);
    if let Some(skip) = skip::reason(workload, &containers, demand, facts) {
        return Injection {
            action: Action::Skip(skip),
            left: Vec::new(),
        };
    }
    // The recorded version as long as the profile has not changed since.
    let unchanged = workload
        .record
        .as_ref()
        .filter(|record| record.is_of(demand.profile, demand.generation));
    let version = unchanged.map_or(renderer.newest, |record| record.render_version);
    let rendered: Option<Vec<Vec<Rendered>>> = containers
        .iter()
        .map(|container| (renderer.render)(version, &target(workload, container, demand)))
        .collect();
    let Some(rendered) = rendered else {
        // A newer operator rendered this generation. To render it again as an older one would be the restart that
        // versions exist to avoid.
        return Injection {
            action: Action::UpToDate,
            left: Vec::new(),
        };
    };
    let mut changes = withdraw(workload);
    let mut left = Vec::new();
    for (container, rendered) in containers.iter().zip(&rendered) {
        let taken = env_from_names(container, facts.env_from);
        let recorded = recorded(workload, container);
        let (change, mut own) =
            container::change(container, recorded, rendered, &taken, &workload.skip_env);
        changes.insert(container.name.as_str(), change);
        left.append(&mut own);
    }
    let missing: Vec<_> = changes
        .values()
        .flat_map(|change| &change.set)
        .filter_map(|(entry, _)| match &entry.value {
            Value::SecretKeyRef(key) if facts.missing_secrets.contains(key) => Some(key.clone()),
            _ => None,
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if !missing.is_empty() {
        return Injection {
            action: Action::Wait(missing),
            left,
        };
    }
    let record = Record {
        profile: demand.profile.to_owned(),
        generation: demand.generation,
        render_version: version,
        workload_generation: None,
        containers: changes
            .iter()
            .filter(|(_, change)| !change.keep.is_empty())
            .map(|(name, change)| ((*name).to_owned(), change.keep.clone()))
            .collect(),
        reverted: false,
        evidence: None,
    };
    // Where the user sets every variable themselves there is nothing to record and no reason to restart pods.
    let record = Some(record).filter(|record| !record.containers.is_empty());
    let hash = record.as_ref().map(|_| {
        let entries = containers.iter().zip(&rendered);
        let entries = env::hash_all(
            entries.map(|(container, entries)| (container.name.as_str(), entries.as_slice())),
        );
        template_hash::value(workload, demand.spec, entries, facts.secrets)
    });
    let action = match patch::build(workload, &changes, record.as_ref(), hash) {
        None => Action::UpToDate,
        Some(patch) if patch.restarts_pods && workload.progress.paused => {
            Action::Skip(skip::paused())
        }
        Some(patch) => Action::Patch(patch),
    };
    Injection { action, left }
}

fn selected<'a>(workload: &'a Workload, spec: &ObservabilityProfileSpec) -> Vec<&'a Container> {
    let named = spec
        .workloads
        .as_ref()
        .and_then(|workloads| workloads.containers.as_deref());
    let names: BTreeSet<_> = env::containers(
        named,
        workload
            .containers
            .iter()
            .map(|container| container.name.as_str()),
    )
    .collect();
    workload
        .containers
        .iter()
        .filter(|container| names.contains(container.name.as_str()))
        .collect()
}

fn target<'a>(workload: &'a Workload, container: &'a Container, demand: &Demand<'a>) -> Target<'a> {
    Target {
        spec: demand.spec,
        namespace: &workload.namespace,
        kind: workload.kind,
        workload: &workload.name,
        container: &container.name,
        receiver: demand.receiver,
        region: demand.region,
    }
}

fn env_from_names(
    container: &Container,
    keys: &BTreeMap<EnvFromSource, BTreeSet<String>>,
) -> BTreeSet<String> {
    container
        .env_from
        .iter()
        .flat_map(|entry| {
            let keys = keys.get(&entry.source).into_iter().flatten();
            keys.map(|key| format!("{}{key}", entry.prefix))
        })
        .collect()
}

fn recorded<'a>(
    workload: &'a Workload,
    container: &Container,
) -> Option<&'a BTreeMap<String, env::Hash>> {
    workload
        .record
        .as_ref()
        .and_then(|record| record.containers.get(&container.name))
}

/// Changes that take everything of ours out of all containers.
fn withdraw(workload: &Workload) -> BTreeMap<&str, Change<'_>> {
    let mut changes = BTreeMap::new();
    for container in &workload.containers {
        changes.insert(
            container.name.as_str(),
            container::withdraw(container, recorded(workload, container)),
        );
    }
    changes
}

#[cfg(test)]
mod tests;
