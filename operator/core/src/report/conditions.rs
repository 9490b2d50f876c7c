//! The conditions of a status.

use tracewright_xray::contract::condition::{self, reason};

use super::{AwsFacts, Facts};
use crate::crd::{Mode, ObservabilityProfile};
use crate::plan::{Applied, Note, Plan, Verdict};

/// The truth of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said.
    Unknown,
}

impl Truth {
    /// The value of `status` in a condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in one word of the contract.
    pub reason: &'static str,
    /// Why, and what to do about it.
    pub message: String,
}

impl Fact {
    /// It holds.
    pub fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            truth: Truth::True,
            reason,
            message: message.into(),
        }
    }

    /// It does not hold.
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            truth: Truth::False,
            reason,
            message: message.into(),
        }
    }

    /// It cannot be said.
    pub fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            truth: Truth::Unknown,
            reason,
            message: message.into(),
        }
    }
}

/// Reasons that pass by themselves: no Warning for them.
pub(super) fn passing(reason: &str) -> bool {
    [
        reason::PENDING,
        reason::PROGRESSING,
        reason::ROLLING_OUT,
        reason::THROTTLED,
        reason::NO_MATCH_YET,
        reason::AWS_NOT_SYNCED,
        reason::RECEIVER_NOT_READY,
        reason::WORKLOADS_NOT_INJECTED,
        reason::DELETING,
    ]
    .contains(&reason)
}

/// Reasons of AwsSynced, the ones that explain the others first.
const AWS_REASONS: [&str; 13] = [
    reason::CREDENTIALS_MISSING,
    reason::ACCESS_DENIED,
    reason::ROLE_NOT_ALLOWED,
    reason::UNREACHABLE,
    reason::NAME_NOT_ALLOWED,
    reason::INVALID_FILTER_EXPRESSION,
    reason::CONFLICT,
    reason::FOREIGN,
    reason::QUOTA_EXCEEDED,
    reason::INVALID,
    reason::THROTTLED,
    reason::DRIFTED,
    reason::PENDING,
];

pub(super) fn conditions(
    profile: &ObservabilityProfile,
    facts: &Facts,
) -> Vec<(&'static str, Fact)> {
    if profile.spec.mode == Mode::Suspended {
        return suspended(profile, facts);
    }
    let aws = aws_synced(&facts.aws);
    let ready = ready(profile, &aws, &facts.receiver, &facts.injected);
    vec![
        (condition::READY, ready),
        (condition::AWS_SYNCED, aws),
        (condition::RECEIVER_READY, facts.receiver.clone()),
        (condition::WORKLOADS_INJECTED, facts.injected.clone()),
        (condition::TRAFFIC_SEEN, facts.traffic.clone()),
        (condition::ADVISORIES, advisories(facts)),
    ]
}

/// A suspended profile says so, and of the rest nothing at all; one that goes says what it waits for.
fn suspended(profile: &ObservabilityProfile, facts: &Facts) -> Vec<(&'static str, Fact)> {
    let message = "spec.mode is Suspended: nothing is observed or written";
    let nothing = || Fact::unknown(reason::SUSPENDED, message);
    let (ready, aws) = if profile.metadata.deletion_timestamp.is_some() {
        let aws = aws_synced(&facts.aws);
        let ready = format!(
            "the profile is being deleted; everything stays and is released. {}",
            aws.message
        );
        (Fact::no(reason::DELETING, ready.trim()), aws)
    } else {
        (nothing(), nothing())
    };
    vec![
        (condition::READY, ready),
        (condition::AWS_SYNCED, aws),
        (condition::RECEIVER_READY, nothing()),
        (condition::WORKLOADS_INJECTED, nothing()),
        (condition::TRAFFIC_SEEN, nothing()),
    ]
}

