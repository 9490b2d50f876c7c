//! The pod template's annotation `tracewright.dev/env-hash`: a change of it is what restarts pods, and pods are told apart
//! by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::crd::{ObservabilityProfileSpec, OnSecretChange};
use crate::env::{self, Hash, Hasher, SecretKey};
use crate::workload::{Workload, WorkloadKind};

/// Stands between the hash of the entries and that of the Secrets.
const SEPARATOR: char = '-';

/// The annotation's value: the hash of all rendered entries and, where the profile wants a restart when a Secret
/// changes, one over the values of the Secrets that the entries refer to.
///
/// A Secret that is not there, or may not be read, changes nothing, nor does a profile that no longer wants restarts:
/// none of the two is a reason to restart pods. A CronJob's next Job reads its Secrets anyway.
pub(super) fn value(
    workload: &Workload,
    spec: &ObservabilityProfileSpec,
    entries: Hash,
    secrets: &BTreeMap<SecretKey, Hash>,
) -> String {
    let entries = entries.to_string();
    let wanted = if workload.kind != WorkloadKind::CronJob && restarts(spec) {
        hash(&env::secret_keys(spec), secrets).map(|hash| hash.to_string())
    } else {
        None
    };
    let kept = || {
        let (of, secrets) = workload.env_hash.as_deref()?.split_once(SEPARATOR)?;
        (of == entries).then(|| secrets.to_owned())
    };
    match wanted.or_else(kept) {
        Some(secrets) => format!("{entries}{SEPARATOR}{secrets}"),
        None => entries,
    }
}

fn restarts(spec: &ObservabilityProfileSpec) -> bool {
    spec.workloads
        .as_ref()
        .and_then(|workloads| workloads.rollout.as_ref())
        .is_some_and(|rollout| rollout.on_secret_change == OnSecretChange::Restart)
}

fn hash(keys: &BTreeSet<SecretKey>, secrets: &BTreeMap<SecretKey, Hash>) -> Option<Hash> {
    if keys.is_empty() {
        return None;
    }
    let mut hasher = Hasher::default();
    for key in keys {
        hasher.text(&key.name);
        hasher.text(&key.key);
        hasher.text(&secrets.get(key)?.to_string());
    }
    Some(hasher.finish())
}
