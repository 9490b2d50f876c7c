//! When to stop: two writers that undo each other's change restart pods for ever.

use jiff::{SignedDuration, Timestamp};

use super::Record;
use crate::workload::{Form, Workload};

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

/// Whether somebody else removed entries of ours: recorded before, and now gone or without a value in a container that
/// is still there. A container that was removed or renamed is no removal, nor is a variable that its user keeps out by annotation.
/// Not to be asked after a write of our own.
#[must_use]
pub fn removed(before: &Record, now: &Workload) -> bool {
    if now.inject == Some(false) {
        return false;
    }
    now.containers.iter().any(|container| {
        before
            .containers
            .get(&container.name)
            .is_some_and(|recorded| {
                recorded
                    .iter()
                    .filter(|(variable, _)| !now.skip_env.contains(*variable))
                    .any(|(variable, hash)| {
                        let there = container.env.iter().find(|entry| entry.name == *variable);
                        there.is_none_or(|entry| {
                            entry.form == Form::Empty && entry.hash != Some(*hash) && !entry.claimed
                        })
                    })
            })
    })
}
