//! Plan → Outcome: the only place that writes to AWS. Objects are independent of each other and are written side by side,
//! at the speed of the buckets; the steps of one object come one after the other.

mod logs;
mod xray;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use tracewright_core::crd::status::ItemState;
use tracewright_core::identity::{Kind, ProfileRef};
use tracewright_core::plan::{Applied, Failure, Pending, Plan, Planned, Step, Write};
use tracewright_xray::contract::condition::reason;

use crate::aws::{Account, AwsError, Caller, ErrorKind};

/// A run begins no call after this time, or at the earliest half of it; the rest comes in the next run. Long waits at the buckets therefore never hide a
/// profile's state for longer than this.
const RUN_TIME: Duration = Duration::from_secs(30);
/// X-Ray answers every failure in the same way, and its lists lag behind its writes: a refused create is looked at again
/// for this long before it is called the user's error.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(30);

/// Plan → Outcome. Never fails as a whole: each object has an outcome of its own, and one that was not reached is left
/// pending by [`Plan::applied`].
pub async fn apply(
    account: &Account,
    plan: &Plan<Pending>,
    profile: &ProfileRef,
) -> BTreeMap<(Kind, String), Applied> {
    let namespace = profile.namespace.as_str();
    let caller = &account.caller.until(Instant::now() + run_time(profile));
    plan.writes()
        .map(|(object, write)| async move {
            let outcome = object_steps(account, caller, object, write, namespace).await;
            ((object.kind, object.name.clone()), outcome)
        })
        .collect::<FuturesUnordered<_>>()
        .collect()
        .await
}

/// Between two runs a profile takes no tokens. Runs of different profiles that began together end one after the other, so
/// that there is always one that does.
fn run_time(profile: &ProfileRef) -> Duration {
    let mut hasher = DefaultHasher::new();
    profile.hash(&mut hasher);
    RUN_TIME - RUN_TIME / 2 / 256 * (hasher.finish() % 256) as u32
}

async fn object_steps(
    account: &Account,
    caller: &Caller,
    object: &Planned<Pending>,
    write: &Write,
    namespace: &str,
) -> Applied {
    let mut arn = object.arn.clone();
    for step in &write.steps {
        let target = Target {
            account,
            caller,
            name: &object.name,
            arn: arn.as_deref().unwrap_or_default(),
            namespace,
        };
        let result = match object.kind {
            Kind::Group | Kind::SamplingRule => xray::step(&target, object.kind, step).await,
            Kind::LogGroup => logs::step(&target, step).await,
        };
        match result {
            Ok(made) => {
                arn = made.or(arn);
                account.inventory.record(
                    object.kind,
                    &object.name,
                    arn.as_deref().unwrap_or_default(),
                    step,
                );
            }
            Err(error) if write.action.removes() && error.kind == ErrorKind::NotFound => {
                // Somebody else removed it: that is what was wanted.
                account.inventory.invalidate(object.kind, &object.name);
            }
            Err(error) => return Applied::Failed(failure(account, object, step, &error)),
        }
    }
    Applied::Done { arn }
}

/// The object of a step.
struct Target<'a> {
    account: &'a Account,
    caller: &'a Caller,
    name: &'a str,
    arn: &'a str,
    namespace: &'a str,
}

fn failure(account: &Account, object: &Planned<Pending>, step: &Step, error: &AwsError) -> Failure {
    // Unless the call was not even made, the object may not be as the picture says.
    if !matches!(error.kind, ErrorKind::Waiting | ErrorKind::NotLeader) {
        account.inventory.invalidate(object.kind, &object.name);
    }
    let creates = matches!(
        step,
        Step::CreateGroup { .. } | Step::CreateSamplingRule { .. } | Step::CreateLogGroup { .. }
    );
    let mut failure = error.failure();
    if creates
        && object.kind != Kind::LogGroup
        && matches!(error.kind, ErrorKind::Refused | ErrorKind::AlreadyExists)
        && account.inventory.refused_for(object.kind, &object.name) < REFUSAL_PATIENCE
    {
        failure = Failure {
            state: ItemState::Pending,
            reason: reason::PENDING,
            message: format!(
                "{error}. It is looked at again, because AWS shows its own writes late"
            ),
        };
    }
    failure.message = format!(
        "{} {}: {}",
        object.kind.noun(),
        object.name,
        failure.message
    );
    failure
}
