//! Desired → Observed: reads only. What the profile declares, what its status remembers and what carries its mark is
//! looked at; the rest of the account comes along for free.

use std::collections::BTreeSet;

use tokio::time::Instant;
use tracewright_core::crd::ObservabilityProfileStatus;
use tracewright_core::crd::status::{ItemState, ItemStatus};
use tracewright_core::desired::Desired;
use tracewright_core::identity::Kind;
use tracewright_core::observed::Observed;

use crate::aws::{Account, AwsError};

/// Desired → Observed, from a picture that is no older than `not_before`, and tags no older than `tags_not_before`.
///
/// # Errors
/// The first call to AWS that failed.
pub async fn observe(
    account: &Account,
    desired: &Desired,
    status: Option<&ObservabilityProfileStatus>,
    cluster: &str,
    not_before: Instant,
    tags_not_before: Option<Instant>,
) -> Result<Observed, AwsError> {
    let namespace = &desired.profile.namespace;
    let log_groups = log_groups(account, desired, status, cluster);
    let observed = account.observe(&log_groups, not_before, namespace).await?;
    let mut concerned: BTreeSet<(Kind, String)> = BTreeSet::new();
    for kind in Kind::ALL {
        concerned.extend(desired.names(kind).map(|name| (kind, name.to_owned())));
        concerned.extend(remembered(status, kind).map(|item| (kind, item.name.clone())));
    }
    concerned.extend(log_groups.iter().map(|name| (Kind::LogGroup, name.clone())));
    concerned.extend(desired.leaving.iter().cloned());
    // A profile that goes has to find everything that carries its mark.
    if desired.deleting {
        concerned.extend(
            observed
                .groups
                .keys()
                .map(|name| (Kind::Group, name.clone())),
        );
        concerned.extend(
            observed
                .rules
                .keys()
                .map(|name| (Kind::SamplingRule, name.clone())),
        );
    }
    account
        .read_tags(&concerned, tags_not_before, namespace)
        .await?;
    let mut observed = account.inventory.objects(&log_groups);
    observed.account_id.clone_from(&account.id);
    Ok(observed)
}

/// As [`observe`]; but X-Ray that does not answer holds no log group up. Then the log groups are observed alone, and its
/// error comes with them.
///
/// # Errors
/// The first call to AWS that failed, if no log group can be looked after.
pub async fn observe_what_answers(
    account: &Account,
    desired: &Desired,
    status: Option<&ObservabilityProfileStatus>,
    cluster: &str,
    not_before: Instant,
    tags_not_before: Option<Instant>,
) -> Result<(Observed, Option<AwsError>), AwsError> {
    let whole = observe(
        account,
        desired,
        status,
        cluster,
        not_before,
        tags_not_before,
    );
    let error = match whole.await {
        Ok(observed) => return Ok((observed, None)),
        Err(error) => error,
    };
    let log_groups = log_groups(account, desired, status, cluster);
    if log_groups.is_empty() || !error.operation.starts_with("xray.") {
        return Err(error);
    }
    let namespace = &desired.profile.namespace;
    account
        .observe_log_groups(&log_groups, not_before, namespace)
        .await?;
    let concerned = log_groups
        .iter()
        .map(|name| (Kind::LogGroup, name.clone()))
        .collect();
    account
        .read_tags(&concerned, tags_not_before, namespace)
        .await?;
    Ok((account.log_groups_alone(&log_groups), Some(error)))
}

/// The log groups that a profile is concerned with.
pub fn log_groups(
    account: &Account,
    desired: &Desired,
    status: Option<&ObservabilityProfileStatus>,
    cluster: &str,
) -> BTreeSet<String> {
    let mut names = account
        .inventory
        .marked_log_groups(cluster, &desired.profile);
    names.extend(desired.names(Kind::LogGroup).map(str::to_owned));
    names.extend(
        desired
            .leaving
            .iter()
            .filter(|(kind, _)| *kind == Kind::LogGroup)
            .map(|(_, name)| name.clone()),
    );
    names.extend(remembered(status, Kind::LogGroup).map(|item| item.name.clone()));
    names
}

fn remembered(
    status: Option<&ObservabilityProfileStatus>,
    kind: Kind,
) -> impl Iterator<Item = &ItemStatus> {
    status
        .into_iter()
        .flat_map(move |status| match kind {
            Kind::Group => &status.groups,
            Kind::SamplingRule => &status.sampling_rules,
            Kind::LogGroup => &status.log_groups,
        })
        .filter(|item| item.state != ItemState::Retained)
}
