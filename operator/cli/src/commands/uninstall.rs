//! `uninstall`: lets all profiles go before the operator is removed, so that nothing waits for it for ever.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use futures::{StreamExt, stream};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tracewright_core::crd::status::ItemState;
use tracewright_core::crd::{ObservabilityProfile, ObservabilityProfileStatus};
use tracewright_core::identity::{Kind, ProfileRef};
use tracewright_xray::contract::name;

use super::{Error, Outcome};
use crate::installation::watched_by_holder;
use crate::lease;
use crate::operator::world::reference;

/// How long the operator is kept from writing: time enough for `helm uninstall`.
const SEIZED_FOR: Duration = Duration::from_secs(3600);
/// Profiles that are released at the same time.
const CONCURRENCY: usize = 16;
/// How often a profile that others write at the same time is tried.
const MAX_ATTEMPTS: u32 = 5;
/// How often all profiles are looked through: some may have been made meanwhile.
const MAX_ROUNDS: u32 = 3;
/// Objects per page of a list, and how many pages are read.
const PAGE_SIZE: u32 = 500;
const MAX_PAGES: usize = 1_000;

/// Removes the finalizers of all profiles that the operator looks after, to be run before `helm uninstall`. Keeps every AWS
/// object, and says which.
#[derive(Debug, Args)]
#[command(after_help = "\
AWS objects stay, with their tracewright.dev tags: an operator that is installed again takes them up. To have them
deleted instead, delete the profiles while the operator runs. Variables stay in the workloads too.
Exit codes: 0 done or nothing to do, 2 error. It may be run again at any time.")]
pub struct Uninstall {
    /// Namespace of the operator
    #[arg(long, short, env = "POD_NAMESPACE", default_value = "tracewright")]
    namespace: String,
    /// Asks nothing. Required where nobody can answer
    #[arg(long, short)]
    yes: bool,
    /// Only shows what would be released and what would stay
    #[arg(long)]
    dry_run: bool,
}

/// Why profiles were not released.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    /// No way to reach an API server.
    #[error("no Kubernetes API server: {0}. Set KUBECONFIG")]
    Kubeconfig(String),
    /// The API server refused something.
    #[error("cannot {what}: {source}")]
    Kubernetes {
        /// What was tried.
        what: String,
        /// The API server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The operator runs somewhere else.
    #[error(
        "the operator's Lease is in the namespace {found}, not in {asked}: give --namespace {found}"
    )]
    OtherNamespace {
        /// Where it is.
        found: String,
        /// Where it was looked for.
        asked: String,
    },
    /// Nobody can be asked.
    #[error(
        "the standard input is no terminal, so nobody can be asked: give --yes (or --dry-run to look first)"
    )]
    NobodyToAsk,
    /// The answer was not yes.
    #[error("not confirmed: nothing was changed")]
    NotConfirmed,
    /// Profiles have the finalizer again and again.
    #[error(
        "{0} profiles still have the finalizer: an operator of another version may be running; stop it, then run this again"
    )]
    NotReleased(usize),
}

impl UninstallError {
    fn kubernetes(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kubernetes {
            what,
            source: Box::new(source),
        }
    }
}

impl Uninstall {
    /// Releases the profiles.
    ///
    /// # Errors
    /// [`Error::Uninstall`], [`Error::Output`].
    pub fn run(self, out: &mut dyn Write) -> Result<Outcome, Error> {
        super::runtime()?.block_on(async {
            let config = kube::Config::infer()
                .await
                .map_err(|error| UninstallError::Kubeconfig(error.to_string()))?;
            let client = Client::try_from(config)
                .map_err(|error| UninstallError::Kubeconfig(error.to_string()))?;
            self.release_all(&client, out).await
        })?;
        Ok(Outcome::Clean)
    }

