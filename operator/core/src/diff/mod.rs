//! (Desired, Observed) → Plan: only what differs, of what is ours.

mod change;
mod group;
mod log_group;
mod rule;
mod standing;
mod undeclared;
mod unseen;

pub use unseen::diff_log_groups;

use std::collections::{BTreeMap, BTreeSet};

use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::name::DEFAULT_RULE;

use crate::crd::DeletionPolicy;
use crate::crd::status::ItemState;
use crate::desired::{Adoption, Desired, Item};
use crate::identity::{Kind, OwnerTags, TagMap};
use crate::observed::{Claims, Observed, Seen};
use crate::plan::{Action, FieldChange, Note, Pending, Plan, Planned, Step, Verdict, Write};
use change::tag_step;
use standing::{Standing, standing};
use undeclared::{perhaps_ours, undeclared};

/// A share of a quota from which a profile that adds to it is told.
const QUOTA_NEARLY_USED: f64 = 0.9;

/// (Desired, Observed) → Plan.
///
/// Objects that the profile declares are compared field by field; objects that carry its mark and that it no longer
/// declares are deleted or released as the mark says. An entry that was refused is left as it is.
#[must_use]
pub fn diff(desired: &Desired, observed: &Observed, claims: &Claims) -> Plan<Pending> {
    let mut plan = Plan {
        objects: Vec::new(),
        notes: Vec::new(),
    };
    kind(
        &group::Groups,
        &desired.groups,
        &observed.groups,
        desired,
        claims,
        &mut plan,
    );
    kind(
        &rule::Rules,
        &desired.rules,
        &observed.rules,
        desired,
        claims,
        &mut plan,
    );
    kind(
        &log_group::LogGroups,
        &desired.log_groups,
        &observed.log_groups,
        desired,
        claims,
        &mut plan,
    );
    for refused in &desired.refused {
        let (arn, deletion_policy) = match refused.kind {
            Kind::Group => holding(observed.groups.get(&refused.name), desired, claims),
            Kind::SamplingRule => holding(observed.rules.get(&refused.name), desired, claims),
            Kind::LogGroup => holding(observed.log_groups.get(&refused.name), desired, claims),
        };
        plan.objects.push(Planned {
            kind: refused.kind,
            name: refused.name.clone(),
            arn,
            deletion_policy,
            declared: true,
            verdict: Verdict::Held {
                state: ItemState::Invalid,
                reason: refused.reason,
                message: refused.message.clone(),
            },
            outcome: Pending,
        });
    }
    plan.objects
        .sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    plan
}

/// ARN and deletion policy of an object that is ours although its entry is refused now.
fn holding<S>(
    seen: Option<&Seen<S>>,
    desired: &Desired,
    claims: &Claims,
) -> (Option<String>, Option<DeletionPolicy>) {
    match seen.map(|seen| (seen, standing(&seen.tags, &desired.profile, claims))) {
        Some((seen, Standing::Ours(owner))) => {
            (Some(seen.arn.clone()), Some(owner.deletion_policy))
        }
        _ => (None, None),
    }
}

/// What is particular to a kind of AWS object.
trait Compare {
    /// Declared fields.
    type Spec;
    /// Observed fields.
    type State;
    const KIND: Kind;

    /// How many of this kind AWS allows, if that can be counted.
    fn quota(&self, claims: &Claims) -> Option<usize>;
    /// The steps that make a new object; `None` where the object cannot be made.
    fn create(&self, name: &str, spec: &Self::Spec, tags: TagMap) -> Option<Vec<Step>>;
    /// The steps that bring an existing object to its declaration, and the fields that change.
    fn update(&self, spec: &Self::Spec, state: &Self::State) -> (Vec<Step>, Vec<FieldChange>);
    /// Why an existing object can never be as declared, as the rest of a sentence that begins with its name.
    fn impossible(&self, spec: &Self::Spec, state: &Self::State) -> Option<String>;
    /// The call that deletes the object; `Err` says why it has to stay.
    fn delete(&self, name: &str, state: &Self::State) -> Result<Step, String>;
    /// What a person should know about the object though it is as declared.
    fn note(&self, name: &str, spec: &Self::Spec, state: &Self::State) -> Option<Note>;
}

