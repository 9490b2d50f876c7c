//! Whose is an object that exists under a declared name?

use tracewright_xray::contract::condition::reason;

use crate::crd::status::ItemState;
use crate::identity::{Kind, OwnerTags, ProfileRef};
use crate::observed::{Claims, Tags};
use crate::plan::Verdict;

/// Whose an existing object is, seen from one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// This profile's.
    Ours(OwnerTags),
    /// A profile's of this cluster that exists no more.
    Abandoned,
    /// Another living profile's of this cluster.
    OtherProfile(ProfileRef),
    /// Another cluster's.
    OtherCluster(OwnerTags),
    /// Nobody's that we know.
    Foreign,
    /// Its tags could not be read yet.
    Unread,
    /// It may be ours: tags appear late.
    Settling,
}

pub(super) fn standing(tags: &Tags, me: &ProfileRef, claims: &Claims) -> Standing {
    let tags = match tags {
        Tags::Unread => return Standing::Unread,
        Tags::Settling => return Standing::Settling,
        Tags::Read(tags) => tags,
    };
    match OwnerTags::read(tags) {
        None => Standing::Foreign,
        Some(owner) if owner.cluster != claims.cluster => Standing::OtherCluster(owner),
        Some(owner) if owner.profile == *me => Standing::Ours(owner),
        Some(owner) if claims.may_live(&owner.profile) => Standing::OtherProfile(owner.profile),
        Some(_) => Standing::Abandoned,
    }
}

/// The profile that a name which nobody holds goes to, if it is not this one.
pub(super) fn elder<'a>(
    kind: Kind,
    name: &str,
    me: &ProfileRef,
    claims: &'a Claims,
) -> Option<&'a ProfileRef> {
    claims
        .oldest
        .get(&(kind, name.to_owned()))
        .filter(|oldest| *oldest != me)
}

pub(super) fn conflict(kind: Kind, name: &str, holder: &ProfileRef) -> Verdict {
    Verdict::Held {
        state: ItemState::Conflict,
        reason: reason::CONFLICT,
        message: format!(
            "{} {name} belongs to the profile {holder}: remove it from one of the two profiles",
            kind.noun()
        ),
    }
}

pub(super) fn other_cluster(kind: Kind, name: &str, owner: &OwnerTags) -> Verdict {
    Verdict::Held {
        state: ItemState::Foreign,
        reason: reason::FOREIGN,
        message: format!(
            "{} {name} belongs to the profile {} of the cluster {}: choose another name, or release it there first",
            kind.noun(),
            owner.profile,
            owner.cluster
        ),
    }
}

pub(super) fn foreign(kind: Kind, name: &str, adopt_declared: bool) -> Verdict {
    let remedy = if adopt_declared {
        "adopting it needs the namespace annotation tracewright.dev/allow-adopt, which a cluster admin sets"
    } else {
        "choose another name, or write adoptionPolicy: Adopt"
    };
    Verdict::Held {
        state: ItemState::Foreign,
        reason: reason::FOREIGN,
        message: format!(
            "{} {name} exists and was not made by this profile: {remedy}",
            kind.noun()
        ),
    }
}

pub(super) fn waiting(kind: Kind, name: &str, why: &str) -> Verdict {
    Verdict::Held {
        state: ItemState::Pending,
        reason: reason::PENDING,
        message: format!("{} {name} {why}", kind.noun()),
    }
}
