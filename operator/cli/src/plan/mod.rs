//! `plan`: what the operator would do in AWS for profiles that nobody has applied yet. Reads only.
//!
//! The arrows are those of a reconcile: `case` validates and observes, `compare` diffs, with `claims` of all profiles
//! together. [`cluster`] stands for the operator's watches, [`cost`] says what sampling costs, `render` prints it.

mod advice;
mod case;
mod claims;
pub mod cluster;
mod compare;
pub mod cost;
mod fields;
mod render;

pub use render::{json, text};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use tokio::time::Instant;
use tracewright_core::advice::Advice;
use tracewright_core::crd::Mode;
use tracewright_core::desired::Invalid;
use tracewright_core::identity::ProfileRef;
use tracewright_core::observed::Quotas;
use tracewright_core::plan::{Pending, Plan, Verdict};

use crate::aws::call::Speed;
use crate::aws::{Account, Accounts, AwsError, ErrorKind, inventory};
use crate::lease::Permit;
use crate::lint::{Declared, Finding};
use crate::metrics::Metrics;
use case::Case;
pub use case::Place;
use claims::Claimants;
use cluster::Surroundings;
use compare::compare;
use cost::{Estimate, Traffic};

/// A plan makes few calls, and somebody waits for it.
const RATE_SHARE: f64 = 1.0;

/// How a plan is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// AWS region of profiles that name none.
    pub region: Option<String>,
    /// URL that replaces the endpoints of all AWS services.
    pub endpoint_url: Option<String>,
    /// Id of the cluster in tags of AWS objects, in place of what the cluster says.
    pub cluster_name: Option<String>,
    /// Quotas of every account.
    pub quotas: Quotas,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An account cannot be read.
    #[error("the AWS account of the profile {profile} cannot be read: {} failed: {}: {}{}", error.operation, error.code, error.message.trim_end_matches('.'), remedy(error.kind))]
    Account {
        /// The profile.
        profile: ProfileRef,
        /// The call that failed.
        error: AwsError,
    },
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::CredentialsMissing => {
            ". Give credentials as to the AWS CLI (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        }
        ErrorKind::AccessDenied => {
            ". Allow this action to the identity that makes the plan, which only reads"
        }
        ErrorKind::Unreachable => ". Check the network, the region and --aws-endpoint-url",
        _ => "",
    }
}

/// Everything that a plan tells.
#[derive(Debug)]
pub struct Report {
    /// Id of the cluster in tags, if anything tells it.
    pub cluster: Option<String>,
    /// What was not found out and what was assumed instead, in sentences.
    pub assumptions: Vec<String>,
    /// The profiles, in the order of the files.
    pub profiles: Vec<Planned>,
    /// The accounts in which the profiles declare sampling rules.
    pub accounts: Vec<AccountTraffic>,
}

/// What is planned for a profile.
#[derive(Debug)]
pub struct Planned {
    /// The profile.
    pub profile: ProfileRef,
    /// The file it stands in.
    pub file: String,
    /// Where in the file it begins.
    pub line: u64,
    /// Whether the operator would write.
    pub mode: Mode,
    /// What came of comparing it with AWS.
    pub outcome: Outcome,
    /// What is probably not meant.
    pub advice: Vec<Advice>,
    /// What sampling costs, by rule, where traffic is known.
    pub costs: BTreeMap<String, Estimate>,
}

/// What came of comparing a profile with AWS.
#[derive(Debug)]
pub enum Outcome {
    /// What differs.
    Compared {
        /// Where.
        place: Place,
        /// What the operator would do.
        plan: Plan<Pending>,
    },
    /// The operator would not look at AWS, and why.
    NotCompared(&'static str),
    /// The profile as a whole cannot be carried out.
    Invalid(Invalid),
}

/// Traffic of one account and region.
#[derive(Debug)]
pub struct AccountTraffic {
    /// Which.
    pub place: Place,
    /// What AWS counted; `None`: no client reported anything.
    pub traffic: Result<Option<Traffic>, AwsError>,
}

impl Report {
    /// Whether anything is to be written, or left alone for a reason.
    #[must_use]
    pub fn finds_anything(&self) -> bool {
        self.profiles.iter().any(|planned| match &planned.outcome {
            Outcome::Compared { plan, .. } => plan
                .objects
                .iter()
                .any(|object| object.verdict != Verdict::Synced),
            Outcome::NotCompared(_) => false,
            Outcome::Invalid(_) => true,
        })
    }
}

/// Compares profiles with AWS. `warnings` are lint's.
///
/// # Errors
/// Where an account cannot be read.
pub async fn plan(
    declared: Vec<Declared>,
    warnings: &[Finding],
    settings: &Settings,
    surroundings: &Surroundings,
) -> Result<Report, Error> {
    let accounts = Accounts::new(
        Speed {
            share: RATE_SHARE,
            overrides: HashMap::new(),
        },
        // One look says what is there now, and nothing is read twice.
        inventory::Settings {
            tag_settle: Duration::ZERO,
            tag_drift_interval: Duration::MAX,
        },
        Arc::new(Metrics::new()),
        Permit::always(),
        settings.endpoint_url.clone(),
        settings.region.clone().filter(|region| !region.is_empty()),
    );
    let began = Instant::now();
    let cases = declared
        .into_iter()
        .map(|declared| Case::new(declared, settings, surroundings));
    let cases = try_join_all(cases.map(|case| case.observed(&accounts, began))).await?;
    let accounts = traffic(&cases).await;
    let claimants = Claimants::new(&cases, settings, surroundings);
    let profiles = compare(&cases, &claimants, &accounts, warnings, settings.quotas);
    let mut assumptions = surroundings.assumptions.clone();
    assumptions.extend(claimants.assumptions);
    Ok(Report {
        cluster: claimants.cluster,
        assumptions,
        profiles,
        accounts,
    })
}

/// Reads the traffic of each account in which sampling rules are declared. Without it there is a plan all the same.
async fn traffic(cases: &[Case]) -> Vec<AccountTraffic> {
    let mut accounts: BTreeMap<Place, (&Account, &str)> = BTreeMap::new();
    for case in cases {
        if let (Ok(desired), Some(view)) = (&case.desired, &case.view)
            && !desired.rules.is_empty()
        {
            accounts
                .entry(view.place())
                .or_insert((&view.account, &case.reference.namespace));
        }
    }
    let reads = accounts
        .into_iter()
        .map(|(place, (account, namespace))| async move {
            AccountTraffic {
                place,
                traffic: Traffic::read(account, namespace).await,
            }
        });
    join_all(reads).await
}
