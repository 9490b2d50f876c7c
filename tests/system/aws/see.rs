//! What the tests look at: a profile's status, what AWS holds, and which calls were made.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use support::installation::CLUSTER;
use support::{Installation, LONG, eventually};
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::crd::status::{ItemState, ItemStatus, ObservabilityProfileStatus};
use tracewright_xray::contract::annotation;
use tracewright_xray::contract::condition::{AWS_SYNCED, READY};

/// The account of the operator's own credentials.
pub const ACCOUNT: &str = "123456789012";
/// The operator's own region.
pub const REGION: &str = "us-east-1";

/// A profile's condition.
pub fn condition<'a>(profile: &'a ObservabilityProfile, type_: &str) -> Option<&'a Condition> {
    let status = profile.status.as_ref()?;
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

/// Status and reason of a condition, `True Synced`.
pub fn verdict(profile: &ObservabilityProfile, type_: &str) -> String {
    condition(profile, type_).map_or_else(
        || "none".to_owned(),
        |it| format!("{} {}", it.status, it.reason),
    )
}

/// All items of a status, whatever their kind.
pub fn items(status: &ObservabilityProfileStatus) -> impl Iterator<Item = &ItemStatus> {
    status
        .groups
        .iter()
        .chain(&status.sampling_rules)
        .chain(&status.log_groups)
}

/// How an object of a profile stands.
pub fn item<'a>(profile: &'a ObservabilityProfile, name: &str) -> Option<&'a ItemStatus> {
    items(profile.status.as_ref()?).find(|item| item.name == name)
}

/// Asks for a profile until `look` is content with it.
pub async fn until<T>(
    profiles: &Api<ObservabilityProfile>,
    name: &str,
    what: &str,
    look: impl Fn(&ObservabilityProfile) -> Option<T>,
) -> Result<T> {
    let seen = eventually(LONG, format!("{name}: {what}"), async || {
        let profile = profiles
            .get(name)
            .await
            .map_err(|error| error.to_string())?;
        look(&profile).ok_or_else(|| format!("{:?}", profile.status))
    });
    Ok(seen.await?)
}

/// Whether the status speaks of the profile as it is now.
pub fn current(profile: &ObservabilityProfile) -> bool {
    let observed = profile
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed.is_some() && observed == profile.metadata.generation
}

/// Waits until a profile is as declared.
pub async fn ready(there: &Installation, name: &str) -> Result<ObservabilityProfile> {
    until(&there.profiles(), name, "it is ready", |profile| {
        (current(profile) && verdict(profile, READY) == "True Reconciled").then(|| profile.clone())
    })
    .await
}

/// Waits for status and reason of condition `AwsSynced`; its sentence.
pub async fn synced(there: &Installation, name: &str, expected: &str) -> Result<String> {
    until(&there.profiles(), name, expected, |profile| {
        let found = current(profile) && verdict(profile, AWS_SYNCED) == expected;
        found.then(|| {
            condition(profile, AWS_SYNCED)
                .map(|it| it.message.clone())
                .unwrap_or_default()
        })
    })
    .await
}

/// Waits for the state of an object; its sentence.
pub async fn in_state(
    there: &Installation,
    name: &str,
    object: &str,
    state: ItemState,
) -> Result<String> {
    until(
        &there.profiles(),
        name,
        &format!("{object} is {state:?}"),
        |profile| {
            let item =
                item(profile, object).filter(|item| current(profile) && item.state == state)?;
            Some(item.message.clone().unwrap_or_default())
        },
    )
    .await
}

