//! What status, Events and conditions say of workloads, and when they are written.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use support::SHORT;
use support::control_plane::AuditMark;
use support::workloads::{Ground, Team, Told, manifest, template_mut, traces_of_ours};
use tracewright_core::workload::WorkloadKind;

const KIND: WorkloadKind = WorkloadKind::Deployment;

/// A workload of no pods, in the group that the profile selects.
fn member(name: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = manifest(KIND, name);
    manifest["metadata"]["labels"]["group"] = "all".into();
    manifest["spec"]["replicas"] = 0.into();
    edit(&mut manifest);
    manifest
}

#[tokio::test]
async fn every_workload_that_is_skipped_is_named_with_its_reason_and_what_to_do() -> Result<()> {
    let team = Team::new().await?;
    let other = json!({"service": {"name": "o"}, "workloads": {"selector": {"matchLabels": {"app": "held"}}}});
    team.profile("older", other).await?;
    let annotated = |key: &'static str, value: &'static str| {
        move |manifest: &mut Value| manifest["metadata"]["annotations"] = json!({key: value})
    };
    let members = [
        member("fine", |_| {}),
        member("held", |_| {}),
        member("opted-out", annotated("tracewright.dev/inject", "false")),
        member("owned", |manifest| {
            manifest["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "example.com/v1", "kind": "Application", "name": "a", "uid": "0", "controller": true,
            }]);
        }),
        member(
            "instrumented",
            annotated("instrumentation.opentelemetry.io/inject-java", "true"),
        ),
        member("sidecar-only", |manifest| {
            template_mut(manifest)["spec"]["containers"][0]["name"] = "istio-proxy".into();
        }),
        member("paused", |manifest| {
            manifest["spec"]["paused"] = true.into()
        }),
        member("set-by-user", |manifest| {
            template_mut(manifest)["spec"]["containers"][0]["env"] =
                json!([{"name": "OTEL_SERVICE_NAME", "value": "mine"}]);
        }),
        member("from-user", |manifest| {
            template_mut(manifest)["spec"]["containers"][0]["env"] = json!([
                {"name": "OTEL_SERVICE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ]);
        }),
        member("twice", |manifest| {
            template_mut(manifest)["spec"]["containers"][0]["env"] =
                json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
        }),
    ];
    for member in &members {
        team.create(member).await?;
    }
    team.injected("older").await?;
    let spec = json!({"service": {"name": "shop"}, "workloads": {"selector": {"matchLabels": {"group": "all"}}}});
    team.profile("p", spec).await?;
    let expected = BTreeMap::from([
        ("fine", ("Injected", None)),
        ("held", ("Skipped", Some("SelectedByOther"))),
        ("opted-out", ("Skipped", Some("OptedOut"))),
        ("owned", ("Skipped", Some("OwnedByController"))),
        ("instrumented", ("Skipped", Some("OtherInstrumentation"))),
        ("sidecar-only", ("Skipped", Some("NoSuchContainer"))),
        ("paused", ("Skipped", Some("Paused"))),
        ("set-by-user", ("Injected", Some("UserSet"))),
        ("from-user", ("Injected", Some("ValueFromPresent"))),
        ("twice", ("Injected", Some("DuplicateEnv"))),
    ]);
    let items = team
        .status_until(SHORT, "p", "every workload is as expected", |status| {
            let items = status.workloads.as_ref()?.items.clone();
            let found: BTreeMap<_, _> = items
                .iter()
                .map(|item| {
                    (
                        item.name.as_str(),
                        (item.state.as_str(), item.reason.as_deref()),
                    )
                })
                .collect();
            (found == expected).then_some(items)
        })
        .await?;
    for item in items.iter().filter(|item| item.state == "Skipped") {
        let message = item.message.as_deref().unwrap_or_default();
        // What is the case: what to do.
        assert!(message.contains(": "), "{}: {message}", item.name);
        assert!(
            item.name == "held" || !traces_of_ours(&team.get(KIND, &item.name).await?),
            "{} is left alone",
            item.name
        );
    }
    let sentence = team
        .condition("p", "WorkloadsInjected", "False SomeSkipped")
        .await?;
    assert!(sentence.contains("and 4 more"), "{sentence}");
    Ok(())
}

#[tokio::test]
async fn nothing_is_written_where_nothing_changes_and_events_come_with_transitions() -> Result<()> {
    let ground = Ground::new().await?;
    let team = Team::of(&ground.there).await?;
    let web = member("web", |manifest| manifest["spec"]["replicas"] = 1.into());
    team.create(&web).await?;
    let spec = json!({"service": {"name": "shop"}, "workloads": {"selector": {"matchLabels": {"group": "all"}}}});
    team.profile("p", spec).await?;
    team.injected("p").await?;
    team.condition("p", "Ready", "True Reconciled").await?;
    let words = |events: &[Told]| -> Vec<String> {
        events
            .iter()
            .map(|(type_, reason, _)| format!("{type_} {reason}"))
            .collect()
    };
    let before = words(
        &team
            .told("p", &["Normal AllInjected", "Normal Reconciled"])
            .await?,
    );
    assert!(
        !before.iter().any(|word| word.starts_with("Warning")),
        "{before:?}"
    );

    // The workload changes five times, in nothing that matters.
    let audit = ground.there.control_plane().audit_mark()?;
    let events = team.events("p").await?.len();
    for number in 0..5 {
        let touched = json!({"metadata": {"annotations": {"touched": number.to_string()}}});
        ground
            .looked_after(team.merge(KIND, "web", &touched))
            .await?;
    }
    team.injected("p").await?;
    assert_eq!(team.writes(&ground.there, audit)?, Vec::<String>::new());
    let ever = AuditMark::default();
    assert_eq!(
        team.looks_at_pods(&ground.there, ever)?,
        0,
        "pods are nobody's business while rollouts get on"
    );
    assert_eq!(team.events("p").await?.len(), events);
    Ok(())
}
