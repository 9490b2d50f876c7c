//! Workloads as they are watched: what matters is read out of the API server's answer, the rest is skipped while parsing.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer};
use tracewright_core::workload::{Workload, WorkloadKind};

/// A kind of the Kubernetes API that is injected.
pub trait Injected:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Send + Sync + 'static
{
    /// The kind, as the decisions know it.
    const KIND: WorkloadKind;
}

impl Injected for Deployment {
    const KIND: WorkloadKind = WorkloadKind::Deployment;
}

impl Injected for StatefulSet {
    const KIND: WorkloadKind = WorkloadKind::StatefulSet;
}

impl Injected for DaemonSet {
    const KIND: WorkloadKind = WorkloadKind::DaemonSet;
}

impl Injected for CronJob {
    const KIND: WorkloadKind = WorkloadKind::CronJob;
}

/// A workload of the kind `K`.
pub struct Slim<K> {
    metadata: ObjectMeta,
    /// What is known of it.
    pub workload: Arc<Workload>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Slim<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            workload: self.workload.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Slim<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slim").field(&self.workload).finish()
    }
}

impl<'de, K: Injected> Deserialize<'de> for Slim<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let workload = K::KIND.deserialize(deserializer)?;
        let metadata = ObjectMeta {
            name: Some(workload.name.clone()),
            namespace: Some(workload.namespace.clone()),
            uid: Some(workload.uid.clone()),
            resource_version: Some(workload.resource_version.clone()),
            ..ObjectMeta::default()
        };
        Ok(Self {
            metadata,
            workload: Arc::new(workload),
            kind: PhantomData,
        })
    }
}

impl<K: Injected> Resource for Slim<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
