//! Who holds or claims which AWS object, as the operator would judge it once the planned profiles are in the cluster.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::desired::{Desired, validate};
use tracewright_core::identity::{OwnerTags, ProfileRef};
use tracewright_core::observed::{Claims, Observed, Quotas, Seen, Tags};

use super::Settings;
use super::case::{Case, Place};
use super::cluster::Surroundings;
use crate::operator::world::{identity_of, reference};

/// Stands for the id of a cluster that nothing tells. No cluster has this name.
const UNKNOWN_CLUSTER: &str = "(this cluster)";

/// All profiles, planned or in the cluster.
#[derive(Clone, Debug, Default)]
pub struct Claimants {
    /// Id of the cluster in tags of AWS objects, if anything tells it.
    pub cluster: Option<String>,
    /// What was assumed, in sentences.
    pub assumptions: Vec<String>,
    living: BTreeSet<ProfileRef>,
    claimants: Vec<Claimant>,
}

/// A profile and what it wants.
#[derive(Clone, Debug)]
struct Claimant {
    desired: Desired,
    /// The account in which it wants it, if known.
    account: Option<String>,
    /// Since when it is in the cluster; `None`: it is to be made, and so younger than any other.
    born: Option<Timestamp>,
}

impl Claimants {
    /// The planned profiles and those of the cluster. Where the cluster is not known, tags tell which profiles there are.
    #[must_use]
    pub fn new(cases: &[Case], settings: &Settings, surroundings: &Surroundings) -> Self {
        let mut all = Self {
            cluster: settings
                .cluster_name
                .clone()
                .or_else(|| surroundings.id.clone()),
            living: cases.iter().map(|case| case.reference.clone()).collect(),
            claimants: claimants(cases, settings, surroundings),
            assumptions: missing_namespaces(cases, surroundings),
        };
        let marks: Vec<OwnerTags> = cases
            .iter()
            .filter_map(|case| case.view.as_ref())
            .flat_map(|view| marks(&view.observed))
            .collect();
        if all.cluster.is_none() {
            let (cluster, sentence) = told_by(&marks, &all.living);
            all.cluster = cluster;
            all.assumptions.push(sentence);
        }
        match &surroundings.profiles {
            Some(profiles) => all.living.extend(profiles.iter().map(reference)),
            None => {
                let ours = marks
                    .into_iter()
                    .filter(|mark| Some(&mark.cluster) == all.cluster.as_ref());
                all.living.extend(ours.map(|mark| mark.profile));
            }
        }
        all
    }

    /// What all profiles together claim of one account and region.
    #[must_use]
    pub fn claims(&self, place: &Place, quotas: Quotas) -> Claims {
        let mut there: Vec<&Claimant> = self
            .claimants
            .iter()
            .filter(|other| {
                other.account.as_ref() == Some(&place.account)
                    && other.desired.region == place.region
            })
            .filter(|other| !other.desired.deleting)
            .collect();
        // The sort is stable: of those that are to be made, the first comes first.
        there.sort_by_key(|other| (other.born.is_none(), other.born));
        let mut oldest = BTreeMap::new();
        for other in there {
            for (kind, name) in other.desired.claims() {
                oldest
                    .entry((kind, name.to_owned()))
                    .or_insert_with(|| other.desired.profile.clone());
            }
        }
        let cluster = self
            .cluster
            .clone()
            .unwrap_or_else(|| UNKNOWN_CLUSTER.to_owned());
        Claims {
            cluster,
            living: self.living.clone(),
            unreadable: BTreeSet::new(),
            oldest,
            quotas,
        }
    }
}

fn claimants(cases: &[Case], settings: &Settings, surroundings: &Surroundings) -> Vec<Claimant> {
    let reached: HashMap<_, _> = cases
        .iter()
        .filter_map(|case| {
            Some((
                identity_of(case.desired.as_ref().ok()?),
                case.view.as_ref()?.account.id.clone(),
            ))
        })
        .collect();
    let planned = cases
        .iter()
        .map(|case| (&case.profile, case.desired.clone()));
    let others = surroundings.profiles.iter().flatten();
    let others = others.filter(|profile| {
        !cases
            .iter()
            .any(|case| case.reference == reference(profile))
    });
    let others = others.map(|profile| {
        let rights = surroundings.rights(profile.metadata.namespace.as_deref().unwrap_or_default());
        (
            profile,
            validate(profile, &rights, settings.region.as_deref()),
        )
    });
    let claimant = |(profile, desired): (&ObservabilityProfile, Result<Desired, _>)| {
        let desired = desired.ok()?;
        let told = profile
            .status
            .as_ref()
            .and_then(|status| status.account_id.clone());
        let account = told.or_else(|| reached.get(&identity_of(&desired)).cloned());
        Some(Claimant {
            desired,
            account,
            born: profile
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0),
        })
    };
    planned.chain(others).filter_map(claimant).collect()
}

