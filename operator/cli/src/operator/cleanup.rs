//! The end of a profile: workloads first, then AWS, then the finalizer. It always ends: where AWS stays away for longer
//! than a bound, the profile is released and what stays behind is recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use serde_json::json;
use tokio::time::Instant;
use tracewright_core::crd::status::{ItemState, ObservabilityProfileStatus};
use tracewright_core::crd::{DeletionPolicy, Mode, ObservabilityProfile};
use tracewright_core::desired::{Desired, check_account};
use tracewright_core::diff::diff;
use tracewright_core::identity::Kind;
use tracewright_core::patience::{Patience, Progress, away_before, progress};
use tracewright_core::report::{AwsFacts, Fact, Facts};
use tracewright_xray::contract::{condition::reason, name};
use tracing::{error, info};

use super::aws_objects::request_waiting;
use super::context::Context;
use super::reconcile::Error;
use super::status;
use super::world::{identity_of, reference};
use crate::apply::apply;
use crate::aws::ErrorKind;
use crate::cluster::Pace;
use crate::observe::observe_what_answers;

/// How long the workloads of a deleted profile may take to roll out without the variables.
const WITHDRAWAL_TIME: Duration = Duration::from_secs(600);
const RETRY: Duration = Duration::from_secs(5);

/// Adds our finalizer.
pub(super) async fn guard(profile: &ObservabilityProfile, context: &Context) -> Result<(), Error> {
    let mut finalizers = profile.metadata.finalizers.clone().unwrap_or_default();
    finalizers.push(name::FINALIZER.to_owned());
    set_finalizers(profile, &finalizers, context).await
}

/// Takes the profile's traces back, and lets it go when nothing is left.
pub(super) async fn run(
    profile: &ObservabilityProfile,
    context: &Context,
) -> Result<Action, Error> {
    let me = reference(profile);
    let waited = profile
        .metadata
        .deletion_timestamp
        .as_ref()
        .and_then(|time| Duration::try_from(Timestamp::now().duration_since(time.0)).ok())
        .unwrap_or_default();
    if profile.spec.mode == Mode::Suspended {
        if let Err(message) = context.cluster.release(profile).await
            && waited < WITHDRAWAL_TIME
        {
            let facts = deleting(AwsFacts::Unobserved(Fact::unknown(
                reason::PENDING,
                message,
            )));
            status::write(profile, &facts, context).await?;
            return Ok(Action::requeue(RETRY));
        }
    } else {
        let pace = if waited < WITHDRAWAL_TIME {
            Pace::InTurn
        } else {
            Pace::AtOnce
        };
        let withdrawn = context.cluster.withdraw(profile, pace).await;
        if !withdrawn.done && pace == Pace::InTurn {
            let facts = deleting(AwsFacts::Unobserved(Fact::unknown(
                reason::PENDING,
                format!("AWS objects wait for the workloads: {}", withdrawn.message),
            )));
            status::write(profile, &facts, context).await?;
            return Ok(Action::requeue(RETRY));
        }
    }
    let mut patience = context.remember(&me, |memory| {
        let now = Instant::now().into_std();
        *memory.patience.get_or_insert_with(|| Patience::new(now))
    });
    let aws = aws(profile, context).await;
    let progress = progress(&aws);
    if progress == Progress::Done {
        return release(profile, context).await;
    }
    // As it was before it tells of this run.
    let told = context.last_status(&me).or_else(|| profile.status.clone());
    let deleted = profile.metadata.deletion_timestamp.as_ref();
    let ended = patience.ends(
        progress,
        Instant::now().into_std(),
        || away_before(told.as_ref(), deleted, Timestamp::now()),
        context.deletion_timeout,
    );
    context.remember(&me, |memory| memory.patience = Some(patience));
    let facts = deleting(aws);
    status::write(profile, &facts, context).await?;
    if !ended {
        return Ok(Action::requeue(RETRY));
    }
    let status = context.last_status(&me).or_else(|| profile.status.clone());
    let left = orphans(status.as_ref());
    error!(profile = %me, objects = ?left, "AWS was away for too long: the profile is released and its objects stay");
    record(&me.to_string(), status.as_ref(), &left, context).await?;
    context.metrics.orphaned(left.len() as u64);
    release(profile, context).await
}

