//! `plan`: what the operator would do in AWS for profiles that nobody has applied yet. Reads only.
//!
//! The arrows are those of a reconcile: [`case`] validates and observes, and here the profiles are compared one after the
//! other. [`cluster`] stands for the operator's watches, [`cost`] says what sampling costs, [`render`] prints it.

mod case;
mod claims;
pub mod cluster;
pub mod cost;
mod render;

pub use render::{json, text};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;
use tracewright_core::advice::{Advice, advise, declared_rules};
use tracewright_core::crd::Mode;
use tracewright_core::desired::{Invalid, validate};
use tracewright_core::diff::diff;
use tracewright_core::effect::carry_out;
use tracewright_core::identity::{Kind, ProfileRef};
use tracewright_core::observed::{Observed, Quotas};
use tracewright_core::plan::{Action, Pending, Plan, Step};
use tracewright_xray::rule::SamplingRule;

use crate::aws::call::Speed;
use crate::aws::{Account, Accounts, AwsError, ErrorKind, Identity, inventory};
use crate::lease::Permit;
use crate::lint::{self, Declared};
use crate::metrics::Metrics;
use case::{Case, View, identity};
use claims::{Neighbour, claims, marks};
use cluster::Surroundings;
use cost::{Estimate, Traffic};

/// A plan runs beside an operator and leaves it most of AWS's rates.
const RATE_SHARE: f64 = 0.5;
/// Stands for the id of a cluster that nothing tells. No cluster has this name.
const UNKNOWN_CLUSTER: &str = "(this cluster)";

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
    #[error("the AWS account of the profile {profile} cannot be read: {} failed: {}: {}{}", error.operation, error.code, error.message, remedy(error.kind))]
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
        ErrorKind::AccessDenied => ". Allow this action to the identity that makes the plan, which only reads",
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
        /// The account's id.
        account: String,
        /// The region.
        region: String,
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
    /// The account's id.
    pub account: String,
    /// The region.
    pub region: String,
    /// What AWS counted; `None`: no client reported anything.
    pub traffic: Result<Option<Traffic>, AwsError>,
}

impl Report {
    /// Whether anything is to be written, or left alone for a reason.
    #[must_use]
    pub fn finds_anything(&self) -> bool {
        self.profiles.iter().any(|planned| match &planned.outcome {
            Outcome::Compared { plan, .. } => {
                plan.objects.iter().any(|object| object.verdict != tracewright_core::plan::Verdict::Synced)
            }
            Outcome::NotCompared(_) => false,
            Outcome::Invalid(_) => true,
        })
    }
}

/// Steps that the profiles before would carry out, by account and region.
type Written = HashMap<(String, String), Vec<(Kind, String, String, Step)>>;

/// Compares profiles with AWS. `warnings` are lint's.
///
/// # Errors
/// Where an account cannot be read.
pub async fn plan(
    declared: Vec<Declared>,
    warnings: &[lint::Finding],
    settings: &Settings,
    surroundings: &Surroundings,
) -> Result<Report, Error> {
    let accounts = Accounts::new(
        Speed { share: RATE_SHARE, overrides: HashMap::new() },
        // One look says what is there now, and nothing is read twice.
        inventory::Settings { tag_settle: Duration::ZERO, tag_drift_interval: Duration::MAX },
        Arc::new(Metrics::new()),
        Permit::always(),
        settings.endpoint_url.clone(),
    );
    let began = Instant::now();
    let cases = declared.into_iter().map(|declared| Case::new(declared, settings, surroundings));
    let cases = try_join_all(cases.map(|case| case.observed(&accounts, began))).await?;

    let mut assumptions = surroundings.assumptions.clone();
    let known = settings.cluster_name.as_ref().or(surroundings.id.as_ref());
    let cluster = known.cloned().or_else(|| told_by_tags(&cases, &mut assumptions));
    assumptions.extend(missing_namespaces(&cases, surroundings));
    let traffic = traffic(&cases).await;
    let profiles = compare(&cases, &traffic, warnings, cluster.as_deref(), settings, surroundings);
    Ok(Report { cluster, assumptions, profiles, accounts: traffic })
}

