//! A namespace for one test.

use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{self, ServiceAccount};
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Resource};
use kube::{Client, Config};

use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::eventually::{LONG, eventually};

/// How long dropping may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// A namespace of its own, deleted when dropped.
pub struct Namespace {
    name: String,
    client: Client,
    config: Config,
}

impl Namespace {
    /// Makes a namespace whose name begins with `prefix` and is no other's. Pods can be made in it at once.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create(
        control_plane: &ControlPlane,
        prefix: &str,
    ) -> Result<Self, ControlPlaneError> {
        let config = control_plane.config().await?;
        let client = Client::try_from(config.clone())?;
        let namespaces: Api<v1::Namespace> = Api::all(client.clone());
        let wanted = v1::Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                ..ObjectMeta::default()
            },
            ..v1::Namespace::default()
        };
        let made = namespaces.create(&PostParams::default(), &wanted).await?;
        let namespace = Self {
            name: made.metadata.name.unwrap_or_default(),
            client,
            config,
        };
        namespace.make_default_account().await?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The admin's client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of one kind in it, as the admin sees them.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), &self.name)
    }

    /// Deletes it and waits until it is gone with all that is in it.
    ///
    /// # Errors
    /// Something holds it: a finalizer, say. The error shows the namespace's conditions.
    pub async fn delete(self) -> anyhow::Result<()> {
        let namespaces: Api<v1::Namespace> = Api::all(self.client());
        namespaces
            .delete(&self.name, &DeleteParams::default())
            .await?;
        eventually(
            LONG,
            format!("namespace {} is gone", self.name),
            async || match namespaces.get_opt(&self.name).await {
                Ok(None) => Ok(()),
                Ok(Some(namespace)) => Err(format!("{:?}", namespace.status)),
                Err(error) => Err(error.to_string()),
            },
        )
        .await?;
        Ok(())
    }

    /// The controller-manager makes this account too, a moment later; until then no pod is admitted.
    async fn make_default_account(&self) -> Result<(), ControlPlaneError> {
        let account = ServiceAccount {
            metadata: ObjectMeta {
                name: Some("default".to_owned()),
                ..ObjectMeta::default()
            },
            ..ServiceAccount::default()
        };
        match self
            .api::<ServiceAccount>()
            .create(&PostParams::default(), &account)
            .await
        {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            answer => Ok(answer.map(drop)?),
        }
    }
}

impl Drop for Namespace {
    /// Asks for its deletion and does not wait for it: what remains goes with the control plane.
    fn drop(&mut self) {
        let (name, config) = (std::mem::take(&mut self.name), self.config.clone());
        // The test's runtime is busy with this call, and ends soon.
        let farewell = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            let delete = async {
                let namespaces: Api<v1::Namespace> = Api::all(Client::try_from(config)?);
                namespaces.delete(&name, &DeleteParams::default()).await
            };
            // Already deleted, or the API server is gone: nothing is left to do.
            let _ = runtime.block_on(async { tokio::time::timeout(FAREWELL, delete).await });
        });
        // It has reported its own panic.
        let _ = farewell.join();
    }
}
