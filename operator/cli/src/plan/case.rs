//! One profile on its way to a plan: validate → observe, with the profile of the same name in the cluster as memory.

use std::sync::Arc;

use kube::api::ObjectMeta;
use tokio::time::Instant;
use tracewright_core::crd::status::{ItemState, ItemStatus};
use tracewright_core::crd::{Mode, ObservabilityProfile, ObservabilityProfileStatus};
use tracewright_core::desired::{self, Desired, Invalid, check_account, validate};
use tracewright_core::identity::ProfileRef;
use tracewright_core::observed::Observed;
use tracewright_xray::contract::tag;

use super::cluster::Surroundings;
use super::{Error, Settings};
use crate::aws::{Account, Accounts, AwsError};
use crate::lint::Declared;
use crate::observe::observe;
use crate::operator::world::{identity_of, reference};

/// The namespace of objects that name none, where no kubeconfig says otherwise.
const DEFAULT_NAMESPACE: &str = "default";

/// A profile, what it wants and what AWS holds for it.
pub struct Case {
    /// Its name.
    pub reference: ProfileRef,
    /// As it will be in the cluster, with the status that it has there.
    pub profile: ObservabilityProfile,
    /// What it wants of AWS.
    pub desired: Result<Desired, Invalid>,
    /// What AWS holds; `None` where the operator would not look.
    pub view: Option<View>,
    /// Where it is written.
    pub file: String,
    /// Where in the file it begins.
    pub line: u64,
}

/// What an account holds, as far as a profile is concerned.
pub struct View {
    /// The account.
    pub account: Arc<Account>,
    /// What it holds.
    pub observed: Observed,
}

/// An account and region, the place of AWS objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The account's id.
    pub account: String,
    /// The region.
    pub region: String,
}

impl View {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place {
            account: self.account.id.clone(),
            region: self.account.region.clone(),
        }
    }
}

impl Case {
    /// What a profile wants.
    pub fn new(declared: Declared, settings: &Settings, surroundings: &Surroundings) -> Self {
        let Declared {
            profile,
            file,
            line,
        } = declared;
        let written = profile.metadata;
        let namespace = written
            .namespace
            .or_else(|| surroundings.namespace.clone())
            .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let name = written.name.or(written.generate_name).unwrap_or_default();
        let live = surroundings.profile(&namespace, &name);
        let metadata = ObjectMeta {
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            creation_timestamp: live.and_then(|live| live.metadata.creation_timestamp.clone()),
            deletion_timestamp: live.and_then(|live| live.metadata.deletion_timestamp.clone()),
            ..ObjectMeta::default()
        };
        let status = live.and_then(|live| live.status.clone());
        // Where the objects are already, the operator's default region is known.
        let region = status
            .as_ref()
            .and_then(|status| status.region.clone())
            .or_else(|| settings.region.clone());
        let profile = ObservabilityProfile {
            metadata,
            spec: profile.spec,
            status,
        };
        let desired = validate(
            &profile,
            &surroundings.rights(&namespace),
            region.as_deref(),
        );
        Self {
            reference: reference(&profile),
            profile,
            desired,
            view: None,
            file,
            line,
        }
    }

    /// Looks at the account, unless the operator would not.
    ///
    /// # Errors
    /// The call that failed.
    pub async fn observed(
        mut self,
        accounts: &Accounts,
        not_before: Instant,
    ) -> Result<Self, Error> {
        if let Some(desired) = self.desired.as_ref().ok().filter(|desired| {
            desired.mode != Mode::Suspended && !desired.deleting && self.concerns_aws()
        }) {
            let failed = |error| Error::Account {
                profile: self.reference.clone(),
                error,
            };
            let account = accounts
                .get(&identity_of(desired), &desired.profile.namespace)
                .await
                .map_err(failed)?;
            if let Err(invalid) = check_account(self.profile.status.as_ref(), &account.id) {
                self.desired = Err(invalid);
                return Ok(self);
            }
            let view = view(account, desired, self.profile.status.as_ref(), not_before).await;
            self.view = Some(view.map_err(failed)?);
        }
        Ok(self)
    }

    /// Whether the profile has to do with AWS.
    pub fn concerns_aws(&self) -> bool {
        desired::concerns_aws(&self.profile)
    }
}

async fn view(
    account: Arc<Account>,
    desired: &Desired,
    status: Option<&ObservabilityProfileStatus>,
    not_before: Instant,
) -> Result<View, AwsError> {
    let memory = match status.filter(|status| status.account_id.is_some()) {
        Some(status) => status.clone(),
        None => suspects(&account, desired, not_before).await?,
    };
    // The id of the cluster only says which log groups an earlier look has marked, and there was none.
    let observed = observe(&account, desired, Some(&memory), "", not_before, None).await?;
    Ok(View { account, observed })
}

/// In place of the status of a profile that is not in a cluster, or was never reconciled: everything whose tags may name
/// it.
async fn suspects(
    account: &Account,
    desired: &Desired,
    not_before: Instant,
) -> Result<ObservabilityProfileStatus, AwsError> {
    let namespace = &desired.profile.namespace;
    let all = account
        .observe(&Default::default(), not_before, namespace)
        .await?;
    let mark = [(tag::PROFILE, &*desired.profile.to_string())];
    let marked = account.log_groups_tagged(&mark, namespace).await?;
    let item = |name: String| ItemStatus {
        name,
        arn: None,
        state: ItemState::Pending,
        deletion_policy: None,
        message: None,
    };
    Ok(ObservabilityProfileStatus {
        groups: all.groups.into_keys().map(item).collect(),
        sampling_rules: all.rules.into_keys().map(item).collect(),
        log_groups: marked.into_iter().map(item).collect(),
        ..ObservabilityProfileStatus::default()
    })
}
