//! Only one replica writes: the holder of the Lease `tracewright` in the operator's namespace.
//!
//! A holder may write for six seconds after it last renewed, counted from before the renewal was sent and by its own
//! monotonic clock. Others wait until nothing has changed, by theirs, for as long as the holder's entry says: ten seconds.
//! Clocks of different machines are never compared.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracewright_xray::contract::name;
use tracing::{info, warn};

use crate::metrics::Metrics;

/// How long others wait for a replica that does not renew.
const DURATION: Duration = Duration::from_secs(10);
/// How long a holder may write after it renewed.
const VALIDITY: Duration = Duration::from_secs(6);
/// How often a holder renews and others look.
const PERIOD: Duration = Duration::from_secs(2);

/// The right to write, asked for before each write.
#[derive(Clone, Debug)]
pub struct Permit(Option<Arc<Mutex<Option<Instant>>>>);

impl Permit {
    /// The right of a program that runs once and alone.
    #[must_use]
    pub fn always() -> Self {
        Self(None)
    }

    fn leased() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether a write may begin now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(|until| {
            until
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some_and(|until| Instant::now() < until)
        })
    }

    fn set(&self, until: Option<Instant>) {
        if let Some(cell) = &self.0 {
            *cell.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
    }
}

/// Takes and renews the lease.
pub struct Elector {
    api: Api<Lease>,
    identity: String,
    permit: Permit,
    metrics: Arc<Metrics>,
    /// What the lease last looked like, and since when it has.
    seen: Option<(Option<String>, Instant)>,
}

impl Elector {
    /// An elector that does not hold the lease yet.
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: String, metrics: Arc<Metrics>) -> Self {
        let api = Api::namespaced(client, namespace);
        Self {
            api,
            identity,
            permit: Permit::leased(),
            metrics,
            seen: None,
        }
    }

    /// The right that this elector gives and takes.
    #[must_use]
    pub fn permit(&self) -> Permit {
        self.permit.clone()
    }

    /// Renews or waits until cancelled, and then gives the lease back. `gained` is told each time the lease is gained.
    pub async fn run(
        mut self,
        cancelled: CancellationToken,
        gained: tokio::sync::watch::Sender<u64>,
    ) {
        let mut held = false;
        loop {
            let began = Instant::now();
            match self.attempt().await {
                Ok(true) => self.permit.set(Some(began + VALIDITY)),
                Ok(false) => self.permit.set(None),
                Err(error) => warn!(%error, "the lease could not be renewed"),
            }
            let holds = self.permit.holds();
            self.metrics.leads(holds);
            if holds != held {
                info!(
                    identity = self.identity,
                    "{}",
                    if holds {
                        "holds the lease"
                    } else {
                        "lost the lease"
                    }
                );
                held = holds;
                if holds {
                    gained.send_modify(|term| *term += 1);
                }
            }
            tokio::select! {
                () = cancelled.cancelled() => break,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        self.permit.set(None);
        self.metrics.leads(false);
        if let Err(error) = self.release().await {
            warn!(%error, "the lease could not be given back; others wait until it expires");
        }
    }

    /// One look at the lease: whether it is ours afterwards.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(name::LEASE).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(name::LEASE.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(claim(&self.identity, DURATION, None)),
            };
            return written(self.api.create(&PostParams::default(), &lease).await);
        };
        let version = lease.resource_version();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, Instant::now()));
        }
        let spec = lease.spec.clone().unwrap_or_default();
        let unchanged = self
            .seen
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| since.elapsed());
        if !free_for(&self.identity, &spec, unchanged) {
            return Ok(false);
        }
        // Guarded by the resourceVersion in the metadata: if somebody else was faster, this is a conflict.
        let lease = Lease {
            spec: Some(claim(&self.identity, DURATION, Some(&spec))),
            ..lease
        };
        written(
            self.api
                .replace(name::LEASE, &PostParams::default(), &lease)
                .await,
        )
    }

    async fn release(&self) -> Result<(), kube::Error> {
        let Some(lease) = self.api.get_opt(name::LEASE).await? else {
            return Ok(());
        };
        let Some(spec) = &lease.spec else {
            return Ok(());
        };
        if spec.holder_identity.as_ref() != Some(&self.identity) {
            return Ok(());
        }
        let spec = LeaseSpec {
            holder_identity: None,
            ..spec.clone()
        };
        let lease = Lease {
            spec: Some(spec),
            ..lease
        };
        self.api
            .replace(name::LEASE, &PostParams::default(), &lease)
            .await
            .map(drop)
    }
}

