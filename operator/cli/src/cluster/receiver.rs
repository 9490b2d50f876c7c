//! Receivers: their objects are applied where they differ, taken away once nothing uses them any more, and asked whether
//! they answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
};
use kube::{Client, ResourceExt};
use serde_json::json;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::env::Hasher;
use tracewright_core::identity::ProfileRef;
use tracewright_core::receiver::{
    Object, ObjectKind, asked_at, owned_by, pod_selector, without_additions,
};
use tracewright_core::report::Fact;
use tracewright_core::rollout::{Rollout, judge};
use tracewright_core::workload::{Workload, WorkloadKind};
use tracewright_xray::contract::{condition::reason, name};

use super::pods;
use super::proxy::Proxies;
use crate::metrics::Metrics;
use crate::operator::world::reference;

/// How it is found out whether a receiver is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Check {
    /// Its proxy answers a request for sampling rules, which also shows that its credentials work.
    Proxy,
    /// Its pods are available. For an operator that cannot reach receivers, for example one outside of the cluster.
    Pods,
}

/// Keeps receivers.
pub(super) struct Receivers {
    client: Client,
    proxies: Proxies,
    check: Check,
    kept: Mutex<HashMap<ProfileRef, Kept>>,
}

/// What is known of a receiver's objects.
#[derive(Default)]
struct Kept {
    /// The hash of what was applied last, and the version that the API server made of it: an object is left alone while
    /// both are the same.
    applied: BTreeMap<ObjectKind, (String, String)>,
    /// Kinds of which there is none of ours. Only we make them, so there is no need to look again.
    absent: BTreeSet<ObjectKind>,
}

/// Why a receiver could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "{kind} {name} exists and does not belong to this profile: rename the profile, or remove that object"
    )]
    NameTaken { kind: ObjectKind, name: String },
    #[error("{kind} {name} cannot be {done}: {source}")]
    Kubernetes {
        kind: ObjectKind,
        name: String,
        done: &'static str,
        source: Box<kube::Error>,
    },
}

impl Error {
    /// The error as condition ReceiverReady.
    pub(super) fn fact(&self) -> Fact {
        let reason = match self {
            Self::NameTaken { .. } => reason::NAME_TAKEN,
            Self::Kubernetes { .. } => reason::PROGRESSING,
        };
        Fact::no(reason, self.to_string())
    }

    fn kubernetes(
        kind: ObjectKind,
        name: &str,
        done: &'static str,
    ) -> impl FnOnce(kube::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Kubernetes {
            kind,
            name,
            done,
            source: Box::new(source),
        }
    }
}

