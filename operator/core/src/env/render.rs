//! The entrance to rendering: by version, so that a new operator can render as an old one did.

use std::collections::BTreeSet;

use super::{Rendered, SecretKey, v1};
use crate::crd::ObservabilityProfileSpec;
use crate::workload::WorkloadKind;

/// The version by which changed profiles are rendered.
///
/// A version's rendering never changes once it is released: a workload keeps the version that it was injected with
/// until its profile changes, so that an upgrade of the operator restarts nobody. What is to be rendered differently
/// gets a new version, with golden files of its own.
pub const RENDER_VERSION: u32 = 1;

/// What the variables of one container depend on.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The profile.
    pub spec: &'a ObservabilityProfileSpec,
    /// The namespace of profile and workload.
    pub namespace: &'a str,
    /// The workload's kind.
    pub kind: WorkloadKind,
    /// The workload's name.
    pub workload: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// The receiver's address, see [`crate::receiver::address`]. `None`: X-Ray stays off.
    pub receiver: Option<&'a str>,
    /// The AWS region, the profile's or the operator's.
    pub region: Option<&'a str>,
}

/// The variables of a container, in the order in which they stand before the container's own. `None` for a version
/// that this operator does not know, because a newer one wrote it.
#[must_use]
pub fn render(version: u32, target: &Target<'_>) -> Option<Vec<Rendered>> {
    match version {
        1 => Some(v1::render(target)),
        _ => None,
    }
}

/// The service's name: the profile's, or the workload's own.
#[must_use]
pub fn service_name<'a>(spec: &'a ObservabilityProfileSpec, workload: &'a str) -> &'a str {
    spec.service
        .as_ref()
        .and_then(|service| service.name.as_deref())
        .unwrap_or(workload)
}

/// The log group that the workloads write to, if any.
#[must_use]
pub fn log_group(spec: &ObservabilityProfileSpec) -> Option<&str> {
    let logs = spec.logs.as_ref()?;
    logs.ship
        .as_deref()
        .or_else(|| logs.groups.first().map(|group| group.name.as_str()))
}

/// Keys of Secrets that the variables of a profile refer to.
#[must_use]
pub fn secret_keys(spec: &ObservabilityProfileSpec) -> BTreeSet<SecretKey> {
    let headers = spec
        .traces
        .as_ref()
        .and_then(|traces| traces.otlp.as_ref())
        .map(|otlp| &otlp.headers);
    headers
        .into_iter()
        .flatten()
        .filter_map(|header| header.value_from.as_ref())
        .map(|source| SecretKey {
            name: source.secret_key_ref.name.clone(),
            key: source.secret_key_ref.key.clone(),
        })
        .collect()
}