fn kind<C: Compare>(
    compare: &C,
    items: &[Item<C::Spec>],
    seen: &BTreeMap<String, Seen<C::State>>,
    desired: &Desired,
    claims: &Claims,
    plan: &mut Plan<Pending>,
) {
    let mut used = seen.keys().filter(|name| *name != DEFAULT_RULE).count();
    let mut created = false;
    for item in items {
        let existing = seen.get(&item.name);
        let mut verdict = declared(compare, item, existing, desired, claims);
        if let Verdict::Write(Write {
            action: Action::Create,
            ..
        }) = verdict
            && let Some(quota) = compare.quota(claims)
        {
            if used >= quota {
                verdict = quota_exceeded(C::KIND, &item.name, used, quota);
            } else {
                used += 1;
                created = true;
            }
        }
        if let Some(existing) = existing
            && matches!(verdict, Verdict::Synced | Verdict::Write(_))
        {
            plan.notes
                .extend(compare.note(&item.name, &item.spec, &existing.state));
        }
        let ours = match &verdict {
            Verdict::Write(_) => true,
            Verdict::Synced => item.adoption != Adoption::Observe,
            Verdict::Held { .. } => existing.is_some_and(|seen| {
                matches!(
                    standing(&seen.tags, &desired.profile, claims),
                    Standing::Ours(_)
                )
            }),
        };
        plan.objects.push(Planned {
            kind: C::KIND,
            name: item.name.clone(),
            arn: existing.map(|seen| seen.arn.clone()),
            deletion_policy: ours.then_some(item.deletion_policy),
            declared: true,
            verdict,
            outcome: Pending,
        });
    }
    if let Some(quota) = compare.quota(claims)
        && (created || !items.is_empty())
        && used as f64 >= quota as f64 * QUOTA_NEARLY_USED
    {
        plan.notes.push(Note {
            reason: reason::QUOTA_NEARLY_USED,
            message: format!(
                "{used} of {quota} {}s of the account and region are used, by all tools together: remove some, or ask AWS for more where the quota is adjustable",
                C::KIND.noun()
            ),
        });
    }
    let known: BTreeSet<&str> = desired
        .names(C::KIND)
        .chain(
            desired
                .refused
                .iter()
                .filter(|refused| refused.kind == C::KIND)
                .map(|refused| refused.name.as_str()),
        )
        .collect();
    for (name, seen) in seen
        .iter()
        .filter(|(name, _)| !known.contains(name.as_str()))
    {
        match standing(&seen.tags, &desired.profile, claims) {
            Standing::Ours(owner) => plan
                .objects
                .push(undeclared(compare, name, seen, &owner, desired)),
            Standing::Unread | Standing::Settling
                if desired.leaving.contains(&(C::KIND, name.clone())) =>
            {
                plan.objects.push(perhaps_ours(C::KIND, name, &seen.arn));
            }
            _ => {}
        }
    }
}

