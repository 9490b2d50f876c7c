//! Whose an object is decides what is done with it, whatever a profile says.

use proptest::prelude::*;
use tracewright_core::crd::{DeletionPolicy, Mode};
use tracewright_core::desired::{
    Adoption, DEFAULT_RULE_FIXED_RATE, DEFAULT_RULE_RESERVOIR_SIZE, Desired,
};
use tracewright_core::identity::{Kind, OwnerTags};
use tracewright_core::plan::{Action, RuleUpdate, Step, Verdict};
use tracewright_xray::contract::name::DEFAULT_RULE;
use tracewright_xray::contract::tag;

use crate::arbitrary::{CLUSTER, Case, case, gone, me};
use crate::carry::{actions, after, names, owner, plan, planned, same, steps, tags, write};

fn adoption(desired: &Desired, kind: Kind, name: &str) -> Option<Adoption> {
    let groups = desired
        .groups
        .iter()
        .map(|item| (Kind::Group, &item.name, item.adoption));
    let rules = desired
        .rules
        .iter()
        .map(|item| (Kind::SamplingRule, &item.name, item.adoption));
    let log_groups = desired
        .log_groups
        .iter()
        .map(|item| (Kind::LogGroup, &item.name, item.adoption));
    groups
        .chain(rules)
        .chain(log_groups)
        .find(|(of, known, _)| *of == kind && *known == name)
        .map(|(.., adoption)| adoption)
}

fn is_mine(owner: Option<&OwnerTags>) -> bool {
    owner.is_some_and(|owner| owner.cluster == CLUSTER && owner.profile == me())
}

fn is_free(owner: Option<&OwnerTags>) -> bool {
    owner.is_some_and(|owner| owner.cluster == CLUSTER && owner.profile == gone())
}

