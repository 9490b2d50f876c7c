//! Log groups that a write is at work on: a second write meanwhile is told `OperationAbortedException`.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::state::Place;

type Name = (Place, String);

/// The log groups being written.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<HashSet<Name>>);

impl Busy {
    /// Claims a log group until the claim is dropped; `None` if somebody else has it.
    pub(crate) fn claim(&self, place: &Place, group: String) -> Option<Claim<'_>> {
        let name = (place.clone(), group);
        let claimed = self.lock().insert(name.clone());
        claimed.then_some(Claim { busy: self, name })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<Name>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A write at work.
pub(crate) struct Claim<'a> {
    busy: &'a Busy,
    name: Name,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.busy.lock().remove(&self.name);
    }
}
