//! Two profiles of one cluster over one account: they settle, each name has one holder, and the holder keeps it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tracewright_core::crd::{DeletionPolicy, Mode, ObservabilityProfile};
use tracewright_core::desired::{Adoption, Desired, validate};
use tracewright_core::diff::diff;
use tracewright_core::identity::{Kind, ProfileRef};
use tracewright_core::observed::{Claims, Observed, Quotas};
use tracewright_core::rights::Rights;

use crate::arbitrary::{CLUSTER, case, me, profile, rival};
use crate::carry::{after, names, owner};

/// More rounds than two profiles can need: one each to write, and one each for names that the other let go.
const MAX_ROUNDS: usize = 6;

fn wants(profile: &ObservabilityProfile, reference: ProfileRef) -> Desired {
    let mut profile = profile.clone();
    profile.metadata.namespace = Some(reference.namespace);
    profile.metadata.name = Some(reference.name);
    profile.metadata.deletion_timestamp = None;
    profile.spec.mode = Mode::Apply;
    validate(&profile, &Rights::default(), None).expect("region and role are fine")
}

/// `elder` is older than `younger`.
fn claims(elder: &Desired, younger: &Desired) -> Claims {
    let mut oldest = BTreeMap::new();
    for desired in [younger, elder] {
        oldest.extend(
            desired
                .claims()
                .map(|(kind, name)| ((kind, name.to_owned()), desired.profile.clone())),
        );
    }
    Claims {
        cluster: CLUSTER.to_owned(),
        living: BTreeSet::from([me(), rival()]),
        unreadable: BTreeSet::new(),
        oldest,
        quotas: Quotas::default(),
    }
}

/// Lets both reconcile in turn until neither has anything to do, the younger first.
fn settle(observed: &Observed, elder: &Desired, younger: &Desired) -> Option<Observed> {
    let claims = claims(elder, younger);
    let mut observed = observed.clone();
    for _ in 0..MAX_ROUNDS {
        let mut idle = true;
        for desired in [younger, elder] {
            let plan = diff(desired, &observed, &claims);
            idle &= plan.is_empty();
            observed = after(&observed, &plan);
        }
        if idle {
            return Some(observed);
        }
    }
    None
}

proptest! {
    #[test]
    fn two_profiles_settle_and_the_holder_keeps_what_it_declares(
        case in case(),
        mine in profile(),
        theirs in profile(),
        i_am_older in any::<bool>(),
    ) {
        let (mine, theirs) = (wants(&mine, me()), wants(&theirs, rival()));
        let (elder, younger) = if i_am_older { (&mine, &theirs) } else { (&theirs, &mine) };
        let settled = settle(&case.observed, elder, younger);
        prop_assert!(settled.is_some(), "they still write after {MAX_ROUNDS} rounds");
        let settled = settled.unwrap_or_default();
        for (kind, name) in names(&case.observed) {
            let holder = owner(&case.observed, kind, &name).filter(|owner| owner.cluster == CLUSTER);
            for desired in [&mine, &theirs] {
                let keeps = holder.as_ref().is_some_and(|owner| owner.profile == desired.profile)
                    && desired.claims().any(|claim| claim == (kind, name.as_str()));
                if keeps {
                    let now = owner(&settled, kind, &name).map(|owner| owner.profile);
                    prop_assert_eq!(now.as_ref(), Some(&desired.profile), "{:?} {}", kind, name);
                }
            }
        }
    }

    #[test]
    fn a_free_name_goes_to_the_older_profile(mine in profile(), theirs in profile(), i_am_older in any::<bool>()) {
        let (mine, theirs) = (wants(&mine, me()), wants(&theirs, rival()));
        let (elder, younger) = if i_am_older { (&mine, &theirs) } else { (&theirs, &mine) };
        let settled = settle(&Observed::default(), elder, younger);
        prop_assert!(settled.is_some(), "they still write after {MAX_ROUNDS} rounds");
        let settled = settled.unwrap_or_default();
        for (kind, name) in elder.claims() {
            let now = owner(&settled, kind, name).map(|owner| owner.profile);
            prop_assert_eq!(now.as_ref(), Some(&elder.profile), "{:?} {}", kind, name);
        }
    }
}

#[test]
fn what_the_holder_lets_go_the_waiting_profile_takes_over() {
    let profile = |adoption: &str| -> ObservabilityProfile {
        let spec = serde_json::json!({
            "aws": {"region": "us-east-1"},
            "logs": {"groups": [{"name": "/shared", "retentionInDays": 7, "adoptionPolicy": adoption}]},
        });
        let manifest = serde_json::json!({"metadata": {"name": "any"}, "spec": spec});
        serde_json::from_value(manifest).expect("a profile")
    };
    let (elder, mut younger) = (
        wants(&profile("Reject"), me()),
        wants(&profile("Adopt"), rival()),
    );
    let held = settle(&Observed::default(), &elder, &younger).expect("they settle");
    assert_eq!(
        owner(&held, Kind::LogGroup, "/shared").map(|owner| owner.profile),
        Some(me())
    );
    let nothing = Desired {
        log_groups: Vec::new(),
        ..elder
    };

    // It was to be kept, so it is nobody's now, and nobody may take it without the right to adopt.
    let kept = settle(&held, &nothing, &younger).expect("they settle");
    assert_eq!(owner(&kept, Kind::LogGroup, "/shared"), None);
    younger.log_groups[0].adoption = Adoption::Adopt;
    let taken = settle(&held, &nothing, &younger).expect("they settle");
    let owner = owner(&taken, Kind::LogGroup, "/shared").expect("it is held again");
    assert_eq!(
        (owner.profile, owner.deletion_policy),
        (rival(), DeletionPolicy::Retain)
    );
}
