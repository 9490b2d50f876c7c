//! When to stop: two writers that undo each other's change restart pods for ever.

use jiff::{SignedDuration, Timestamp};

use crate::env::Hash;
use crate::workload::{Container, Form, Workload};

/// How many removals within [`WINDOW`] are a contest. No more than this many timestamps need to be kept.
pub const REMOVALS: usize = 3;

/// The time within which removals are counted together.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Whether somebody keeps removing our entries from a workload: [`REMOVALS`] times within [`WINDOW`]. The timestamps
/// are in ascending order. It stays so until the caller forgets them, which it does when the profile or the
/// workload's own annotations change: as nothing is injected any more, nothing can be removed either.
#[must_use]
pub fn contested(removals: &[Timestamp]) -> bool {
    removals.windows(REMOVALS).any(|some| match some {
        [first, .., last] => last.duration_since(*first) <= WINDOW,
        _ => false,
    })
}

/// Whether somebody else removed entries of ours from one state of a workload to the next: there before as recorded, and
/// then gone or without a value in a container that is still there. A container that was removed or renamed is no removal,
/// nor is an entry that its user had set and takes out again, nor a variable that its user keeps out by annotation. Not to
/// be asked after a write of our own.
#[must_use]
pub fn removed(before: &Workload, now: &Workload) -> bool {
    let Some(record) = before.record.as_ref().filter(|_| now.inject != Some(false)) else {
        return false;
    };
    before.containers.iter().any(|earlier| {
        let container = |of: &&Container| of.name == earlier.name;
        let Some(later) = now.containers.iter().find(container) else {
            return false;
        };
        let recorded = record.containers.get(&earlier.name);
        recorded
            .into_iter()
            .flatten()
            .filter(|(variable, _)| !now.skip_env.contains(*variable))
            .filter(|(variable, hash)| is_ours(earlier, variable, **hash))
            .any(|(variable, hash)| {
                let left = later.env.iter().find(|entry| entry.name == *variable);
                left.is_none_or(|entry| {
                    entry.form == Form::Empty && entry.hash != Some(*hash) && !entry.claimed
                })
            })
    })
}

fn is_ours(container: &Container, variable: &str, hash: Hash) -> bool {
    container
        .env
        .iter()
        .any(|entry| entry.name == variable && entry.hash == Some(hash) && !entry.claimed)
}
