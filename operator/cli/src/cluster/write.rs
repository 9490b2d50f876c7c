//! Decision → API server: the only writer to workloads.

use std::sync::Arc;

use kube::Client;
use kube::api::{Patch as ApiPatch, PatchParams};
use serde::de::DeserializeSeed;
use tracewright_core::inject::Patch;
use tracewright_core::workload::{Workload, WorkloadKind};
use tracewright_xray::contract::name;

use super::store::Workloads;
use crate::lease::Permit;

/// Writes to workloads.
pub(super) struct Writer {
    client: Client,
    permit: Permit,
    store: Arc<Workloads>,
}

impl Writer {
    /// One that notes in the store what it writes.
    pub(super) fn new(client: Client, permit: Permit, store: Arc<Workloads>) -> Self {
        Self {
            client,
            permit,
            store,
        }
    }

    /// Writes one patch.
    ///
    /// # Errors
    /// A sentence. A conflict is none: the workload has changed, its event comes, and it is decided anew. Nor is a lost
    /// lease: the next holder decides anew.
    pub(super) async fn patch_workload(
        &self,
        workload: &Workload,
        patch: &Patch,
    ) -> Result<(), String> {
        if !self.permit.holds() {
            return Ok(());
        }
        let request = kube::core::Request::new(format!(
            "/apis/{}/v1/namespaces/{}/{}",
            group(workload.kind),
            workload.namespace,
            plural(workload.kind)
        ))
        .patch(
            &workload.name,
            &PatchParams {
                field_manager: Some(name::FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            },
            &ApiPatch::Strategic(&patch.body),
        )
        .map_err(|error| error.to_string())?;
        let text = match self.client.request_text(request).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
            Err(kube::Error::Api(status)) => return Err(status.message.clone()),
            Err(error) => return Err(error.to_string()),
        };
        let mut json = serde_json::Deserializer::from_str(&text);
        match workload.kind.deserialize(&mut json) {
            Ok(written) => self.store.wrote(written, patch),
            Err(error) => {
                tracing::warn!(%error, "the API server's answer to a patch cannot be read");
            }
        }
        Ok(())
    }
}

/// The API group of a kind.
pub(super) fn group(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::CronJob => "batch",
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => "apps",
    }
}

/// The resource of a kind.
pub(super) fn plural(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "deployments",
        WorkloadKind::StatefulSet => "statefulsets",
        WorkloadKind::DaemonSet => "daemonsets",
        WorkloadKind::CronJob => "cronjobs",
    }
}
