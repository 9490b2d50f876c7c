//! A cluster that knows the resource, an AWS of its own, and a namespace: where one operator and its replicas work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{self, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracewright_core::crd::{self, ObservabilityProfile};
use tracewright_xray::contract::name::LEASE;

use crate::aws::Aws;
use crate::chart;
use crate::control_plane::{AuditLevel, AuditMark, ControlPlane, Options};
use crate::eventually::{NotYet, SHORT, eventually};
use crate::namespace::Namespace;
use crate::operator::Launch;
use crate::rights;

/// Control planes at the same time; each takes half a gigabyte.
const MAX_CONTROL_PLANES: usize = 4;

/// The service account of the operators.
const ACCOUNT: &str = "operator";

/// The service account of who runs the commands.
const PERSON: &str = "person";

/// What the operators call the cluster in tags.
pub const CLUSTER: &str = "tests";

/// Everything that the operator calls.
const OPERATIONS: [&str; 22] = [
    "xray.GetGroups",
    "xray.GetSamplingRules",
    "xray.GetSamplingStatisticSummaries",
    "xray.ListTagsForResource",
    "xray.CreateGroup",
    "xray.UpdateGroup",
    "xray.DeleteGroup",
    "xray.CreateSamplingRule",
    "xray.UpdateSamplingRule",
    "xray.DeleteSamplingRule",
    "xray.TagResource",
    "xray.UntagResource",
    "logs.DescribeLogGroups",
    "logs.ListLogGroups",
    "logs.ListTagsForResource",
    "logs.CreateLogGroup",
    "logs.DeleteLogGroup",
    "logs.PutRetentionPolicy",
    "logs.AssociateKmsKey",
    "logs.PutLogGroupDeletionProtection",
    "logs.TagResource",
    "logs.UntagResource",
];

static ROOM: Semaphore = Semaphore::const_new(MAX_CONTROL_PLANES);
static IDLE: Mutex<Vec<ControlPlane>> = Mutex::new(Vec::new());

/// An operator looks after all profiles of its cluster, so each test has a control plane without controllers for itself.
/// They are handed from test to test: starting one costs more than most tests do.
pub struct Installation {
    control_plane: Option<ControlPlane>,
    namespace: Namespace,
    kubeconfig: PathBuf,
    aws: Aws,
    reusable: bool,
    _room: SemaphorePermit<'static>,
}

impl Installation {
    /// A cluster without profiles, with an audit log, and an AWS as it is handed out.
    ///
    /// # Errors
    /// The control plane does not start, or refuses the resource.
    pub async fn new() -> Result<Self> {
        let room = ROOM.acquire().await?;
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let control_plane = match idle {
            Some(control_plane) => {
                let client = control_plane.client().await?;
                remove_profiles(client.clone()).await?;
                remove_leases(client).await?;
                control_plane
            }
            None => {
                let options = Options::without_controllers().audit(AuditLevel::Metadata);
                let control_plane = ControlPlane::start(options).await?;
                install(control_plane.client().await?).await?;
                control_plane
            }
        };
        Self::on(control_plane, true, room).await
    }

    /// The same, with all controllers and nodes, for what runs in pods; ends with its test.
    ///
    /// # Errors
    /// See [`Installation::new`].
    pub async fn with_controllers() -> Result<Self> {
        let room = ROOM.acquire().await?;
        let control_plane =
            ControlPlane::start(Options::default().audit(AuditLevel::Metadata)).await?;
        install(control_plane.client().await?).await?;
        Self::on(control_plane, false, room).await
    }

    async fn on(
        control_plane: ControlPlane,
        reusable: bool,
        room: SemaphorePermit<'static>,
    ) -> Result<Self> {
        let namespace = Namespace::create(&control_plane, "team").await?;
        let kubeconfig = admit(&control_plane, &namespace, ACCOUNT).await?;
        let aws = Aws::start()?;
        Ok(Self {
            control_plane: Some(control_plane),
            namespace,
            kubeconfig,
            aws,
            reusable,
            _room: room,
        })
    }

    /// Where the profiles are made that name no other namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// AWS.
    #[must_use]
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The control plane.
    ///
    /// # Panics
    /// Never: it is there until this is dropped.
    #[must_use]
    pub fn control_plane(&self) -> &ControlPlane {
        self.control_plane.as_ref().expect("only drop takes it")
    }

