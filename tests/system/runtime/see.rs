//! What these tests look at: receivers' objects, conditions and the operator's requests.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};
use support::control_plane::{AuditEvent, AuditMark};
use support::{Installation, LONG, Namespace, eventually};
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::receiver::ObjectKind;
use tracewright_xray::contract::condition::RECEIVER_READY;

use crate::aws::see::{condition, current, until, verdict};

/// The receiver's objects of one kind.
pub fn objects(namespace: &Namespace, kind: ObjectKind) -> Api<DynamicObject> {
    let (group, version) = kind
        .api_version()
        .split_once('/')
        .unwrap_or(("", kind.api_version()));
    let kind_of = GroupVersionKind::gvk(group, version, kind.as_str());
    let resource = ApiResource::from_gvk_with_plural(&kind_of, kind.plural());
    Api::namespaced_with(namespace.client(), namespace.name(), &resource)
}

/// An object as JSON; `Null` where there is none.
pub async fn object(namespace: &Namespace, kind: ObjectKind, name: &str) -> Result<Value> {
    let found = objects(namespace, kind).get_opt(name).await?;
    Ok(serde_json::to_value(found)?)
}

/// Changes an object as its namespace's admin.
pub async fn change(
    namespace: &Namespace,
    kind: ObjectKind,
    name: &str,
    change: Value,
) -> Result<()> {
    let params = PatchParams::default();
    objects(namespace, kind)
        .patch(name, &params, &Patch::Merge(&change))
        .await?;
    Ok(())
}

/// Waits until an object is as `look` wants it.
pub async fn object_until(
    namespace: &Namespace,
    kind: ObjectKind,
    name: &str,
    what: &str,
    look: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let seen = eventually(LONG, format!("{kind} {name}: {what}"), async || {
        let object = object(namespace, kind, name)
            .await
            .map_err(|error| error.to_string())?;
        if look(&object) {
            Ok(object)
        } else {
            Err(object.to_string())
        }
    });
    Ok(seen.await?)
}

/// Waits for status and reason of a condition of the profile as it is now; its sentence.
pub async fn until_condition(
    profiles: &Api<ObservabilityProfile>,
    name: &str,
    type_: &str,
    expected: &str,
) -> Result<String> {
    until(
        profiles,
        name,
        &format!("{type_} is {expected}"),
        |profile| {
            (current(profile) && verdict(profile, type_) == expected).then(|| {
                condition(profile, type_)
                    .map(|it| it.message.clone())
                    .unwrap_or_default()
            })
        },
    )
    .await
}

/// Waits for status and reason of condition `ReceiverReady`; its sentence.
pub async fn receiver(there: &Installation, name: &str, expected: &str) -> Result<String> {
    until_condition(&there.profiles(), name, RECEIVER_READY, expected).await
}

/// A Deployment of one container, labelled `app: <name>`.
pub async fn deploy(namespace: &Namespace, name: &str) -> Result<Deployment> {
    let labels = json!({"app": name});
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
            },
        },
    }))?;
    Ok(namespace
        .api()
        .create(&PostParams::default(), &deployment)
        .await?)
}

/// The value of a variable in a Deployment's first container.
pub async fn variable(
    namespace: &Namespace,
    deployment: &str,
    name: &str,
) -> Result<Option<String>> {
    let deployment = object(namespace, ObjectKind::Deployment, deployment).await?;
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
    Ok(env
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == name)
        .and_then(|entry| entry["value"].as_str().map(str::to_owned)))
}

/// A user's requests that change something, refused ones too, the Lease excepted. (A review is a question, though it is asked
/// with `create`.)
pub fn writes_of(there: &Installation, since: AuditMark, user: &str) -> Result<Vec<AuditEvent>> {
    let mut events = there.control_plane().audit(since)?;
    events.retain(|event| {
        event.user.username == user
            && event.stage == "ResponseComplete"
            && !["get", "list", "watch"].contains(&event.verb.as_str())
            && event
                .object_ref
                .as_ref()
                .is_none_or(|object| !["leases", "selfsubjectreviews"].contains(&&*object.resource))
    });
    Ok(events)
}

/// Waits until a user has changed nothing for a while: Events, for example, come after the status that they tell of.
pub async fn at_rest(there: &Installation, user: &str) -> Result<()> {
    eventually(LONG, format!("{user} is at rest"), async || {
        let since = there
            .control_plane()
            .audit_mark()
            .map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let own = writes_of(there, since, user).map_err(|error| error.to_string())?;
        if own.is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", told(&own)))
        }
    })
    .await?;
    Ok(())
}

/// Requests as `verb path code`.
pub fn told(events: &[AuditEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let code = event
                .response_status
                .as_ref()
                .map_or(0, |status| status.code);
            format!("{} {} {code}", event.verb, event.request_uri)
        })
        .collect()
}