fn compare(
    cases: &[Case],
    traffic: &[AccountTraffic],
    warnings: &[lint::Finding],
    cluster: Option<&str>,
    settings: &Settings,
    surroundings: &Surroundings,
) -> Vec<Planned> {
    let cluster = cluster.unwrap_or(UNKNOWN_CLUSTER);
    let living = living(cases, surroundings, cluster);
    let neighbours = neighbours(cases, settings, surroundings);
    let mut written = Written::new();
    let mut profiles = Vec::new();
    for case in cases {
        let (mut advice, mut costs) = (Vec::new(), BTreeMap::new());
        let outcome = match (&case.desired, &case.view) {
            (Err(invalid), _) => Outcome::Invalid(invalid.clone()),
            (Ok(desired), Some(View { account, observed })) => {
                // What one profile writes is there when the next is looked at: quotas fill up and names change hands.
                let mut observed = observed.clone();
                let place = (account.id.clone(), account.region.clone());
                for (kind, name, arn, step) in written.get(&place).into_iter().flatten() {
                    carry_out(&mut observed, *kind, name, arn, step);
                }
                let claims = claims(cluster, living.clone(), &neighbours, &place, settings.quotas);
                let plan = diff(desired, &observed, &claims);
                advice = advise(&case.profile.spec, &other_rules(cases, case, &observed, &plan));
                costs = estimates(desired, &observed, &plan, traffic, account);
                written.entry(place.clone()).or_default().extend(steps(&plan));
                Outcome::Compared { account: place.0, region: place.1, plan }
            }
            (Ok(desired), None) if desired.deleting => {
                Outcome::NotCompared("it is being deleted in the cluster: apply it again once it is gone")
            }
            (Ok(desired), None) if desired.mode == Mode::Suspended => {
                Outcome::NotCompared("spec.mode is Suspended: nothing is observed or written")
            }
            (Ok(_), None) => Outcome::NotCompared("it declares no AWS objects"),
        };
        merge(&mut advice, warnings, case);
        profiles.push(Planned {
            profile: case.reference.clone(),
            file: case.file.clone(),
            line: case.line,
            mode: case.profile.spec.mode,
            outcome,
            advice,
            costs,
        });
    }
    profiles
}

fn steps(plan: &Plan<Pending>) -> impl Iterator<Item = (Kind, String, String, Step)> {
    plan.writes().flat_map(|(object, write)| {
        let arn = object.arn.clone().unwrap_or_default();
        write.steps.iter().map(move |step| (object.kind, object.name.clone(), arn.clone(), step.clone()))
    })
}

/// The cluster whose mark the objects of the planned profiles carry.
fn told_by_tags(cases: &[Case], assumptions: &mut Vec<String>) -> Option<String> {
    let mine: BTreeSet<&ProfileRef> = cases.iter().map(|case| &case.reference).collect();
    let observed = cases.iter().filter_map(|case| case.view.as_ref()).map(|view| &view.observed);
    let clusters: BTreeSet<String> = observed
        .flat_map(marks)
        .filter(|mark| mine.contains(&mark.profile))
        .map(|mark| mark.cluster)
        .collect();
    let mut clusters = clusters.into_iter();
    match (clusters.next(), clusters.next()) {
        (Some(cluster), None) => {
            assumptions.push(format!("assumed: the cluster is {cluster}, as tags of the profiles' objects say"));
            Some(cluster)
        }
        (Some(one), Some(other)) => {
            assumptions.push(format!(
                "profiles of these names hold objects for several clusters ({one}, {other}, …): give --cluster-name to say which one is meant"
            ));
            None
        }
        (None, _) => {
            assumptions.push(
                "assumed: the profiles hold nothing in AWS yet, because no tag names them".to_owned(),
            );
            None
        }
    }
}

fn missing_namespaces(cases: &[Case], surroundings: &Surroundings) -> Vec<String> {
    let Some(namespaces) = &surroundings.namespaces else { return Vec::new() };
    let named: BTreeSet<&String> = cases.iter().map(|case| &case.reference.namespace).collect();
    named
        .into_iter()
        .filter(|namespace| !namespaces.contains_key(*namespace))
        .map(|namespace| {
            format!("the namespace {namespace} does not exist yet: assumed that it allows no roles and no adoption")
        })
        .collect()
}

/// Profiles that are in the cluster or will be; where that cannot be read, those that tags name.
fn living(cases: &[Case], surroundings: &Surroundings, cluster: &str) -> BTreeSet<ProfileRef> {
    let mut living: BTreeSet<ProfileRef> = cases.iter().map(|case| case.reference.clone()).collect();
    match &surroundings.profiles {
        Some(profiles) => living.extend(profiles.iter().map(reference)),
        None => {
            let views = cases.iter().filter_map(|case| case.view.as_ref());
            let marks = views.flat_map(|view| marks(&view.observed)).filter(|mark| mark.cluster == cluster);
            living.extend(marks.map(|mark| mark.profile));
        }
    }
    living
}

