//! ConfigMaps and Secrets that workloads and headers refer to: read by name, never listed or watched, and remembered for a
//! short while. Of Secrets only the keys are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::time::Instant;
use tracewright_core::env::SecretKey;
use tracewright_core::workload::EnvFromSource;

/// How long an answer is remembered.
const MEMORY: Duration = Duration::from_secs(10);
/// How many answers are remembered.
const MAX_ANSWERS: usize = 10_000;

/// Reads objects by name.
pub struct Lookups {
    client: Client,
    answers: Mutex<Answers>,
}

/// By namespace and object: when it was read, and its keys if it could be.
type Answers = HashMap<(String, EnvFromSource), (Instant, Option<BTreeSet<String>>)>;

impl Lookups {
    /// Nothing read yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            answers: Mutex::default(),
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
            if let Some(keys) = self.keys_of(namespace, source).await {
                known.insert(source.clone(), keys);
            }
        }
        known
    }

    /// Those keys of Secrets that do not exist. A Secret that may not be read counts as there: its references are
    /// optional, so nothing breaks.
    pub async fn missing(&self, namespace: &str, keys: BTreeSet<SecretKey>) -> BTreeSet<SecretKey> {
        let mut missing = BTreeSet::new();
        for key in keys {
            let source = EnvFromSource::Secret(key.name.clone());
            if self
                .keys_of(namespace, &source)
                .await
                .is_some_and(|there| !there.contains(&key.key))
            {
                missing.insert(key);
            }
        }
        missing
    }

    async fn keys_of(&self, namespace: &str, source: &EnvFromSource) -> Option<BTreeSet<String>> {
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
                    .map(|found| {
                        let found = found.unwrap_or_default();
                        let text = found.data.unwrap_or_default().into_keys();
                        text.chain(found.binary_data.unwrap_or_default().into_keys())
                            .collect()
                    })
            }
            EnvFromSource::Secret(name) => {
                Api::<Secret>::namespaced(self.client.clone(), namespace)
                    .get_opt(name)
                    .await
                    .map(|found| {
                        found
                            .unwrap_or_default()
                            .data
                            .unwrap_or_default()
                            .into_keys()
                            .collect()
                    })
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
        }
        keys
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        // Only whole entries are put in, so a poisoned map is still usable.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
