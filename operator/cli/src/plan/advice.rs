//! What is probably not meant: the advice of the operator, and what else lint warns of.

use std::collections::BTreeMap;

use tracewright_core::advice::{Advice, declared_rules};
use tracewright_core::identity::Kind;
use tracewright_core::observed::Observed;
use tracewright_core::plan::{Action, Pending, Plan};
use tracewright_xray::rule::SamplingRule;

use super::case::{Case, View};
use crate::lint::Finding;

/// The rules that share the account with those of a profile once everything is carried out.
pub fn other_rules(
    cases: &[Case],
    case: &Case,
    observed: &Observed,
    plan: &Plan<Pending>,
) -> Vec<SamplingRule> {
    let going = |name: &String| {
        plan.writes().any(|(object, write)| {
            object.kind == Kind::SamplingRule
                && object.name == *name
                && write.action == Action::Delete
        })
    };
    let there = observed
        .rules
        .iter()
        .filter(|(name, _)| !going(name))
        .map(|(name, seen)| seen.state.as_rule(name));
    let place = |case: &Case| case.view.as_ref().map(View::place);
    let neighbours = cases
        .iter()
        .filter(|other| other.reference != case.reference && place(other) == place(case));
    let declared = neighbours.flat_map(|other| declared_rules(&other.profile.spec));
    let rules: BTreeMap<String, SamplingRule> = there
        .chain(declared)
        .map(|rule| (rule.rule_name.clone(), rule))
        .collect();
    rules.into_values().collect()
}

/// Adds the warnings about a profile that the comparison with the account did not give.
pub fn add_warnings(advice: &mut Vec<Advice>, warnings: &[Finding], cases: &[Case], case: &Case) {
    for warning in warnings {
        // A warning stands in the last profile that begins before it.
        let begun = cases
            .iter()
            .filter(|case| case.file == warning.file && case.line <= warning.place.line);
        let about = begun
            .max_by_key(|case| case.line)
            .is_some_and(|about| std::ptr::eq(about, case));
        let known = advice
            .iter()
            .any(|known| known.reason == warning.reason && known.field == warning.field);
        if about && !known {
            advice.push(Advice {
                reason: warning.reason,
                field: warning.field.clone(),
                message: warning.message.clone(),
            });
        }
    }
}
