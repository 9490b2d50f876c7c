//! Facts become a status that says the truth, keeps its times and does not flap.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tracewright_core::crd::status::{ItemState, ItemStatus, ObservabilityProfileStatus};
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::identity::Kind;
use tracewright_core::plan::{Action, Applied, Failure, Note, Verdict};
use tracewright_core::report::{AwsFacts, Fact, Facts, Transition, Truth, status, transitions};
use tracewright_xray::contract::condition::{self, reason};

use crate::arbitrary::{Case, case};
use crate::carry::plan;

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + second.seconds()
}

fn outcome() -> impl Strategy<Value = Option<Applied>> {
    let failed = select(vec![
        (ItemState::Invalid, reason::INVALID),
        (ItemState::Throttled, reason::THROTTLED),
        (ItemState::Pending, reason::ACCESS_DENIED),
    ])
    .prop_map(|(state, reason)| {
        Applied::Failed(Failure {
            state,
            reason,
            message: format!("AWS said {reason}"),
        })
    });
    prop_oneof![
        3 => Just(Some(Applied::Done { arn: Some("arn:made".to_owned()) })),
        1 => failed.prop_map(Some),
        // Not reached in time.
        1 => Just(None),
    ]
}

/// The AWS side of a case, as it may turn out.
fn aws_facts(case: &Case, outcomes: Vec<Option<Applied>>) -> AwsFacts {
    if case.desired.mode == Mode::Suspended {
        return AwsFacts::Suspended;
    }
    let plan = plan(case);
    let preview = plan.changes();
    let plan = if case.desired.mode == Mode::Preview {
        plan.previewed()
    } else {
        let keys = plan
            .writes()
            .map(|(object, _)| (object.kind, object.name.clone()));
        let outcomes: BTreeMap<_, _> = keys
            .zip(outcomes.into_iter().cycle())
            .filter_map(|(key, outcome)| Some((key, outcome?)))
            .collect();
        plan.applied(outcomes)
    };
    let preview = if case.desired.mode == Mode::Preview {
        preview
    } else {
        Vec::new()
    };
    AwsFacts::Observed {
        account_id: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        plan,
        preview,
    }
}

fn fact(good: &'static str, bad: &'static str) -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::yes(good, "fine")),
        Just(Fact::no(bad, "not fine"))
    ]
}

fn facts() -> impl Strategy<Value = (ObservabilityProfile, Facts)> {
    let unreachable = prop::bool::weighted(0.1);
    let notes = prop::bool::ANY.prop_map(|noted| {
        let note = Note {
            reason: reason::EQUAL_PRIORITY,
            message: "two are equal".to_owned(),
        };
        if noted { vec![note] } else { Vec::new() }
    });
    (
        case(),
        vec(outcome(), 1..8),
        unreachable,
        fact(reason::AVAILABLE, reason::PROGRESSING),
        fact(reason::ALL_INJECTED, reason::ROLLING_OUT),
        fact(reason::RULE_MATCHED, reason::NO_MATCH_YET),
        notes,
    )
        .prop_map(
            |(case, outcomes, unreachable, receiver, injected, traffic, notes)| {
                let aws = if unreachable {
                    AwsFacts::Unobserved(Fact::no(reason::UNREACHABLE, "nobody answers"))
                } else {
                    aws_facts(&case, outcomes)
                };
                let facts = Facts {
                    aws,
                    receiver,
                    injected,
                    workloads: Default::default(),
                    env: Vec::new(),
                    traffic,
                    notes,
                };
                (case.profile, facts)
            },
        )
}

fn with_status(
    profile: &ObservabilityProfile,
    status: ObservabilityProfileStatus,
) -> ObservabilityProfile {
    ObservabilityProfile {
        status: Some(status),
        ..profile.clone()
    }
}

fn items(status: &ObservabilityProfileStatus) -> impl Iterator<Item = (Kind, &ItemStatus)> {
    let groups = status.groups.iter().map(|item| (Kind::Group, item));
    let rules = status
        .sampling_rules
        .iter()
        .map(|item| (Kind::SamplingRule, item));
    let log_groups = status.log_groups.iter().map(|item| (Kind::LogGroup, item));
    groups.chain(rules).chain(log_groups)
}