    /// The control plane, to stop and start its components. It is not handed to another test afterwards.
    ///
    /// # Panics
    /// Never: it is there until this is dropped.
    pub fn control_plane_mut(&mut self) -> &mut ControlPlane {
        self.reusable = false;
        self.control_plane.as_mut().expect("only drop takes it")
    }

    /// An operator with its Lease in [`Installation::namespace`] that looks for drift only when it is asked to.
    #[must_use]
    pub fn operator(&self) -> Launch {
        // One that is killed and started again is the same replica, and need not wait for its own Lease.
        self.launch(&self.kubeconfig, "operator-0")
    }

    /// The same operator as a replica of this name, with a service account of this name, so that its requests can be told
    /// from those of others.
    ///
    /// # Errors
    /// The API server refuses the service account.
    pub async fn replica(&self, name: &str) -> Result<Launch> {
        let kubeconfig = admit(self.control_plane(), &self.namespace, name).await?;
        Ok(self.launch(&kubeconfig, name))
    }

    fn launch(&self, kubeconfig: &Path, replica: &str) -> Launch {
        Launch::new(kubeconfig)
            .aws(&self.aws)
            .env("POD_NAMESPACE", self.namespace.name())
            .env("POD_NAME", replica)
            .env("TRACEWRIGHT_CLUSTER_NAME", CLUSTER)
            .env("TRACEWRIGHT_DRIFT_INTERVAL", "1h")
            .env("TRACEWRIGHT_TAG_SETTLE_TIME", "1s")
    }

    /// Who the operator is to the API server.
    #[must_use]
    pub fn operator_user(&self) -> String {
        self.user(ACCOUNT)
    }

    /// Who a replica is to the API server.
    #[must_use]
    pub fn user(&self, replica: &str) -> String {
        format!("system:serviceaccount:{}:{replica}", self.namespace.name())
    }

    /// Takes all rights away from the operator.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn revoke(&self) -> Result<()> {
        chart::revoke(&self.namespace.client(), self.namespace.name(), ACCOUNT).await
    }

    /// Gives them back.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn grant(&self) -> Result<()> {
        chart::grant(&self.namespace.client(), self.namespace.name(), ACCOUNT).await
    }

    /// Who runs commands in [`Installation::person`]'s name, to the API server.
    #[must_use]
    pub fn person_user(&self) -> String {
        format!("system:serviceaccount:{}:{PERSON}", self.namespace.name())
    }

    /// The kubeconfig of somebody who may do everything: of who runs the commands.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn person(&self) -> Result<PathBuf> {
        let (client, namespace) = (self.namespace.client(), self.namespace.name());
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": PERSON, "namespace": namespace},
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{namespace}-{PERSON}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": PERSON, "namespace": namespace}],
        });
        chart::apply(&client, &[account, binding]).await?;
        let person: Api<v1::Namespace> =
            Api::all(self.control_plane().client_as(namespace, PERSON).await?);
        eventually(SHORT, "the person's rights are in force", async || {
            person.get("kube-system").await
        })
        .await?;
        Ok(self
            .control_plane()
            .kubeconfig_as(namespace, PERSON)
            .await?)
    }

    /// The same operator, with an AWS that takes as many calls a second as come.
    ///
    /// # Errors
    /// The emulator refuses.
    pub async fn hurried_operator(&self) -> Result<Launch> {
        self.aws.control().set_rate("*", 10_000.0, 10_000.0).await?;
        let rates = OPERATIONS.map(|operation| format!("{operation}=10000:10000"));
        Ok(self.operator().env("TRACEWRIGHT_AWS_RATE", rates.join(",")))
    }

    /// The profiles of [`Installation::namespace`].
    #[must_use]
    pub fn profiles(&self) -> Api<ObservabilityProfile> {
        self.namespace.api()
    }

    /// Applies a profile, as `kubectl apply --server-side` does.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn apply(&self, name: &str, spec: Value) -> Result<ObservabilityProfile> {
        apply(&self.profiles(), name, spec).await
    }

    /// Sets annotations of [`Installation::namespace`], as its admin.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn allow(&self, annotations: &[(&str, &str)]) -> Result<()> {
        allow(&self.namespace, annotations).await
    }
}

