//! Receivers: their objects are applied where they differ, taken away where they are no longer wanted, and asked whether
//! they answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
};
use kube::{Client, ResourceExt};
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::env::Hasher;
use tracewright_core::receiver::{self, Defaults, Object, ObjectKind, owned_by};
use tracewright_core::report::Fact;
use tracewright_core::rollout::{Rollout, judge};
use tracewright_core::workload::{Workload, WorkloadKind};
use tracewright_xray::contract::{condition::reason, name};

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How it is found out whether a receiver is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Check {
    /// Its proxy answers a request for sampling rules, which also shows that its credentials work.
    Proxy,
    /// Its pods are available. For an operator that cannot reach pods, for example one outside of the cluster.
    Pods,
}

/// Keeps receivers.
pub(super) struct Receivers {
    client: Client,
    http: reqwest::Client,
    check: Check,
    /// What was applied last and what the API server made of it: the object is left alone while both are the same.
    applied: Mutex<Applied>,
}

/// By namespace, name and kind: the hash of what was applied, and the version that the API server made of it.
type Applied = HashMap<(String, String, ObjectKind), (String, String)>;

/// Why a receiver could not be kept.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "{kind} {name} exists and does not belong to this profile: rename the profile, or remove that object"
    )]
    NameTaken { kind: ObjectKind, name: String },
    #[error("{kind} {name} cannot be written: {source}")]
    Kubernetes {
        kind: ObjectKind,
        name: String,
        source: Box<kube::Error>,
    },
}

