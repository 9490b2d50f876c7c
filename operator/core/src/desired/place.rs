//! Where a profile's objects are: they do not move between accounts and regions, so what is held somewhere has to be let go
//! there.

use super::Invalid;
use crate::crd::ObservabilityProfile;
use crate::crd::status::{ItemState, ItemStatus, ObservabilityProfileStatus};
use crate::identity::Kind;

/// How many objects a message names.
const MAX_NAMED: usize = 5;

/// The region in which the profile's objects are or shall be.
///
/// # Errors
/// There is none, or the profile holds objects in another one.
pub(super) fn region(
    profile: &ObservabilityProfile,
    default_region: Option<&str>,
) -> Result<String, Invalid> {
    let status = profile.status.as_ref();
    let was = status.and_then(|status| status.region.clone());
    let declared = profile.spec.aws.as_ref().and_then(|aws| aws.region.clone());
    let now = declared.or_else(|| default_region.map(str::to_owned));
    // Whoever goes takes back what was made, wherever the next would have been.
    if profile.metadata.deletion_timestamp.is_some() {
        return was.or(now).ok_or(Invalid::NoRegion);
    }
    let now = now.ok_or(Invalid::NoRegion)?;
    match was {
        Some(was) if was != now && held(status).next().is_some() => {
            Err(Invalid::RegionChanged { was, now })
        }
        _ => Ok(now),
    }
}

/// Checks that the account that a profile's credentials reach is the one that holds its objects, as far as its status knows
/// of any.
///
/// # Errors
/// [`Invalid::AccountChanged`] where it is another.
pub fn check_account(
    status: Option<&ObservabilityProfileStatus>,
    reached: &str,
) -> Result<(), Invalid> {
    let Some(was) = status.and_then(|status| status.account_id.as_deref()) else {
        return Ok(());
    };
    let mut held = held(status).map(|(kind, item)| format!("{} {}", kind.noun(), item.name));
    let mut named: Vec<String> = held.by_ref().take(MAX_NAMED).collect();
    if was == reached || named.is_empty() {
        return Ok(());
    }
    let more = held.count();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    Err(Invalid::AccountChanged {
        was: was.to_owned(),
        now: reached.to_owned(),
        held: named.join(", "),
    })
}

/// Objects that the profile was last seen to hold.
fn held(status: Option<&ObservabilityProfileStatus>) -> impl Iterator<Item = (Kind, &ItemStatus)> {
    let lists = status.map(|status| {
        [
            (Kind::Group, &status.groups),
            (Kind::SamplingRule, &status.sampling_rules),
            (Kind::LogGroup, &status.log_groups),
        ]
    });
    lists
        .into_iter()
        .flatten()
        .flat_map(|(kind, items)| items.iter().map(move |item| (kind, item)))
        // One that has no ARN was not seen: its creation failed.
        .filter(|(_, item)| {
            item.state != ItemState::Retained
                && item.deletion_policy.is_some()
                && item.arn.is_some()
        })
}