fn missing_namespaces(cases: &[Case], surroundings: &Surroundings) -> Vec<String> {
    let Some(namespaces) = &surroundings.namespaces else {
        return Vec::new();
    };
    let named: BTreeSet<&String> = cases.iter().map(|case| &case.reference.namespace).collect();
    let missing = named
        .into_iter()
        .filter(|namespace| !namespaces.contains_key(*namespace));
    missing
        .map(|namespace| {
            format!("the namespace {namespace} does not exist yet: assumed that it allows no roles and no adoption")
        })
        .collect()
}

/// The marks of ownership that an account's objects carry, as far as tags were read.
fn marks(observed: &Observed) -> impl Iterator<Item = OwnerTags> {
    fn mark<S>(seen: &Seen<S>) -> Option<OwnerTags> {
        match &seen.tags {
            Tags::Read(tags) => OwnerTags::read(tags),
            Tags::Unread | Tags::Settling => None,
        }
    }
    let groups = observed.groups.values().filter_map(mark);
    let rules = observed.rules.values().filter_map(mark);
    groups
        .chain(rules)
        .chain(observed.log_groups.values().filter_map(mark))
}

/// The cluster whose marks name the planned profiles, if it is one, and what to say about it.
fn told_by(marks: &[OwnerTags], planned: &BTreeSet<ProfileRef>) -> (Option<String>, String) {
    let mine = marks.iter().filter(|mark| planned.contains(&mark.profile));
    let clusters: BTreeSet<&String> = mine.map(|mark| &mark.cluster).collect();
    let mut clusters = clusters.into_iter();
    match (clusters.next(), clusters.next()) {
        (None, _) => (
            None,
            "assumed: the profiles hold nothing in AWS yet, because no tag names them".to_owned(),
        ),
        (Some(cluster), None) => {
            let sentence = format!(
                "assumed: the cluster is {cluster}, as the tags of the profiles' objects say"
            );
            (Some(cluster.clone()), sentence)
        }
        (Some(one), Some(other)) => (
            None,
            format!(
                "objects of profiles of these names belong to several clusters ({one}, {other}): say by --cluster-name which one is meant"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tracewright_core::crd::DeletionPolicy;
    use tracewright_core::identity::Kind;
    use tracewright_core::rights::Rights;

    fn claimant(name: &str, account: &str, born: Option<i64>) -> Claimant {
        let spec = json!({"logs": {"groups": [{"name": "shared"}]}});
        let mut profile = ObservabilityProfile::new(name, serde_json::from_value(spec).unwrap());
        profile.metadata.namespace = Some("ns".to_owned());
        Claimant {
            desired: validate(&profile, &Rights::default(), Some("us-east-1")).unwrap(),
            account: Some(account.to_owned()),
            born: born.map(|second| Timestamp::from_second(second).unwrap()),
        }
    }

    fn holder(claimants: &[Claimant]) -> Option<String> {
        let all = Claimants {
            claimants: claimants.to_vec(),
            ..Claimants::default()
        };
        let place = Place {
            account: "1".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let claims = all.claims(&place, Quotas::default());
        claims
            .oldest
            .get(&(Kind::LogGroup, "shared".to_owned()))
            .map(|profile| profile.name.clone())
    }

    #[test]
    fn a_name_goes_to_the_oldest_profile_of_the_account_and_a_new_one_is_the_youngest() {
        let (new, newer) = (claimant("new", "1", None), claimant("newer", "1", None));
        let (young, old) = (
            claimant("young", "1", Some(2)),
            claimant("old", "1", Some(1)),
        );
        let elsewhere = claimant("elsewhere", "2", Some(0));
        let all = [new.clone(), newer.clone(), young, old, elsewhere.clone()];
        assert_eq!(holder(&all).as_deref(), Some("old"));
        assert_eq!(
            holder(&[new, newer, elsewhere.clone()]).as_deref(),
            Some("new")
        );
        assert_eq!(holder(&[elsewhere]), None);
    }

    #[test]
    fn a_profile_that_is_being_deleted_claims_nothing() {
        let mut leaving = claimant("leaving", "1", Some(1));
        leaving.desired.deleting = true;
        assert_eq!(holder(&[leaving]), None);
    }

    #[test]
    fn the_tags_of_the_planned_profiles_tell_the_cluster_if_they_agree() {
        let mark = |cluster: &str, name: &str| OwnerTags {
            cluster: cluster.to_owned(),
            profile: ProfileRef::new("ns", name),
            deletion_policy: DeletionPolicy::Retain,
        };
        let planned = BTreeSet::from([ProfileRef::new("ns", "mine")]);
        let told = |marks: &[OwnerTags]| told_by(marks, &planned).0;
        assert_eq!(
            told(&[mark("a", "mine"), mark("b", "other"), mark("a", "mine")]).as_deref(),
            Some("a")
        );
        assert_eq!(told(&[mark("a", "mine"), mark("b", "mine")]), None);
        assert_eq!(told(&[mark("a", "other")]), None);
    }
}