proptest! {
    #[test]
    fn what_belongs_to_others_is_never_touched(case in case()) {
        let after = after(&case.observed, &plan(&case));
        for (kind, name) in names(&case.observed) {
            let owner = owner(&case.observed, kind, &name);
            let adoption = adoption(&case.desired, kind, &name);
            let may_write = is_mine(owner.as_ref())
                || (is_free(owner.as_ref()) && adoption.is_some())
                || (owner.is_none() && adoption == Some(Adoption::Adopt));
            let reads_only = adoption == Some(Adoption::Observe);
            if !may_write || reads_only {
                prop_assert!(same(&case.observed, &after, kind, &name), "{kind:?} {name} of {owner:?}");
            }
        }
    }

    #[test]
    fn what_is_refused_stays_as_it_is(case in case()) {
        let plan = plan(&case);
        for refused in &case.desired.refused {
            prop_assert!(write(&plan, refused.kind, &refused.name).is_none(), "{refused:?}");
        }
    }

    #[test]
    fn the_rule_default_gets_its_two_fields_and_a_mark_and_nothing_else(case in case()) {
        for (object, step) in steps(&plan(&case)) {
            if object.name != DEFAULT_RULE {
                continue;
            }
            match step {
                Step::UpdateSamplingRule(update) => {
                    let two = RuleUpdate {
                        fixed_rate: update.fixed_rate,
                        reservoir_size: update.reservoir_size,
                        ..RuleUpdate::default()
                    };
                    prop_assert_eq!(update, &two);
                }
                Step::Tag { .. } | Step::Untag { .. } => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn retention_under_an_account_policy_is_never_written(case in case()) {
        for (object, step) in steps(&plan(&case)) {
            let overridden = case
                .observed
                .log_groups
                .get(&object.name)
                .is_some_and(|seen| object.kind == Kind::LogGroup && seen.state.retention_policy_name.is_some());
            let writes = matches!(step, Step::PutRetentionPolicy { .. });
            prop_assert!(!(overridden && writes), "{object:?}");
        }
    }

    #[test]
    fn what_is_no_longer_declared_goes_as_its_tag_says(case in case()) {
        let after = after(&case.observed, &plan(&case));
        for (kind, name) in names(&case.observed) {
            let declared = adoption(&case.desired, kind, &name).is_some()
                || case.desired.refused.iter().any(|refused| refused.kind == kind && refused.name == name);
            let Some(owner) = owner(&case.observed, kind, &name) else { continue };
            if declared || !is_mine(Some(&owner)) {
                continue;
            }
            let protected = kind == Kind::LogGroup && case.observed.log_groups[&name].state.deletion_protection;
            let deletes = owner.deletion_policy == DeletionPolicy::Delete
                && case.desired.mode != Mode::Suspended
                && !protected;
            if !deletes || name == DEFAULT_RULE {
                let mut expected = tags(&case.observed, kind, &name).cloned().expect("tags are known");
                expected.retain(|key, _| !tag::ALL.contains(&key.as_str()));
                prop_assert_eq!(tags(&after, kind, &name), Some(&expected));
            }
            match (deletes, kind, name == DEFAULT_RULE) {
                (true, _, false) => prop_assert!(!names(&after).contains(&(kind, name))),
                (true, _, true) => {
                    let state = &after.rules[&name].state;
                    prop_assert_eq!(state.fixed_rate, DEFAULT_RULE_FIXED_RATE);
                    prop_assert_eq!(state.reservoir_size, DEFAULT_RULE_RESERVOIR_SIZE);
                }
                (false, Kind::Group, _) => prop_assert_eq!(&case.observed.groups[&name].state, &after.groups[&name].state),
                (false, Kind::SamplingRule, _) => prop_assert_eq!(&case.observed.rules[&name].state, &after.rules[&name].state),
                (false, Kind::LogGroup, _) => {
                    prop_assert_eq!(&case.observed.log_groups[&name].state, &after.log_groups[&name].state);
                }
            }
        }
    }

    #[test]
    fn only_what_is_no_longer_declared_is_removed(case in case()) {
        for (object, write) in plan(&case).writes() {
            prop_assert_eq!(write.action.removes(), !object.declared);
        }
    }

    #[test]
    fn tags_of_other_keys_survive(case in case()) {
        let after = after(&case.observed, &plan(&case));
        for (kind, name) in names(&after) {
            let (Some(before), Some(now)) = (tags(&case.observed, kind, &name), tags(&after, kind, &name)) else { continue };
            for key in before.keys().filter(|key| !tag::ALL.contains(&key.as_str())) {
                prop_assert!(now.contains_key(key), "{kind:?} {name} lost {key}");
            }
        }
    }

    #[test]
    fn what_we_write_carries_our_mark_and_the_policy_that_it_declares(case in case()) {
        let plan = plan(&case);
        let after = after(&case.observed, &plan);
        for (object, write) in plan.writes().filter(|(_, write)| !write.action.removes()) {
            let owner = owner(&after, object.kind, &object.name);
            prop_assert!(is_mine(owner.as_ref()), "{owner:?}");
            prop_assert_eq!(owner.map(|owner| owner.deletion_policy), object.deletion_policy);
            // The mark comes first: a crash after it leaves an object that is known to be ours.
            if write.action == Action::Adopt {
                let first = &write.steps[0];
                prop_assert!(matches!(first, Step::Tag { .. }), "{first:?}");
            }
        }
    }

    #[test]
    fn a_name_of_an_older_profile_waits_for_it(case in case()) {
        let plan = plan(&case);
        for ((kind, name), elder) in &case.claims.oldest {
            let declares = adoption(&case.desired, *kind, name).is_some_and(|adoption| adoption != Adoption::Observe);
            if declares && !is_mine(owner(&case.observed, *kind, name).as_ref()) {
                let planned = planned(&plan, *kind, name);
                prop_assert!(matches!(planned.verdict, Verdict::Held { .. }), "{planned:?} though {elder} is older");
            }
        }
    }

    #[test]
    fn a_suspended_profile_deletes_nothing(case in case()) {
        let mut case = case;
        case.desired = Desired {
            mode: Mode::Suspended,
            deleting: true,
            groups: Vec::new(),
            rules: Vec::new(),
            log_groups: Vec::new(),
            refused: Vec::new(),
            ..case.desired
        };
        let plan = plan(&case);
        prop_assert!(actions(&plan).iter().all(|(.., action)| *action == Action::Release));
        prop_assert_eq!(names(&after(&case.observed, &plan)), names(&case.observed));
    }
}

#[test]
fn the_random_cases_reach_every_action() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let case: Case = case().new_tree(&mut runner).expect("a case").current();
        seen.extend(actions(&plan(&case)).into_iter().map(|(.., action)| action));
    }
    let all = [
        Action::Create,
        Action::Update,
        Action::Adopt,
        Action::Delete,
        Action::Restore,
        Action::Release,
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}
