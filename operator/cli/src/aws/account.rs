//! Identities and what belongs to them: credentials, clients, account id, buckets and inventory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use tokio::sync::Mutex;

use super::call::{Caller, Operation, Speed};
use super::error::AwsError;
use super::inventory::{Inventory, Settings};
use crate::lease::Permit;
use crate::metrics::Metrics;

/// No single answer of AWS takes longer in good health.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

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
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    base: Option<SdkConfig>,
    identities: HashMap<Identity, Arc<Account>>,
    shared: HashMap<(String, String), (Caller, Arc<Inventory>)>,
}

impl Accounts {
    /// No account yet. `endpoint_url` replaces the endpoints of all services; the variables AWS_ENDPOINT_URL and
    /// AWS_ENDPOINT_URL_* do the same service by service.
    #[must_use]
    pub fn new(
        speed: Speed,
        settings: Settings,
        metrics: Arc<Metrics>,
        permit: Permit,
        endpoint_url: Option<String>,
    ) -> Self {
        Self { speed: Arc::new(speed), settings, metrics, permit, endpoint_url, known: Mutex::default() }
    }

    /// The account that an identity reaches. Asked of AWS (STS `GetCallerIdentity`) once per identity.
    ///
    /// # Errors
    /// Where there are no credentials, or the role cannot be assumed.
    pub async fn get(&self, identity: &Identity, namespace: &str) -> Result<Arc<Account>, AwsError> {
        let mut known = self.known.lock().await;
        if let Some(account) = known.identities.get(identity) {
            return Ok(account.clone());
        }
        let base = match &known.base {
            Some(base) => base.clone(),
            None => known.base.insert(self.base().await).clone(),
        };
        let config = self.config(&base, identity).await;
        let sts = aws_sdk_sts::Client::new(&config);
        // A caller of its own: the account is not known yet, and with it not which buckets apply.
        let caller = Caller::new(self.speed.clone(), self.metrics.clone(), self.permit.clone());
        let answer = caller
            .call(Operation::GET_CALLER_IDENTITY, namespace, || sts.get_caller_identity().send())
            .await?;
        let id = answer.account().unwrap_or_default().to_owned();
        let xray = aws_sdk_xray::Client::new(&config);
        let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
        let (caller, inventory) = known
            .shared
            .entry((id.clone(), identity.region.clone()))
            .or_insert_with(|| (caller, Arc::new(Inventory::new(self.settings))))
            .clone();
        let account =
            Arc::new(Account { id, region: identity.region.clone(), xray, logs, caller, inventory });
        known.identities.insert(identity.clone(), account.clone());
        Ok(account)
    }

    /// The accounts in use, one per account and region.
    pub async fn all(&self) -> Vec<Arc<Account>> {
        let known = self.known.lock().await;
        let mut accounts: Vec<Arc<Account>> = Vec::new();
        for account in known.identities.values() {
            if !accounts.iter().any(|other| Arc::ptr_eq(&other.inventory, &account.inventory)) {
                accounts.push(account.clone());
            }
        }
        accounts
    }

    async fn base(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(TIMEOUT)
            .operation_attempt_timeout(TIMEOUT)
            .build();
        // The SDK's own retries are off: every call must pass a bucket and be counted.
        let loader = aws_config::defaults(BehaviorVersion::latest())
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
        let Some(role_arn) = &identity.role_arn else { return config };
        let provider = AssumeRoleProvider::builder(role_arn.clone())
            .session_name("tracewright")
            .region(region)
            .configure(&config)
            .build()
            .await;
        config
            .to_builder()
            .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(provider))
            .build()
    }
}