fn ready(profile: &ObservabilityProfile, aws: &Fact, receiver: &Fact, injected: &Fact) -> Fact {
    if profile.metadata.deletion_timestamp.is_some() {
        return Fact::no(
            reason::DELETING,
            format!("the profile is being deleted. {}", aws.message)
                .trim()
                .to_owned(),
        );
    }
    if profile.spec.mode == Mode::Preview {
        return Fact::unknown(
            reason::PREVIEW,
            "spec.mode is Preview: status.plan says what Apply would do",
        );
    }
    if aws.truth == Truth::False && aws.reason == reason::INVALID {
        return Fact::no(reason::INVALID, aws.message.clone());
    }
    for (fact, why) in [
        (aws, reason::AWS_NOT_SYNCED),
        (receiver, reason::RECEIVER_NOT_READY),
        (injected, reason::WORKLOADS_NOT_INJECTED),
    ] {
        if fact.truth != Truth::True {
            return Fact::no(why, fact.message.clone());
        }
    }
    Fact::yes(reason::RECONCILED, "everything is as declared")
}

fn aws_synced(aws: &AwsFacts) -> Fact {
    match aws {
        AwsFacts::Unobserved(fact) => fact.clone(),
        AwsFacts::Suspended => Fact::unknown(reason::SUSPENDED, "spec.mode is Suspended"),
        AwsFacts::Observed { plan, .. } => of_plan(plan),
    }
}

fn of_plan(plan: &Plan<Applied>) -> Fact {
    let mut problems: Vec<(usize, &'static str, String)> = Vec::new();
    for object in &plan.objects {
        let problem = match (&object.verdict, &object.outcome) {
            (
                Verdict::Held {
                    reason, message, ..
                },
                _,
            ) => (*reason, message.clone()),
            (Verdict::Write(_), Applied::Failed(failure)) => {
                (failure.reason, failure.message.clone())
            }
            (Verdict::Write(write), Applied::Previewed | Applied::Untouched) => (
                reason::DRIFTED,
                format!(
                    "{} {} would be written ({})",
                    object.kind.noun(),
                    object.name,
                    write.action.as_str().to_lowercase()
                ),
            ),
            (Verdict::Synced, _) | (Verdict::Write(_), Applied::Done { .. }) => continue,
        };
        let rank = AWS_REASONS
            .iter()
            .position(|known| *known == problem.0)
            .unwrap_or(AWS_REASONS.len());
        problems.push((rank, problem.0, problem.1));
    }
    let Some((_, first_reason, _)) = problems.iter().min_by_key(|(rank, ..)| *rank) else {
        let declared = plan.objects.iter().filter(|object| object.declared).count();
        return if declared == 0 {
            Fact::yes(
                reason::NOTHING_DECLARED,
                "the profile declares no AWS objects",
            )
        } else {
            Fact::yes(
                reason::SYNCED,
                match declared {
                    1 => "1 AWS object is as declared".to_owned(),
                    many => format!("{many} AWS objects are as declared"),
                },
            )
        };
    };
    let first_reason = *first_reason;
    problems.sort_by_key(|(rank, ..)| *rank);
    // One call that failed may hold several objects.
    problems.dedup();
    Fact::no(
        first_reason,
        sentences(problems.into_iter().map(|(_, _, message)| message)),
    )
}

fn advisories(facts: &Facts) -> Fact {
    let mut notes: Vec<&Note> = facts.notes.iter().collect();
    if let AwsFacts::Observed { plan, .. } = &facts.aws {
        notes.extend(&plan.notes);
    }
    notes.sort();
    notes.dedup();
    match notes.first() {
        None => Fact::no(reason::NONE, ""),
        Some(first) => Fact::yes(
            first.reason,
            sentences(notes.iter().map(|note| note.message.clone())),
        ),
    }
}

/// How many problems one message names.
const MAX_SENTENCES: usize = 5;

fn sentences(messages: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = messages.collect();
    let mut text = all
        .iter()
        .take(MAX_SENTENCES)
        .map(|sentence| sentence.trim_end_matches('.'))
        .collect::<Vec<_>>()
        .join(". ");
    if all.len() > MAX_SENTENCES {
        text.push_str(&format!(
            ". And {} more: see the items in status",
            all.len() - MAX_SENTENCES
        ));
    }
    text
}