async fn aws(profile: &ObservabilityProfile, context: &Context) -> AwsFacts {
    let known = profile.status.as_ref();
    if known.is_none_or(|status| status.account_id.is_none()) {
        // AWS was never written for this profile: the account's id is reported with the first look, before any write.
        let owned = context.remember(&reference(profile), |memory| memory.watched.is_some());
        if !owned {
            return AwsFacts::Unobserved(Fact::yes(
                reason::NOTHING_DECLARED,
                "nothing was ever written",
            ));
        }
    }
    let desired = match context.world.validate(profile) {
        Ok(desired) => desired,
        Err(invalid) => {
            return AwsFacts::Unobserved(Fact::no(invalid.reason(), invalid.to_string()));
        }
    };
    let identity = identity_of(&desired);
    let account = match context
        .accounts
        .get(&identity, &desired.profile.namespace)
        .await
    {
        Ok(account) => account,
        Err(error) => return AwsFacts::Unobserved(error.fact()),
    };
    let last = context.last_status(&desired.profile);
    if let Err(invalid) = check_account(last.as_ref().or(known), &account.id) {
        return AwsFacts::Unobserved(Fact::no(invalid.reason(), invalid.to_string()));
    }
    let first = context.remember(&desired.profile, |memory| {
        *memory.not_before.get_or_insert_with(Instant::now)
    });
    if let Err(error) = account
        .find_log_groups_of(&context.world.cluster, &desired.profile)
        .await
    {
        return AwsFacts::Unobserved(error.fact());
    }
    let observed = match observe_what_answers(
        &account,
        &desired,
        known,
        &context.world.cluster,
        first,
        None,
    )
    .await
    {
        Ok((observed, None)) => observed,
        Ok((observed, Some(error)))
            if error.kind == ErrorKind::Unsupported && !concerns_xray(&desired, known) =>
        {
            observed
        }
        Ok((_, Some(error))) | Err(error) => return AwsFacts::Unobserved(error.fact()),
    };
    let plan = diff(&desired, &observed, &context.world.claims(&identity));
    let outcomes = apply(&account, &plan, &desired.profile).await;
    AwsFacts::Observed {
        account_id: account.id.clone(),
        region: desired.region.clone(),
        plan: plan.applied(outcomes),
        preview: Vec::new(),
    }
}

/// Whether the profile has or had something in X-Ray. One that has not can go from an AWS without X-Ray, as some emulators
/// are.
fn concerns_xray(desired: &Desired, status: Option<&ObservabilityProfileStatus>) -> bool {
    let kinds = [Kind::Group, Kind::SamplingRule];
    kinds
        .iter()
        .any(|kind| desired.names(*kind).next().is_some())
        || desired.leaving.iter().any(|(kind, _)| kinds.contains(kind))
        || status
            .is_some_and(|status| !(status.groups.is_empty() && status.sampling_rules.is_empty()))
}

fn deleting(aws: AwsFacts) -> Facts {
    let unknown = || Fact::unknown(reason::DELETING, "the profile is being deleted");
    Facts {
        aws,
        receiver: unknown(),
        injected: unknown(),
        workloads: Default::default(),
        env: Vec::new(),
        traffic: unknown(),
        notes: Vec::new(),
    }
}

