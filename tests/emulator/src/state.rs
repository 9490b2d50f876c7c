//! The emulated world: one independent [`Region`] per account and region.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::logs::state::LogsState;
use crate::xray::state::XrayState;

/// Accounts and regions kept; more is a client that makes up accounts.
const MAX_REGIONS: usize = 10_000;

/// Everything one account has in one region; the JSON of `/_control/state/{account}/{region}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Region {
    pub(crate) xray: XrayState,
    pub(crate) logs: LogsState,
}

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Place {
    /// An ARN of this account and region.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        crate::ids::arn(service, &self.region, &self.account, resource)
    }
}

/// All accounts and regions.
#[derive(Debug, Default)]
pub(crate) struct World(Mutex<HashMap<Place, Region>>);

impl World {
    /// Works on one region while nothing else does. A region that has not been seen starts as AWS hands it out.
    pub(crate) fn with<T>(&self, place: &Place, work: impl FnOnce(&mut Region) -> T) -> T {
        let mut regions = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !regions.contains_key(place) && regions.len() >= MAX_REGIONS {
            return work(&mut Region::new(place));
        }
        work(
            regions
                .entry(place.clone())
                .or_insert_with(|| Region::new(place)),
        )
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
    }
}

impl Region {
    fn new(place: &Place) -> Self {
        let mut region = Self::default();
        region.complete(place, 0);
        region
    }

    /// Adds what always exists and what a hand-written state may leave out, such as ARNs and creation times.
    pub(crate) fn complete(&mut self, place: &Place, now: i64) {
        self.xray.complete(place, now);
        self.logs.complete(now);
    }
}
