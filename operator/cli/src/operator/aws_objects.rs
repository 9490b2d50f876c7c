//! The AWS side of a reconcile: validate → observe → diff → apply.

use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracewright_core::advice::advise;
use tracewright_core::crd::status::ItemState;
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::desired::{Desired, check_account, concerns_aws};
use tracewright_core::diff::{diff, diff_log_groups};
use tracewright_core::observed::{Claims, Observed};
use tracewright_core::plan::{Action as Write, Applied, Note, Pending, Plan, Verdict};
use tracewright_core::report::{AwsFacts, Fact};
use tracewright_xray::contract::{annotation, condition::reason, name};
use tracewright_xray::rule::SamplingRule;
use tracing::debug;

use super::context::Context;
use super::world::identity_of;
use super::{status, traffic};
use crate::apply::apply;
use crate::aws::Account;
use crate::observe::{log_groups, observe_what_answers};

/// What is to be told of them.
pub(super) struct Synced {
    pub(super) facts: AwsFacts,
    pub(super) traffic: Fact,
    pub(super) notes: Vec<Note>,
}

impl Synced {
    /// Without a look at the account there is still what the profile alone tells.
    fn unobserved(profile: &ObservabilityProfile, fact: Fact) -> Self {
        let traffic = Fact::unknown(reason::NOT_DECLARED, "AWS was not observed");
        Self {
            facts: AwsFacts::Unobserved(fact),
            traffic,
            notes: advice(profile, &[]),
        }
    }
}

/// Makes a profile's AWS objects what it declares, as far as it and AWS let us.
pub(super) async fn sync(profile: &ObservabilityProfile, context: &Context) -> Synced {
    if !concerns_aws(profile) {
        return Synced {
            facts: AwsFacts::Unobserved(Fact::yes(
                reason::NOTHING_DECLARED,
                "the profile declares no AWS objects",
            )),
            traffic: Fact::unknown(
                reason::NOT_DECLARED,
                "the profile declares no sampling rule",
            ),
            notes: Vec::new(),
        };
    }
    let desired = match context.world.validate(profile) {
        Ok(desired) => desired,
        Err(invalid) => {
            return Synced::unobserved(profile, Fact::no(invalid.reason(), invalid.to_string()));
        }
    };
    let known = profile.status.as_ref();
    let identity = identity_of(&desired);
    let account = match context
        .accounts
        .get(&identity, &desired.profile.namespace)
        .await
    {
        Ok(account) => account,
        Err(error) => return Synced::unobserved(profile, error.fact()),
    };
    context.world.reached(&identity, &account.id);
    // What was made a moment ago may not have come back by the watch yet.
    let last = context.last_status(&desired.profile);
    if let Err(invalid) = check_account(last.as_ref().or(known), &account.id) {
        return Synced::unobserved(profile, Fact::no(invalid.reason(), invalid.to_string()));
    }
    let watched = log_groups(&account, &desired, known, &context.world.cluster);
    let requested_at = context.remember(&desired.profile, |memory| {
        memory.watched = Some((identity.clone(), watched));
        let requested = profile
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(annotation::RECONCILE_REQUESTED_AT))
            .cloned();
        if memory
            .requested_at
            .as_ref()
            .is_some_and(|last| *last != requested)
        {
            memory.not_before = Some(Instant::now());
        }
        memory.requested_at = Some(requested);
        memory.not_before
    });
    let oldest = Instant::now().checked_sub(context.drift_interval * 2);
    let not_before = requested_at.max(oldest).unwrap_or_else(Instant::now);
    let observed = observe_what_answers(
        &account,
        &desired,
        known,
        &context.world.cluster,
        not_before,
        requested_at,
    )
    .await;
    let (observed, xray_error) = match observed {
        Ok(observed) => observed,
        Err(error) => return Synced::unobserved(profile, error.fact()),
    };
    let claims = context.world.claims(&identity);
    let plan = match &xray_error {
        None => diff(&desired, &observed, &claims),
        Some(error) => diff_log_groups(&desired, &observed, &claims, known, &error.fact()),
    };
    let held: Vec<SamplingRule> = observed
        .rules
        .iter()
        .map(|(name, seen)| seen.state.as_rule(name))
        .collect();
    let mut notes = advice(profile, &held);
    let traffic = traffic::fact(profile, &desired, &account);
    if xray_error.is_none() {
        quota_metrics(&account, &observed, &claims, context);
    }
    let (plan, preview) = if desired.mode == Mode::Preview {
        let preview = plan.changes();
        (plan.previewed(), preview)
    } else {
        if !plan.is_empty()
            && let Err(error) = status::announce(profile, &account, context).await
        {
            return Synced::unobserved(profile, Fact::no(reason::PENDING, error.to_string()));
        }
        (
            carry_out(
                &account,
                &desired,
                profile.metadata.generation,
                plan,
                context,
            )
            .await,
            Vec::new(),
        )
    };
    notes.extend(context.remember(&desired.profile, |memory| {
        let current = memory
            .changed
            .as_ref()
            .filter(|(of, _)| Some(*of) == profile.metadata.generation);
        current.map(|(_, notes)| notes.clone()).unwrap_or_default()
    }));
    let facts = AwsFacts::Observed {
        account_id: account.id.clone(),
        region: desired.region.clone(),
        plan,
        preview,
    };
    Synced {
        facts,
        traffic,
        notes,
    }
}

