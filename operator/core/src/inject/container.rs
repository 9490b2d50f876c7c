//! One container: which rendered entries are written, which of ours go, and which are left to the user.

use std::collections::{BTreeMap, BTreeSet};

use tracewright_xray::contract::{skip, variable};

use super::patch::Change;
use super::{DUPLICATE_ENV, Left};
use crate::env::{Hash, Rendered};
use crate::workload::{Container, Entry, Form};

type Recorded = BTreeMap<String, Hash>;

/// Two variables that mean something only together.
const PAIR: [&str; 2] = [
    variable::OTEL_TRACES_SAMPLER,
    variable::OTEL_TRACES_SAMPLER_ARG,
];

/// Compares a container with the entries that it should have.
///
/// `recorded` is what the record says of the container, `env_from` are names that its `envFrom` sets, and `unwanted`
/// the names that the workload's user keeps out.
pub(super) fn change<'a>(
    container: &'a Container,
    recorded: Option<&Recorded>,
    rendered: &'a [Rendered],
    env_from: &BTreeSet<String>,
    unwanted: &BTreeSet<String>,
) -> (Change<'a>, Vec<Left>) {
    let ours = ours(container, recorded);
    let repeated = repeated(container);
    if !repeated.is_empty() {
        let left = repeated
            .into_iter()
            .map(|name| left(container, name, DUPLICATE_ENV))
            .collect();
        let keep = still_there(container, recorded);
        return (
            Change {
                keep,
                ..Change::default()
            },
            left,
        );
    }
    let set_by_user: BTreeMap<&str, &'static str> = container
        .env
        .iter()
        .filter(|entry| !ours.contains_key(entry.name.as_str()))
        .map(|entry| (entry.name.as_str(), why(entry)))
        .chain(env_from.iter().map(|name| (name.as_str(), skip::USER_SET)))
        .collect();
    let (desired, lefts) = share(container, rendered, &set_by_user, unwanted);

    let set: Vec<_> = desired
        .iter()
        .filter(|entry| ours.get(entry.name.as_str()) != Some(&Some(entry.hash())))
        .map(|entry| (*entry, form(container, &entry.name)))
        .collect();
    let names: BTreeSet<_> = desired.iter().map(|entry| entry.name.as_str()).collect();
    let delete: Vec<_> = ours
        .keys()
        .copied()
        .filter(|name| !names.contains(name))
        .collect();
    let touched = !set.is_empty() || !delete.is_empty() || broken_order(container, &names);
    let order = if touched {
        order(container, &desired, &ours)
    } else {
        Vec::new()
    };
    let mut keep = still_there(container, recorded);
    keep.retain(|name, _| !ours.contains_key(name.as_str()));
    keep.extend(
        desired
            .iter()
            .map(|entry| (entry.name.clone(), entry.hash())),
    );
    (
        Change {
            set,
            delete,
            order,
            keep,
        },
        lefts,
    )
}

/// Takes everything of ours out of a container.
pub(super) fn withdraw<'a>(container: &'a Container, recorded: Option<&Recorded>) -> Change<'a> {
    let ours = ours(container, recorded);
    Change {
        delete: ours.keys().copied().collect(),
        order: if ours.is_empty() {
            Vec::new()
        } else {
            order(container, &[], &ours)
        },
        ..Change::default()
    }
}

/// Entries that are ours, with their hashes: recorded, unchanged since, once in the list, and not in the user's own
/// manifest.
///
/// An entry without any value counts as unchanged. It is what remains of ours when a server-side apply took the value
/// over and let go of it later: the API server then removes the value and leaves the entry.
fn ours<'a>(
    container: &'a Container,
    recorded: Option<&Recorded>,
) -> BTreeMap<&'a str, Option<Hash>> {
    let Some(recorded) = recorded else {
        return BTreeMap::new();
    };
    let repeated = repeated(container);
    container
        .env
        .iter()
        .filter(|entry| !entry.claimed && !repeated.contains(entry.name.as_str()))
        .filter(|entry| {
            recorded
                .get(&entry.name)
                .is_some_and(|hash| entry.form == Form::Empty || entry.hash == Some(*hash))
        })
        .map(|entry| (entry.name.as_str(), entry.hash))
        .collect()
}