fn reference(profile: &tracewright_core::crd::ObservabilityProfile) -> ProfileRef {
    let metadata = &profile.metadata;
    ProfileRef::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// The planned profiles, and those of the cluster that are not planned.
fn neighbours(cases: &[Case], settings: &Settings, surroundings: &Surroundings) -> Vec<Neighbour> {
    let reached: HashMap<Identity, &str> = cases
        .iter()
        .filter_map(|case| Some((identity(case.desired.as_ref().ok()?), case.view.as_ref()?.account.id.as_str())))
        .collect();
    let planned = cases.iter().map(|case| (&case.profile, case.desired.clone()));
    let others = surroundings
        .profiles
        .iter()
        .flatten()
        .filter(|profile| !cases.iter().any(|case| case.reference == reference(profile)))
        .map(|profile| {
            let rights = surroundings.rights(profile.metadata.namespace.as_deref().unwrap_or_default());
            (profile, validate(profile, &rights, settings.region.as_deref()))
        });
    planned
        .chain(others)
        .filter_map(|(profile, desired)| {
            let desired = desired.ok()?;
            let told = profile.status.as_ref().and_then(|status| status.account_id.clone());
            Some(Neighbour {
                account: told.or_else(|| reached.get(&identity(&desired)).map(|id| (*id).to_owned())),
                born: profile.metadata.creation_timestamp.as_ref().map(|time| time.0),
                desired,
            })
        })
        .collect()
}

/// The rules that share the account with those of a profile once everything is carried out.
fn other_rules(cases: &[Case], case: &Case, observed: &Observed, plan: &Plan<Pending>) -> Vec<SamplingRule> {
    let going = |name: &String| {
        plan.writes().any(|(object, write)| {
            object.kind == Kind::SamplingRule && object.name == *name && write.action == Action::Delete
        })
    };
    let there = observed.rules.iter().filter(|(name, _)| !going(name)).map(|(name, seen)| SamplingRule {
        rule_name: name.clone(),
        priority: seen.state.priority,
        fixed_rate: seen.state.fixed_rate,
        reservoir_size: seen.state.reservoir_size,
        service_name: seen.state.service_name.clone(),
        service_type: seen.state.service_type.clone(),
        host: seen.state.host.clone(),
        http_method: seen.state.http_method.clone(),
        url_path: seen.state.url_path.clone(),
        resource_arn: seen.state.resource_arn.clone(),
        attributes: seen.state.attributes.clone(),
        ..SamplingRule::factory_default()
    });
    let mut rules: BTreeMap<String, SamplingRule> = there.map(|rule| (rule.rule_name.clone(), rule)).collect();
    let place = |case: &Case| case.view.as_ref().map(|view| (view.account.id.clone(), view.account.region.clone()));
    for other in cases.iter().filter(|other| other.reference != case.reference && place(other) == place(case)) {
        rules.extend(declared_rules(&other.profile.spec).into_iter().map(|rule| (rule.rule_name.clone(), rule)));
    }
    rules.into_values().collect()
}

/// Adds what lint warns of and the comparison with the account did not say.
fn merge(advice: &mut Vec<Advice>, warnings: &[lint::Finding], case: &Case) {
    for warning in warnings.iter().filter(|warning| warning.file == case.file) {
        let same = |known: &Advice| known.reason == warning.reason && known.field == warning.field;
        if warning.place.line >= case.line && !advice.iter().any(same) {
            advice.push(Advice {
                reason: warning.reason,
                field: warning.field.clone(),
                message: warning.message.clone(),
            });
        }
    }
}

/// Reads the traffic of each account in which sampling rules are declared. Without it there is a plan all the same.
async fn traffic(cases: &[Case]) -> Vec<AccountTraffic> {
    let mut accounts: BTreeMap<(String, String), (&Account, &str)> = BTreeMap::new();
    for case in cases {
        if let (Ok(desired), Some(view)) = (&case.desired, &case.view)
            && !desired.rules.is_empty()
        {
            let place = (view.account.id.clone(), view.account.region.clone());
            accounts.entry(place).or_insert((&view.account, &case.reference.namespace));
        }
    }
    let reads = accounts.into_iter().map(|((id, region), (account, namespace))| async move {
        AccountTraffic { account: id, region, traffic: Traffic::read(account, namespace).await }
    });
    futures::future::join_all(reads).await
}