/// What a person should know about the profile, beside the rules that the account holds.
fn advice(profile: &ObservabilityProfile, held: &[SamplingRule]) -> Vec<Note> {
    advise(&profile.spec, held)
        .into_iter()
        .map(|advice| Note {
            reason: advice.reason,
            message: advice.message,
        })
        .collect()
}

async fn carry_out(
    account: &Account,
    desired: &Desired,
    generation: Option<i64>,
    plan: Plan<Pending>,
    context: &Context,
) -> Plan<Applied> {
    if plan.is_empty() {
        return plan.applied(Default::default());
    }
    for (object, write) in plan.writes() {
        debug!(
            kind = object.kind.as_str(),
            name = object.name,
            action = write.action.as_str(),
            "writing"
        );
    }
    let outcomes = apply(account, &plan, &desired.profile).await;
    let plan = plan.applied(outcomes);
    // What was as declared and is not any more, though nobody declared anything new, was changed behind our back.
    let settled = context.remember(&desired.profile, |memory| {
        memory.settled.is_some() && memory.settled == generation
    });
    let mut freed = false;
    let mut changed = Vec::new();
    for object in &plan.objects {
        if let (Verdict::Write(write), Applied::Done { .. }) = (&object.verdict, &object.outcome) {
            freed |= write.action.removes();
            if write
                .changes
                .iter()
                .any(|change| change.field == "filterExpression" && change.from.is_some())
            {
                changed.push(Note {
                    reason: reason::EXPRESSION_CHANGED,
                    message: format!(
                        "the filter expression of X-Ray group {} was changed in place: traces from before stay grouped by the old one; for a clean cut use a group of another name",
                        object.name
                    ),
                });
            }
            if settled && matches!(write.action, Write::Create | Write::Update) {
                context.metrics.drift_repaired(object.kind.as_str());
            }
        }
    }
    if let Some(generation) = generation.filter(|_| !changed.is_empty()) {
        context.remember(&desired.profile, |memory| {
            memory.changed = Some((generation, changed))
        });
    }
    if freed {
        // A name that this profile held may be what another waits for.
        request_waiting(context);
    }
    plan
}

/// Asks for the profiles that wait for a name.
pub(super) fn request_waiting(context: &Context) {
    for profile in context.world.profiles.state() {
        let waits = profile.status.as_ref().is_some_and(|status| {
            status
                .groups
                .iter()
                .chain(&status.sampling_rules)
                .chain(&status.log_groups)
                .any(|item| matches!(item.state, ItemState::Conflict | ItemState::QuotaExceeded))
        });
        if waits {
            context.request(ObjectRef::from_obj(profile.as_ref()));
        }
    }
}

fn quota_metrics(account: &Account, observed: &Observed, claims: &Claims, context: &Context) {
    let rules = observed
        .rules
        .keys()
        .filter(|rule| *rule != name::DEFAULT_RULE)
        .count();
    for (quota, used, of) in [
        ("groups", observed.groups.len(), claims.quotas.groups),
        ("sampling_rules", rules, claims.quotas.rules),
    ] {
        let ratio = used as f64 / of.max(1) as f64;
        context
            .metrics
            .quota_used(quota, &account.id, &account.region, ratio);
    }
}
