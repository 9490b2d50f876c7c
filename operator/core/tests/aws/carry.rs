//! Carrying a plan out on the picture of an account, as `apply` does on the account itself.

use tracewright_core::diff::diff;
use tracewright_core::effect::carry_out;
use tracewright_core::identity::{Kind, OwnerTags, TagMap};
use tracewright_core::observed::{Observed, Tags};
use tracewright_core::plan::{Action, Pending, Plan, Planned, Step, Write};

use crate::arbitrary::{Case, arn};

/// The plan of a case.
pub fn plan(case: &Case) -> Plan<Pending> {
    diff(&case.desired, &case.observed, &case.claims)
}

/// The account after a plan.
pub fn after(observed: &Observed, plan: &Plan<Pending>) -> Observed {
    let mut observed = observed.clone();
    for (object, write) in plan.writes() {
        let arn = object
            .arn
            .clone()
            .unwrap_or_else(|| arn(object.kind, &object.name));
        for step in &write.steps {
            carry_out(&mut observed, object.kind, &object.name, &arn, step);
        }
    }
    observed
}

/// The write of an object, if the plan has one.
pub fn write<'a>(plan: &'a Plan<Pending>, kind: Kind, name: &str) -> Option<&'a Write> {
    plan.writes()
        .find(|(object, _)| object.kind == kind && object.name == name)
        .map(|(_, write)| write)
}

/// What the plan says of an object.
pub fn planned<'a>(plan: &'a Plan<Pending>, kind: Kind, name: &str) -> &'a Planned<Pending> {
    let mut found = plan
        .objects
        .iter()
        .filter(|object| object.kind == kind && object.name == name);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("the plan says nothing of {} {name}", kind.noun()));
    assert!(
        found.next().is_none(),
        "{} {name} is planned twice",
        kind.noun()
    );
    first
}

/// All steps of a plan with their object.
pub fn steps(plan: &Plan<Pending>) -> impl Iterator<Item = (&Planned<Pending>, &Step)> {
    plan.writes()
        .flat_map(|(object, write)| write.steps.iter().map(move |step| (object, step)))
}

/// The objects that a plan writes, with what it does.
pub fn actions(plan: &Plan<Pending>) -> Vec<(Kind, &str, Action)> {
    plan.writes()
        .map(|(object, write)| (object.kind, object.name.as_str(), write.action))
        .collect()
}

/// Kind and name of everything that an account holds.
pub fn names(observed: &Observed) -> Vec<(Kind, String)> {
    let groups = observed.groups.keys().map(|name| (Kind::Group, name));
    let rules = observed.rules.keys().map(|name| (Kind::SamplingRule, name));
    let log_groups = observed
        .log_groups
        .keys()
        .map(|name| (Kind::LogGroup, name));
    groups
        .chain(rules)
        .chain(log_groups)
        .map(|(kind, name)| (kind, name.clone()))
        .collect()
}

/// An object's tags, if it exists and they are known.
pub fn tags<'a>(observed: &'a Observed, kind: Kind, name: &str) -> Option<&'a TagMap> {
    let tags = match kind {
        Kind::Group => &observed.groups.get(name)?.tags,
        Kind::SamplingRule => &observed.rules.get(name)?.tags,
        Kind::LogGroup => &observed.log_groups.get(name)?.tags,
    };
    match tags {
        Tags::Read(tags) => Some(tags),
        Tags::Unread | Tags::Settling => None,
    }
}

/// The mark that an object carries.
pub fn owner(observed: &Observed, kind: Kind, name: &str) -> Option<OwnerTags> {
    OwnerTags::read(tags(observed, kind, name)?)
}

/// Whether an object is the same in two accounts, absence included.
pub fn same(before: &Observed, after: &Observed, kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Group => before.groups.get(name) == after.groups.get(name),
        Kind::SamplingRule => before.rules.get(name) == after.rules.get(name),
        Kind::LogGroup => before.log_groups.get(name) == after.log_groups.get(name),
    }
}
