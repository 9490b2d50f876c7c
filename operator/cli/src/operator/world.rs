//! What the operator knows of the cluster: profiles and namespaces, kept up to date by watches, and what follows from all
//! profiles together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::desired::{self, Desired, Invalid};
use tracewright_core::identity::{Kind, ProfileRef};
use tracewright_core::observed::{Claims, Quotas};
use tracewright_core::rights::Rights;

use super::scope::Scope;
use crate::aws::Identity;

/// The cluster as the watches show it.
pub struct World {
    /// All profiles.
    pub profiles: Store<ObservabilityProfile>,
    /// All namespaces, metadata only.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// Id of this cluster in tags.
    pub cluster: String,
    /// AWS region of profiles that name none.
    pub region: Option<String>,
    /// Quotas of every account.
    pub quotas: Quotas,
    /// The namespaces that are looked after.
    scope: Scope,
    /// Which account an identity turned out to reach.
    reached: Mutex<HashMap<Identity, String>>,
    /// Counts changes of what claims are made of.
    version: AtomicU64,
    claims: Mutex<HashMap<Identity, (u64, Arc<Claims>)>>,
}

impl World {
    /// A world in which no identity has reached an account yet.
    #[must_use]
    pub fn new(
        profiles: Store<ObservabilityProfile>,
        namespaces: Store<PartialObjectMeta<Namespace>>,
        cluster: String,
        region: Option<String>,
        quotas: Quotas,
        scope: Scope,
    ) -> Self {
        Self {
            profiles,
            namespaces,
            cluster,
            region,
            quotas,
            scope,
            reached: Mutex::default(),
            version: AtomicU64::default(),
            claims: Mutex::default(),
        }
    }

    /// What the namespace's admin allows.
    #[must_use]
    pub fn rights(&self, namespace: &str) -> Rights {
        Rights::read(&self.annotations(namespace))
    }

    /// The annotations of a namespace.
    #[must_use]
    pub fn annotations(&self, namespace: &str) -> BTreeMap<String, String> {
        self.namespaces
            .get(&ObjectRef::new(namespace))
            .and_then(|namespace| namespace.metadata.annotations.clone())
            .unwrap_or_default()
    }

    /// Whether it is known what the admin of a profile's namespace allows, so that the profile may be carried out. One that is
    /// deleted may go by what was known before the namespace could be read no more, but not before its workloads are known.
    #[must_use]
    pub fn may_decide(&self, profile: &ObservabilityProfile) -> bool {
        let namespace = profile.metadata.namespace.as_deref().unwrap_or_default();
        let deleting = profile.metadata.deletion_timestamp.is_some();
        self.namespaces.wait_until_ready().now_or_never().is_some()
            && self.namespaces.get(&ObjectRef::new(namespace)).is_some()
            && if deleting {
                !self.scope.is_unsettled(namespace)
            } else {
                !self.scope.is_stale(namespace)
            }
    }

    /// Profile → Desired.
    ///
    /// # Errors
    /// Where nothing of the profile can be carried out in AWS.
    pub fn validate(&self, profile: &ObservabilityProfile) -> Result<Desired, Invalid> {
        let namespace = profile.metadata.namespace.as_deref().unwrap_or_default();
        desired::validate(profile, &self.rights(namespace), self.region.as_deref())
    }

