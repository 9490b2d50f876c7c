//! What others refuse: admission policies and conflicts are told, tried again at a pace, and passed once they pass.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::{Installation, LONG, eventually};
use tracewright_core::receiver::ObjectKind;
use tracewright_xray::contract::condition::{READY, WORKLOADS_INJECTED};

use super::see::{deploy, object, receiver, told, until_condition, variable, writes_of};
use crate::aws::see::{gone, ready};

/// Refuses what the operator writes to some resources of the namespace.
struct Policy<'a> {
    there: &'a Installation,
    name: &'static str,
}

impl Policy<'_> {
    async fn forbid<'a>(
        there: &'a Installation,
        name: &'static str,
        group: &str,
        resource: &str,
    ) -> Result<Policy<'a>> {
        let user = there.operator_user();
        let policy: ValidatingAdmissionPolicy = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [group], "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"], "resources": [resource],
                }]},
                "validations": [{
                    "expression": format!("request.userInfo.username != '{user}'"),
                    "message": "the platform team says no",
                    "reason": "Invalid",
                }],
            },
        }))?;
        let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }))?;
        let client = there.namespace().client();
        Api::all(client.clone())
            .create(&PostParams::default(), &policy)
            .await?;
        Api::all(client)
            .create(&PostParams::default(), &binding)
            .await?;
        Ok(Policy { there, name })
    }

    async fn lift(self) -> Result<()> {
        let client = self.there.namespace().client();
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
        bindings.delete(self.name, &DeleteParams::default()).await?;
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(client);
        policies.delete(self.name, &DeleteParams::default()).await?;
        Ok(())
    }
}

/// Waits until the policy is in force: the API server takes a moment.
async fn in_force(
    there: &Installation,
    method: http::Method,
    resource: &str,
    body: Value,
) -> Result<()> {
    let client = there
        .control_plane()
        .client_as(there.namespace().name(), "operator")
        .await?;
    let path = format!("{resource}?dryRun=All");
    eventually(LONG, "the policy is in force", async || {
        let patches = method == http::Method::PATCH;
        let request = http::Request::builder()
            .method(&method)
            .uri(&path)
            .header(
                "content-type",
                if patches {
                    "application/merge-patch+json"
                } else {
                    "application/json"
                },
            )
            .body(serde_json::to_vec(&body).map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        match client.request_text(request).await {
            Err(error) if error.to_string().contains("says no") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(())
}

fn map(there: &Installation) -> (String, Value) {
    let path = format!("/api/v1/namespaces/{}/configmaps", there.namespace().name());
    (
        path,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}),
    )
}

fn deployment(there: &Installation) -> (String, Value) {
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments",
        there.namespace().name()
    );
    let labels = json!({"app": "probe"});
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "probe"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "example.com/c:1"}]},
            },
        },
    });
    (path, body)
}

/// How often the operator tried to write something in a time in which a hot loop would try hundreds of times.
async fn tries(there: &Installation, part: &str) -> Result<usize> {
    let since = there.control_plane().audit_mark()?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let own = told(&writes_of(there, since, &there.operator_user())?);
    Ok(own.iter().filter(|it| it.contains(part)).count())
}

