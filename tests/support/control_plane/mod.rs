//! A Kubernetes control plane as processes, without containers: everything but the kubelets is real.

mod audit;
mod component;
mod credentials;
mod error;
mod options;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

pub use audit::{AuditEvent, AuditMark, AuditObject, AuditStatus, AuditUser};
pub use component::Component;
use component::Site;
use credentials::{Credentials, Identity};
pub use error::ControlPlaneError;
pub use options::{AuditLevel, Options};

use crate::port::Port;
use crate::process::Process;
use crate::scratch::Scratch;

/// Two, so that a DaemonSet's pods and its Deployment's replicas are on different ones.
const NODES: [&str; 2] = ["node-0", "node-1"];
/// About two seconds on an idle machine; tests start several at once on a busy one.
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Longer than any test; the server may shorten it.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// A running control plane. Dropping it ends its processes and removes its files.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in this order: the processes before what they use.
    processes: BTreeMap<Component, Process>,
    credentials: Credentials,
    options: Options,
    etcd: Port,
    api_server: Port,
    folder: Scratch,
}

impl ControlPlane {
    /// The control plane that all tests of this process share: all components, with an audit log at level
    /// [`AuditLevel::Metadata`]. It is started by the first test that asks and ends with the process. A test that stops
    /// components, or whose operator must be alone, starts its own.
    ///
    /// # Errors
    /// It could not be started; every test that asks gets the same answer without a new attempt.
    pub async fn shared() -> Result<&'static Self, ControlPlaneError> {
        static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
        let start = async || {
            let options = Options::default().audit(AuditLevel::Metadata);
            ControlPlane::start(options)
                .await
                .map_err(|error| error.to_string())
        };
        let shared = SHARED.get_or_init(start).await;
        shared
            .as_ref()
            .map_err(|error| ControlPlaneError::Shared(error))
    }

    /// Starts a control plane of its own, ready when this returns.
    ///
    /// # Errors
    /// A program is missing or ends, or the whole is not ready in time; the error shows the log in question.
    pub async fn start(options: Options) -> Result<Self, ControlPlaneError> {
        let folder = Scratch::new("control-plane")?;
        let (etcd, api_server) = (Port::reserve()?, Port::reserve()?);
        let credentials = Credentials::make(folder.path(), api_server.address())?;
        std::fs::write(
            folder.join(AuditLevel::POLICY),
            options.audit.policy().to_string(),
        )?;
        let mut control_plane = Self {
            processes: BTreeMap::new(),
            credentials,
            options,
            etcd,
            api_server,
            folder,
        };
        for component in [Component::Etcd, Component::ApiServer] {
            control_plane.spawn(component)?;
        }
        control_plane.api_server_ready().await?;
        let rest = control_plane.options.components.iter().copied();
        for component in rest.filter(|component| *component > Component::ApiServer) {
            control_plane.spawn(component)?;
        }
        if control_plane.processes.contains_key(&Component::Kwok) {
            control_plane.make_nodes().await?;
            control_plane.controllers_ready().await?;
        }
        Ok(control_plane)
    }

    /// The admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.credentials.kubeconfig(Identity::Admin)
    }

    /// A client of the admin. Its connections belong to the caller's runtime, so each test takes its own.
    ///
    /// # Errors
    /// The kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client, ControlPlaneError> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// A kubeconfig with a token of a service account that exists, for a program that must live with its rights.
    ///
    /// # Errors
    /// There is no such service account.
    pub async fn kubeconfig_as(
        &self,
        namespace: &str,
        service_account: &str,
    ) -> Result<PathBuf, ControlPlaneError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(service_account, &PostParams::default(), &request)
            .await?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        let file = format!("{namespace}.{service_account}.kubeconfig");
        Ok(self.credentials.write_kubeconfig(&file, &token)?)
    }

    /// A client with the rights of a service account that exists.
    ///
    /// # Errors
    /// There is no such service account.
    pub async fn client_as(
        &self,
        namespace: &str,
        service_account: &str,
    ) -> Result<Client, ControlPlaneError> {
        let kubeconfig = self.kubeconfig_as(namespace, service_account).await?;
        Ok(Client::try_from(config(&kubeconfig).await?)?)
    }

    /// Ends a component at once (SIGKILL), as the loss of its machine would. [`ControlPlane::restart`] brings it back.
    pub fn stop(&mut self, component: Component) {
        // Dropping it kills it and waits for its end.
        self.processes.remove(&component);
    }

    /// Starts a component again, ended or not, at the same address and with the same data. The API server is ready
    /// when this returns, unless it or etcd is still stopped.
    ///
    /// # Errors
    /// A component ends by itself or the API server is not ready in time.
    pub async fn restart(&mut self, component: Component) -> Result<(), ControlPlaneError> {
        self.stop(component);
        self.spawn(component)?;
        self.api_server_ready().await
    }

    /// The process of a component that runs.
    #[must_use]
    pub fn process(&self, component: Component) -> Option<&Process> {
        self.processes.get(&component)
    }

    /// The same, to pause and resume it.
    pub fn process_mut(&mut self, component: Component) -> Option<&mut Process> {
        self.processes.get_mut(&component)
    }

    /// Where etcd's clients reach it.
    #[must_use]
    pub fn etcd_url(&self) -> String {
        format!("http://{}", self.etcd.address())
    }

    /// Fails when a component that should run has ended.
    ///
    /// # Errors
    /// Which one, and the end of its log.
    pub fn check(&mut self) -> Result<(), ControlPlaneError> {
        for process in self.processes.values_mut() {
            process.check()?;
        }
        Ok(())
    }

    /// The end of the audit log as of now.
    ///
    /// # Errors
    /// There is none: the options did not ask for it.
    pub fn audit_mark(&self) -> Result<AuditMark, ControlPlaneError> {
        Ok(audit::mark(&self.folder.join(AuditLevel::LOG))?)
    }

    /// The requests since a mark; [`AuditMark::default`] is the start. An answer may be with its client a moment
    /// before it is in the log.
    ///
    /// # Errors
    /// There is none: the options did not ask for it.
    pub fn audit(&self, since: AuditMark) -> Result<Vec<AuditEvent>, ControlPlaneError> {
        Ok(audit::since(&self.folder.join(AuditLevel::LOG), since)?)
    }

    pub(crate) async fn config(&self) -> Result<Config, ControlPlaneError> {
        config(&self.kubeconfig()).await
    }

    fn spawn(&mut self, component: Component) -> Result<(), ControlPlaneError> {
        let site = Site {
            folder: self.folder.path(),
            credentials: &self.credentials,
            etcd: &self.etcd,
            api_server: &self.api_server,
            options: &self.options,
        };
        let command = site.command(component)?;
        let log = self.folder.join(format!("{}.log", component.name()));
        let process = Process::start(component.name(), &command, &log)?;
        self.processes.insert(component, process);
        Ok(())
    }

    async fn api_server_ready(&mut self) -> Result<(), ControlPlaneError> {
        // Everything that `/readyz` needs etcd for fails while etcd is stopped, which may be what the test wants.
        if [Component::Etcd, Component::ApiServer]
            .iter()
            .any(|component| !self.processes.contains_key(component))
        {
            return Ok(());
        }
        let client = self.client().await?;
        self.ready(
            Component::ApiServer,
            "the API server is ready",
            async || {
                let request = http::Request::get("/readyz")
                    .body(Vec::new())
                    .map_err(|error| error.to_string())?;
                client
                    .request_text(request)
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            },
        )
        .await
    }

    async fn make_nodes(&self) -> Result<(), ControlPlaneError> {
        let nodes: Api<Node> = Api::all(self.client().await?);
        for name in NODES {
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}},
            });
            nodes
                .patch(name, &PatchParams::apply("tests"), &Patch::Apply(&node))
                .await?;
        }
        Ok(())
    }

    async fn controllers_ready(&mut self) -> Result<(), ControlPlaneError> {
        let client = self.client().await?;
        let nodes: Api<Node> = Api::all(client.clone());
        self.ready(
            Component::Kwok,
            "the nodes are ready and schedulable",
            async || {
                let nodes = nodes
                    .list(&Default::default())
                    .await
                    .map_err(|error| error.to_string())?;
                match nodes.items.iter().find(|node| !schedulable(node)) {
                    Some(node) => Err(format!("{:?} {:?}", node.metadata.name, node.spec)),
                    None => Ok(()),
                }
            },
        )
        .await?;
        let accounts: Api<ServiceAccount> = Api::default_namespaced(client);
        self.ready(
            Component::ControllerManager,
            "service accounts are made",
            async || {
                accounts
                    .get("default")
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            },
        )
        .await
    }

    /// Waits for a component, and no longer than all of them run.
    async fn ready(
        &mut self,
        component: Component,
        what: &'static str,
        probe: impl AsyncFn() -> Result<(), String>,
    ) -> Result<(), ControlPlaneError> {
        let end = Instant::now() + START;
        loop {
            self.check()?;
            let seen = match tokio::time::timeout_at(end, probe()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(seen)) => seen,
                Err(_) => "no answer".to_owned(),
            };
            if Instant::now() >= end {
                let process = self.processes.get(&component);
                return Err(ControlPlaneError::NotReady {
                    what,
                    waited: START,
                    seen,
                    log: process
                        .map(|process| process.log().to_owned())
                        .unwrap_or_default(),
                    tail: process.map(Process::tail).unwrap_or_default(),
                });
            }
            sleep(POLL).await;
        }
    }
}

/// Ready, and the controller-manager has seen it: a new node is tainted until then.
fn schedulable(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    ready && taints.is_none_or(Vec::is_empty)
}

async fn config(kubeconfig: &Path) -> Result<Config, ControlPlaneError> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}
