//! Who holds or claims which AWS object, as the operator would judge it once the planned profiles are in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracewright_core::desired::Desired;
use tracewright_core::identity::{OwnerTags, ProfileRef};
use tracewright_core::observed::{Claims, Observed, Quotas, Seen, Tags};

/// A profile that is there, or will be.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// What it wants.
    pub desired: Desired,
    /// The account in which it wants it, if known.
    pub account: Option<String>,
    /// Since when it is in the cluster; `None`: it is to be made, and so younger than any other.
    pub born: Option<Timestamp>,
}

/// What all profiles together claim of one account and region.
#[must_use]
pub fn claims(
    cluster: &str,
    living: BTreeSet<ProfileRef>,
    neighbours: &[Neighbour],
    account: &str,
    region: &str,
    quotas: Quotas,
) -> Claims {
    let mut there: Vec<&Neighbour> = neighbours
        .iter()
        .filter(|other| other.account.as_deref() == Some(account) && other.desired.region == region)
        .filter(|other| !other.desired.deleting)
        .collect();
    // The sort is stable: of those that are to be made, the first comes first.
    there.sort_by_key(|other| (other.born.is_none(), other.born));
    let mut oldest = BTreeMap::new();
    for other in there {
        for (kind, name) in other.desired.claims() {
            oldest.entry((kind, name.to_owned())).or_insert_with(|| other.desired.profile.clone());
        }
    }
    Claims { cluster: cluster.to_owned(), living, oldest, quotas }
}

/// The marks of ownership that an account's objects carry, as far as tags were read.
pub fn marks(observed: &Observed) -> impl Iterator<Item = OwnerTags> {
    fn mark<S>(seen: &Seen<S>) -> Option<OwnerTags> {
        match &seen.tags {
            Tags::Read(tags) => OwnerTags::read(tags),
            Tags::Unread | Tags::Settling => None,
        }
    }
    let groups = observed.groups.values().filter_map(mark);
    let rules = observed.rules.values().filter_map(mark);
    groups.chain(rules).chain(observed.log_groups.values().filter_map(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tracewright_core::crd::ObservabilityProfile;
    use tracewright_core::desired::validate;
    use tracewright_core::identity::Kind;
    use tracewright_core::rights::Rights;

    fn neighbour(name: &str, account: &str, born: Option<i64>) -> Neighbour {
        let spec = json!({"logs": {"groups": [{"name": "shared"}]}});
        let mut profile = ObservabilityProfile::new(name, serde_json::from_value(spec).unwrap());
        profile.metadata.namespace = Some("ns".to_owned());
        Neighbour {
            desired: validate(&profile, &Rights::default(), Some("us-east-1")).unwrap(),
            account: Some(account.to_owned()),
            born: born.map(|second| Timestamp::from_second(second).unwrap()),
        }
    }

    fn holder(neighbours: &[Neighbour]) -> Option<String> {
        let claims = claims("c", BTreeSet::new(), neighbours, "1", "us-east-1", Quotas::default());
        claims.oldest.get(&(Kind::LogGroup, "shared".to_owned())).map(|profile| profile.name.clone())
    }

    #[test]
    fn a_name_goes_to_the_oldest_profile_of_the_account_and_a_new_one_is_the_youngest() {
        let (new, newer) = (neighbour("new", "1", None), neighbour("newer", "1", None));
        let (young, old) = (neighbour("young", "1", Some(2)), neighbour("old", "1", Some(1)));
        let elsewhere = neighbour("elsewhere", "2", Some(0));
        let all = [new.clone(), newer.clone(), young, old, elsewhere.clone()];
        assert_eq!(holder(&all).as_deref(), Some("old"));
        assert_eq!(holder(&[new, newer, elsewhere.clone()]).as_deref(), Some("new"));
        assert_eq!(holder(&[elsewhere]), None);
    }

    #[test]
    fn a_profile_that_is_being_deleted_claims_nothing() {
        let mut leaving = neighbour("leaving", "1", Some(1));
        leaving.desired.deleting = true;
        assert_eq!(holder(&[leaving]), None);
    }
}
