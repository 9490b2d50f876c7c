//! Carrying a plan out leaves nothing to do, and a plan that needs to know more waits.

use proptest::prelude::*;
use serde_json::json;
use tracewright_core::crd::DeletionPolicy;
use tracewright_core::crd::status::ItemState;
use tracewright_core::identity::Kind;
use tracewright_core::observed::{GroupState, Observed, Quotas, Seen, Tags};
use tracewright_core::plan::{Action, Verdict};
use tracewright_xray::contract::name::DEFAULT_RULE;

use crate::arbitrary::{CLUSTER, Case, case, mark, me};
use crate::carry::{actions, after, names, plan, planned, write};
use crate::update::case_of;

proptest! {
    #[test]
    fn carrying_a_plan_out_leaves_nothing_to_do(case in case()) {
        let first = plan(&case);
        let deletes = actions(&first).iter().any(|(.., action)| *action == Action::Delete);
        let settled = Case { observed: after(&case.observed, &first), ..case };
        let second = plan(&settled);
        // What found no room in a quota may find it when something was deleted; nothing else is left over.
        prop_assert!(
            actions(&second).iter().all(|(.., action)| deletes && *action == Action::Create),
            "{:#?}",
            second.objects
        );
        let third = plan(&Case { observed: after(&settled.observed, &second), ..settled });
        prop_assert!(third.is_empty(), "{:#?}", third.objects);
    }

    #[test]
    fn an_object_that_is_written_is_synced_afterwards(case in case()) {
        let first = plan(&case);
        let second = plan(&Case { observed: after(&case.observed, &first), ..case });
        for (object, write) in first.writes() {
            if write.action.removes() {
                prop_assert!(!second.objects.iter().any(|later| later.name == object.name && later.kind == object.kind));
            } else {
                prop_assert_eq!(&planned(&second, object.kind, &object.name).verdict, &Verdict::Synced);
            }
        }
    }

    #[test]
    fn a_plan_has_at_most_one_entry_for_an_object_and_they_are_in_order(case in case()) {
        let plan = plan(&case);
        let keys: Vec<_> = plan.objects.iter().map(|object| (object.kind, object.name.clone())).collect();
        prop_assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }

    #[test]
    fn creates_never_exceed_a_quota(case in case()) {
        let after = after(&case.observed, &plan(&case));
        let quotas = case.claims.quotas;
        let count = |observed: &Observed| {
            let rules = observed.rules.keys().filter(|name| *name != DEFAULT_RULE);
            (observed.groups.len(), rules.count())
        };
        let ((groups_before, rules_before), (groups, rules)) = (count(&case.observed), count(&after));
        prop_assert!(groups <= groups_before.max(quotas.groups));
        prop_assert!(rules <= rules_before.max(quotas.rules));
    }

    #[test]
    fn a_create_that_no_quota_stops_is_planned(case in case()) {
        let mut case = case;
        case.claims.quotas = Quotas { groups: 1000, rules: 1000 };
        let plan = plan(&case);
        for object in &plan.objects {
            prop_assert!(
                !matches!(object.verdict, Verdict::Held { state: ItemState::QuotaExceeded, .. }),
                "{object:?}"
            );
        }
        for (kind, name) in case.desired.claims() {
            let exists = names(&case.observed).contains(&(kind, name.to_owned()));
            let mine = !case.claims.oldest.contains_key(&(kind, name.to_owned()));
            if !exists && mine {
                let action = write(&plan, kind, name).map(|write| write.action);
                prop_assert_eq!(action, Some(Action::Create), "{:?} {}", kind, name);
            }
        }
    }

    #[test]
    fn what_exists_is_left_alone_until_its_tags_are_known(
        case in case(),
        known in proptest::sample::select(vec![Tags::Unread, Tags::Settling]),
    ) {
        let mut unknown = case.clone();
        let observed = &mut unknown.observed;
        observed.groups.values_mut().for_each(|seen| seen.tags = known.clone());
        observed.rules.values_mut().for_each(|seen| seen.tags = known.clone());
        observed.log_groups.values_mut().for_each(|seen| seen.tags = known.clone());
        let waiting = plan(&unknown);
        for (kind, name, action) in actions(&waiting) {
            prop_assert_eq!(action, Action::Create, "{:?} {}", kind, name);
        }
        for (kind, name) in case.desired.claims() {
            if names(&case.observed).contains(&(kind, name.to_owned())) {
                let verdict = &planned(&waiting, kind, name).verdict;
                prop_assert!(matches!(verdict, Verdict::Held { state: ItemState::Pending, .. }), "{verdict:?}");
            }
        }
    }
}

#[test]
fn a_name_that_is_renamed_at_a_full_quota_fits_once_the_old_one_is_gone() {
    let mut case = case_of(json!({"groups": [{"name": "new"}]}), json!([]));
    case.claims.quotas.groups = 1;
    let state = GroupState {
        filter_expression: "fault".to_owned(),
        ..GroupState::default()
    };
    let tags = Tags::Read(mark(CLUSTER, me(), DeletionPolicy::Delete));
    case.observed.groups.insert(
        "old".to_owned(),
        Seen {
            arn: "old".to_owned(),
            state,
            tags,
        },
    );
    let first = plan(&case);
    assert_eq!(actions(&first), [(Kind::Group, "old", Action::Delete)]);
    let observed = after(&case.observed, &first);
    let second = plan(&Case { observed, ..case });
    assert_eq!(actions(&second), [(Kind::Group, "new", Action::Create)]);
}