/// What the record says of entries that are there, ours or not. A variable that the user sets for a while stays in
/// the record, so that what they leave of it is recognised.
fn still_there(container: &Container, recorded: Option<&Recorded>) -> Recorded {
    let there = |name: &String| container.env.iter().any(|entry| entry.name == *name);
    recorded
        .into_iter()
        .flatten()
        .filter(|(name, _)| there(name))
        .map(|(name, hash)| (name.clone(), *hash))
        .collect()
}

fn repeated(container: &Container) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    container
        .env
        .iter()
        .map(|entry| entry.name.as_str())
        .filter(|name| !seen.insert(*name))
        .collect()
}

/// Shares the rendered entries between those to be written and those left to the user. An entry is left with what it
/// needs: half of a sampler is none, and `$(NAME)` of a helper that is not ours might stay as it is.
fn share<'a>(
    container: &Container,
    rendered: &'a [Rendered],
    set_by_user: &BTreeMap<&str, &'static str>,
    unwanted: &BTreeSet<String>,
) -> (Vec<&'a Rendered>, Vec<Left>) {
    let absent = |name: &str| set_by_user.contains_key(name) || unwanted.contains(name);
    let no_pair = PAIR.into_iter().any(absent);
    let mut out: BTreeSet<&str> = BTreeSet::new();
    let (mut desired, mut lefts) = (Vec::new(), Vec::new());
    for entry in rendered {
        let name = entry.name.as_str();
        let depends = (no_pair && PAIR.contains(&name))
            || entry
                .references()
                .iter()
                .any(|reference| out.contains(reference));
        if let Some(reason) = set_by_user.get(name) {
            lefts.push(left(container, name, reason));
        } else if unwanted.contains(name) {
            // The user has said so and needs no reminder.
        } else if depends {
            lefts.push(left(container, name, skip::USER_SET));
        } else {
            desired.push(entry);
            continue;
        }
        out.insert(name);
    }
    (desired, lefts)
}

fn left(container: &Container, variable: &str, reason: &'static str) -> Left {
    Left {
        container: container.name.clone(),
        variable: variable.to_owned(),
        reason,
    }
}

fn why(entry: &Entry) -> &'static str {
    match entry.form {
        Form::Empty | Form::Literal => skip::USER_SET,
        Form::FieldRef | Form::SecretKeyRef | Form::Other => skip::VALUE_FROM_PRESENT,
    }
}

fn form(container: &Container, name: &str) -> Option<Form> {
    container
        .env
        .iter()
        .find(|entry| entry.name == name)
        .map(|entry| entry.form)
}

/// Whether an entry refers to one of ours that stands after it: Kubernetes would not expand the reference. That
/// happens when a user's apply puts a new entry of theirs first.
fn broken_order(container: &Container, ours: &BTreeSet<&str>) -> bool {
    let mut later: BTreeSet<&str> = container
        .env
        .iter()
        .map(|entry| entry.name.as_str())
        .filter(|name| ours.contains(name))
        .collect();
    container.env.iter().any(|entry| {
        later.remove(entry.name.as_str());
        entry
            .references
            .iter()
            .any(|reference| later.contains(reference.as_str()))
    })
}

/// The whole list's order: ours first, then the user's as they stand. It names every entry, because the API server
/// places entries that an order leaves out by where they happened to be.
fn order<'a>(
    container: &'a Container,
    desired: &[&'a Rendered],
    ours: &BTreeMap<&str, Option<Hash>>,
) -> Vec<&'a str> {
    let mut order: Vec<&str> = desired.iter().map(|entry| entry.name.as_str()).collect();
    for entry in &container.env {
        let name = entry.name.as_str();
        if !ours.contains_key(name) && !order.contains(&name) {
            order.push(name);
        }
    }
    order
}
