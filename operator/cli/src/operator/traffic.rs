//! TrafficSeen: does any client match the profile's sampling rules?

use std::collections::BTreeMap;

use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::crd::status::ItemState;
use tracewright_core::desired::Desired;
use tracewright_core::report::Fact;
use tracewright_xray::contract::condition::{self, reason};

use super::context::Context;
use crate::aws::Account;
use crate::aws::inventory::Traffic;
use crate::metrics::RuleLabel;

/// The condition TrafficSeen. Once true it stays so while the profile's generation does: AWS only tells of the last
/// minutes, and a quiet night is no news.
pub(super) fn fact(profile: &ObservabilityProfile, desired: &Desired, account: &Account) -> Fact {
    if desired.rules.is_empty() {
        return Fact::unknown(
            reason::NOT_DECLARED,
            "the profile declares no sampling rule",
        );
    }
    let mut matched = Vec::new();
    for rule in &desired.rules {
        if account.inventory.traffic(&rule.name).requests > 0 {
            matched.push(rule.name.as_str());
        }
    }
    let before = profile.status.as_ref().and_then(|status| {
        status.conditions.iter().find(|condition| {
            condition.type_ == condition::TRAFFIC_SEEN
                && condition.status == "True"
                && condition.observed_generation == profile.metadata.generation
        })
    });
    if let Some(before) = before {
        return Fact::yes(reason::RULE_MATCHED, before.message.clone());
    }
    if matched.is_empty() {
        return Fact::no(
            reason::NO_MATCH_YET,
            "no client has reported a request that matches a sampling rule of this profile: clients read rules and report through the receiver's TCP port 2000",
        );
    }
    Fact::yes(
        reason::RULE_MATCHED,
        format!("requests matched {}", matched.join(", ")),
    )
}

/// Requests that matched the rules of all profiles, for the metrics.
pub(super) fn of_all_rules(context: &Context) -> Vec<(RuleLabel, Traffic)> {
    let accounts = context.accounts.all();
    let mut rules = BTreeMap::new();
    for profile in context.world.profiles.state() {
        let Some(status) = &profile.status else {
            continue;
        };
        let reached = accounts.iter().find(|account| {
            status.account_id.as_ref() == Some(&account.id)
                && status.region.as_ref() == Some(&account.region)
        });
        let Some(account) = reached else { continue };
        let declared = status
            .sampling_rules
            .iter()
            .filter(|rule| rule.state != ItemState::Retained);
        rules.extend(declared.map(|rule| {
            let label = RuleLabel {
                account: account.id.clone(),
                region: account.region.clone(),
                rule: rule.name.clone(),
            };
            (label, account.inventory.traffic(&rule.name))
        }));
    }
    rules.into_iter().collect()
}