fn declared<C: Compare>(
    compare: &C,
    item: &Item<C::Spec>,
    existing: Option<&Seen<C::State>>,
    desired: &Desired,
    claims: &Claims,
) -> Verdict {
    let me = &desired.profile;
    let elder = || standing::elder(C::KIND, &item.name, me, claims);
    let Some(seen) = existing else {
        if item.adoption == Adoption::Observe {
            return Verdict::Held {
                state: ItemState::Pending,
                reason: reason::PENDING,
                message: format!(
                    "{} {} does not exist, and adoptionPolicy: Observe never makes one: create it, or write another adoptionPolicy",
                    C::KIND.noun(),
                    item.name
                ),
            };
        }
        if let Some(elder) = elder() {
            return standing::conflict(C::KIND, &item.name, elder);
        }
        let mut tags = item.tags.clone();
        tags.extend(mark(item, desired, claims).to_tags());
        return match compare.create(&item.name, &item.spec, tags) {
            Some(steps) => Verdict::Write(Write {
                action: Action::Create,
                steps,
                changes: Vec::new(),
            }),
            None => standing::waiting(C::KIND, &item.name, "is not there yet"),
        };
    };
    if item.adoption == Adoption::Observe {
        return observed_only(compare, item, seen);
    }
    let action = match standing(&seen.tags, me, claims) {
        Standing::Ours(_) => Action::Update,
        Standing::OtherProfile(holder) => return standing::conflict(C::KIND, &item.name, &holder),
        Standing::OtherCluster(owner) => {
            return standing::other_cluster(C::KIND, &item.name, &owner);
        }
        Standing::Unread => {
            return standing::waiting(C::KIND, &item.name, "exists; its tags are not read yet");
        }
        Standing::Settling => {
            return standing::waiting(
                C::KIND,
                &item.name,
                "exists; it is young and may be ours, so its tags are read again",
            );
        }
        Standing::Abandoned | Standing::Foreign if elder().is_some() => {
            let elder = elder().unwrap_or(me);
            return standing::conflict(C::KIND, &item.name, elder);
        }
        Standing::Abandoned => Action::Adopt,
        Standing::Foreign => match item.adoption {
            Adoption::Adopt => Action::Adopt,
            Adoption::NotAllowed => return standing::foreign(C::KIND, &item.name, true),
            Adoption::Reject | Adoption::Observe => {
                return standing::foreign(C::KIND, &item.name, false);
            }
        },
    };
    if let Some(why) = compare.impossible(&item.spec, &seen.state) {
        return Verdict::Held {
            state: ItemState::Invalid,
            reason: reason::INVALID,
            message: format!("{} {} {why}", C::KIND.noun(), item.name),
        };
    }
    let mut wanted = item.tags.clone();
    wanted.extend(mark(item, desired, claims).to_tags());
    let (mut steps, mut changes) = (Vec::new(), Vec::new());
    // The mark comes first, so that a crash after it leaves an object that is known to be ours.
    if let Some((step, change)) = tag_step(&seen.tags, &wanted) {
        steps.push(step);
        changes.push(change);
    }
    let (field_steps, field_changes) = compare.update(&item.spec, &seen.state);
    steps.extend(field_steps);
    changes.extend(field_changes);
    if steps.is_empty() {
        Verdict::Synced
    } else {
        Verdict::Write(Write {
            action,
            steps,
            changes,
        })
    }
}

fn observed_only<C: Compare>(compare: &C, item: &Item<C::Spec>, seen: &Seen<C::State>) -> Verdict {
    let (_, changes) = compare.update(&item.spec, &seen.state);
    let impossible = compare.impossible(&item.spec, &seen.state);
    if changes.is_empty() && impossible.is_none() {
        return Verdict::Synced;
    }
    let differs: Vec<String> = changes
        .iter()
        .map(FieldChange::to_string)
        .chain(impossible)
        .collect();
    Verdict::Held {
        state: ItemState::Drifted,
        reason: reason::DRIFTED,
        message: format!(
            "{} {} is only observed and differs: {}",
            C::KIND.noun(),
            item.name,
            differs.join("; ")
        ),
    }
}

fn mark<S>(item: &Item<S>, desired: &Desired, claims: &Claims) -> OwnerTags {
    OwnerTags {
        cluster: claims.cluster.clone(),
        profile: desired.profile.clone(),
        deletion_policy: item.deletion_policy,
    }
}

fn quota_exceeded(kind: Kind, name: &str, used: usize, quota: usize) -> Verdict {
    let remedy = match kind {
        Kind::Group => "delete groups that nobody needs; AWS does not raise this quota",
        Kind::SamplingRule => {
            "delete rules that nobody needs, or ask AWS to raise the quota L-8C0C998A and tell the operator (--quota-sampling-rules)"
        }
        Kind::LogGroup => "delete log groups that nobody needs, or ask AWS to raise the quota",
    };
    Verdict::Held {
        state: ItemState::QuotaExceeded,
        reason: reason::QUOTA_EXCEEDED,
        message: format!(
            "{} {name} is not created, because {used} of {quota} of the account and region are used, by all tools together: {remedy}",
            kind.noun()
        ),
    }
}
