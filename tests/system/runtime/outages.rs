//! What an operator lives through: an API server or etcd that goes and comes back, changes that it was not told of, rights
//! that are taken away, namespaces that end.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};
use support::operator::Operator;
use support::{Component, Installation, LONG, SHORT, eventually};
use tracewright_core::receiver::ObjectKind;
use tracewright_xray::contract::condition::WORKLOADS_INJECTED;

use super::see::{deploy, object, told, until_condition, variable, writes_of};
use crate::aws::see::{in_state, mark, ready, request, take_away};

fn spec(name: &str) -> Value {
    json!({
        "service": {"name": name},
        "workloads": {"selector": {"matchLabels": {"app": name}}},
        "traces": {"otlp": {"endpoint": "http://collector:4318"}},
        "logs": {"groups": [{"name": format!("/{name}")}]},
    })
}

async fn injected(there: &Installation, name: &str) -> Result<()> {
    until_condition(
        &there.profiles(),
        name,
        WORKLOADS_INJECTED,
        "True AllInjected",
    )
    .await?;
    let value = variable(there.namespace(), name, "OTEL_SERVICE_NAME").await?;
    anyhow::ensure!(value.as_deref() == Some(name), "{value:?}");
    Ok(())
}

/// An operator that has injected a workload of a profile, on a control plane with controllers.
async fn running() -> Result<(Installation, Operator)> {
    let there = Installation::with_controllers().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    deploy(there.namespace(), "p").await?;
    there.apply("p", spec("p")).await?;
    ready(&there, "p").await?;
    injected(&there, "p").await?;
    Ok((there, operator))
}