    /// An identity reached an account.
    pub fn reached(&self, identity: &Identity, account: &str) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.get(identity).is_none_or(|known| known != account) {
            reached.insert(identity.clone(), account.to_owned());
            self.changed();
        }
    }

    /// The account that an identity turned out to reach.
    #[must_use]
    pub fn account_of(&self, identity: &Identity) -> Option<String> {
        self.reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(identity)
            .cloned()
    }

    /// The identities by which profiles look at AWS: not those of profiles that may not use them, or do nothing.
    #[must_use]
    pub fn identities_at_work(&self) -> BTreeSet<Identity> {
        self.identities(|profile| {
            desired::concerns_aws(profile)
                && (profile.spec.mode != Mode::Suspended
                    || profile.metadata.deletion_timestamp.is_some())
        })
    }

    /// Forgets what is known of identities that no profile could use.
    pub fn forget_identities(&self) {
        let named = self.identities(|_| true);
        self.reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|identity, _| named.contains(identity));
        self.claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|identity, _| named.contains(identity));
    }

    fn identities(&self, of: impl Fn(&ObservabilityProfile) -> bool) -> BTreeSet<Identity> {
        self.profiles
            .state()
            .iter()
            .filter(|profile| of(profile))
            .filter_map(|profile| Some(identity_of(&self.validate(profile).ok()?)))
            .collect()
    }

    /// Whether an event that is not in the store yet changes what profiles claim. Most events are our own writes of
    /// status, and claims are made of all profiles.
    #[must_use]
    pub fn claims_change(&self, event: &watcher::Result<Event<ObservabilityProfile>>) -> bool {
        match event {
            Ok(Event::Apply(profile) | Event::InitApply(profile)) => {
                let before = self.profiles.get(&ObjectRef::from_obj(profile));
                before.is_none_or(|before| !claims_alike(&before, profile))
            }
            Ok(Event::Delete(_) | Event::InitDone) => true,
            Ok(Event::Init) | Err(_) => false,
        }
    }

    /// A profile or a namespace changed.
    pub fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// What all profiles together claim of the account and region that an identity reaches.
    #[must_use]
    pub fn claims(&self, identity: &Identity) -> Arc<Claims> {
        let version = self.version.load(Ordering::Acquire);
        let mut known = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, claims)) = known.get(identity)
            && *at == version
        {
            return claims.clone();
        }
        let claims = Arc::new(self.claim(identity));
        known.insert(identity.clone(), (version, claims.clone()));
        claims
    }

    fn claim(&self, identity: &Identity) -> Claims {
        let profiles = self.profiles.state();
        let living: BTreeSet<ProfileRef> =
            profiles.iter().map(|profile| reference(profile)).collect();
        let reached = self
            .reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let account = reached.get(identity);
        let mut oldest: BTreeMap<(Kind, String), (Option<jiff::Timestamp>, ProfileRef)> =
            BTreeMap::new();
        for profile in &profiles {
            let Ok(desired) = self.validate(profile) else {
                continue;
            };
            let other = identity_of(&desired);
            let same = other == *identity
                || (account.is_some()
                    && reached.get(&other) == account
                    && other.region == identity.region);
            if !same || desired.deleting {
                continue;
            }
            // One whose objects are in another account makes none in this one.
            if let Some(id) = reached.get(&other)
                && desired::check_account(profile.status.as_ref(), id).is_err()
            {
                continue;
            }
            let born = profile
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0);
            for (kind, name) in desired.claims() {
                let claim = (born, desired.profile.clone());
                let entry = oldest
                    .entry((kind, name.to_owned()))
                    .or_insert_with(|| claim.clone());
                if claim < *entry {
                    *entry = claim;
                }
            }
        }
        Claims {
            cluster: self.cluster.clone(),
            living,
            unreadable: self.unreadable(),
            oldest: oldest
                .into_iter()
                .map(|(key, (_, profile))| (key, profile))
                .collect(),
            quotas: self.quotas,
        }
    }

    /// Namespaces that are to be looked after and cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> BTreeSet<String> {
        self.scope.unreadable()
    }

    /// References to all profiles.
    #[must_use]
    pub fn references(&self) -> Vec<ObjectRef<ObservabilityProfile>> {
        self.profiles
            .state()
            .iter()
            .map(|profile| ObjectRef::from_obj(profile.as_ref()))
            .collect()
    }

    /// References to the profiles of a namespace.
    #[must_use]
    pub fn references_in(&self, namespace: &str) -> Vec<ObjectRef<ObservabilityProfile>> {
        self.profiles
            .state()
            .iter()
            .filter(|profile| profile.metadata.namespace.as_deref() == Some(namespace))
            .map(|profile| ObjectRef::from_obj(profile.as_ref()))
            .collect()
    }
}

/// The identity with which a profile's calls are made.
#[must_use]
pub fn identity_of(desired: &Desired) -> Identity {
    Identity {
        role_arn: desired.role_arn.clone(),
        region: desired.region.clone(),
    }
}

/// Whether two states of a profile claim the same.
fn claims_alike(one: &ObservabilityProfile, other: &ObservabilityProfile) -> bool {
    let place = |profile: &ObservabilityProfile| {
        let status = profile.status.as_ref();
        status.map(|status| (status.region.clone(), status.account_id.clone()))
    };
    one.metadata.uid == other.metadata.uid
        && one.metadata.generation == other.metadata.generation
        && one.metadata.deletion_timestamp == other.metadata.deletion_timestamp
        && place(one) == place(other)
}

/// A profile's reference.
#[must_use]
pub fn reference(profile: &ObservabilityProfile) -> ProfileRef {
    ProfileRef::new(
        profile.metadata.namespace.clone().unwrap_or_default(),
        profile.metadata.name.clone().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn profile(merge: Value) -> ObservabilityProfile {
        let mut object = json!({
            "apiVersion": "tracewright.dev/v1alpha1", "kind": "ObservabilityProfile",
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", "generation": 1, "resourceVersion": "1"},
            "spec": {},
            "status": {"accountId": "000000000000", "region": "eu-west-1"},
        });
        for (part, fields) in merge.as_object().into_iter().flatten() {
            for (field, value) in fields.as_object().into_iter().flatten() {
                object[part][field] = value.clone();
            }
        }
        serde_json::from_value(object).expect("is a profile")
    }

    #[test]
    fn only_what_claims_are_made_of_changes_them() {
        let one = profile(json!({}));
        let other_counts =
            json!({"status": {"observedGeneration": 1}, "metadata": {"resourceVersion": "2"}});
        assert!(claims_alike(&one, &profile(other_counts)));
        for change in [
            json!({"metadata": {"generation": 2}}),
            json!({"metadata": {"uid": "another"}}),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            json!({"status": {"accountId": "111111111111"}}),
            json!({"status": {"region": "eu-central-1"}}),
        ] {
            assert!(!claims_alike(&one, &profile(change.clone())), "{change}");
        }
    }
}
