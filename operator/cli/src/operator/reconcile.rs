//! One reconcile: the AWS side and the cluster side beside each other, then the report.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::report::{AwsFacts, Fact, Facts};
use tracewright_xray::contract::{condition::reason, name};
use tracing::instrument;

use super::context::Context;
use super::undone::{Undone, undone};
use super::world::reference;
use super::{aws_objects, cleanup, status};

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
    if !context.world.may_decide(&profile) {
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
    if profile.spec.mode != Mode::Apply {
        context.cluster.idle(profile);
    }
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
    let (aws, cluster) = tokio::join!(
        aws_objects::sync(profile, context),
        context.cluster.sync(profile)
    );
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

/// The pause after so many reconciles in a row that left something undone, at least one.
pub fn backoff(failures: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LAST_RETRY)
}
