//! What becomes of objects that are ours and that no profile declares any more.

use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::{name::DEFAULT_RULE, tag};

use super::{Compare, rule};
use crate::crd::status::ItemState;
use crate::crd::{DeletionPolicy, Mode};
use crate::desired::Desired;
use crate::identity::{Kind, OwnerTags};
use crate::observed::Seen;
use crate::plan::{Action, Pending, Planned, Step, Verdict, Write};

/// Deletes it, gives the rule `Default` its own values back, or lets go of it, as the owner tags and AWS allow.
pub(super) fn undeclared<C: Compare>(
    compare: &C,
    name: &str,
    seen: &Seen<C::State>,
    owner: &OwnerTags,
    desired: &Desired,
) -> Planned<Pending> {
    let release = || Write {
        action: Action::Release,
        steps: vec![Step::Untag {
            keys: tag::ALL.to_vec(),
        }],
        changes: Vec::new(),
    };
    let retain = owner.deletion_policy == DeletionPolicy::Retain || desired.mode == Mode::Suspended;
    let verdict = if retain {
        Verdict::Write(release())
    } else if C::KIND == Kind::SamplingRule && name == DEFAULT_RULE {
        Verdict::Write(Write {
            action: Action::Restore,
            steps: vec![
                rule::restore_default(),
                Step::Untag {
                    keys: tag::ALL.to_vec(),
                },
            ],
            changes: Vec::new(),
        })
    } else {
        match compare.delete(name, &seen.state) {
            Ok(step) => Verdict::Write(Write {
                action: Action::Delete,
                steps: vec![step],
                changes: Vec::new(),
            }),
            Err(_) => Verdict::Write(release()),
        }
    };
    Planned {
        kind: C::KIND,
        name: name.to_owned(),
        arn: Some(seen.arn.clone()),
        deletion_policy: Some(owner.deletion_policy),
        declared: false,
        verdict,
        outcome: Pending,
    }
}

/// What a profile that goes may have made a moment ago: tags that are given at creation appear late.
pub(super) fn perhaps_ours(kind: Kind, name: &str, arn: &str) -> Planned<Pending> {
    Planned {
        kind,
        name: name.to_owned(),
        arn: Some(arn.to_owned()),
        deletion_policy: None,
        declared: false,
        verdict: Verdict::Held {
            state: ItemState::Deleting,
            reason: reason::PENDING,
            message: format!(
                "{} {name} is young and may be this profile's, so its tags are read again before the profile goes",
                kind.noun()
            ),
        },
        outcome: Pending,
    }
}
