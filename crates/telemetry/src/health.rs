//! Says once that something fails, and once that it works again, however often it is tried.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The state of one connection to the outside.
#[derive(Debug)]
pub(crate) struct Health {
    what: &'static str,
    failing: AtomicBool,
}

impl Health {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            failing: AtomicBool::new(false),
        }
    }

    /// Notes a failure; the first after a success is logged.
    pub(crate) fn bad(&self, error: &dyn Display) {
        if !self.failing.swap(true, Relaxed) {
            tracing::warn!(
                "{} fails: {error}; it is tried again and what is lost is counted",
                self.what
            );
        }
    }

    /// Notes a success; the first after a failure is logged.
    pub(crate) fn good(&self) {
        if self.failing.load(Relaxed) && self.failing.swap(false, Relaxed) {
            tracing::info!("{} works again", self.what);
        }
    }
}
