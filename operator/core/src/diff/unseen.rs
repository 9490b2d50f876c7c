//! (Desired, Observed) → Plan while X-Ray cannot be seen: log groups go on, groups and rules stay on show as they were known.

use std::collections::BTreeMap;

use super::diff;
use crate::crd::ObservabilityProfileStatus;
use crate::crd::status::{ItemState, ItemStatus};
use crate::desired::Desired;
use crate::identity::Kind;
use crate::observed::{Claims, Observed};
use crate::plan::{Pending, Plan, Planned, Verdict};
use crate::report::Fact;

/// As [`diff`], for log groups only. What the profile declares in X-Ray, and what `status` remembers of it, is held for the
/// reason that `unseen` gives, in the state that it had.
#[must_use]
pub fn diff_log_groups(
    desired: &Desired,
    observed: &Observed,
    claims: &Claims,
    status: Option<&ObservabilityProfileStatus>,
    unseen: &Fact,
) -> Plan<Pending> {
    let mut log_groups = desired.clone();
    log_groups.groups.clear();
    log_groups.rules.clear();
    log_groups
        .refused
        .retain(|refused| refused.kind == Kind::LogGroup);
    let mut plan = diff(&log_groups, observed, claims);
    for kind in [Kind::Group, Kind::SamplingRule] {
        let remembered = status.map_or(&[][..], |status| match kind {
            Kind::Group => &status.groups,
            Kind::SamplingRule => &status.sampling_rules,
            Kind::LogGroup => &status.log_groups,
        });
        let mut objects: BTreeMap<&str, Option<&ItemStatus>> = remembered
            .iter()
            .filter(|item| item.state != ItemState::Retained)
            .map(|item| (item.name.as_str(), Some(item)))
            .collect();
        let declared: Vec<&str> = desired.names(kind).collect();
        for name in &declared {
            objects.entry(name).or_default();
        }
        plan.objects
            .extend(objects.into_iter().map(|(name, known)| Planned {
                kind,
                name: name.to_owned(),
                arn: known.and_then(|item| item.arn.clone()),
                deletion_policy: known.and_then(|item| item.deletion_policy),
                declared: declared.contains(&name),
                verdict: Verdict::Held {
                    state: known.map_or(ItemState::Pending, |item| item.state),
                    reason: unseen.reason,
                    message: unseen.message.clone(),
                },
                outcome: Pending,
            }));
    }
    plan.objects
        .sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    plan
}
