//! `tracewright operator`: the controller and everything around it.

mod aws_objects;
mod census;
mod cleanup;
mod context;
mod drift;
mod events;
mod gate;
pub mod http;
pub(crate) mod reconcile;
pub mod scope;
pub mod settings;
mod status;
mod streams;
mod sweep;
mod traffic;
mod undone;
pub mod watches;
pub mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::events::Reporter;
use kube::runtime::reflector::{self, ObjectRef};
use kube::{Client, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracewright_core::identity::ProfileRef;
use tracewright_core::observed::Quotas;
use tracewright_core::workload::WorkloadKind;
use tracewright_xray::contract::name;
use tracing::{error, info, warn};

use crate::aws::Accounts;
use crate::aws::call::Speed;
use crate::aws::inventory;
use crate::cluster::{self, Cluster};
use crate::guard;
use crate::lease::Elector;
use crate::metrics::Metrics;
use context::Context;
use events::Events;
use scope::Scope;
use settings::Settings;
use watches::Watches;
use world::World;

/// Requests for reconciles that may wait.
const MAX_REQUESTS: usize = 10_000;
/// How long running reconciles may take to end after SIGTERM.
const DRAIN_TIME: Duration = Duration::from_secs(15);
/// What the watches of profiles and namespaces are called.
const PROFILES: &str = "ObservabilityProfile";
const NAMESPACES: &str = "Namespace";

/// Why the operator could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way to reach an API server.
    #[error("no Kubernetes API server: {0}. Run the operator in a cluster, or set KUBECONFIG")]
    Kubeconfig(String),
    /// The namespace kube-system, whose UID names the cluster, cannot be read.
    #[error(
        "the namespace kube-system cannot be read: {0}. Allow `get` on it, or set --cluster-name"
    )]
    ClusterName(Box<kube::Error>),
    /// No HTTP client can be made.
    #[error("no HTTP client: {0}")]
    Http(reqwest::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
}

