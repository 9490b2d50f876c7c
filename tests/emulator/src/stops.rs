//! Calls held by `stop` faults: kill points that a test looks at and lets go on.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::oneshot;

#[derive(Debug)]
struct Held {
    shown: Value,
    go_on: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    last_id: u64,
    held: BTreeMap<u64, Held>,
}

/// The held calls.
#[derive(Debug, Default)]
pub(crate) struct Stops(Mutex<Inner>);

impl Stops {
    /// Puts a call on the list; see [`Hold::released`].
    pub(crate) fn hold(&self, mut shown: Value) -> Hold<'_> {
        let (go_on, released) = oneshot::channel();
        let mut inner = self.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        shown["id"] = json!(id);
        inner.held.insert(id, Held { shown, go_on });
        Hold {
            stops: self,
            id,
            released,
        }
    }

    /// The list.
    pub(crate) fn list(&self) -> Value {
        let inner = self.lock();
        json!({ "stops": inner.held.values().map(|held| &held.shown).collect::<Vec<_>>() })
    }

    /// Lets a held call go on; `false` if there is none of that id.
    pub(crate) fn go_on(&self, id: u64) -> bool {
        let held = self.lock().held.remove(&id);
        held.is_some_and(|held| held.go_on.send(()).is_ok())
    }

    /// Ends all held calls without an answer, and those not yet done without an effect.
    pub(crate) fn clear(&self) {
        self.lock().held.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A call that waits to be continued; dropping it takes it off the list.
pub(crate) struct Hold<'a> {
    stops: &'a Stops,
    id: u64,
    released: oneshot::Receiver<()>,
}

impl Hold<'_> {
    /// `true` when continued, `false` when a reset ended the call.
    pub(crate) async fn released(mut self) -> bool {
        (&mut self.released).await.is_ok()
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.stops.lock().held.remove(&self.id);
    }
}