    async fn release_all(&self, client: &Client, out: &mut dyn Write) -> Result<(), Error> {
        let namespace = &self.namespace;
        self.find_lease(client).await?;
        let watched = &self.watched(client).await?[..];
        if !watched.is_empty() {
            writeln!(
                out,
                "The operator looks after these namespaces, and no other is touched: {}",
                watched.join(", ")
            )?;
        }
        let (mut held, unread) = guarded(client, watched).await?;
        for namespace in unread {
            writeln!(
                out,
                "The namespace {namespace} cannot be read: it is gone, or nobody gave the right to. Profiles in it stay as they are"
            )?;
        }
        for profile in &held {
            describe(profile, out)?;
        }
        let number = match held.len() {
            1 => "1 profile".to_owned(),
            number => format!("{number} profiles"),
        };
        if self.dry_run {
            writeln!(
                out,
                "{number} would be released, and what is listed would stay in AWS. Nothing was written."
            )?;
            return Ok(());
        }
        if !self.yes && !held.is_empty() {
            confirm(&number, out)?;
        }
        match lease::seize(client.clone(), namespace, SEIZED_FOR).await {
            Ok(wait) => {
                let minutes = SEIZED_FOR.as_secs() / 60;
                writeln!(
                    out,
                    "took the Lease {namespace}/{} for {minutes} minutes: no operator writes",
                    name::LEASE
                )?;
                if !wait.is_zero() {
                    writeln!(
                        out,
                        "waiting {} s for writes that have begun",
                        wait.as_secs()
                    )?;
                    out.flush()?;
                    tokio::time::sleep(wait).await;
                }
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                writeln!(
                    out,
                    "the namespace {namespace} does not exist, so there is no operator to stop"
                )?;
            }
            Err(error) => {
                return Err(UninstallError::kubernetes("take the operator's Lease")(error).into());
            }
        }
        let mut released = 0;
        for _ in 0..MAX_ROUNDS {
            (held, _) = guarded(client, watched).await?;
            if held.is_empty() {
                break;
            }
            let mut releases = stream::iter(&held)
                .map(|profile| release(client, profile))
                .buffer_unordered(CONCURRENCY);
            while let Some(profile) = releases.next().await {
                writeln!(out, "released {}", profile?)?;
                released += 1;
            }
        }
        if !held.is_empty() {
            (held, _) = guarded(client, watched).await?;
        }
        if !held.is_empty() {
            return Err(UninstallError::NotReleased(held.len()).into());
        }
        writeln!(
            out,
            "{released} released. AWS objects stay, with their tags: an operator that is installed again takes them up.\n\
             Next: helm uninstall tracewright --namespace {namespace}\n\
             To let this operator write again instead: kubectl delete lease {} --namespace {namespace}",
            name::LEASE
        )?;
        Ok(())
    }

    /// The namespaces that the operator looks after, as it wrote on its Lease; empty for all.
    async fn watched(&self, client: &Client) -> Result<Vec<String>, UninstallError> {
        let leases: Api<Lease> = Api::namespaced(client.clone(), &self.namespace);
        let lease = leases
            .get_opt(name::LEASE)
            .await
            .map_err(UninstallError::kubernetes("read the operator's Lease"))?;
        Ok(lease.as_ref().map(watched_by_holder).unwrap_or_default())
    }