/// Who holds the lease once [`seize`] has taken it.
const SEIZED_BY: &str = "tracewright-uninstall";
/// How often [`seize`] tries when the holder renews at the same moment, which it does every two seconds.
const MAX_ATTEMPTS: u32 = 10;

/// Takes the lease away from whoever holds it, for so long that nobody takes it back by accident. Returns how long to
/// wait until no replica writes any more: a write may have begun just before the lease was taken. Seizing it again only
/// begins the time anew.
///
/// # Errors
/// The API server's; 404 where the namespace does not exist.
pub async fn seize(
    client: Client,
    namespace: &str,
    duration: Duration,
) -> Result<Duration, kube::Error> {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let mut attempt = 1;
    loop {
        let lease = api.get_opt(name::LEASE).await?;
        let before = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let held = before
            .and_then(|spec| spec.holder_identity.as_deref())
            .is_some_and(|holder| !holder.is_empty());
        let spec = Some(claim(SEIZED_BY, duration, before));
        let result = match lease {
            Some(lease) => {
                api.replace(
                    name::LEASE,
                    &PostParams::default(),
                    &Lease { spec, ..lease },
                )
                .await
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(name::LEASE.to_owned()),
                    ..ObjectMeta::default()
                };
                api.create(&PostParams::default(), &Lease { metadata, spec })
                    .await
            }
        };
        match result {
            Err(kube::Error::Api(status)) if status.code == 409 && attempt < MAX_ATTEMPTS => {
                attempt += 1
            }
            Err(error) => return Err(error),
            Ok(_) => return Ok(if held { DURATION } else { Duration::ZERO }),
        }
    }
}

/// Whether a replica may take the lease that has not changed for this long.
fn free_for(identity: &str, spec: &LeaseSpec, unchanged: Duration) -> bool {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    holder.is_empty()
        || holder == identity
        || unchanged >= seconds.map_or(DURATION, Duration::from_secs)
}

fn claim(identity: &str, duration: Duration, before: Option<&LeaseSpec>) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    let renewed = before.filter(|spec| spec.holder_identity.as_deref() == Some(identity));
    let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
        acquire_time: renewed
            .and_then(|spec| spec.acquire_time.clone())
            .or_else(|| Some(now.clone())),
        renew_time: Some(now),
        lease_transitions: Some(if renewed.is_some() {
            transitions
        } else {
            transitions + 1
        }),
        ..LeaseSpec::default()
    }
}

fn written(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_free_once_its_holder_has_been_silent_for_as_long_as_the_holder_said() {
        for (holder, seconds, unchanged, free) in [
            (None, None, 0, true),
            (Some(""), Some(10), 0, true),
            (Some("me"), Some(10), 0, true),
            (Some("other"), Some(10), 9, false),
            (Some("other"), Some(10), 10, true),
            (Some("other"), Some(3600), 3599, false),
            (Some("other"), Some(3600), 3600, true),
            (Some("other"), Some(2), 2, true),
            (Some("other"), None, 9, false),
            (Some("other"), None, 10, true),
            (Some("other"), Some(-1), 9, false),
        ] {
            let spec = LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: seconds,
                ..LeaseSpec::default()
            };
            let unchanged = Duration::from_secs(unchanged);
            assert_eq!(
                free_for("me", &spec, unchanged),
                free,
                "{holder:?} {seconds:?} {unchanged:?}"
            );
        }
    }

    #[test]
    fn a_claim_counts_transitions_and_a_renewal_is_none() {
        let first = claim("a", DURATION, None);
        let renewed = claim("a", DURATION, Some(&first));
        let taken = claim("b", Duration::from_secs(3600), Some(&renewed));
        let transitions = [&first, &renewed, &taken].map(|spec| spec.lease_transitions);
        assert_eq!(transitions, [Some(1), Some(1), Some(2)]);
        assert_eq!(renewed.acquire_time, first.acquire_time);
        assert_eq!(taken.lease_duration_seconds, Some(3600));
    }
}
