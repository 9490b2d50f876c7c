//! How the watches are doing: ready once each has listed, alive while each makes progress.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::watcher::{self, Event};
use tokio::time::Instant;
use tracing::warn;

use super::http::Health;
use crate::metrics::Metrics;

/// A watch that makes no progress for this long is taken for dead. A quiet one is ended by the API server and begun anew
/// every 290 s, which counts as progress.
const DEAD_AFTER: Duration = Duration::from_secs(900);

/// The watches of the operator, by kind.
#[derive(Debug, Default)]
pub struct Watches(Mutex<BTreeMap<&'static str, Watch>>);

#[derive(Debug)]
struct Watch {
    listed: bool,
    progressed: Instant,
}

impl Watches {
    /// There is a watch of this kind.
    pub fn expect(&self, kind: &'static str) {
        self.lock().insert(
            kind,
            Watch {
                listed: false,
                progressed: Instant::now(),
            },
        );
    }

    /// A watch brought something.
    pub fn observe<K>(&self, kind: &'static str, event: &Result<Event<K>, watcher::Error>) {
        match event {
            Ok(event) => {
                let mut watches = self.lock();
                let Some(watch) = watches.get_mut(kind) else {
                    return;
                };
                watch.progressed = Instant::now();
                watch.listed |= matches!(event, Event::InitDone);
            }
            Err(error) => warn!(kind, %error, "the watch failed and is begun anew"),
        }
    }

    /// Tells metrics how old the progress of each watch is.
    pub fn report(&self, metrics: &Metrics) {
        for (kind, watch) in self.lock().iter() {
            metrics.watch_age(kind, watch.progressed.elapsed());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Watch>> {
        // Each change is one assignment, so a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Watches {
    fn ready(&self) -> Result<(), String> {
        match self.lock().iter().find(|(_, watch)| !watch.listed) {
            None => Ok(()),
            Some((kind, _)) => Err(format!("the first list of {kind} is not in yet")),
        }
    }

    fn alive(&self) -> Result<(), String> {
        match self
            .lock()
            .iter()
            .find(|(_, watch)| watch.progressed.elapsed() >= DEAD_AFTER)
        {
            None => Ok(()),
            Some((kind, watch)) => Err(format!(
                "the watch of {kind} made no progress for {} s",
                watch.progressed.elapsed().as_secs()
            )),
        }
    }
}
