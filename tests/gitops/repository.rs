//! A folder with a workload's manifest, as a repository holds it, and the tools that deploy from it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::program;
use support::workloads::{Team, entry, manifest, names, template_mut, value};
use tempfile::TempDir;
use tokio::process::Command;
use tracewright_core::workload::WorkloadKind;

pub const KIND: WorkloadKind = WorkloadKind::Deployment;

/// How a tool ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub output: String,
}

impl Ended {
    /// Its output, if it ended well.
    pub fn ok(self) -> Result<String> {
        ensure!(self.code == Some(0), "{self:?}");
        Ok(self.output)
    }

    /// Its words, if it refused.
    pub fn refused(self) -> Result<String> {
        ensure!(self.code != Some(0), "it did not refuse: {}", self.output);
        Ok(self.output)
    }
}

/// The repository of a Deployment `web`, and the team that owns both.
pub struct Repository {
    pub team: Team,
    folder: TempDir,
}

impl Repository {
    /// One of which nothing is deployed yet.
    pub async fn new() -> Result<Self> {
        Ok(Self {
            team: Team::new().await?,
            folder: tempfile::tempdir()?,
        })
    }

    /// The manifest to begin with.
    pub fn manifest() -> Value {
        manifest(KIND, "web")
    }

    /// The profile `p` of the service `shop`.
    pub async fn profile(&self) -> Result<()> {
        let spec = json!({
            "service": {"name": "shop"},
            "workloads": {"selector": {"matchLabels": {"app": "web"}}},
            "traces": {"otlp": {"endpoint": "http://collector:4318"}},
        });
        self.team.profile("p", spec).await?;
        Ok(())
    }

    /// A file's path.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes the manifest down.
    pub fn write(&self, manifest: &Value) -> Result<()> {
        Ok(std::fs::write(self.path("web.json"), manifest.to_string())?)
    }

    /// Runs `kubectl` in the repository's folder.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Ended> {
        self.run("kubectl", arguments).await
    }

    /// Writes the manifest down and has `kubectl` do something with it.
    pub async fn with(&self, manifest: &Value, arguments: &[&str]) -> Result<Ended> {
        self.write(manifest)?;
        self.kubectl(&[arguments, &["-f", "web.json"]].concat())
            .await
    }

    /// Runs `helm` in the repository's folder.
    pub async fn helm(&self, arguments: &[&str]) -> Result<Ended> {
        self.run("helm", arguments).await
    }

    async fn run(&self, tool: &str, arguments: &[impl AsRef<OsStr>]) -> Result<Ended> {
        let output = Command::new(program(tool)?)
            .args(arguments)
            .arg("--namespace")
            .arg(self.team.namespace().name())
            .arg("--kubeconfig")
            .arg(self.team.kubeconfig())
            .env("HOME", self.folder.path())
            .env_remove("KUBECONFIG")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .await?;
        let mut text = String::from_utf8(output.stdout)?;
        text.push_str(&String::from_utf8(output.stderr)?);
        Ok(Ended {
            code: output.status.code(),
            output: text,
        })
    }

    /// The Deployment as it is.
    pub async fn live(&self) -> Result<Value> {
        self.team.get(KIND, "web").await
    }

    /// Deploys with these arguments of `kubectl apply`, has the variables injected, and returns the Deployment.
    pub async fn deployed(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [&["apply"], arguments].concat();
        self.with(&Self::manifest(), &arguments).await?.ok()?;
        self.profile().await?;
        self.team.injected("p").await?;
        self.live().await
    }
}

/// The generation of a Deployment: how often its specification has changed.
pub fn generation(object: &Value) -> Result<i64> {
    let generation = object["metadata"]["generation"].as_i64();
    generation.context("no generation")
}

/// All of ours is there, in front of what the user has.
pub fn injected(object: &Value, own: &[&str]) {
    assert_eq!(value(object, "OTEL_SERVICE_NAME"), Some("shop"));
    assert!(entry(object, "TRACEWRIGHT_POD_NAME").is_some());
    let names = names(object);
    let users = &names[names.len() - own.len()..];
    assert_eq!(users, own, "{names:?}");
    let ours = names[..names.len() - own.len()].iter();
    let strangers: Vec<_> = ours
        .filter(|name| !name.starts_with("TRACEWRIGHT_") && !name.starts_with("OTEL_"))
        .collect();
    assert_eq!(strangers, Vec::<&&str>::new());
}

/// The manifest with another image.
pub fn with_image(manifest: &Value, image: &str) -> Value {
    let mut manifest = manifest.clone();
    template_mut(&mut manifest)["spec"]["containers"][0]["image"] = image.into();
    manifest
}

/// The manifest with these entries in `env`.
pub fn with_env(env: Value) -> Value {
    let mut manifest = Repository::manifest();
    template_mut(&mut manifest)["spec"]["containers"][0]["env"] = env;
    manifest
}
