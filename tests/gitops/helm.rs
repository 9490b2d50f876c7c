//! Helm 4: a release whose Deployment is injected is upgraded and rolled back.

use anyhow::Result;
use serde_json::json;
use support::workloads::{entry, names, template, value};

use super::repository::{KIND, Repository, generation, injected};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

const TEMPLATE: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
  {{- with .Values.annotations }}
  annotations: {{ toJson . }}
  {{- end }}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: example.com/app:{{ .Values.tag }}
          env: {{ toJson .Values.env }}
"#;

struct Release(Repository);

impl Release {
    /// Installed, with what is injected.
    async fn new(flags: &[&str]) -> Result<Self> {
        let repository = Repository::new().await?;
        let chart = repository.path("chart");
        std::fs::create_dir_all(chart.join("templates"))?;
        std::fs::write(chart.join("Chart.yaml"), CHART)?;
        std::fs::write(chart.join("templates/web.yaml"), TEMPLATE)?;
        let release = Self(repository);
        release.values(json!({"tag": "1"}))?;
        let install = ["install", "web", "chart", "--values", "values.json"];
        let install = [&install[..], flags].concat();
        release.0.helm(&install).await?.ok()?;
        release.0.profile().await?;
        release.0.team.injected("p").await?;
        Ok(release)
    }

    fn values(&self, values: serde_json::Value) -> Result<()> {
        let mut all =
            json!({"tag": "1", "annotations": {}, "env": [{"name": "OWN", "value": "1"}]});
        for (name, value) in values.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        Ok(std::fs::write(self.0.path("values.json"), all.to_string())?)
    }

    async fn upgrade(
        &self,
        values: serde_json::Value,
        flags: &[&str],
    ) -> Result<super::repository::Ended> {
        self.values(values)?;
        let upgrade = ["upgrade", "web", "chart", "--values", "values.json"];
        self.0.helm(&[&upgrade[..], flags].concat()).await
    }
}

#[tokio::test]
async fn upgrades_and_rollbacks_leave_the_variables() -> Result<()> {
    // Server-side apply, and the merge that Helm 3 does.
    for flags in [&[][..], &["--server-side=false"]] {
        let release = Release::new(flags).await?;
        let before = release.0.live().await?;
        injected(&before, &["OWN"]);
        release.upgrade(json!({"tag": "2"}), flags).await?.ok()?;
        let after = release.0.live().await?;
        injected(&after, &["OWN"]);
        assert_eq!(
            template(&after)["spec"]["containers"][0]["image"],
            "example.com/app:2"
        );
        release.0.team.injected("p").await?;
        assert_eq!(
            generation(&release.0.live().await?)?,
            generation(&before)? + 1
        );

        let rollback = [&["rollback", "web", "1"], flags].concat();
        release.0.helm(&rollback).await?.ok()?;
        let after = release.0.live().await?;
        injected(&after, &["OWN"]);
        assert_eq!(
            template(&after)["spec"]["containers"][0]["image"],
            "example.com/app:1"
        );
        release.0.team.injected("p").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_chart_that_begins_to_set_a_variable_is_told_and_wins_when_it_insists() -> Result<()> {
    let release = Release::new(&[]).await?;
    let mine = json!({"env": [{"name": "OTEL_SERVICE_NAME", "value": "mine"}]});
    let words = release.upgrade(mine.clone(), &[]).await?.refused()?;
    assert!(
        words.contains("conflict")
            && words.contains("tracewright")
            && words.contains("OTEL_SERVICE_NAME"),
        "{words}"
    );
    release.upgrade(mine, &["--force-conflicts"]).await?.ok()?;
    release.0.team.item("p", "web", "Injected UserSet").await?;
    assert_eq!(
        value(&release.0.live().await?, "OTEL_SERVICE_NAME"),
        Some("mine")
    );
    Ok(())
}

#[tokio::test]
async fn a_value_from_needs_skip_env_first() -> Result<()> {
    for flags in [&["--force-conflicts"][..], &["--server-side=false"]] {
        let release =
            Release::new(&flags[..flags.len() - usize::from(flags[0] == "--force-conflicts")])
                .await?;
        let theirs = json!({"name": "OTEL_SERVICE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}});
        let words = release
            .upgrade(json!({"env": [theirs]}), flags)
            .await?
            .refused()?;
        assert!(
            words.contains("may not be specified when `value` is not empty"),
            "{words}"
        );
        let skip = json!({"tracewright.dev/skip-env": "OTEL_SERVICE_NAME"});
        release
            .upgrade(json!({"annotations": skip}), flags)
            .await?
            .ok()?;
        release
            .0
            .team
            .until(
                KIND,
                "web",
                "the operator's entry is gone",
                |object| match entry(object, "OTEL_SERVICE_NAME") {
                    None => Ok(()),
                    Some(entry) => Err(entry.to_string()),
                },
            )
            .await?;
        release
            .upgrade(json!({"annotations": skip, "env": [theirs]}), flags)
            .await?
            .ok()?;
        release.0.team.injected("p").await?;
        let live = release.0.live().await?;
        assert_eq!(entry(&live, "OTEL_SERVICE_NAME"), Some(&theirs));
    }
    Ok(())
}

#[tokio::test]
async fn a_forced_replacement_loses_the_variables_and_has_them_again_in_the_next_rollout()
-> Result<()> {
    let release = Release::new(&["--server-side=false"]).await?;
    release
        .upgrade(
            json!({"tag": "2"}),
            &["--server-side=false", "--force-replace"],
        )
        .await?
        .ok()?;
    release
        .0
        .team
        .until(KIND, "web", "the variables are back", |object| match value(
            object,
            "OTEL_SERVICE_NAME",
        ) {
            Some("shop") => Ok(()),
            _ => Err(format!("{:?}", names(object))),
        })
        .await?;
    release.0.team.injected("p").await?;
    injected(&release.0.live().await?, &["OWN"]);
    Ok(())
}
