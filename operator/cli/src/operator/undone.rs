//! What a reconcile left to do, by which the next one is timed.

use tracewright_core::plan::{Applied, Verdict};
use tracewright_core::report::{AwsFacts, Facts};
use tracewright_xray::contract::condition::reason;

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    Nothing,
    /// Another try changes nothing until something else does; the drift check looks anyway.
    UntilChange,
    /// Nothing is wrong: workloads roll out.
    RollingOut,
    Soon,
    /// Nothing is wrong: the rest waits for its turn at AWS's rate.
    InTurn,
}

/// What these facts leave to do.
pub(super) fn undone(facts: &Facts) -> Undone {
    let passing = [
        reason::PENDING,
        reason::UNREACHABLE,
        reason::CREDENTIALS_MISSING,
        reason::ACCESS_DENIED,
        reason::PROGRESSING,
        reason::NAME_TAKEN,
        reason::PROXY_UNREACHABLE,
        reason::PROXY_FORBIDDEN,
        reason::SECRET_MISSING,
        reason::WORKLOADS_NOT_INJECTED,
    ];
    let mut reasons: Vec<&str> = vec![facts.receiver.reason, facts.injected.reason];
    let mut freed = false;
    match &facts.aws {
        AwsFacts::Unobserved(fact) => reasons.push(fact.reason),
        AwsFacts::Suspended => {}
        AwsFacts::Observed { plan, .. } => {
            for object in &plan.objects {
                match (&object.verdict, &object.outcome) {
                    (Verdict::Held { reason, .. }, _) => reasons.push(reason),
                    (Verdict::Write(_), Applied::Failed(failure)) => reasons.push(failure.reason),
                    (Verdict::Write(write), Applied::Done { .. }) => {
                        freed |= write.action.removes()
                    }
                    _ => {}
                }
            }
        }
    }
    // What found no room in a quota may find it now.
    if reasons.contains(&reason::THROTTLED) || (freed && reasons.contains(&reason::QUOTA_EXCEEDED))
    {
        return Undone::InTurn;
    }
    if reasons.iter().any(|reason| passing.contains(reason)) {
        return Undone::Soon;
    }
    if reasons.contains(&reason::ROLLING_OUT) {
        return Undone::RollingOut;
    }
    let fine = [
        reason::SYNCED,
        reason::NOTHING_DECLARED,
        reason::AVAILABLE,
        reason::EXTERNAL,
        reason::NOT_DECLARED,
        reason::ALL_INJECTED,
        reason::NONE_SELECTED,
        reason::SUSPENDED,
    ];
    if reasons.iter().all(|reason| fine.contains(reason)) {
        Undone::Nothing
    } else {
        Undone::UntilChange
    }
}
