//! Identities and what belongs to them: credentials, clients, account id, buckets and inventory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::call::{Caller, Operation, Speed};
use super::error::AwsError;
use super::inventory::{Inventory, Settings};
use crate::lease::Permit;
use crate::metrics::Metrics;

/// No single answer of AWS takes longer in good health.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a failed log-in answers for everybody who asks.
const FAILURE_MEMORY: Duration = Duration::from_secs(2);

/// Whose credentials, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The role that is assumed; `None`: the operator's own credentials.
    pub role_arn: Option<String>,
    /// The region.
    pub region: String,
}

/// An AWS account in one region, as one identity reaches it.
#[derive(Debug)]
pub struct Account {
    /// The account's id, 12 digits.
    pub id: String,
    /// The region.
    pub region: String,
    /// X-Ray.
    pub xray: aws_sdk_xray::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// How calls are made.
    pub caller: Caller,
    /// What the account holds.
    pub inventory: Arc<Inventory>,
}

/// All accounts in use. Identities that turn out to be the same account and region share buckets and inventory.
#[derive(Debug)]
pub struct Accounts {
    speed: Arc<Speed>,
    settings: Settings,
    metrics: Arc<Metrics>,
    permit: Permit,
    endpoint_url: Option<String>,
    region: Option<String>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The operator's own credentials, by the region in which they are asked for.
    bases: HashMap<String, Arc<OnceCell<SdkConfig>>>,
    identities: BTreeMap<Identity, Arc<Login>>,
    shared: HashMap<(String, String), (Caller, Arc<Inventory>)>,
}

/// One identity on its way to an account.
#[derive(Debug, Default)]
struct Login {
    account: OnceCell<Arc<Account>>,
    /// The last failure, which answers for everybody who asks soon after it.
    failed: Mutex<Option<(Instant, AwsError)>>,
}

impl Accounts {
    /// No account yet. `endpoint_url` replaces the endpoints of all services; the variables AWS_ENDPOINT_URL and
    /// AWS_ENDPOINT_URL_* do the same service by service. `region` is the operator's own.
    #[must_use]
    pub fn new(
        speed: Speed,
        settings: Settings,
        metrics: Arc<Metrics>,
        permit: Permit,
        endpoint_url: Option<String>,
        region: Option<String>,
    ) -> Self {
        Self {
            speed: Arc::new(speed),
            settings,
            metrics,
            permit,
            endpoint_url,
            region,
            known: Mutex::default(),
        }
    }

    /// The account that an identity reaches. Asked of AWS (STS `GetCallerIdentity`) once per identity; an identity that
    /// cannot log in holds up no other.
    ///
    /// # Errors
    /// Where there are no credentials, or the role cannot be assumed.
    pub async fn get(
        &self,
        identity: &Identity,
        namespace: &str,
    ) -> Result<Arc<Account>, AwsError> {
        let login = lock(&self.known)
            .identities
            .entry(identity.clone())
            .or_default()
            .clone();
        login
            .account
            .get_or_try_init(|| async {
                if let Some((at, error)) = lock(&login.failed).clone()
                    && at.elapsed() < FAILURE_MEMORY
                {
                    return Err(error);
                }
                let result = self.log_in(identity, namespace).await;
                *lock(&login.failed) = result
                    .as_ref()
                    .err()
                    .map(|error| (Instant::now(), error.clone()));
                result.map(Arc::new)
            })
            .await
            .cloned()
    }

    /// The accounts in use, one per account and region.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Account>> {
        let ways = self.ways().into_iter();
        ways.filter_map(|ways| ways.into_iter().next()).collect()
    }

    /// The same with all ways to each, as different identities reach it; the operator's own credentials come first.
    #[must_use]
    pub fn ways(&self) -> Vec<Vec<Arc<Account>>> {
        let mut places: Vec<Vec<Arc<Account>>> = Vec::new();
        for account in lock(&self.known)
            .identities
            .values()
            .filter_map(|login| login.account.get())
        {
            let place = places.iter_mut().find(|ways| {
                ways.iter()
                    .any(|other| Arc::ptr_eq(&other.inventory, &account.inventory))
            });
            match place {
                Some(ways) => ways.push(account.clone()),
                None => places.push(vec![account.clone()]),
            }
        }
        places
    }

    /// Forgets identities that are not in use, and what only they needed. Whoever is under way with one goes on with it.
    pub fn retain(&self, used: &BTreeSet<Identity>) {
        let mut known = lock(&self.known);
        let Known {
            bases,
            identities,
            shared,
        } = &mut *known;
        identities.retain(|identity, _| used.contains(identity));
        bases.retain(|region, _| {
            self.region.as_ref() == Some(region)
                || identities.keys().any(|identity| identity.region == *region)
        });
        // AWS shows our writes late, so a picture that holds some of them is kept for who comes next.
        shared.retain(|_, (_, inventory)| {
            Arc::strong_count(inventory) > 1 || inventory.holds_writes()
        });
    }

    async fn log_in(&self, identity: &Identity, namespace: &str) -> Result<Account, AwsError> {
        let base = self.base(identity).await;
        let config = self.config(&base, identity).await;
        let sts = aws_sdk_sts::Client::new(&config);
        // A caller of its own: the account is not known yet, and with it not which buckets apply.
        let caller = Caller::new(
            self.speed.clone(),
            self.metrics.clone(),
            self.permit.clone(),
        );
        let answer = caller
            .call(Operation::GET_CALLER_IDENTITY, namespace, || {
                sts.get_caller_identity().send()
            })
            .await
            .map_err(|error| match &identity.role_arn {
                Some(role) => error.as_role(role),
                None => error,
            })?;
        let id = answer.account().unwrap_or_default().to_owned();
        let (caller, inventory) = lock(&self.known)
            .shared
            .entry((id.clone(), identity.region.clone()))
            .or_insert_with(|| (caller, Arc::new(Inventory::new(self.settings))))
            .clone();
        Ok(Account {
            id,
            region: identity.region.clone(),
            xray: aws_sdk_xray::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            caller,
            inventory,
        })
    }

    /// The operator's own credentials. Some are got from STS (a ServiceAccount's role, a profile's role), in the region that
    /// the chain is made for: never in that of whichever profile comes first, which may be wrong or out of reach.
    async fn base(&self, identity: &Identity) -> SdkConfig {
        let region = self.region.as_ref().unwrap_or(&identity.region);
        let base = lock(&self.known)
            .bases
            .entry(region.clone())
            .or_default()
            .clone();
        base.get_or_init(|| self.load(region)).await.clone()
    }

    async fn load(&self, region: &str) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(TIMEOUT)
            .operation_attempt_timeout(TIMEOUT)
            .build();
        // The SDK's own retries are off: every call must pass a bucket and be counted. Without a region the SDK would ask
        // the machine's metadata service for one.
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        match &self.endpoint_url {
            Some(url) => loader.endpoint_url(url).load().await,
            None => loader.load().await,
        }
    }

    async fn config(&self, base: &SdkConfig, identity: &Identity) -> SdkConfig {
        let region = Region::new(identity.region.clone());
        let config = base.to_builder().region(region.clone()).build();
        let Some(role_arn) = &identity.role_arn else {
            return config;
        };
        let provider = AssumeRoleProvider::builder(role_arn.clone())
            .session_name("tracewright")
            .region(region)
            .configure(&config)
            .build()
            .await;
        config
            .to_builder()
            .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(
                provider,
            ))
            .build()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one insertion or assignment, so a poisoned lock holds usable data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