/// Runs the operator until it is told to stop.
///
/// # Errors
/// Where it cannot start.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let config = kube::Config::infer()
        .await
        .map_err(|error| Error::Kubeconfig(error.to_string()))?;
    let unusable = |error: kube::Error| Error::Kubeconfig(error.to_string());
    // For the Lease, whose writes are how the permit comes about.
    let client = Client::try_from(config.clone()).map_err(unusable)?;
    let cluster_name = match &settings.cluster_name {
        Some(name) => name.clone(),
        None => Api::<Namespace>::all(client.clone())
            .get_metadata("kube-system")
            .await
            .map_err(|error| Error::ClusterName(Box::new(error)))?
            .uid()
            .unwrap_or_default(),
    };
    // A chart may set the variable without a value.
    let region = settings.region.clone().filter(|region| !region.is_empty());
    let metrics = Arc::new(Metrics::new());
    let watches = Arc::new(Watches::default());
    // Before the probes answer: without expectations everything is ready.
    for kind in [PROFILES, NAMESPACES]
        .into_iter()
        .chain(WorkloadKind::ALL.map(WorkloadKind::as_str))
    {
        watches.expect(kind);
    }
    let cancelled = CancellationToken::new();
    let metrics_server = http::metrics(settings.metrics_address, metrics.clone())
        .map_err(|error| Error::Listen(settings.metrics_address, error))?;
    let probe_server = http::probes(settings.probe_address, watches.clone())
        .map_err(|error| Error::Listen(settings.probe_address, error))?;
    let (metrics_handle, probe_handle) = (metrics_server.handle(), probe_server.handle());
    let servers = [tokio::spawn(metrics_server), tokio::spawn(probe_server)];

    let identity = settings.identity.clone().unwrap_or_else(default_identity);
    let scope = Scope::new(settings.watch_namespaces.clone());
    let elector = Elector::new(
        client,
        &settings.namespace,
        identity.clone(),
        scope.namespaces(),
        metrics.clone(),
    );
    let permit = elector.permit();
    let client = guard::client(config, permit.clone()).map_err(unusable)?;
    let (gained, mut terms) = watch::channel(0_u64);
    let resign = CancellationToken::new();
    let elected = tokio::spawn(elector.run(resign.clone(), gained));

    let (profiles, profile_writer) = reflector::store();
    let (namespaces, namespace_writer) = reflector::store();
    let world = Arc::new(World::new(
        profiles.clone(),
        namespaces,
        cluster_name.clone(),
        region.clone(),
        Quotas {
            groups: settings.quota_groups,
            rules: settings.quota_sampling_rules,
        },
        scope.clone(),
    ));
    let (requests, mut requested) = mpsc::channel(MAX_REQUESTS);
    let context = Arc::new(Context {
        client: client.clone(),
        events: Events::new(
            client.clone(),
            Reporter {
                controller: name::FIELD_MANAGER.to_owned(),
                instance: Some(identity.clone()),
            },
        ),
        world: world.clone(),
        watches: watches.clone(),
        accounts: Accounts::new(
            Speed {
                share: settings.aws_rate_share,
                overrides: settings.rates(),
            },
            inventory::Settings {
                tag_settle: settings.tag_settle_time,
                tag_drift_interval: settings.tag_drift_interval,
            },
            metrics.clone(),
            permit.clone(),
            settings.aws_endpoint_url.clone(),
            region.clone(),
        ),
        cluster: Cluster::new(
            client.clone(),
            cluster::Settings {
                default_receiver: settings
                    .default_receiver
                    .clone()
                    .filter(|address| !address.is_empty()),
                daemon_image: settings.daemon_image.clone(),
                collector_image: settings.collector_image.clone(),
                namespace: settings.namespace.clone(),
                max_concurrent_rollouts: settings.max_concurrent_rollouts as usize,
                scope: scope.clone(),
                receivers: !settings.no_receivers,
                check: settings.receiver_check,
            },
            world.clone(),
            permit.clone(),
            requests.clone(),
            metrics.clone(),
        )
        .map_err(Error::Http)?,
        metrics: metrics.clone(),
        permit,
        drift_interval: settings.drift_interval,
        deletion_timeout: settings.deletion_timeout,
        namespace: settings.namespace.clone(),
        requests: requests.clone(),
        memory: Mutex::new(HashMap::new()),
    });
    info!(
        version = env!("CARGO_PKG_VERSION"),
        cluster = cluster_name,
        identity,
        region = region.as_deref().unwrap_or("(none)"),
        "starting"
    );

    let namespace_watch = streams::namespaces(&scope, context.clone(), namespace_writer);
    let profile_stream = streams::profiles(&scope, &context, profile_writer);
    let controller = Controller::for_stream(profile_stream, profiles)
        .with_config(ControllerConfig::default().concurrency(settings.concurrent_reconciles))
        .reconcile_on(futures::stream::poll_fn(move |task| {
            requested.poll_recv(task)
        }))
        .graceful_shutdown_on(cancelled.clone().cancelled_owned())
        .run(reconcile::reconcile, reconcile::on_error, context.clone())
        .for_each(|result| async {
            if let Err(error) = result {
                // Reconcile errors are logged where they happen; what remains are those of queue and store.
                tracing::debug!(%error, "controller");
            }
        });

    let background = [
        tokio::spawn({
            let cancelled = cancelled.clone();
            async move {
                cancelled.run_until_cancelled(namespace_watch).await;
            }
        }),
        tokio::spawn({
            let (context, watches, cancelled) =
                (context.clone(), watches.clone(), cancelled.clone());
            async move {
                let request = |profile: &ProfileRef| {
                    context.request(ObjectRef::new(&profile.name).within(&profile.namespace));
                };
                cancelled
                    .run_until_cancelled(context.cluster.watch(watches, request))
                    .await;
            }
        }),
        tokio::spawn(drift::run(
            context.clone(),
            settings.tag_drift_interval,
            cancelled.clone(),
        )),
        tokio::spawn(sweep::run(context.clone(), cancelled.clone())),
        tokio::spawn({
            let context = context.clone();
            let cancelled = cancelled.clone();
            async move {
                // Gaining the lease is the moment at which everything is looked at.
                while let Some(Ok(())) = cancelled.run_until_cancelled(terms.changed()).await {
                    context.request_all().await;
                }
            }
        }),
        tokio::spawn(census::run(context.clone(), cancelled.clone())),
    ];
    let signal = tokio::spawn({
        let cancelled = cancelled.clone();
        async move {
            stop_signal().await;
            info!("stopping");
            cancelled.cancel();
        }
    });
    // A drained controller ends by itself; one that hangs must not keep the pod until it is killed.
    let mut controller = Box::pin(controller);
    let drained = tokio::select! {
        () = &mut controller => true,
        () = async {
            cancelled.cancelled().await;
            tokio::time::sleep(DRAIN_TIME).await;
        } => {
            warn!("reconciles did not end within {} s and are abandoned", DRAIN_TIME.as_secs());
            false
        }
    };
    drop(controller);
    cancelled.cancel();
    signal.abort();
    for task in background {
        if let Err(error) = task.await
            && error.is_panic()
        {
            error!(%error, "a background task failed");
        }
    }
    if drained {
        resign.cancel();
    } else {
        // A call to AWS may still be under way, so nobody may begin before the lease has run out.
        elected.abort();
    }
    if let Err(error) = elected.await
        && error.is_panic()
    {
        error!(%error, "the lease was not given back");
    }
    tokio::join!(metrics_handle.stop(true), probe_handle.stop(true));
    for server in servers {
        if let Ok(Err(error)) = server.await {
            warn!(%error, "a server ended badly");
        }
    }
    info!("stopped");
    Ok(())
}

/// The first of SIGTERM and SIGINT. Where signals cannot be caught, only a kill ends the operator.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            error!(%error, "signals cannot be caught");
            std::future::pending::<()>().await;
        }
    }
}

/// A name for a replica outside of a cluster, where no pod gives one.
fn default_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}