#[tokio::test]
async fn a_workload_that_others_forbid_to_change_is_told_and_tried_again() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let policy = Policy::forbid(&there, "no-deployments", "apps", "deployments").await?;
    let (path, body) = deployment(&there);
    in_force(&there, http::Method::POST, &path, body).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    deploy(there.namespace(), "p").await?;
    let spec = json!({
        "service": {"name": "p"},
        "workloads": {"selector": {"matchLabels": {"app": "p"}}},
        "traces": {"otlp": {"endpoint": "http://collector:4318"}},
        "logs": {"groups": [{"name": "/p"}]},
    });
    there.apply("p", spec).await?;
    let profiles = there.profiles();
    let sentence = until_condition(
        &profiles,
        "p",
        WORKLOADS_INJECTED,
        "False WorkloadsNotInjected",
    )
    .await?;
    assert!(
        sentence.contains("Deployment p") && sentence.contains("the platform team says no"),
        "{sentence}"
    );
    // The AWS side has nothing to do with it.
    until_condition(&profiles, "p", "AwsSynced", "True Synced").await?;
    let tries = tries(&there, "/deployments/p?").await?;
    assert!((1..=6).contains(&tries), "{tries} tries in twelve seconds");
    policy.lift().await?;
    until_condition(&profiles, "p", WORKLOADS_INJECTED, "True AllInjected").await?;
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_others_forbid_is_told_and_tried_again() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let policy = Policy::forbid(&there, "no-config-maps", "", "configmaps").await?;
    let (path, body) = map(&there);
    in_force(&there, http::Method::POST, &path, body).await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
        .start()?;
    operator.ready().await?;
    there
        .apply("p", json!({"xray": {"receiver": {"daemon": {}}}}))
        .await?;
    let sentence = receiver(&there, "p", "False Progressing").await?;
    let sentence = if sentence.contains("says no") {
        sentence
    } else {
        receiver(&there, "p", "False Progressing").await?
    };
    assert!(
        sentence.contains("ConfigMap p-xray cannot be written")
            && sentence.contains("the platform team says no"),
        "{sentence}"
    );
    let tries = tries(&there, "/configmaps/p-xray").await?;
    assert!((1..=6).contains(&tries), "{tries} tries in twelve seconds");
    policy.lift().await?;
    receiver(&there, "p", "True Available").await?;
    Ok(())
}

/// A profile with a workload that runs with its variables.
async fn injected(there: &Installation, mode: &str) -> Result<Value> {
    let spec = |mode: &str| {
        json!({
            "mode": mode,
            "service": {"name": "p"},
            "workloads": {"selector": {"matchLabels": {"app": "p"}}},
        })
    };
    deploy(there.namespace(), "p").await?;
    there.apply("p", spec("Apply")).await?;
    let profiles = there.profiles();
    until_condition(&profiles, "p", WORKLOADS_INJECTED, "True AllInjected").await?;
    if mode != "Apply" {
        there.apply("p", spec(mode)).await?;
        until_condition(&profiles, "p", READY, &format!("Unknown {mode}")).await?;
    }
    object(there.namespace(), ObjectKind::Deployment, "p").await
}

/// Without its profile a workload that still says that it has variables of one would be rid of them.
#[tokio::test]
async fn a_suspended_profile_is_not_gone_before_its_workloads_are_released() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let before = injected(&there, "Suspended").await?;
    let policy = Policy::forbid(&there, "no-deployments", "apps", "deployments").await?;
    let (path, body) = deployment(&there);
    in_force(&there, http::Method::POST, &path, body).await?;
    there
        .profiles()
        .delete("p", &DeleteParams::default())
        .await?;
    let profiles = there.profiles();
    let sentence = until_condition(&profiles, "p", "AwsSynced", "Unknown Pending").await?;
    assert!(
        sentence.contains("Deployment p cannot be released")
            && sentence.contains("the platform team says no"),
        "{sentence}"
    );
    let tries = tries(&there, "/deployments/p?").await?;
    assert!((1..=6).contains(&tries), "{tries} tries in twelve seconds");
    policy.lift().await?;
    gone(&there, "p").await?;
    let after = object(there.namespace(), ObjectKind::Deployment, "p").await?;
    assert_eq!(after["spec"], before["spec"], "the variables stay");
    let record = &after["metadata"]["annotations"]["tracewright.dev/injected"];
    assert!(record.is_null(), "{record}");
    Ok(())
}

/// The profile went while no operator ran.
#[tokio::test]
async fn a_removal_that_others_forbid_is_tried_again_ever_later() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut first = there.operator().start()?;
    first.ready().await?;
    injected(&there, "Apply").await?;
    first.stop().await?;
    let free = json!({"metadata": {"finalizers": null}});
    let profiles = there.profiles();
    profiles
        .patch("p", &PatchParams::default(), &Patch::Merge(&free))
        .await?;
    profiles.delete("p", &DeleteParams::default()).await?;
    let policy = Policy::forbid(&there, "no-deployments", "apps", "deployments").await?;
    let (path, body) = deployment(&there);
    in_force(&there, http::Method::POST, &path, body).await?;
    let mut second = there.operator().start()?;
    second.ready().await?;
    // At two, six and fourteen seconds, so that at the old pace there would be six.
    let tries = tries(&there, "/deployments/p?").await?;
    assert!((1..=4).contains(&tries), "{tries} tries in twelve seconds");
    policy.lift().await?;
    eventually(LONG, "the variables are out", async || {
        let value = variable(there.namespace(), "p", "OTEL_SERVICE_NAME")
            .await
            .map_err(|error| error.to_string())?;
        value.map_or(Ok(()), Err)
    })
    .await?;
    Ok(())
}

