//! One reconcile: validate → observe → diff → apply → report, and the cluster side beside it.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracewright_core::advice::advise;
use tracewright_core::crd::status::ItemState;
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::desired::{Desired, concerns_aws};
use tracewright_core::diff::{diff, diff_log_groups};
use tracewright_core::observed::{Claims, Observed};
use tracewright_core::plan::{Action as Write, Applied, Note, Pending, Plan, Verdict};
use tracewright_core::report::{AwsFacts, Fact, Facts};
use tracewright_xray::contract::{annotation, condition::reason, name};
use tracewright_xray::rule::SamplingRule;
use tracing::{debug, instrument};

use super::context::Context;
use super::world::{identity_of, reference};
use super::{cleanup, status, traffic};
use crate::apply::apply;
use crate::aws::Account;
use crate::observe::{log_groups, observe_what_answers};

/// Backoff of a profile that is not as declared: doubled with each reconcile in a row, with a bound.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(120);
/// A rollout under way is looked at no later than this: of a pod that crashes, a StatefulSet or DaemonSet tells nothing.
const ROLLOUT_RETRY: Duration = Duration::from_secs(10);
/// A profile that waits for its turn at AWS goes on almost at once; the buckets set the pace.
const IN_TURN: Duration = Duration::from_millis(100);

/// Why a reconcile ended early. What concerns AWS or the workloads is told in the status instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take a write.
    #[error("cannot {what}: {source}")]
    Kubernetes {
        /// What was tried.
        what: &'static str,
        /// The API server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// This replica lost the lease.
    #[error("this replica no longer holds the lease")]
    NotLeader,
}

impl Error {
    pub(super) fn kubernetes(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kubernetes {
            what,
            source: Box::new(source),
        }
    }

    /// The error as a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Kubernetes { .. } => "kubernetes",
            Self::NotLeader => "not_leader",
        }
    }
}

/// Reconciles one profile.
///
/// # Errors
/// [`Error`]; the controller tries again with backoff.
#[instrument(skip_all, fields(profile = %reference(&profile)))]
pub async fn reconcile(
    profile: Arc<ObservabilityProfile>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    // Standbys keep warm caches and do nothing; gaining the lease asks for every profile.
    if !context.permit.holds() {
        return Ok(Action::await_change());
    }
    context.cluster.listed().await;
    // Without all namespaces it is not known what is allowed.
    if !context.world.knows_namespaces() {
        return Ok(Action::requeue(FIRST_RETRY));
    }
    let started = Instant::now();
    let result = run(&profile, &context).await;
    let (outcome, label) = match &result {
        Ok(_) => ("ok", ""),
        Err(error) => ("error", error.label()),
    };
    context
        .metrics
        .reconciled(outcome, label, started.elapsed());
    result
}

/// What to do after a reconcile that ended early.
pub fn on_error(
    profile: Arc<ObservabilityProfile>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    tracing::warn!(profile = %reference(&profile), %error, "reconcile failed");
    Action::requeue(context.remember(&reference(&profile), |memory| {
        memory.failures += 1;
        backoff(memory.failures)
    }))
}

async fn run(profile: &ObservabilityProfile, context: &Context) -> Result<Action, Error> {
    let me = reference(profile);
    let deleting = profile.metadata.deletion_timestamp.is_some();
    let guarded = profile
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == name::FINALIZER);
    if deleting && !guarded {
        context.forget(&me);
        return Ok(Action::await_change());
    }
    if deleting {
        return cleanup::run(profile, context).await;
    }
    // Before anything is written in AWS, so that nothing can be left behind.
    if !guarded && profile.spec.mode == Mode::Apply {
        cleanup::guard(profile, context).await?;
        // The watch brings the profile back with its finalizer. Going on here would do everything twice.
        return Ok(Action::await_change());
    }
    let facts = facts(profile, context).await;
    status::write(profile, &facts, context).await?;
    let undone = undone(&facts);
    context.remember(&me, |memory| {
        memory.settled = profile
            .metadata
            .generation
            .filter(|_| undone == Undone::Nothing);
    });
    Ok(match undone {
        Undone::Nothing | Undone::UntilChange => {
            context.remember(&me, |memory| memory.failures = 0);
            Action::await_change()
        }
        Undone::InTurn => Action::requeue(IN_TURN),
        Undone::Soon | Undone::RollingOut => Action::requeue(context.remember(&me, |memory| {
            memory.failures += 1;
            let backoff = backoff(memory.failures);
            if undone == Undone::RollingOut {
                backoff.min(ROLLOUT_RETRY)
            } else {
                backoff
            }
        })),
    })
}

async fn facts(profile: &ObservabilityProfile, context: &Context) -> Facts {
    if profile.spec.mode == Mode::Suspended {
        return Facts {
            aws: AwsFacts::Suspended,
            receiver: Fact::unknown(reason::SUSPENDED, ""),
            injected: Fact::unknown(reason::SUSPENDED, ""),
            workloads: Default::default(),
            env: Vec::new(),
            traffic: Fact::unknown(reason::SUSPENDED, ""),
            notes: Vec::new(),
        };
    }
    let (aws, cluster) = tokio::join!(aws(profile, context), context.cluster.sync(profile));
    let mut aws_facts = aws.facts;
    if let AwsFacts::Observed { preview, .. } = &mut aws_facts
        && profile.spec.mode == Mode::Preview
    {
        preview.extend(cluster.preview);
        preview.truncate(tracewright_core::plan::MAX_PLANNED_CHANGES);
    }
    let mut notes = cluster.notes;
    notes.extend(aws.notes);
    Facts {
        aws: aws_facts,
        receiver: cluster.receiver,
        injected: cluster.injected,
        workloads: cluster.workloads,
        env: cluster.env,
        traffic: aws.traffic,
        notes,
    }
}

struct Aws {
    facts: AwsFacts,
    traffic: Fact,
    notes: Vec<Note>,
}

impl Aws {
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

async fn aws(profile: &ObservabilityProfile, context: &Context) -> Aws {
    if !concerns_aws(profile) {
        return Aws {
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
            return Aws::unobserved(profile, Fact::no(invalid.reason(), invalid.to_string()));
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
        Err(error) => return Aws::unobserved(profile, error.fact()),
    };
    context.world.reached(&identity, &account.id);
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
        Err(error) => return Aws::unobserved(profile, error.fact()),
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
            return Aws::unobserved(profile, Fact::no(reason::PENDING, error.to_string()));
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
    Aws {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Undone {
    Nothing,
    /// Another try changes nothing until something else does; the drift check looks anyway.
    UntilChange,
    /// Nothing is wrong: workloads roll out.
    RollingOut,
    Soon,
    /// Nothing is wrong: the rest waits for its turn at AWS's rate.
    InTurn,
}

fn undone(facts: &Facts) -> Undone {
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

fn backoff(failures: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST_RETRY)
}