impl Installation {
    /// Keeps what the operators have used of their rights until now, for `used-rights`.
    pub(crate) fn keep_used_rights(&self) {
        if std::thread::panicking() || !rights::wanted() {
            return;
        }
        let operator = self.operator_user();
        let kept = self
            .control_plane()
            .audit(AuditMark::default())
            .map_err(anyhow::Error::from)
            .and_then(|events| {
                Ok(rights::keep(&rights::used(&events, |user| {
                    user == operator
                }))?)
            });
        if let Err(error) = kept {
            // `used-rights` then misses what was used here, and says so.
            println!("the used rights are not kept: {error:#}");
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.keep_used_rights();
        // After a failure the logs in its folder are worth more than the time to start another.
        if self.reusable && !std::thread::panicking() {
            IDLE.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(self.control_plane.take());
        }
    }
}

/// A service account for an operator, so that its requests can be told from the test's. What it is allowed to do is what the
/// chart grants.
async fn admit(
    control_plane: &ControlPlane,
    namespace: &Namespace,
    account: &str,
) -> Result<PathBuf> {
    let wanted: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": account}}))?;
    namespace
        .api()
        .create(&PostParams::default(), &wanted)
        .await?;
    chart::grant(&namespace.client(), namespace.name(), account).await?;
    let operator: Api<v1::Namespace> =
        Api::all(control_plane.client_as(namespace.name(), account).await?);
    eventually(SHORT, "the operator's rights are in force", async || {
        operator.get("kube-system").await
    })
    .await?;
    Ok(control_plane
        .kubeconfig_as(namespace.name(), account)
        .await?)
}

/// Applies a profile, as `kubectl apply --server-side` does.
///
/// # Errors
/// The API server refuses it.
pub async fn apply(
    profiles: &Api<ObservabilityProfile>,
    name: &str,
    spec: Value,
) -> Result<ObservabilityProfile> {
    let profile = json!({
        "apiVersion": "tracewright.dev/v1alpha1",
        "kind": "ObservabilityProfile",
        "metadata": {"name": name},
        "spec": spec,
    });
    let params = PatchParams::apply("user").force();
    profiles
        .patch(name, &params, &Patch::Apply(&profile))
        .await
        .with_context(|| format!("profile {name}"))
}

/// Sets annotations of a namespace, as its admin; an empty value removes one.
///
/// # Errors
/// The API server refuses.
pub async fn allow(namespace: &Namespace, annotations: &[(&str, &str)]) -> Result<()> {
    let annotations: BTreeMap<_, _> = annotations
        .iter()
        .map(|(key, value)| (*key, (!value.is_empty()).then_some(*value)))
        .collect();
    let patch = json!({"metadata": {"annotations": annotations}});
    let namespaces: Api<v1::Namespace> = Api::all(namespace.client());
    namespaces
        .patch(
            namespace.name(),
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await?;
    Ok(())
}

/// Teaches a cluster the resource.
///
/// # Errors
/// The API server refuses it.
pub async fn install(client: Client) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    let definition = crd::definition();
    let name = definition.name_any();
    definitions
        .patch(
            &name,
            &PatchParams::apply("tests"),
            &Patch::Apply(&definition),
        )
        .await?;
    await_condition(definitions, &name, is_crd_established()).await?;
    Ok(())
}

/// Removes the Leases of the last test's operators, which have ended.
async fn remove_leases(client: Client) -> Result<()> {
    let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    let leases = Api::<Lease>::all(client.clone()).list(&named).await?;
    for lease in leases {
        let namespace = lease.namespace().unwrap_or_default();
        Api::<Lease>::namespaced(client.clone(), &namespace)
            .delete(LEASE, &DeleteParams::default())
            .await?;
    }
    Ok(())
}

/// Removes what the last test left, whatever holds it.
async fn remove_profiles(client: Client) -> Result<(), NotYet> {
    let all: Api<ObservabilityProfile> = Api::all(client.clone());
    eventually(SHORT, "the last test's profiles are gone", async || {
        let profiles = all
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?
            .items;
        for profile in &profiles {
            let namespace = profile.namespace().unwrap_or_default();
            let (own, name) = (
                Api::<ObservabilityProfile>::namespaced(client.clone(), &namespace),
                profile.name_any(),
            );
            let free = json!({"metadata": {"finalizers": null}});
            // Each of the two may be what ends it; the next look tells.
            let _ = own.delete(&name, &DeleteParams::default()).await;
            let _ = own
                .patch(&name, &PatchParams::default(), &Patch::Merge(&free))
                .await;
        }
        if profiles.is_empty() {
            Ok(())
        } else {
            Err(format!("{} are there", profiles.len()))
        }
    })
    .await
}
