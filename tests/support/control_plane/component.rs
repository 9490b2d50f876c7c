//! The programs of a control plane and the flags that make each of them one of ours.

use std::path::Path;
use std::process::Command;

use super::credentials::{Credentials, Identity};
use super::options::{AuditLevel, Options};
use crate::cache::{self, MissingProgram};
use crate::port::Port;

/// A program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Where the API server keeps everything.
    Etcd,
    /// The API, with admission, CEL, RBAC and server-side apply.
    ApiServer,
    /// Rollouts, garbage collection, namespaces' end, service accounts.
    ControllerManager,
    /// Gives pods their nodes.
    Scheduler,
    /// Plays the kubelets: pods become ready, complete, crash and go, and nothing runs in them.
    Kwok,
}

impl Component {
    /// The program's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Component::Etcd => "etcd",
            Component::ApiServer => "kube-apiserver",
            Component::ControllerManager => "kube-controller-manager",
            Component::Scheduler => "kube-scheduler",
            Component::Kwok => "kwok",
        }
    }
}

/// What all components of one control plane share.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) folder: &'a Path,
    pub(super) credentials: &'a Credentials,
    pub(super) etcd: &'a Port,
    pub(super) api_server: &'a Port,
    pub(super) options: &'a Options,
}

impl Site<'_> {
    /// The command line of a component.
    pub(super) fn command(&self, component: Component) -> Result<Command, MissingProgram> {
        let mut command = Command::new(cache::program(component.name())?);
        command.current_dir(self.folder);
        command.args(match component {
            Component::Etcd => self.etcd(),
            Component::ApiServer => self.api_server(),
            Component::ControllerManager => self.controller_manager(),
            Component::Scheduler => self.scheduler(),
            Component::Kwok => self.kwok()?,
        });
        command.args(self.options.flags(component));
        Ok(command)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn etcd(&self) -> Vec<String> {
        let url = format!("http://{}", self.etcd.address());
        vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            // There are no peers, and no port has to be known.
            "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
            // Nothing here has to survive a power failure; a killed process loses nothing by it.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ]
    }

    fn api_server(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--etcd-servers=http://{}", self.etcd.address()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.api_server.number()),
            // The Service `kubernetes` would need an address other machines reach; nothing here calls it.
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            format!("--cert-dir={}", self.path("certificates")),
            format!(
                "--tls-cert-file={}",
                self.path(Credentials::SERVER_CERTIFICATE)
            ),
            format!(
                "--tls-private-key-file={}",
                self.path(Credentials::SERVER_KEY)
            ),
            format!("--token-auth-file={}", self.path(Credentials::TOKENS)),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!(
                "--service-account-key-file={}",
                self.path(Credentials::SERVICE_ACCOUNT_PUBLIC_KEY)
            ),
            format!(
                "--service-account-signing-key-file={}",
                self.path(Credentials::SERVICE_ACCOUNT_KEY)
            ),
        ];
        if self.options.audit != AuditLevel::None {
            flags.extend([
                format!("--audit-policy-file={}", self.path(AuditLevel::POLICY)),
                format!("--audit-log-path={}", self.path(AuditLevel::LOG)),
                // A reader keeps its place in the file.
                "--audit-log-maxsize=0".to_owned(),
            ]);
        }
        flags
    }

    fn controller_manager(&self) -> Vec<String> {
        let mut flags = self.client(Identity::ControllerManager);
        flags.extend([
            // Each controller with its own account and rights, as a cluster made by kubeadm has it.
            "--use-service-account-credentials=true".to_owned(),
            format!(
                "--service-account-private-key-file={}",
                self.path(Credentials::SERVICE_ACCOUNT_KEY)
            ),
            format!("--root-ca-file={}", self.path(Credentials::AUTHORITY)),
        ]);
        flags
    }

    fn scheduler(&self) -> Vec<String> {
        self.client(Identity::Scheduler)
    }

    /// Of a single replica that serves nothing itself.
    fn client(&self, identity: Identity) -> Vec<String> {
        vec![
            format!(
                "--kubeconfig={}",
                self.credentials.kubeconfig(identity).display()
            ),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // Their own bounds are for clusters that others have to live in.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
        ]
    }

    fn kwok(&self) -> Result<Vec<String>, MissingProgram> {
        let stages = cache::program("kwok.stages.yaml")?;
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/stages/pod-crash-loop.yaml");
        Ok(vec![
            format!(
                "--kubeconfig={}",
                self.credentials.kubeconfig(Identity::Kwok).display()
            ),
            "--manage-all-nodes=true".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
            format!("--config={}", stages.display()),
            format!("--config={}", ours.display()),
        ])
    }
}
