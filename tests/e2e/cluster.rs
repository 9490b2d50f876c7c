//! The cluster under test, and the tools that users have: kubectl, helm, and the program itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use support::eventually;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// For whatever takes pods: pulling, starting, rolling out on two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// For an answer of the API server.
const ANSWER: Duration = Duration::from_secs(15);

/// Where the operator runs.
pub const OPERATOR: &str = "e2e-operator";
/// Where the stand-ins for AWS and Honeycomb run.
pub const AWS: &str = "e2e-aws";
/// Where the service and its profile are.
pub const SERVICE: &str = "e2e-cruddur";
/// Where the service runs a second time, with the chart's own profile.
pub const JOURNAL: &str = "e2e-journal";

/// The service's release, and so its Deployment and Service.
pub const RELEASE: &str = "backend-flask";

/// The cluster under test.
pub struct Cluster {
    pub client: Client,
    root: PathBuf,
    program: PathBuf,
    /// Before the images' names, with a slash at the end; empty where they were loaded into the nodes.
    pub registry: String,
    pub version: String,
    pub collector: String,
    /// What restarts all nodes.
    pub restart_nodes: Option<String>,
}

impl Cluster {
    /// The cluster of KUBECONFIG.
    ///
    /// # Errors
    /// A variable is missing, or there is no such cluster.
    pub async fn from_environment() -> Result<Self> {
        let set = |name| {
            env::var(name)
                .ok()
                .filter(|value: &String| !value.is_empty())
        };
        let need = |name| {
            set(name).with_context(|| {
                format!("{name} is not set: run this test by tests/e2e/run.sh, or see there")
            })
        };
        let mut config = Config::infer()
            .await
            .context("no cluster: set KUBECONFIG")?;
        // A connection of before the nodes' restart never answers, and nothing here takes long.
        config.read_timeout = Some(ANSWER);
        let client = Client::try_from(config)?;
        Ok(Self {
            client,
            root: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            program: PathBuf::from(need("TRACEWRIGHT_BIN")?),
            registry: set("TRACEWRIGHT_E2E_REGISTRY").unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            collector: need("TRACEWRIGHT_E2E_COLLECTOR")?,
            restart_nodes: set("TRACEWRIGHT_E2E_RESTART_NODES"),
        })
    }

    /// An image's name, as the cluster pulls it.
    pub fn image(&self, name: &str) -> String {
        format!("{}{name}", self.registry)
    }

    /// The objects of one kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Runs kubectl in the project's folder.
    pub async fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> Result<String> {
        self.run(&support::program("kubectl")?, arguments, input)
            .await
    }

    /// Runs helm in the project's folder.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.run(&support::program("helm")?, arguments, None).await
    }

    /// Runs the program itself, as its user does on a machine of their own.
    pub async fn tracewright(&self, arguments: &[&str]) -> Result<String> {
        self.run(&self.program, arguments, None).await
    }

    /// Runs a command line of whoever called this test.
    pub async fn shell(&self, line: &str) -> Result<String> {
        self.run(Path::new("sh"), &["-c", line], None).await
    }

    async fn run(&self, program: &Path, arguments: &[&str], input: Option<&str>) -> Result<String> {
        let shown = format!(
            "{} {}",
            program.file_name().unwrap_or_default().display(),
            arguments.join(" ")
        );
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| shown.clone())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(input.unwrap_or_default().as_bytes())
                .await?;
        }
        let output = tokio::time::timeout(2 * PATIENCE, child.wait_with_output())
            .await
            .with_context(|| format!("{shown} does not end"))??;
        let (out, errors) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        if !output.status.success() {
            bail!("{shown}: {}\n{out}{errors}", output.status);
        }
        Ok(out)
    }

    /// A namespace that enforces the Pod Security Standard `restricted`.
    pub async fn make_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        namespaces
            .patch(name, &PatchParams::apply("e2e"), &Patch::Apply(&namespace))
            .await?;
        Ok(())
    }

    /// Deletes a namespace and waits until it is gone with all that is in it.
    pub async fn delete_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        if namespaces.get_opt(name).await?.is_none() {
            return Ok(());
        }
        namespaces.delete(name, &DeleteParams::default()).await?;
        eventually(
            PATIENCE,
            format!("the namespace {name} is gone"),
            async || match namespaces.get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(namespace)) => Err(format!("{:?}", namespace.status)),
                Err(error) => Err(error.to_string()),
            },
        )
        .await?;
        Ok(())
    }

    /// Applies objects, as kubectl does.
    pub async fn apply(&self, namespace: &str, manifest: &str) -> Result<()> {
        self.kubectl(
            &["apply", "--namespace", namespace, "-f", "-"],
            Some(manifest),
        )
        .await
        .map(drop)
    }

    /// Makes a Secret.
    pub async fn secret(
        &self,
        namespace: &str,
        name: &str,
        entries: &[(&str, &str)],
    ) -> Result<()> {
        let data: serde_json::Map<String, Value> = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        self.apply(namespace, &secret.to_string()).await
    }

    /// Waits until a Deployment has rolled out, by kubectl's own judgement, and its earlier pods are gone: until then the
    /// Service may still lead to one of them.
    pub async fn rolled_out(&self, namespace: &str, name: &str) -> Result<()> {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let place = format!("deployment/{name}");
        self.kubectl(
            &[
                "rollout",
                "status",
                "--namespace",
                namespace,
                &place,
                &timeout,
            ],
            None,
        )
        .await?;
        let deployment = self.api::<Deployment>(namespace).get(name).await?;
        let spec = deployment.spec.unwrap_or_default();
        let labels = spec.selector.match_labels.unwrap_or_default();
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let of_it = ListParams::default().labels(&labels.join(","));
        let pods = self.api::<Pod>(namespace);
        eventually(
            PATIENCE,
            format!("the earlier pods of {name} are gone"),
            async || {
                let pods = pods.list(&of_it).await.map_err(|error| error.to_string())?;
                let going: Vec<String> = pods
                    .iter()
                    .filter(|pod| pod.metadata.deletion_timestamp.is_some())
                    .map(ResourceExt::name_any)
                    .collect();
                if going.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{going:?}"))
                }
            },
        )
        .await?;
        Ok(())
    }

    /// The running pods that a selector matches and that are not on their way out, oldest first.
    pub async fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>> {
        let pods = self
            .api::<Pod>(namespace)
            .list(&ListParams::default().labels(selector))
            .await?;
        let mut pods: Vec<Pod> = pods
            .items
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect();
        pods.sort_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
        Ok(pods)
    }

    /// A Deployment's template generation and its pods: what a restart would change.
    pub async fn running(
        &self,
        namespace: &str,
        name: &str,
        selector: &str,
    ) -> Result<(Option<i64>, Vec<String>)> {
        let deployment = self.api::<Deployment>(namespace).get(name).await?;
        let mut pods: Vec<String> = self
            .pods(namespace, selector)
            .await?
            .iter()
            .filter_map(ResourceExt::uid)
            .collect();
        pods.sort();
        Ok((deployment.metadata.generation, pods))
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    pod.status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
