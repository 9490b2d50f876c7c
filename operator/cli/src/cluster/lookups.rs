//! ConfigMaps and Secrets that workloads and headers refer to: read by name, never listed or watched, and remembered for a
//! short while. Of Secrets only the keys are kept, and hashes that tell whether values change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;
use tracewright_core::env::{Hash, Hasher, SecretKey};
use tracewright_core::workload::EnvFromSource;

use crate::metrics::{Bound, Metrics};

/// How long an answer is remembered.
const MEMORY: Duration = Duration::from_secs(10);
/// How many answers are remembered, and of how many keys the last change.
const MAX_ANSWERS: usize = 10_000;

/// Reads objects by name.
pub struct Lookups {
    client: Client,
    metrics: Arc<Metrics>,
    answers: Mutex<HashMap<Place, (Instant, Option<Keys>)>>,
    changes: Mutex<HashMap<(String, SecretKey), Change>>,
}

/// An object of a namespace.
type Place = (String, EnvFromSource);

/// An object's keys, for a Secret each with a hash of its value.
type Keys = BTreeMap<String, Option<Hash>>;

/// A key's value, and when it was seen to change.
#[derive(Clone, Copy)]
struct Change {
    hash: Hash,
    at: Option<Instant>,
}

/// Keys of Secrets that variables refer to.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Those that do not exist. A Secret that may not be read counts as there: its references are optional, so nothing
    /// breaks.
    pub missing: BTreeSet<SecretKey>,
    /// Of those that exist and could be read, a hash of the value.
    pub hashes: BTreeMap<SecretKey, Hash>,
    /// Of those whose value changed since the operator started, when that was seen.
    pub changed: BTreeMap<SecretKey, Instant>,
}

impl Lookups {
    /// Nothing read yet.
    #[must_use]
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            metrics,
            answers: Mutex::default(),
            changes: Mutex::default(),
        }
    }

    /// Keys of the objects that can be read. One that does not exist has none; one that may not be read is left out.
    pub async fn keys<'a>(
        &self,
        namespace: &str,
        sources: impl IntoIterator<Item = &'a EnvFromSource>,
    ) -> BTreeMap<EnvFromSource, BTreeSet<String>> {
        let mut known = BTreeMap::new();
        for source in sources {
            if let Some(keys) = self.read(namespace, source).await {
                known.insert(source.clone(), keys.into_keys().collect());
            }
        }
        known
    }

    /// How those keys of Secrets stand.
    pub async fn secrets(&self, namespace: &str, keys: BTreeSet<SecretKey>) -> Secrets {
        let mut secrets = Secrets::default();
        for key in keys {
            let source = EnvFromSource::Secret(key.name.clone());
            let Some(there) = self.read(namespace, &source).await else {
                continue;
            };
            let Some(hash) = there.get(&key.key).copied().flatten() else {
                secrets.missing.insert(key);
                continue;
            };
            if let Some(at) = self.change(namespace, &key, hash) {
                secrets.changed.insert(key.clone(), at);
            }
            secrets.hashes.insert(key, hash);
        }
        secrets
    }

    /// Notes a value and says when it changed last.
    fn change(&self, namespace: &str, key: &SecretKey, hash: Hash) -> Option<Instant> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (namespace.to_owned(), key.clone());
        if !changes.contains_key(&place) && changes.len() >= MAX_ANSWERS {
            self.metrics.bound_reached(Bound::Lookups);
            return None;
        }
        let known = changes.entry(place).or_insert(Change { hash, at: None });
        if known.hash != hash {
            *known = Change {
                hash,
                at: Some(Instant::now()),
            };
        }
        known.at
    }

    async fn read(&self, namespace: &str, source: &EnvFromSource) -> Option<Keys> {
        let place = (namespace.to_owned(), source.clone());
        if let Some((at, keys)) = self.answers().get(&place)
            && at.elapsed() < MEMORY
        {
            return keys.clone();
        }
        let answer = match source {
            EnvFromSource::ConfigMap(name) => {
                Api::<ConfigMap>::namespaced(self.client.clone(), namespace)
                    .get_opt(name)
                    .await
                    .map(|found| keys_of_config_map(found.unwrap_or_default()))
            }
            EnvFromSource::Secret(name) => {
                Api::<Secret>::namespaced(self.client.clone(), namespace)
                    .get_opt(name)
                    .await
                    .map(|found| keys_of_secret(found.unwrap_or_default()))
            }
        };
        let keys = match answer {
            Ok(keys) => Some(keys),
            Err(error) => {
                tracing::debug!(namespace, object = %source, %error, "cannot be read");
                None
            }
        };
        let mut answers = self.answers();
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, (at, _)| at.elapsed() < MEMORY);
        }
        if answers.len() < MAX_ANSWERS {
            answers.insert(place, (Instant::now(), keys.clone()));
        } else {
            self.metrics.bound_reached(Bound::Lookups);
        }
        keys
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<Place, (Instant, Option<Keys>)>> {
        // Only whole entries are put in, so a poisoned map is still usable.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keys_of_config_map(found: ConfigMap) -> Keys {
    let text = found.data.unwrap_or_default().into_keys();
    let binary = found.binary_data.unwrap_or_default().into_keys();
    text.chain(binary).map(|key| (key, None)).collect()
}

/// The Secret's UID goes into each hash. It is random and known only to those who may read the Secret, so nobody else can
/// try values against a hash that is written down.
fn keys_of_secret(found: Secret) -> Keys {
    let uid = found.uid().unwrap_or_default();
    let hash = |value: &[u8]| {
        let mut hasher = Hasher::default();
        hasher.text(&uid);
        hasher.bytes(value);
        hasher.finish()
    };
    let data = found.data.unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, Some(hash(&value.0))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn secret(uid: &str, value: &[u8]) -> Secret {
        let mut secret = Secret {
            data: Some([("key".to_owned(), ByteString(value.to_vec()))].into()),
            ..Secret::default()
        };
        secret.metadata.uid = Some(uid.to_owned());
        secret
    }

    #[test]
    fn a_hash_changes_with_the_value_and_means_nothing_without_the_uid() {
        let one = keys_of_secret(secret("a", b"one"));
        assert_eq!(one, keys_of_secret(secret("a", b"one")));
        assert_ne!(one, keys_of_secret(secret("a", b"two")));
        assert_ne!(one, keys_of_secret(secret("b", b"one")));
    }
}