async fn release(profile: &ObservabilityProfile, context: &Context) -> Result<Action, Error> {
    let finalizers: Vec<String> = profile
        .metadata
        .finalizers
        .iter()
        .flatten()
        .filter(|finalizer| *finalizer != name::FINALIZER)
        .cloned()
        .collect();
    set_finalizers(profile, &finalizers, context).await?;
    let me = reference(profile);
    info!(profile = %me, "released");
    context.forget(&me);
    request_waiting(context);
    Ok(Action::await_change())
}

async fn set_finalizers(
    profile: &ObservabilityProfile,
    finalizers: &[String],
    context: &Context,
) -> Result<(), Error> {
    if !context.permit.holds() {
        return Err(Error::NotLeader);
    }
    let me = reference(profile);
    let api: Api<ObservabilityProfile> = Api::namespaced(context.client.clone(), &me.namespace);
    // The resourceVersion guards against finalizers that others add or remove at the same time.
    let patch = json!({"metadata": {
        "resourceVersion": profile.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let params = PatchParams {
        field_manager: Some(name::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api
        .patch_metadata(&me.name, &params, &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(error)) if error.code == 404 => Ok(()),
        Err(error) => Err(Error::kubernetes("set the profile's finalizers")(error)),
    }
}

/// Objects that deletion should have removed or released, as `kind name (arn)`.
fn orphans(status: Option<&ObservabilityProfileStatus>) -> Vec<String> {
    let Some(status) = status else {
        return Vec::new();
    };
    [
        ("Group", &status.groups),
        ("SamplingRule", &status.sampling_rules),
        ("LogGroup", &status.log_groups),
    ]
    .into_iter()
    .flat_map(|(kind, items)| items.iter().map(move |item| (kind, item)))
    .filter(|(_, item)| item.state != ItemState::Retained)
    .filter_map(|(kind, item)| Some((kind, item, item.deletion_policy?)))
    .map(|(kind, item, policy)| {
        let wish = match policy {
            DeletionPolicy::Delete => "to be deleted",
            DeletionPolicy::Retain => "to be kept, with our tags",
        };
        format!(
            "{kind} {} ({}), {wish}",
            item.name,
            item.arn.as_deref().unwrap_or("ARN unknown")
        )
    })
    .collect()
}

/// Writes what stays behind into the ConfigMap of orphans, one key per profile.
async fn record(
    profile: &str,
    status: Option<&ObservabilityProfileStatus>,
    left: &[String],
    context: &Context,
) -> Result<(), Error> {
    if left.is_empty() {
        return Ok(());
    }
    if !context.permit.holds() {
        return Err(Error::NotLeader);
    }
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &context.namespace);
    let place = format!(
        "account {}, region {}",
        status
            .and_then(|status| status.account_id.as_deref())
            .unwrap_or("unknown"),
        status
            .and_then(|status| status.region.as_deref())
            .unwrap_or("unknown"),
    );
    // A ConfigMap key may hold no slash.
    let key = profile.replace('/', ".");
    let data = BTreeMap::from([(
        key,
        format!("{} {place}\n{}\n", Timestamp::now(), left.join("\n")),
    )]);
    let patch = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name::ORPHANS_CONFIG_MAP},
        "data": data,
    });
    // A merge keeps what is recorded of other profiles; an apply would take it for no longer wanted.
    match api
        .patch(
            name::ORPHANS_CONFIG_MAP,
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
    {
        Ok(_) => return Ok(()),
        Err(kube::Error::Api(error)) if error.code == 404 => {}
        // A full record is no reason to hold the profile for ever: the log and the metric have told of its objects.
        Err(kube::Error::Api(error)) if [413, 422].contains(&error.code) => {
            error!(profile, %error, "the record of orphans takes no more");
            return Ok(());
        }
        Err(error) => return Err(Error::kubernetes("record the orphans")(error)),
    }
    let params = PatchParams::apply(name::FIELD_MANAGER);
    api.patch(name::ORPHANS_CONFIG_MAP, &params, &Patch::Apply(&patch))
        .await
        .map(drop)
        .map_err(Error::kubernetes("record the orphans"))
}
