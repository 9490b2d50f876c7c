//! TrafficSeen: does any client match the profile's sampling rules?

use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::desired::Desired;
use tracewright_core::report::Fact;
use tracewright_xray::contract::condition::{self, reason};

use crate::aws::Account;
use crate::metrics::Metrics;

/// The condition TrafficSeen. Once true it stays so while the profile's generation does: AWS only tells of the last
/// minutes, and a quiet night is no news.
pub(super) fn fact(
    profile: &ObservabilityProfile,
    desired: &Desired,
    account: &Account,
    metrics: &Metrics,
) -> Fact {
    if desired.rules.is_empty() {
        return Fact::unknown(
            reason::NOT_DECLARED,
            "the profile declares no sampling rule",
        );
    }
    let mut matched = Vec::new();
    for rule in &desired.rules {
        let traffic = account.inventory.traffic(&rule.name);
        metrics.rule_traffic(
            &account.id,
            &account.region,
            &rule.name,
            traffic.requests,
            traffic.sampled,
        );
        if traffic.requests > 0 {
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
