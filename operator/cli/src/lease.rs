//! Only one replica writes: the holder of the Lease `tracewright` in the operator's namespace.
//!
//! A holder may write for six seconds after it last renewed, counted from before the renewal was sent and by its own
//! monotonic clock. Others wait until nothing has changed, by theirs, for as long as the holder's entry says: ten seconds.
//! Clocks of different machines are compared for an uninstall's entry only, which nobody renews: an hour bears their
//! difference.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracewright_xray::contract::name;
use tracing::{info, warn};

use crate::installation::Installation;
use crate::metrics::Metrics;

/// How long others wait for a replica that does not renew.
const DURATION: Duration = Duration::from_secs(10);
/// How long a holder may write after it renewed.
const VALIDITY: Duration = Duration::from_secs(6);
/// How often a holder renews and others look.
const PERIOD: Duration = Duration::from_secs(2);
/// How long a look at the lease may take: an API server that does not answer must not keep the loop from noticing that
/// the permit has ended.
const ATTEMPT_TIME: Duration = Duration::from_secs(3);
/// How long a write to the API server may outlast the right to begin one. With [`VALIDITY`] less than [`DURATION`].
const GRACE: Duration = Duration::from_millis(3500);

/// The right to write, asked for before each write.
#[derive(Clone, Debug)]
pub struct Permit(Option<watch::Receiver<Option<Instant>>>);

/// A permit, and what gives and takes it: until when a write may begin.
pub(crate) fn permit() -> (watch::Sender<Option<Instant>>, Permit) {
    let (holder, until) = watch::channel(None);
    (holder, Permit(Some(until)))
}

impl Permit {
    /// The right of a program that runs once and alone.
    #[must_use]
    pub fn always() -> Self {
        Self(None)
    }

    /// Whether a write may begin now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|until| until.borrow().is_some_and(|until| Instant::now() < until))
    }

    /// Waits until a write that has begun must end, because another replica may begin. Renewals put it off.
    pub(crate) async fn ended(&self) {
        let Some(mut until) = self.0.clone() else {
            return std::future::pending().await;
        };
        loop {
            let Some(end) = *until.borrow_and_update() else {
                return;
            };
            tokio::select! {
                () = sleep_until(end + GRACE) => return,
                // An elector that is gone renews no more.
                changed = until.changed() => if changed.is_err() {
                    return sleep_until(end + GRACE).await;
                },
            }
        }
    }
}

/// Takes and renews the lease.
pub struct Elector {
    api: Api<Lease>,
    identity: String,
    holder: watch::Sender<Option<Instant>>,
    permit: Permit,
    metrics: Arc<Metrics>,
    /// What the lease last looked like, and since when it has.
    seen: Option<(Option<String>, Instant)>,
    installation: Installation,
}

impl Elector {
    /// An elector that does not hold the lease yet.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        identity: String,
        watched: &[String],
        metrics: Arc<Metrics>,
    ) -> Self {
        let installation = Installation::new(client.clone(), watched);
        let api = Api::namespaced(client, namespace);
        let (holder, permit) = permit();
        Self {
            api,
            identity,
            holder,
            permit,
            metrics,
            seen: None,
            installation,
        }
    }

    /// The right that this elector gives and takes.
    #[must_use]
    pub fn permit(&self) -> Permit {
        self.permit.clone()
    }

    /// Renews or waits until it is told to resign, and then gives the lease back. `gained` is told each time the lease is
    /// gained.
    pub async fn run(mut self, resign: CancellationToken, gained: watch::Sender<u64>) {
        let mut held = false;
        loop {
            let began = Instant::now();
            match timeout(ATTEMPT_TIME, self.attempt()).await {
                Ok(Ok(true)) => {
                    // A right that ran out before this renewal is gained anew: what was asked for meanwhile is not done.
                    held &= self.permit.holds();
                    self.holder.send_replace(Some(began + VALIDITY));
                }
                Ok(Ok(false)) => drop(self.holder.send_replace(None)),
                Ok(Err(error)) => warn!(%error, "the lease could not be renewed"),
                Err(_) => warn!(
                    "the lease could not be renewed: no answer from the API server within {} s",
                    ATTEMPT_TIME.as_secs()
                ),
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
                () = resign.cancelled() => break,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        self.holder.send_replace(None);
        self.metrics.leads(false);
        match timeout(ATTEMPT_TIME, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(%error, "the lease could not be given back; others wait until it expires");
            }
            Err(_) => {
                warn!("the lease could not be given back in time; others wait until it expires")
            }
        }
    }

    /// One look at the lease: whether it is ours afterwards.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        self.installation.identify().await;
        let Some(lease) = self.api.get_opt(name::LEASE).await? else {
            let mut lease = Lease {
                metadata: ObjectMeta {
                    name: Some(name::LEASE.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(claim(&self.identity, DURATION, None)),
            };
            self.installation.sign(&mut lease);
            return written(self.api.create(&PostParams::default(), &lease).await);
        };
        let version = lease.resource_version();
        let spec = lease.spec.clone().unwrap_or_default();
        let uninstalling = spec.holder_identity.as_deref() == Some(SEIZED_BY);
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, Instant::now()));
            if uninstalling && !self.may_follow(&lease, &spec) {
                warn!(
                    "`tracewright uninstall` took the lease: nothing is written for {} s. To go on at once, delete it: \
                     kubectl delete lease {} --namespace {}",
                    time_left(&spec).as_secs(),
                    name::LEASE,
                    lease.namespace().unwrap_or_default(),
                );
            }
        }
        let unchanged = self
            .seen
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let free = if uninstalling {
            self.may_follow(&lease, &spec)
        } else {
            free_for(&self.identity, &spec, unchanged)
        };
        if !free {
            return Ok(false);
        }
        // Guarded by the resourceVersion in the metadata: if somebody else was faster, this is a conflict.
        let mut lease = Lease {
            spec: Some(claim(&self.identity, DURATION, Some(&spec))),
            ..lease
        };
        self.installation.sign(&mut lease);
        written(
            self.api
                .replace(name::LEASE, &PostParams::default(), &lease)
                .await,
        )
    }

    /// Whether the time of an uninstall's entry is over, or meant another installation than this one.
    fn may_follow(&self, lease: &Lease, spec: &LeaseSpec) -> bool {
        time_left(spec).is_zero() || self.installation.is_another_than(lease)
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

/// How long an entry that nobody renews is still meant to stand.
fn time_left(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.map_or(0, i64::from);
    let end = spec
        .renew_time
        .as_ref()
        .and_then(|time| time.0.checked_add(SignedDuration::from_secs(seconds)).ok());
    end.and_then(|end| Duration::try_from(end.duration_since(Timestamp::now())).ok())
        .unwrap_or_default()
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
    fn an_uninstalls_entry_ends_by_the_clock_on_the_wall() {
        let ago = |seconds| LeaseSpec {
            lease_duration_seconds: Some(3600),
            renew_time: Some(MicroTime(
                Timestamp::now() - SignedDuration::from_secs(seconds),
            )),
            ..LeaseSpec::default()
        };
        let left = time_left(&ago(600)).as_secs();
        assert!((2998..=3000).contains(&left), "{left}");
        assert_eq!(time_left(&ago(3601)), Duration::ZERO);
        assert_eq!(time_left(&LeaseSpec::default()), Duration::ZERO);
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