impl Receivers {
    pub(super) fn new(client: Client, check: Check) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            http,
            check,
            applied: Mutex::default(),
        })
    }

    /// Brings a profile's receiver where it should be and says how it is. `workload` finds the receiver's own workload
    /// among the watched ones.
    pub(super) async fn sync(
        &self,
        profile: &ObservabilityProfile,
        defaults: &Defaults<'_>,
        address: Option<&str>,
        workload: impl Fn(WorkloadKind, &str) -> Option<std::sync::Arc<Workload>>,
    ) -> Fact {
        let namespace = profile.namespace().unwrap_or_default();
        let objects = receiver::objects(profile, defaults);
        for object in &objects {
            if let Err(error) = self.keep(profile, &namespace, object).await {
                let reason = match &error {
                    Error::NameTaken { .. } => reason::NAME_TAKEN,
                    Error::Kubernetes { .. } => reason::PROGRESSING,
                };
                return Fact::no(reason, error.to_string());
            }
        }
        if let Err(error) = self.remove_except(profile, &namespace, &objects).await {
            return Fact::no(reason::PROGRESSING, error.to_string());
        }
        let Some(address) = address else {
            return Fact::yes(reason::NOT_DECLARED, "the profile declares no receiver");
        };
        if objects.is_empty() {
            return Fact::yes(reason::EXTERNAL, format!("workloads use {address}"));
        }
        let name = name::receiver(&profile.name_any());
        let kind = if objects
            .iter()
            .any(|object| object.kind == ObjectKind::DaemonSet)
        {
            WorkloadKind::DaemonSet
        } else {
            WorkloadKind::Deployment
        };
        match workload(kind, &name).map(|workload| judge(&workload, &[])) {
            Some(Rollout::Complete) => {}
            Some(Rollout::Failed(evidence)) => {
                return Fact::no(
                    reason::PROGRESSING,
                    format!("{kind} {name} does not get on: {evidence}"),
                );
            }
            _ => {
                return Fact::no(
                    reason::PROGRESSING,
                    format!("{kind} {name} is not available yet"),
                );
            }
        }
        match self.check {
            Check::Pods => Fact::yes(
                reason::AVAILABLE,
                format!("the pods of {kind} {name} are available"),
            ),
            Check::Proxy => {
                self.ask(&format!("{name}.{namespace}.svc:{}", name::RECEIVER_PORT))
                    .await
            }
        }
    }

    async fn ask(&self, address: &str) -> Fact {
        let url = format!("http://{address}/GetSamplingRules");
        match self.http.post(&url).body("{}").send().await {
            Ok(answer) if answer.status().is_success() => Fact::yes(
                reason::AVAILABLE,
                format!("{address} serves sampling rules"),
            ),
            Ok(answer) if matches!(answer.status().as_u16(), 400 | 401 | 403) => Fact::no(
                reason::PROXY_FORBIDDEN,
                format!(
                    "{address} answers {}: give the receiver credentials that allow xray:GetSamplingRules (credentialsSecret, serviceAccountName or serviceAccountAnnotations)",
                    answer.status()
                ),
            ),
            Ok(answer) => Fact::no(
                reason::PROXY_UNREACHABLE,
                format!(
                    "{address} answers {}: see the log of the receiver's pods",
                    answer.status()
                ),
            ),
            Err(error) => Fact::no(
                reason::PROXY_UNREACHABLE,
                format!(
                    "{address} does not answer: {}. Check NetworkPolicies between the operator and the receiver",
                    error.without_url()
                ),
            ),
        }
    }

    async fn keep(
        &self,
        profile: &ObservabilityProfile,
        namespace: &str,
        object: &Object,
    ) -> Result<(), Error> {
        let name = name::receiver(&profile.name_any());
        let api = self.api(namespace, object.kind);
        let failed = |source| Error::Kubernetes {
            kind: object.kind,
            name: name.clone(),
            source: Box::new(source),
        };
        let current = api.get_opt(&name).await.map_err(failed)?;
        let mut hasher = Hasher::default();
        hasher.text(&object.body.to_string());
        let wanted = hasher.finish().to_string();
        let place = (namespace.to_owned(), name.clone(), object.kind);
        if let Some(current) = &current {
            let body = serde_json::to_value(current).unwrap_or_default();
            if !owned_by(profile, &body) {
                return Err(Error::NameTaken {
                    kind: object.kind,
                    name,
                });
            }
            let known = (wanted.clone(), version(current));
            if self.applied().get(&place) == Some(&known) {
                return Ok(());
            }
        }
        // Forced: the operator alone has a say in the fields that it applies, and takes them back from whoever changed
        // them.
        let params = PatchParams::apply(name::FIELD_MANAGER).force();
        let applied = api
            .patch(&name, &params, &Patch::Apply(&object.body))
            .await
            .map_err(failed)?;
        self.applied().insert(place, (wanted, version(&applied)));
        Ok(())
    }

    /// Removes the receiver's objects of kinds that are no longer wanted.
    async fn remove_except(
        &self,
        profile: &ObservabilityProfile,
        namespace: &str,
        wanted: &[Object],
    ) -> Result<(), Error> {
        let name = name::receiver(&profile.name_any());
        for kind in ObjectKind::ALL {
            if wanted.iter().any(|object| object.kind == kind) {
                continue;
            }
            let api = self.api(namespace, kind);
            let failed = |source| Error::Kubernetes {
                kind,
                name: name.clone(),
                source: Box::new(source),
            };
            let Some(current) = api.get_opt(&name).await.map_err(failed)? else {
                continue;
            };
            if !owned_by(profile, &serde_json::to_value(&current).unwrap_or_default()) {
                continue;
            }
            match api.delete(&name, &DeleteParams::background()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(failed(error)),
            }
            self.applied()
                .remove(&(namespace.to_owned(), name.clone(), kind));
        }
        Ok(())
    }

    fn api(&self, namespace: &str, kind: ObjectKind) -> Api<DynamicObject> {
        let (group, version) = kind
            .api_version()
            .split_once('/')
            .unwrap_or(("", kind.api_version()));
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(group, version, kind.as_str()),
            kind.plural(),
        );
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    fn applied(&self) -> MutexGuard<'_, Applied> {
        // Only whole entries are put in, so a poisoned map is still usable.
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes when somebody changes what we applied: the generation where there is one, because status changes do not
/// count; else the resourceVersion.
fn version(object: &DynamicObject) -> String {
    let uid = object.uid().unwrap_or_default();
    match object.metadata.generation {
        Some(generation) => format!("{uid} generation {generation}"),
        None => format!(
            "{uid} version {}",
            object.resource_version().unwrap_or_default()
        ),
    }
}