proptest! {
    #[test]
    fn equal_facts_give_an_equal_status_and_no_news((profile, facts) in facts(), (_, earlier) in facts()) {
        let first = status(&profile, &earlier, at(1));
        let second = status(&with_status(&profile, first), &facts, at(2));
        let third = status(&with_status(&profile, second.clone()), &facts, at(3));
        prop_assert_eq!(&second, &third);
        let news = transitions(Some(&second), &third, &facts);
        prop_assert!(news.iter().all(|news| news.action != "Reconcile"), "{news:?}");
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_truth_stays((profile, facts) in facts(), (_, earlier) in facts()) {
        let first = status(&profile, &earlier, at(1));
        let second = status(&with_status(&profile, first.clone()), &facts, at(2));
        for condition in &second.conditions {
            let before = first.conditions.iter().find(|before| before.type_ == condition.type_);
            let expected = match before {
                Some(before) if before.status == condition.status => at(1),
                _ => at(2),
            };
            prop_assert_eq!(condition.last_transition_time.0, expected, "{}", &condition.type_);
        }
    }

    #[test]
    fn ready_is_true_exactly_when_all_three_sides_are((profile, facts) in facts()) {
        let status = status(&profile, &facts, at(1));
        let truth = |type_: &str| {
            status.conditions.iter().find(|condition| condition.type_ == type_).map(|condition| condition.status.clone())
        };
        let sides = [condition::AWS_SYNCED, condition::RECEIVER_READY, condition::WORKLOADS_INJECTED];
        let all = sides.iter().all(|type_| truth(type_).as_deref() == Some("True"));
        let applies = profile.spec.mode == Mode::Apply && profile.metadata.deletion_timestamp.is_none();
        prop_assert_eq!(truth(condition::READY).as_deref() == Some("True"), all && applies);
        prop_assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(1)));
    }

    #[test]
    fn an_object_is_synced_only_when_it_was_looked_at_or_written((profile, facts) in facts()) {
        let status = status(&profile, &facts, at(1));
        let AwsFacts::Observed { plan, .. } = &facts.aws else { return Ok(()) };
        for (kind, item) in items(&status) {
            let object = plan.objects.iter().find(|object| object.kind == kind && object.name == item.name);
            let object = object.expect("an item comes from the plan");
            let done = matches!((&object.verdict, &object.outcome), (Verdict::Synced, _) | (Verdict::Write(_), Applied::Done { .. }));
            prop_assert_eq!(matches!(item.state, ItemState::Synced | ItemState::Retained), done, "{:?}", object);
            // Whatever is not well says why.
            let explained = item.message.is_some() || matches!(object.outcome, Applied::Previewed | Applied::Done { .. });
            prop_assert!(item.state == ItemState::Synced || explained, "{item:?}");
        }
    }

    #[test]
    fn what_is_gone_is_listed_no_more_and_what_was_released_is((profile, facts) in facts()) {
        let status = status(&profile, &facts, at(1));
        let AwsFacts::Observed { plan, .. } = &facts.aws else { return Ok(()) };
        for object in &plan.objects {
            let listed = items(&status).find(|(kind, item)| *kind == object.kind && item.name == object.name);
            let Verdict::Write(write) = &object.verdict else {
                prop_assert!(listed.is_some());
                continue;
            };
            match (write.action, &object.outcome) {
                (Action::Delete | Action::Restore, Applied::Done { .. }) => prop_assert!(listed.is_none()),
                (Action::Release, Applied::Done { .. }) => {
                    prop_assert_eq!(listed.map(|(_, item)| item.state), Some(ItemState::Retained));
                }
                _ => prop_assert!(listed.is_some()),
            }
        }
    }

    #[test]
    fn items_stay_as_they_were_reported_while_nothing_can_be_observed((profile, facts) in facts()) {
        let known = status(&profile, &facts, at(1));
        let blind = Facts { aws: AwsFacts::Unobserved(Fact::no(reason::UNREACHABLE, "nobody answers")), ..facts };
        let later = status(&with_status(&profile, known.clone()), &blind, at(2));
        prop_assert_eq!(&known.groups, &later.groups);
        prop_assert_eq!(&known.sampling_rules, &later.sampling_rules);
        prop_assert_eq!(&known.log_groups, &later.log_groups);
        prop_assert_eq!((known.account_id, known.region), (later.account_id, later.region));
    }

    #[test]
    fn every_write_is_told_if_it_was_done_and_each_kind_of_write_once((profile, facts) in facts()) {
        let status = status(&profile, &facts, at(1));
        let AwsFacts::Observed { plan, .. } = &facts.aws else { return Ok(()) };
        let news = transitions(None, &status, &facts);
        let told: Vec<_> = news.iter().filter(|news| news.action != "Reconcile").collect();
        let mut kinds = BTreeSet::new();
        for object in &plan.objects {
            let Verdict::Write(write) = &object.verdict else { continue };
            let named = format!("{} {}", object.kind.noun(), object.name);
            let tells = |news: &&&Transition| news.action == write.action.as_str() && news.note.contains(&named);
            if matches!(object.outcome, Applied::Done { .. }) {
                prop_assert_eq!(told.iter().filter(tells).count(), 1, "{} in {:?}", named, told);
                kinds.insert(write.action);
            }
        }
        prop_assert_eq!(told.len(), kinds.len(), "{:?}", told);
    }

    #[test]
    fn what_was_as_declared_and_is_written_again_is_told_as_repaired_unless_the_profile_changed((profile, facts) in facts()) {
        let after = status(&profile, &facts, at(1));
        let reasons = |before: &ObservabilityProfileStatus| -> BTreeSet<(String, String)> {
            let news = transitions(Some(before), &after, &facts);
            let written = news.into_iter().filter(|news| news.action != "Reconcile");
            written.map(|news| (news.action.to_owned(), news.reason)).collect()
        };
        // What was done leaves an object as declared, so doing it once more repairs it.
        for (action, reason) in reasons(&after) {
            let repairs = ["Create", "Update"].contains(&action.as_str());
            prop_assert_eq!(reason == "DriftRepaired", repairs, "{} is told as {}", action, reason);
        }
        let mut older = after.clone();
        older.observed_generation = Some(profile.metadata.generation.unwrap_or_default() - 1);
        for (action, reason) in reasons(&older) {
            prop_assert!(reason != "DriftRepaired", "{} is told as {}", action, reason);
        }
    }
}