/// Where even the profile may not be written, nothing can be told in it: the log and a metric have it.
#[tokio::test]
async fn a_profile_that_others_forbid_to_write_is_counted_and_tried_again() -> Result<()> {
    let there = Installation::new().await?;
    let policy = Policy::forbid(&there, "no-profiles", "tracewright.dev", "*").await?;
    // An operator may not make profiles, and one that changes nothing is not asked about.
    there.apply("probe", json!({"mode": "Suspended"})).await?;
    let path = format!(
        "/apis/tracewright.dev/v1alpha1/namespaces/{}/observabilityprofiles/probe",
        there.namespace().name()
    );
    let body = json!({"metadata": {"labels": {"probe": "yes"}}});
    in_force(&there, http::Method::PATCH, &path, body).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .apply("p", json!({"logs": {"groups": [{"name": "/p"}]}}))
        .await?;
    eventually(LONG, "the failure is counted", async || {
        let prefix = "tracewright_reconciles_total{outcome=\"error\",error=\"kubernetes\"}";
        match operator.metric(prefix).await {
            Ok(count) if count >= 1.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    // Without its finalizer nothing may be made for it in AWS.
    assert!(crate::aws::see::writes(&there, 0).await?.is_empty());
    let tries = tries(&there, "/observabilityprofiles/p").await?;
    assert!((1..=6).contains(&tries), "{tries} tries in twelve seconds");
    assert!(operator.log()?.contains("the platform team says no"));
    policy.lift().await?;
    until_condition(&there.profiles(), "p", READY, "True Reconciled").await?;
    Ok(())
}

/// Somebody else writes the same workload all the time: our patches meet conflicts, and get through in the end.
#[tokio::test]
async fn conflicts_are_no_failures() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    deploy(there.namespace(), "p").await?;
    let deployments = there.namespace().api::<Deployment>();
    let busy = tokio::spawn({
        let deployments = deployments.clone();
        async move {
            for number in 0.. {
                let touch = json!({"metadata": {"annotations": {"example.com/touched": number.to_string()}}});
                let touched = deployments
                    .patch("p", &PatchParams::default(), &Patch::Merge(&touch))
                    .await;
                if touched.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let since = there.control_plane().audit_mark()?;
    let spec = json!({
        "service": {"name": "p"},
        "workloads": {"selector": {"matchLabels": {"app": "p"}}},
        "traces": {"otlp": {"endpoint": "http://collector:4318"}},
    });
    there.apply("p", spec).await?;
    eventually(LONG, "the variables are in", async || {
        let value = variable(there.namespace(), "p", "OTEL_SERVICE_NAME")
            .await
            .map_err(|error| error.to_string())?;
        value.ok_or("not yet".to_owned())
    })
    .await?;
    busy.abort();
    ready(&there, "p").await?;
    until_condition(
        &there.profiles(),
        "p",
        WORKLOADS_INJECTED,
        "True AllInjected",
    )
    .await?;
    let own = writes_of(&there, since, &there.operator_user())?;
    let patched = own.iter().filter(|event| {
        let code = event.response_status.as_ref().map(|status| status.code);
        event.request_uri.contains("/deployments/p?") && code == Some(200)
    });
    assert_eq!(patched.count(), 1, "{:?}", told(&own));
    let now = object(there.namespace(), ObjectKind::Deployment, "p").await?;
    let touched = &now["metadata"]["annotations"]["example.com/touched"];
    assert!(touched.is_string(), "the other's word is lost: {now}");
    Ok(())
}