impl Receivers {
    pub(super) fn new(
        client: Client,
        check: Check,
        metrics: Arc<Metrics>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client,
            proxies: Proxies::new(metrics)?,
            check,
            kept: Mutex::default(),
        })
    }

    /// Brings the objects of a profile's receiver where they should be.
    pub(super) async fn keep(
        &self,
        profile: &ObservabilityProfile,
        objects: &[Object],
    ) -> Result<(), Error> {
        for object in objects {
            self.keep_one(profile, object).await?;
        }
        Ok(())
    }

    /// How a receiver is. `workload` finds its own workload among the watched ones.
    pub(super) async fn look(
        &self,
        profile: &ObservabilityProfile,
        objects: &[Object],
        address: Option<&str>,
        workload: impl Fn(WorkloadKind, &str) -> Option<Workload>,
    ) -> Fact {
        let Some(address) = address else {
            return Fact::yes(reason::NOT_DECLARED, "the profile declares no receiver");
        };
        let namespace = profile.namespace().unwrap_or_default();
        let name = name::receiver(&profile.name_any());
        let kind = objects.iter().find_map(|object| match object.kind {
            ObjectKind::Deployment => Some(WorkloadKind::Deployment),
            ObjectKind::DaemonSet => Some(WorkloadKind::DaemonSet),
            _ => None,
        });
        if let Some(kind) = kind {
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
        }
        let asked = match (self.check, kind) {
            (Check::Pods, _) => None,
            (Check::Proxy, Some(WorkloadKind::DaemonSet)) => {
                match self.on_some_node(profile).await {
                    Ok(address) => Some(address),
                    Err(fact) => return fact,
                }
            }
            (Check::Proxy, _) => asked_at(address, &namespace),
        };
        if let Some(asked) = &asked
            && let Err(fact) = self.proxies.ask(asked).await
        {
            return fact;
        }
        match (kind, asked) {
            (Some(_), Some(asked)) => {
                Fact::yes(reason::AVAILABLE, format!("{asked} serves sampling rules"))
            }
            (Some(kind), None) => Fact::yes(
                reason::AVAILABLE,
                format!("the pods of {kind} {name} are available"),
            ),
            (None, Some(asked)) => Fact::yes(
                reason::EXTERNAL,
                format!("workloads use {address}, and {asked} serves sampling rules"),
            ),
            (None, None) => Fact::yes(
                reason::EXTERNAL,
                format!("workloads use {address}; it was not asked"),
            ),
        }
    }

    /// Where a receiver with a pod on each node is asked. Its Service leads to the pod of the asking node, and the operator's
    /// own may be one that is meant to have none.
    async fn on_some_node(&self, profile: &ObservabilityProfile) -> Result<String, Fact> {
        let selector = pod_selector(&profile.name_any());
        let namespace = profile.namespace().unwrap_or_default();
        let name = name::receiver(&profile.name_any());
        match pods::ready(&self.client, &namespace, &selector, &name).await {
            Ok(Some(ip)) => Ok(SocketAddr::new(ip, name::RECEIVER_PORT).to_string()),
            Ok(None) => Err(Fact::no(
                reason::PROGRESSING,
                "none of the DaemonSet's pods is ready: check that its nodeSelector and tolerations match a node",
            )),
            Err(error) => Err(Fact::no(
                reason::PROGRESSING,
                format!("the DaemonSet's pods cannot be listed: {error}"),
            )),
        }
    }

    async fn keep_one(&self, profile: &ObservabilityProfile, object: &Object) -> Result<(), Error> {
        let me = reference(profile);
        let name = name::receiver(&me.name);
        let api = self.api(&me.namespace, object.kind);
        let failed = |done| Error::kubernetes(object.kind, &name, done);
        let current = api.get_opt(&name).await.map_err(failed("read"))?;
        let mut hasher = Hasher::default();
        hasher.text(&object.body.to_string());
        let wanted = hasher.finish().to_string();
        if let Some(current) = &current {
            let body = serde_json::to_value(current).unwrap_or_default();
            if !owned_by(profile, &body) {
                return Err(Error::NameTaken {
                    kind: object.kind,
                    name,
                });
            }
            let known = (wanted.clone(), version(current));
            if self.with(&me, |kept| kept.applied.get(&object.kind) == Some(&known)) {
                return Ok(());
            }
            if let Some(mut patch) = without_additions(&object.body, &body) {
                patch["metadata"] = json!({"resourceVersion": current.resource_version()});
                api.patch(&name, &manager(), &Patch::Merge(&patch))
                    .await
                    .map_err(failed("written"))?;
            }
        }
        // Forced: the operator alone has a say in the fields that it applies, and takes them back from whoever changed
        // them.
        let params = PatchParams::apply(name::FIELD_MANAGER).force();
        let applied = api
            .patch(&name, &params, &Patch::Apply(&object.body))
            .await
            .map_err(failed("written"))?;
        self.with(&me, |kept| {
            kept.absent.remove(&object.kind);
            kept.applied
                .insert(object.kind, (wanted, version(&applied)));
        });
        Ok(())
    }

    /// Removes the receiver's objects of kinds that are no longer wanted.
    pub(super) async fn remove_except(
        &self,
        profile: &ObservabilityProfile,
        wanted: &[Object],
    ) -> Result<(), Error> {
        let me = reference(profile);
        let name = name::receiver(&me.name);
        for kind in ObjectKind::ALL {
            if wanted.iter().any(|object| object.kind == kind)
                || self.with(&me, |kept| kept.absent.contains(&kind))
            {
                continue;
            }
            let api = self.api(&me.namespace, kind);
            if let Some(object) = self.ours(profile, &api, kind).await? {
                let params = DeleteParams::background().preconditions(kube::api::Preconditions {
                    uid: object.uid(),
                    resource_version: None,
                });
                match api.delete(&name, &params).await {
                    Ok(_) => {}
                    // Gone, or another one by now: the next look tells.
                    Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                    Err(error) => return Err(Error::kubernetes(kind, &name, "removed")(error)),
                }
            }
            self.with(&me, |kept| {
                kept.applied.remove(&kind);
                kept.absent.insert(kind);
            });
        }
        Ok(())
    }

    /// Lets the objects outlive the profile: they lose their owner. A profile of the same name takes them up again.
    pub(super) async fn release(&self, profile: &ObservabilityProfile) -> Result<(), Error> {
        let me = reference(profile);
        let name = name::receiver(&me.name);
        for kind in ObjectKind::ALL {
            let api = self.api(&me.namespace, kind);
            let Some(object) = self.ours(profile, &api, kind).await? else {
                continue;
            };
            let uid = profile.uid().unwrap_or_default();
            let mut owners = object.metadata.owner_references.clone().unwrap_or_default();
            owners.retain(|owner| owner.uid != uid);
            let patch = json!({"metadata": {
                "resourceVersion": object.resource_version(),
                "ownerReferences": owners,
            }});
            match api.patch(&name, &manager(), &Patch::Merge(&patch)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(Error::kubernetes(kind, &name, "released")(error)),
            }
        }
        Ok(())
    }

    /// Forgets all profiles but those that live.
    pub(super) fn retain(&self, lives: impl Fn(&ProfileRef) -> bool) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|profile, _| lives(profile));
    }

    /// The object of the receiver's name, if it is the profile's. What may not be read is none of ours: an operator that
    /// is not to run receivers has no right to.
    async fn ours(
        &self,
        profile: &ObservabilityProfile,
        api: &Api<DynamicObject>,
        kind: ObjectKind,
    ) -> Result<Option<DynamicObject>, Error> {
        let name = name::receiver(&profile.name_any());
        let found = match api.get_opt(&name).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 403 => None,
            Err(error) => return Err(Error::kubernetes(kind, &name, "read")(error)),
        };
        Ok(found
            .filter(|object| owned_by(profile, &serde_json::to_value(object).unwrap_or_default())))
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

    fn with<T>(&self, profile: &ProfileRef, change: impl FnOnce(&mut Kept) -> T) -> T {
        // Only whole entries are put in, so a poisoned map is still usable.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        change(kept.entry(profile.clone()).or_default())
    }
}

fn manager() -> PatchParams {
    PatchParams {
        field_manager: Some(name::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// What changes when somebody changes what we applied. Where there is a generation it counts instead of the
/// resourceVersion, because status changes are none of it; the metadata that is ours goes along.
fn version(object: &DynamicObject) -> String {
    let uid = object.uid().unwrap_or_default();
    match object.metadata.generation {
        Some(generation) => {
            let mut hasher = Hasher::default();
            hasher.text(
                &json!([object.metadata.labels, object.metadata.owner_references]).to_string(),
            );
            format!("{uid} generation {generation} {}", hasher.finish())
        }
        None => format!(
            "{uid} version {}",
            object.resource_version().unwrap_or_default()
        ),
    }
}
