//! The admission policy of docs/iam.md, on a real API server.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use support::control_plane::Options;
use support::{ControlPlane, Namespace, SHORT, chart, eventually, installation};
use tracewright_core::crd::ObservabilityProfile;

/// The policy and its binding.
fn documented() -> Result<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/iam.md");
    let page = fs::read_to_string(path)?;
    let (_, rest) = page
        .split_once("```yaml\napiVersion: admissionregistration.k8s.io/")
        .context("docs/iam.md has no admission policy")?;
    let (text, _) = rest.split_once("```").context("the block ends")?;
    chart::objects(&format!("apiVersion: admissionregistration.k8s.io/{text}"))
}

#[tokio::test]
async fn the_documented_policy_restricts_images_and_service_accounts() -> Result<()> {
    // For itself: a policy is the whole cluster's.
    let control_plane = ControlPlane::start(Options::without_controllers()).await?;
    let client = control_plane.client().await?;
    installation::install(client.clone()).await?;
    let namespace = Namespace::create(&control_plane, "policy").await?;
    let profiles: Api<ObservabilityProfile> = namespace.api();
    let elsewhere = json!({"image": "example.com/mine:1"});
    let with = |kind: &str, pods: Value| json!({"xray": {"receiver": {kind: pods}}});
    installation::apply(&profiles, "older", with("daemon", elsewhere.clone())).await?;

    let strict = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("tests")
    };
    for object in documented()? {
        let kind = object["kind"].as_str().unwrap_or_default();
        let plural = match kind {
            "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding" => "validatingadmissionpolicybindings",
            other => bail!("this test does not know the kind {other:?}: add it"),
        };
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let name = object["metadata"]["name"].as_str().context("a name")?;
        Api::<DynamicObject>::all_with(client.clone(), &resource)
            .patch(name, &strict, &Patch::Apply(&object))
            .await?;
    }

    let refusal = async |name: &str, spec: Value| {
        let profile = json!({
            "apiVersion": "tracewright.dev/v1alpha1",
            "kind": "ObservabilityProfile",
            "metadata": {"name": name},
            "spec": spec,
        });
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::apply("user").force()
        };
        let answer = profiles.patch(name, &params, &Patch::Apply(&profile)).await;
        answer.err().map(|error| error.to_string())
    };
    eventually(SHORT, "the policy is in force", async || {
        refusal("new", with("daemon", elsewhere.clone()))
            .await
            .context("it is taken")
    })
    .await?;
    let theirs = json!({"serviceAccountName": "backend"});
    for (name, spec, sentence) in [
        (
            "new",
            with("daemon", elsewhere.clone()),
            "registry.example.com/receivers/",
        ),
        (
            "new",
            with("collector", elsewhere.clone()),
            "registry.example.com/receivers/",
        ),
        (
            "new",
            with("daemon", theirs.clone()),
            "must be xray-receiver",
        ),
        ("new", with("collector", theirs), "must be xray-receiver"),
        // What a profile had is not what it may change to.
        (
            "older",
            with("collector", elsewhere),
            "registry.example.com/receivers/",
        ),
    ] {
        let error = refusal(name, spec.clone())
            .await
            .with_context(|| format!("{name} may be {spec}"))?;
        ensure!(error.contains(sentence), "{spec}: {error}");
    }
    for spec in [
        json!({}),
        with("daemon", json!({})),
        with(
            "collector",
            json!({"image": "registry.example.com/receivers/otelcol:1"}),
        ),
        with("daemon", json!({"serviceAccountName": "xray-receiver"})),
        with("external", json!({"address": "xray.monitoring:2000"})),
    ] {
        let refused = refusal("new", spec.clone()).await;
        ensure!(refused.is_none(), "{spec}: {refused:?}");
    }
    // As the operator does it at the end of a profile that the policy would not admit.
    let finalizers = json!({"metadata": {"finalizers": ["example.com/held"]}});
    for patch in [finalizers, json!({"metadata": {"finalizers": null}})] {
        profiles
            .patch("older", &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
    }
    Ok(())
}