    /// An operator in another namespace would go on.
    async fn find_lease(&self, client: &Client) -> Result<(), UninstallError> {
        let params = ListParams::default().fields(&format!("metadata.name={}", name::LEASE));
        let leases = match Api::<Lease>::all(client.clone())
            .list_metadata(&params)
            .await
        {
            Ok(leases) => leases.items,
            // Without the right to list them, --namespace is taken at its word.
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(()),
            Err(error) => {
                return Err(UninstallError::kubernetes("look for the operator's Lease")(
                    error,
                ));
            }
        };
        let namespaces: Vec<String> = leases.iter().filter_map(ResourceExt::namespace).collect();
        match namespaces.first() {
            Some(found) if !namespaces.contains(&self.namespace) => {
                Err(UninstallError::OtherNamespace {
                    found: found.clone(),
                    asked: self.namespace.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// The profiles that have our finalizer, in these namespaces, or in all if there are none; and those of the namespaces that
/// cannot be read.
async fn guarded<'a>(
    client: &Client,
    namespaces: &'a [String],
) -> Result<(Vec<ObservabilityProfile>, Vec<&'a str>), UninstallError> {
    if namespaces.is_empty() {
        return Ok((guarded_by(&Api::all(client.clone())).await?, Vec::new()));
    }
    let (mut profiles, mut unread) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        match guarded_by(&Api::namespaced(client.clone(), namespace)).await {
            // Most often it is gone, and its Role with it.
            Err(UninstallError::Kubernetes { source, .. }) if is_forbidden(&source) => {
                unread.push(&**namespace);
            }
            found => profiles.extend(found?),
        }
    }
    Ok((profiles, unread))
}

async fn guarded_by(
    api: &Api<ObservabilityProfile>,
) -> Result<Vec<ObservabilityProfile>, UninstallError> {
    let (mut profiles, mut params) = (Vec::new(), ListParams::default().limit(PAGE_SIZE));
    for _ in 0..MAX_PAGES {
        let page = match api.list(&params).await {
            Ok(page) => page,
            // The resource is not installed, so there are no profiles.
            Err(kube::Error::Api(status)) if status.code == 404 => break,
            Err(error) => return Err(UninstallError::kubernetes("list the profiles")(error)),
        };
        profiles.extend(page.items.into_iter().filter(is_guarded));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    Ok(profiles)
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

fn is_guarded(profile: &ObservabilityProfile) -> bool {
    profile
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == name::FINALIZER)
}

/// What a profile leaves behind, by its own account.
fn describe(profile: &ObservabilityProfile, out: &mut dyn Write) -> io::Result<()> {
    let status = profile.status.clone().unwrap_or_default();
    let left = left(&status);
    let place = match (&status.account_id, &status.region) {
        (Some(account), Some(region)) if !left.is_empty() => {
            format!("stays in account {account}, {region}:")
        }
        _ => "holds nothing in AWS".to_owned(),
    };
    writeln!(out, "{}  {place}", reference(profile))?;
    for (kind, names) in left {
        writeln!(out, "  {:13}  {}", kind.noun(), names.join(", "))?;
    }
    Ok(())
}

/// The objects that are ours and would have been deleted or released with the profile.
fn left(status: &ObservabilityProfileStatus) -> BTreeMap<Kind, Vec<String>> {
    let mut left = BTreeMap::new();
    for (kind, items) in [
        (Kind::Group, &status.groups),
        (Kind::SamplingRule, &status.sampling_rules),
        (Kind::LogGroup, &status.log_groups),
    ] {
        let ours = items
            .iter()
            .filter(|item| item.deletion_policy.is_some() && item.state != ItemState::Retained);
        let names: Vec<String> = ours.map(|item| item.name.clone()).collect();
        if !names.is_empty() {
            left.insert(kind, names);
        }
    }
    left
}

fn confirm(number: &str, out: &mut dyn Write) -> Result<(), Error> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(UninstallError::NobodyToAsk.into());
    }
    write!(
        out,
        "Release {number} and leave in AWS what is listed? [y/N] "
    )?;
    out.flush()?;
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .map_err(|_| UninstallError::NobodyToAsk)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(UninstallError::NotConfirmed.into()),
    }
}

/// Removes our finalizer from a profile.
async fn release(
    client: &Client,
    profile: &ObservabilityProfile,
) -> Result<ProfileRef, UninstallError> {
    let me = reference(profile);
    let failed = |error| UninstallError::kubernetes(format!("release the profile {me}"))(error);
    let api: Api<ObservabilityProfile> =
        Api::namespaced(client.clone(), &profile.namespace().unwrap_or_default());
    let params = PatchParams {
        field_manager: Some(name::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let mut metadata = profile.metadata.clone();
    let mut attempt = 1;
    loop {
        let others: Vec<String> = metadata
            .finalizers
            .iter()
            .flatten()
            .filter(|finalizer| *finalizer != name::FINALIZER)
            .cloned()
            .collect();
        // The resourceVersion guards against finalizers that others add or remove at the same time.
        let patch = json!({"metadata": {"resourceVersion": metadata.resource_version, "finalizers": others}});
        match api
            .patch_metadata(&profile.name_any(), &params, &Patch::Merge(&patch))
            .await
        {
            Ok(_) => return Ok(me),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(me),
            Err(kube::Error::Api(status)) if status.code == 409 && attempt < MAX_ATTEMPTS => {
                attempt += 1
            }
            Err(error) => return Err(failed(error)),
        }
        // By a list, because the chart grants no `get`: this may run in the operator's own pod.
        let by_name = ListParams::default().fields(&format!("metadata.name={}", me.name));
        let fresh = api.list_metadata(&by_name).await.map_err(failed)?;
        match fresh.items.into_iter().next() {
            Some(fresh) => metadata = fresh.metadata,
            None => return Ok(me),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracewright_core::crd::DeletionPolicy;
    use tracewright_core::crd::status::ItemStatus;

    #[test]
    fn only_what_is_ours_stays_behind_because_of_us() {
        let item = |name: &str, state, deletion_policy| ItemStatus {
            name: name.to_owned(),
            arn: None,
            state,
            deletion_policy,
            message: None,
        };
        let status = ObservabilityProfileStatus {
            groups: vec![
                item("ours", ItemState::Synced, Some(DeletionPolicy::Delete)),
                item("foreign", ItemState::Foreign, None),
            ],
            log_groups: vec![
                item("kept", ItemState::Drifted, Some(DeletionPolicy::Retain)),
                item("released", ItemState::Retained, None),
            ],
            ..ObservabilityProfileStatus::default()
        };
        let expected = [
            (Kind::Group, vec!["ours".to_owned()]),
            (Kind::LogGroup, vec!["kept".to_owned()]),
        ];
        assert_eq!(left(&status), BTreeMap::from(expected));
    }
}