/// The operator does its work: on something new, and on what it knew.
async fn works(there: &Installation, new: &str) -> Result<()> {
    deploy(there.namespace(), new).await?;
    there.apply(new, spec(new)).await?;
    ready(there, new).await?;
    injected(there, new).await?;
    take_away(there, "/logs/logGroups", "/p").await?;
    let since = mark(there).await?;
    request(there, "p").await?;
    crate::aws::see::aws_until(there, "what was taken away is back", |state| {
        state.pointer("/logs/logGroups/~1p").is_some()
    })
    .await?;
    anyhow::ensure!(mark(there).await? > since);
    ready(there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn it_goes_on_after_a_restart_of_the_api_server() -> Result<()> {
    let (mut there, mut operator) = running().await?;
    let before = there.profiles().get("p").await?;
    there.control_plane_mut().stop(Component::ApiServer);
    tokio::time::sleep(Duration::from_secs(2)).await;
    there
        .control_plane_mut()
        .restart(Component::ApiServer)
        .await?;
    operator.process().check()?;
    let since = there.control_plane().audit_mark()?;
    works(&there, "q").await?;
    // What did not change was not written again; what was taken away in AWS is told as an Event and in no new status.
    let own = writes_of(&there, since, &there.operator_user())?;
    let again: Vec<_> = told(&own)
        .into_iter()
        .filter(|it| it.contains("/deployments/p?"))
        .collect();
    assert_eq!(again, Vec::<String>::new());
    let after = there.profiles().get("p").await?;
    assert_eq!(after.metadata.generation, before.metadata.generation);
    Ok(())
}

#[tokio::test]
async fn it_goes_on_after_a_restart_of_etcd() -> Result<()> {
    let (mut there, mut operator) = running().await?;
    there.control_plane_mut().stop(Component::Etcd);
    tokio::time::sleep(Duration::from_secs(3)).await;
    there.control_plane_mut().restart(Component::Etcd).await?;
    operator.process().check()?;
    works(&there, "q").await?;
    Ok(())
}

/// The operator is held while things change, and what it would resume from is compacted away.
#[tokio::test]
async fn it_catches_up_when_its_watches_have_expired() -> Result<()> {
    let (mut there, mut operator) = running().await?;
    for name in ["gone", "changed"] {
        deploy(there.namespace(), name).await?;
        there.apply(name, spec(name)).await?;
        ready(&there, name).await?;
        injected(&there, name).await?;
    }
    operator.process().pause()?;
    // Its connections end, or what happens now would wait in them.
    there
        .control_plane_mut()
        .restart(Component::ApiServer)
        .await?;
    let deployments = there.namespace().api::<Deployment>();
    deployments.delete("gone", &DeleteParams::default()).await?;
    deploy(there.namespace(), "new").await?;
    there.apply("new", spec("new")).await?;
    let mut other = spec("changed");
    other["traces"]["otlp"]["endpoint"] = json!("http://elsewhere:4318");
    there.apply("changed", other).await?;
    compact(&there).await?;
    there
        .control_plane_mut()
        .restart(Component::ApiServer)
        .await?;
    let since = there.control_plane().audit_mark()?;
    operator.process().resume()?;
    ready(&there, "new").await?;
    injected(&there, "new").await?;
    ready(&there, "changed").await?;
    let endpoint = variable(there.namespace(), "changed", "OTEL_EXPORTER_OTLP_ENDPOINT").await?;
    assert_eq!(endpoint.as_deref(), Some("http://elsewhere:4318"));
    until_condition(
        &there.profiles(),
        "gone",
        WORKLOADS_INJECTED,
        "True NoneSelected",
    )
    .await?;
    let events = there.control_plane().audit(since)?;
    let user = there.operator_user();
    let own: Vec<_> = events
        .into_iter()
        .filter(|event| event.user.username == user && event.verb != "get")
        .collect();
    let listed = own.iter().any(|event| {
        event.verb == "list" && event.request_uri.starts_with("/apis/apps/v1/deployments")
    });
    assert!(listed, "nothing had expired: {:#?}", told(&own));
    works(&there, "q").await?;
    Ok(())
}

/// Compacts etcd's history up to now, by its JSON gateway.
async fn compact(there: &Installation) -> Result<()> {
    let url = there.control_plane().etcd_url();
    let client = reqwest::Client::new();
    let ask = async |path: &str, body: Value| -> Result<Value> {
        let answer = client
            .post(format!("{url}{path}"))
            .json(&body)
            .send()
            .await?;
        Ok(answer.error_for_status()?.json().await?)
    };
    // `/registry/` in base64.
    let range = ask(
        "/v3/kv/range",
        json!({"key": "L3JlZ2lzdHJ5Lw==", "limit": 1}),
    )
    .await?;
    let revision = range["header"]["revision"]
        .as_str()
        .context("no revision")?;
    let revision: i64 = revision.parse()?;
    ask(
        "/v3/kv/compaction",
        json!({"revision": revision, "physical": true}),
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn rights_that_are_taken_away_and_given_back() -> Result<()> {
    let (mut there, mut operator) = running().await?;
    there.revoke().await?;
    // Watches that stand are not looked at again: only those that begin anew are refused.
    there
        .control_plane_mut()
        .restart(Component::ApiServer)
        .await?;
    eventually(LONG, "the watches are refused", async || {
        let log = operator.log().map_err(|error| error.to_string())?;
        if log.contains("forbidden") {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await?;
    deploy(there.namespace(), "q").await?;
    there.apply("q", spec("q")).await?;
    // A watch that is refused again and again makes no progress, however often it is begun.
    eventually(LONG, "its watches grow old", async || {
        let prefix = "tracewright_watch_age_seconds{kind=\"Deployment\"}";
        match operator.metric(prefix).await {
            Ok(age) if age >= 15.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let requests = {
        let since = there.control_plane().audit_mark()?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let events = there.control_plane().audit(since)?;
        let user = there.operator_user();
        events
            .iter()
            .filter(|event| event.user.username == user)
            .count()
    };
    // Six watches with backoff, and the Lease every two seconds.
    assert!(requests < 60, "{requests} requests in ten seconds");
    operator.process().check()?;
    there.grant().await?;
    ready(&there, "q").await?;
    injected(&there, "q").await?;
    eventually(LONG, "its watches are young again", async || {
        let prefix = "tracewright_watch_age_seconds{kind=\"StatefulSet\"}";
        match operator.metric(prefix).await {
            Ok(age) if age < 60.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    works(&there, "r").await?;
    Ok(())
}

/// Quiet watches bring nothing, and are alive all the same: they are begun anew.
#[tokio::test]
async fn a_watch_without_events_is_young_again_when_it_is_begun_anew() -> Result<()> {
    let (mut there, operator) = running().await?;
    let prefix = "tracewright_watch_age_seconds{kind=\"CronJob\"}";
    eventually(
        LONG,
        "nothing happens to CronJobs",
        async || match operator.metric(prefix).await {
            Ok(age) if age >= 15.0 => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await?;
    there
        .control_plane_mut()
        .restart(Component::ApiServer)
        .await?;
    eventually(SHORT, "the new watch counts", async || {
        match operator.metric(prefix).await {
            Ok(age) if age < 10.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_namespace_ends_with_profiles_receivers_and_workloads_in_it() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
        .start()?;
    operator.ready().await?;
    let team = support::Namespace::create(there.control_plane(), "leaving").await?;
    deploy(&team, "p").await?;
    let mut all = spec("p");
    all["aws"] = json!({"region": "us-east-1"});
    all["xray"] = json!({
        "receiver": {"daemon": {}},
        "groups": [{"name": "leaving"}],
    });
    support::installation::apply(&team.api(), "p", all).await?;
    until_condition(&team.api(), "p", "Ready", "True Reconciled").await?;
    let mark = mark(&there).await?;
    team.delete().await?;
    // Groups are deleted by default, log groups kept.
    let written = crate::aws::see::writes(&there, mark).await?;
    assert_eq!(written.get("xray.DeleteGroup"), Some(&1), "{written:?}");
    assert_eq!(written.get("logs.DeleteLogGroup"), None, "{written:?}");
    let log = operator.log()?;
    assert!(!log.contains("panicked"), "{log}");
    // It goes on with others.
    there
        .apply("q", json!({"logs": {"groups": [{"name": "/q"}]}}))
        .await?;
    ready(&there, "q").await?;
    Ok(())
}

/// A namespace that something else holds: nothing can be made in it any more, and the profile still ends.
#[tokio::test]
async fn a_profile_ends_in_a_namespace_that_is_held_by_others() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let team = support::Namespace::create(there.control_plane(), "held").await?;
    let map: v1::ConfigMap = serde_json::from_value(
        json!({"metadata": {"name": "held", "finalizers": ["example.com/held"]}}),
    )?;
    let maps = team.api::<v1::ConfigMap>();
    maps.create(&Default::default(), &map).await?;
    support::installation::apply(&team.api(), "p", spec("p")).await?;
    until_condition(&team.api(), "p", "Ready", "True Reconciled").await?;
    let namespaces: Api<v1::Namespace> = Api::all(team.client());
    namespaces
        .delete(team.name(), &DeleteParams::default())
        .await?;
    let profiles = team.api::<tracewright_core::crd::ObservabilityProfile>();
    eventually(LONG, "the profile is gone", async || {
        match profiles.get_opt("p").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    assert!(
        !object(&team, ObjectKind::ConfigMap, "held")
            .await?
            .is_null()
    );
    let free = json!({"metadata": {"finalizers": null}});
    maps.patch("held", &Default::default(), &kube::api::Patch::Merge(&free))
        .await?;
    in_state_of_nothing(&there).await
}

/// The operator has nothing left to do, and no error.
async fn in_state_of_nothing(there: &Installation) -> Result<()> {
    there
        .apply("q", json!({"logs": {"groups": [{"name": "/q"}]}}))
        .await?;
    in_state(
        there,
        "q",
        "/q",
        tracewright_core::crd::status::ItemState::Synced,
    )
    .await?;
    Ok(())
}