#[test]
fn a_warning_is_given_for_what_somebody_has_to_mend_and_not_for_what_passes() {
    let case = crate::update::case_of(serde_json::json!({}), serde_json::json!([]));
    let facts = |fact: Fact| Facts {
        aws: AwsFacts::Unobserved(fact),
        receiver: Fact::yes(reason::NOT_DECLARED, ""),
        injected: Fact::yes(reason::NONE_SELECTED, ""),
        workloads: Default::default(),
        env: Vec::new(),
        traffic: Fact::unknown(reason::NOT_DECLARED, ""),
        notes: Vec::new(),
    };
    for (fact, warns) in [
        (Fact::no(reason::ACCESS_DENIED, "denied"), true),
        (Fact::no(reason::CREDENTIALS_MISSING, "none"), true),
        (Fact::no(reason::CONFLICT, "taken"), true),
        (Fact::no(reason::THROTTLED, "slow"), false),
        (Fact::no(reason::PENDING, "soon"), false),
        (Fact::yes(reason::SYNCED, "fine"), false),
    ] {
        let truth = fact.truth;
        let facts = facts(fact);
        let status = status(&case.profile, &facts, at(1));
        let warnings = transitions(None, &status, &facts)
            .iter()
            .filter(|news| news.warning)
            .count();
        assert_eq!(warnings > 0, warns, "{truth:?} {:?}", facts.aws);
    }
}

#[test]
fn a_changed_profile_forgets_what_was_released() {
    let case = crate::update::case_of(serde_json::json!({}), serde_json::json!([]));
    let retained = ItemStatus {
        name: "/old".to_owned(),
        arn: None,
        state: ItemState::Retained,
        deletion_policy: None,
        message: None,
    };
    let known = ObservabilityProfileStatus {
        observed_generation: Some(1),
        log_groups: vec![retained],
        ..ObservabilityProfileStatus::default()
    };
    let facts = Facts {
        aws: aws_facts(&case, vec![None]),
        receiver: Fact::yes(reason::NOT_DECLARED, ""),
        injected: Fact::yes(reason::NONE_SELECTED, ""),
        workloads: Default::default(),
        env: Vec::new(),
        traffic: Fact::unknown(reason::NOT_DECLARED, ""),
        notes: Vec::new(),
    };
    for (generation, listed) in [(1, 1), (2, 0)] {
        let mut profile = with_status(&case.profile, known.clone());
        profile.metadata.generation = Some(generation);
        let status = status(&profile, &facts, at(2));
        assert_eq!(status.log_groups.len(), listed, "generation {generation}");
        assert_eq!(
            status.summary.map(|summary| summary.logs),
            Some("0/0".to_owned())
        );
    }
}

#[test]
fn a_preview_is_not_ready_and_not_a_failure() {
    let mut case = crate::update::case_of(
        serde_json::json!({"groups": [{"name": "g"}]}),
        serde_json::json!([]),
    );
    (case.desired.mode, case.profile.spec.mode) = (Mode::Preview, Mode::Preview);
    let facts = Facts {
        aws: aws_facts(&case, vec![None]),
        receiver: Fact::yes(reason::NOT_DECLARED, ""),
        injected: Fact::yes(reason::NONE_SELECTED, ""),
        workloads: Default::default(),
        env: Vec::new(),
        traffic: Fact::unknown(reason::NOT_DECLARED, ""),
        notes: Vec::new(),
    };
    let status = status(&case.profile, &facts, at(1));
    let ready = &status.conditions[0];
    assert_eq!(
        (
            ready.type_.as_str(),
            ready.status.as_str(),
            ready.reason.as_str()
        ),
        (condition::READY, Truth::Unknown.as_str(), reason::PREVIEW)
    );
    assert_eq!(status.plan.len(), 1);
    assert_eq!(status.groups[0].state, ItemState::Pending);
}
