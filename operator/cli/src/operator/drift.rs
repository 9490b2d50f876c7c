//! The drift check: every account is read once per interval for all its profiles together, and then every profile is
//! compared with what was read.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::context::Context;
use crate::aws::{Account, ErrorKind, Identity};

/// The drift check's own turn at the buckets, beside those of namespaces. No namespace has this name.
const TURN: &str = "(drift)";
/// The first check comes soon after a start: it finds what was left behind while the operator was away.
const FIRST: Duration = Duration::from_secs(2);

/// What no reconcile could use for so long is forgotten.
const UNUSED: Duration = Duration::from_secs(3600);

/// Checks until cancelled.
pub(super) async fn run(
    context: Arc<Context>,
    tag_interval: Duration,
    cancelled: CancellationToken,
) {
    let mut next = FIRST;
    let mut tags_at: HashMap<(String, String), Instant> = HashMap::new();
    loop {
        let turn = async {
            tokio::time::sleep(next).await;
            // The first look at an account needs its first reconcile.
            let looked = !context.accounts.all().is_empty();
            next = if looked {
                jittered(context.drift_interval)
            } else {
                FIRST
            };
            if looked && context.permit.holds() {
                check(&context, tag_interval, &mut tags_at).await;
                context.request_all().await;
            }
        };
        if cancelled.run_until_cancelled(turn).await.is_none() {
            return;
        }
    }
}

async fn check(
    context: &Context,
    tag_interval: Duration,
    tags_at: &mut HashMap<(String, String), Instant>,
) {
    let began = Instant::now();
    context.accounts.retain(&context.world.identities_at_work());
    context.world.forget_identities();
    let places = context.accounts.ways();
    tags_at.retain(|(id, region), _| {
        places
            .iter()
            .flatten()
            .any(|account| account.id == *id && account.region == *region)
    });
    for ways in places {
        let Some(account) = read(context, ways, began).await else {
            continue;
        };
        if let Err(error) = account.refresh_traffic(TURN).await {
            warn!(account = account.id, region = account.region, %error, "sampling statistics could not be read");
        }
        let key = (account.id.clone(), account.region.clone());
        if tags_at
            .get(&key)
            .is_none_or(|at| at.elapsed() >= tag_interval)
        {
            match account
                .find_marked_log_groups(&context.world.cluster, TURN)
                .await
            {
                Ok(()) => drop(tags_at.insert(key, Instant::now())),
                Err(error) => {
                    warn!(account = account.id, region = account.region, %error, "marked log groups could not be listed");
                }
            }
            let marked = account.inventory.all_marked_log_groups();
            if let Err(error) = account.observe(&marked, began, TURN).await {
                warn!(account = account.id, region = account.region, %error, "marked log groups could not be read");
            }
        }
        if let Some(before) = began.checked_sub(context.drift_interval * 2 + UNUSED) {
            account.inventory.prune(before);
        }
        // Tags tell what was left behind; each object's are read once, and again on the tag cycle.
        if let Err(error) = account.read_tags(&account.taggable(), None, TURN).await {
            warn!(account = account.id, region = account.region, %error, "tags could not be read");
        }
    }
}

/// Reads an account by the first way that is open: credentials may be gone for one of the identities that reach it and good
/// for another.
async fn read(context: &Context, ways: Vec<Arc<Account>>, began: Instant) -> Option<Arc<Account>> {
    for account in ways {
        let names = watched(context, &account);
        let Err(error) = account.observe(&names, began, TURN).await else {
            return Some(account);
        };
        warn!(account = account.id, region = account.region, %error, "the drift check failed");
        let closed = [ErrorKind::CredentialsMissing, ErrorKind::AccessDenied];
        if !closed.contains(&error.kind) {
            return None;
        }
    }
    None
}

/// Log groups of all profiles of an account.
fn watched(context: &Context, account: &Arc<Account>) -> BTreeSet<String> {
    let memory = context
        .memory
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let reaches = |identity: &Identity| {
        identity.region == account.region
            && context.world.account_of(identity).as_ref() == Some(&account.id)
    };
    memory
        .values()
        .filter_map(|memory| memory.watched.as_ref())
        .filter(|(identity, _)| reaches(identity))
        .flat_map(|(_, names)| names.iter().cloned())
        .collect()
}

/// Give or take a tenth, so that operators of different clusters do not ask in step.
fn jittered(interval: Duration) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    interval.mul_f64(0.9 + 0.2 * f64::from(nanos) / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_come_within_a_tenth_of_their_interval_and_not_in_step() {
        let interval = Duration::from_secs(300);
        let waits: BTreeSet<Duration> = (0..50)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(1));
                jittered(interval)
            })
            .collect();
        assert!(waits.len() > 1, "{waits:?}");
        let bounds = Duration::from_secs(270)..=Duration::from_secs(330);
        assert!(waits.iter().all(|wait| bounds.contains(wait)), "{waits:?}");
    }
}
