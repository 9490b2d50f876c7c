//! (Desired, Observed) → Plan, one profile after the other.

use std::collections::{BTreeMap, HashMap};

use tracewright_core::advice::advise;
use tracewright_core::crd::Mode;
use tracewright_core::desired::Desired;
use tracewright_core::diff::diff;
use tracewright_core::effect::carry_out;
use tracewright_core::identity::Kind;
use tracewright_core::observed::{Observed, Quotas};
use tracewright_core::plan::{Pending, Plan, Step};

use super::advice::{add_warnings, other_rules};
use super::case::{Case, Place, View};
use super::claims::Claimants;
use super::cost::Estimate;
use super::{AccountTraffic, Outcome, Planned};
use crate::lint::Finding;

/// A step and the object that it is about: kind, name and ARN.
type Writing = (Kind, String, String, Step);

/// Compares every profile with what its account will hold by then.
pub fn compare(
    cases: &[Case],
    claimants: &Claimants,
    accounts: &[AccountTraffic],
    warnings: &[Finding],
    quotas: Quotas,
) -> Vec<Planned> {
    let mut written: HashMap<Place, Vec<Writing>> = HashMap::new();
    let mut profiles = Vec::new();
    for case in cases {
        let (mut advice, mut costs) = (Vec::new(), BTreeMap::new());
        let outcome = match (&case.desired, &case.view) {
            (Err(invalid), _) if case.concerns_aws() => Outcome::Invalid(invalid.clone()),
            (Ok(desired), Some(view)) => {
                let place = view.place();
                // What one profile writes is there when the next is looked at: quotas fill up and names change hands.
                let mut observed = view.observed.clone();
                let before = written.entry(place.clone()).or_default();
                for (kind, name, arn, step) in before.iter() {
                    carry_out(&mut observed, *kind, name, arn, step);
                }
                let plan = diff(desired, &observed, &claimants.claims(&place, quotas));
                advice = advise(
                    &case.profile.spec,
                    &other_rules(cases, case, &observed, &plan),
                );
                costs = estimates(desired, &observed, &plan, accounts, view);
                if desired.mode == Mode::Apply {
                    before.extend(writings(&plan));
                }
                Outcome::Compared { place, plan }
            }
            (Ok(desired), None) if desired.deleting => Outcome::NotCompared(
                "it is being deleted in the cluster: apply it again once it is gone",
            ),
            (Ok(desired), None) if desired.mode == Mode::Suspended => {
                Outcome::NotCompared("spec.mode is Suspended: nothing is observed or written")
            }
            (Ok(_), None) | (Err(_), _) => Outcome::NotCompared("it declares no AWS objects"),
        };
        add_warnings(&mut advice, warnings, cases, case);
        profiles.push(Planned {
            profile: case.reference.clone(),
            file: case.file.clone(),
            line: case.line,
            mode: case.profile.spec.mode,
            outcome,
            advice,
            costs,
        });
    }
    profiles
}

fn writings(plan: &Plan<Pending>) -> impl Iterator<Item = Writing> {
    plan.writes().flat_map(|(object, write)| {
        let arn = object.arn.clone().unwrap_or_default();
        write
            .steps
            .iter()
            .map(move |step| (object.kind, object.name.clone(), arn.clone(), step.clone()))
    })
}

/// What sampling by the declared rules costs, as far as they are there and somebody counted.
fn estimates(
    desired: &Desired,
    observed: &Observed,
    plan: &Plan<Pending>,
    accounts: &[AccountTraffic],
    view: &View,
) -> BTreeMap<String, Estimate> {
    let mut accounts = accounts
        .iter()
        .filter(|account| account.place == view.place());
    let Some(Ok(Some(traffic))) = accounts.next().map(|account| &account.traffic) else {
        return BTreeMap::new();
    };
    let estimate = |name: &String| {
        let item = desired.rules.iter().find(|item| item.name == *name)?;
        let mut objects = plan
            .objects
            .iter()
            .filter(|object| object.kind == Kind::SamplingRule);
        let verdict = &objects.find(|object| object.name == *name)?.verdict;
        traffic.estimate(name, &item.spec, &observed.rules.get(name)?.state, verdict)
    };
    desired
        .rules
        .iter()
        .filter_map(|item| Some((item.name.clone(), estimate(&item.name)?)))
        .collect()
}
