//! Asks receivers for sampling rules, as the SDKs in the workloads do: who answers has credentials that work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;
use tracewright_core::report::Fact;
use tracewright_xray::contract::condition::reason;

use crate::metrics::{Bound, Metrics};

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How many receivers are remembered.
const MAX_RECEIVERS: usize = 10_000;

/// Asks receivers.
pub(super) struct Proxies {
    http: reqwest::Client,
    metrics: Arc<Metrics>,
    /// By address. Those who ask at the same time share an answer.
    receivers: Mutex<HashMap<String, Arc<Asked>>>,
}

/// When a receiver was asked last, and what is wrong with it.
type Asked = tokio::sync::Mutex<Option<(Instant, Result<(), Fact>)>>;

impl Proxies {
    pub(super) fn new(metrics: Arc<Metrics>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // A connection made before the Service was in force, or to a pod that is gone, would be asked for ever.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            metrics,
            receivers: Mutex::default(),
        })
    }

    /// Whether the receiver at `address` (`host:port`) serves sampling rules; else the condition that says why not.
    pub(super) async fn ask(&self, address: &str) -> Result<(), Fact> {
        let called = Instant::now();
        let Some(asked) = self.asked(address) else {
            return self.send(address).await;
        };
        let mut asked = asked.lock().await;
        if let Some((at, answer)) = asked.as_ref()
            && *at >= called
        {
            return answer.clone();
        }
        let at = Instant::now();
        let answer = self.send(address).await;
        *asked = Some((at, answer.clone()));
        answer
    }

    async fn send(&self, address: &str) -> Result<(), Fact> {
        // (AWS X-Ray API, GetSamplingRules; the receiver signs the request and hands it on.)
        let url = format!("http://{address}/GetSamplingRules");
        match self.http.post(&url).body("{}").send().await {
            Ok(answer) => judge(address, answer.status()),
            Err(error) => Err(Fact::no(
                reason::PROXY_UNREACHABLE,
                format!(
                    "{address} does not answer: {}. Check NetworkPolicies between the operator and the receiver",
                    cause(&error.without_url())
                ),
            )),
        }
    }

    fn asked(&self, address: &str) -> Option<Arc<Asked>> {
        // Only whole entries are put in, so a poisoned map is still usable.
        let mut receivers = self
            .receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if receivers.len() >= MAX_RECEIVERS && !receivers.contains_key(address) {
            receivers.retain(|_, asked| Arc::strong_count(asked) > 1);
            if receivers.len() >= MAX_RECEIVERS {
                self.metrics.bound_reached(Bound::Receivers);
                return None;
            }
        }
        Some(receivers.entry(address.to_owned()).or_default().clone())
    }
}

fn judge(address: &str, status: StatusCode) -> Result<(), Fact> {
    if status.is_success() {
        return Ok(());
    }
    // X-Ray answers a request that is not signed, or by nobody it knows, with 403, and a broken signature with 400.
    if matches!(status.as_u16(), 400 | 401 | 403) {
        return Err(Fact::no(
            reason::PROXY_FORBIDDEN,
            format!(
                "{address} answers {status}: give the receiver credentials that allow xray:GetSamplingRules (credentialsSecret, serviceAccountName or serviceAccountAnnotations)"
            ),
        ));
    }
    Err(Fact::no(
        reason::PROXY_UNREACHABLE,
        format!("{address} answers {status}: see the log of the receiver's pods"),
    ))
}

/// The innermost cause: the outer ones only say that a request failed.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