/// Waits until a profile is gone.
pub async fn gone(there: &Installation, name: &str) -> Result<()> {
    let profiles = there.profiles();
    eventually(LONG, format!("{name} is gone"), async || {
        match profiles.get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(profile)) => Err(format!("{:?}", profile.status)),
            Err(error) => Err(error.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// Has the operator take a fresh look at a profile, and waits until the reconcile with that look has ended.
pub async fn look_again(there: &Installation, name: &str) -> Result<()> {
    // Reconciles of one profile follow each other, so a second look begins after the first one's writes. The check that
    // follows a start looks too, once, and must not be taken for one of the two.
    for _ in 0..3 {
        let mark = mark(there).await?;
        request(there, name).await?;
        let seen = eventually(LONG, "AWS is looked at again", async || {
            let calls = there
                .aws()
                .control()
                .calls(mark)
                .await
                .map_err(|error| error.to_string())?;
            let reads = calls
                .of("xray.GetGroups")
                .ok
                .min(calls.of("xray.GetSamplingRules").ok);
            if reads > 0 {
                Ok(())
            } else {
                Err(format!("{:?}", calls.counts))
            }
        });
        seen.await?;
    }
    Ok(())
}

/// Asks for a fresh look by annotation.
pub async fn request(there: &Installation, name: &str) -> Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .as_nanos()
        .to_string();
    let patch = json!({"metadata": {"annotations": {annotation::RECONCILE_REQUESTED_AT: now}}});
    there
        .profiles()
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}

/// Everything that AWS holds in the operator's region.
pub async fn state(there: &Installation) -> Result<Value> {
    Ok(there.aws().control().state(ACCOUNT, REGION).await?)
}

/// One part of it; `Null` where there is none.
pub async fn part(there: &Installation, pointer: &str) -> Result<Value> {
    Ok(state(there)
        .await?
        .pointer(pointer)
        .cloned()
        .unwrap_or_default())
}

/// Changes something in AWS behind the operator's back.
pub async fn edit(there: &Installation, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut state = state(there).await?;
    change(&mut state);
    there
        .aws()
        .control()
        .set_state(ACCOUNT, REGION, &state)
        .await?;
    Ok(())
}

/// Takes something away behind the operator's back: `/xray/groups`, `g`.
pub async fn take_away(there: &Installation, pointer: &str, name: &str) -> Result<()> {
    let mut taken = None;
    edit(there, |state| {
        taken = state
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .and_then(|objects| objects.remove(name));
    })
    .await?;
    taken
        .map(drop)
        .with_context(|| format!("{pointer} has no {name}"))
}

/// The number of the last call so far.
pub async fn mark(there: &Installation) -> Result<u64> {
    Ok(there.aws().control().calls(0).await?.last)
}

/// The calls since a mark that change something or try to, by operation.
pub async fn writes(there: &Installation, since: u64) -> Result<BTreeMap<String, u64>> {
    let calls = there.aws().control().calls(since).await?;
    let writes = calls
        .counts
        .into_iter()
        .filter(|(operation, _)| is_write(operation));
    Ok(writes
        .map(|(operation, counts)| (operation, counts.ok + counts.throttled + counts.error))
        .collect())
}

fn is_write(operation: &str) -> bool {
    let name = operation
        .split_once('.')
        .map_or(operation, |(_, name)| name);
    !["Get", "List", "Describe", "AssumeRole"]
        .iter()
        .any(|read| name.starts_with(read))
}

/// Operations and how often each is called.
pub fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts
        .into_iter()
        .map(|(operation, count)| (operation.to_owned(), count))
        .collect()
}

/// Waits until AWS holds what `look` is content with.
pub async fn aws_until(
    there: &Installation,
    what: &str,
    look: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let seen = eventually(LONG, what, async || {
        let state = state(there).await.map_err(|error| error.to_string())?;
        if look(&state) {
            Ok(state)
        } else {
            Err(state.to_string())
        }
    });
    Ok(seen.await?)
}

/// The mark that our objects carry.
pub fn marked(there: &Installation, profile: &str, policy: &str) -> Value {
    json!({
        "tracewright.dev/cluster": CLUSTER,
        "tracewright.dev/profile": format!("{}/{profile}", there.namespace().name()),
        "tracewright.dev/deletion-policy": policy,
    })
}
