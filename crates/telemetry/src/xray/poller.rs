//! The two pollers of central sampling: the rules, and the quotas in exchange for statistics.
//!
//! Intervals and jitter are the X-Ray SDKs', with one difference: while there are no usable rules, the next attempt comes with
//! the next poll of the targets instead of minutes later.

use super::decide::Decider;
use super::emitter::Emitter;
use crate::health::Health;
use crate::ids::epoch_seconds;
use crate::metrics::Metrics;
use crate::random::random;
use crate::settings::RemoteSampler;
use crate::shutdown::Flushes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tracewright_xray::sampling::Rules;
use tracewright_xray::sampling::wire::{
    GET_SAMPLING_RULES_PATH, GET_SAMPLING_TARGETS_PATH, MAX_STATISTICS_DOCUMENTS, SamplingRules,
    SamplingTargets, SamplingTargetsRequest,
};

const TARGETS_INTERVAL: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// No account's rules are larger.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Asks the receiver's TCP port, which signs the requests and passes them on.
#[derive(Debug)]
pub(crate) struct Poller {
    remote: RemoteSampler,
    decider: Arc<Decider>,
    emitter: Option<Arc<Emitter>>,
    metrics: Arc<Metrics>,
    client_id: String,
    health: Health,
}

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("{endpoint} is not reached: {reason}")]
    Unreachable { endpoint: String, reason: String },
    #[error("{endpoint}{path} answered {status}: {message}")]
    Refused {
        endpoint: String,
        path: &'static str,
        status: reqwest::StatusCode,
        message: String,
    },
    #[error("{endpoint}{path} answered what is not its JSON: {reason}")]
    Unreadable {
        endpoint: String,
        path: &'static str,
        reason: String,
    },
}

/// Polls until a closing flush.
pub(crate) async fn run(poller: Poller, mut flushes: Flushes) {
    let mut polling = pin!(poller.poll());
    loop {
        tokio::select! {
            biased;
            flush = flushes.next() => {
                let closes = flush.closes;
                // What is not reported is no loss of telemetry, and a poll under way delivers none.
                flush.done(true);
                if closes {
                    return;
                }
            }
            never = &mut polling => match never {},
        }
    }
}

/// Ten seconds and up to a tenth of one.
fn targets_wait() -> Duration {
    TARGETS_INTERVAL + Duration::from_millis(100).mul_f64(random())
}

impl Poller {
    pub(crate) fn new(
        remote: RemoteSampler,
        decider: Arc<Decider>,
        emitter: Option<Arc<Emitter>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let id: [u8; 12] = random();
        let client_id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            remote,
            decider,
            emitter,
            metrics,
            client_id,
            health: Health::new("central sampling"),
        }
    }

    async fn poll(&self) -> Infallible {
        let mut rules_due = pin!(sleep(Duration::ZERO));
        let mut targets_due = pin!(sleep(targets_wait()));
        loop {
            tokio::select! {
                biased;
                () = &mut rules_due => {
                    self.load_rules().await;
                    rules_due.set(sleep(self.rules_wait()));
                }
                () = &mut targets_due => {
                    if self.report().await {
                        self.load_rules().await;
                        rules_due.set(sleep(self.rules_wait()));
                    }
                    self.update_metrics();
                    targets_due.set(sleep(targets_wait()));
                }
            }
        }
    }

    /// The interval and up to five seconds; the targets' interval while there are no rules.
    fn rules_wait(&self) -> Duration {
        if self.decider.rules.load().is_fresh(epoch_seconds()) {
            let jitter = Duration::from_secs(5).mul_f64(random());
            self.remote.polling_interval.saturating_add(jitter)
        } else {
            targets_wait()
        }
    }

    async fn load_rules(&self) {
        // As in the X-Ray SDKs: what changes during the call counts as changed since.
        let asked_at = epoch_seconds();
        match self
            .post::<_, SamplingRules>(GET_SAMPLING_RULES_PATH, &serde_json::json!({}))
            .await
        {
            Ok(answer) => {
                let rules = Rules::load(&self.decider.rules.load(), answer.rules(), asked_at);
                // As in the X-Ray SDKs, an empty answer changes nothing.
                if !rules.is_empty() {
                    self.decider.rules.store(Arc::new(rules));
                }
                self.health.good();
            }
            Err(error) => self.failed(&error),
        }
        self.update_metrics();
    }

    /// Reports what is due; true if the rules have changed since they were loaded.
    async fn report(&self) -> bool {
        let rules = self.decider.rules.load_full();
        let statistics = rules.take_statistics(&self.client_id, epoch_seconds());
        let mut changed = false;
        for documents in statistics.chunks(MAX_STATISTICS_DOCUMENTS) {
            let request = SamplingTargetsRequest {
                sampling_statistics_documents: documents,
            };
            match self
                .post::<_, SamplingTargets>(GET_SAMPLING_TARGETS_PATH, &request)
                .await
            {
                Ok(answer) => {
                    rules.apply_targets(&answer.sampling_target_documents);
                    let modified = answer.last_rule_modification.unwrap_or_default();
                    changed |= modified > f64::from(rules.loaded_at());
                    self.health.good();
                }
                Err(error) => self.failed(&error),
            }
        }
        changed
    }

    fn failed(&self, error: &PollError) {
        self.health.bad(error);
        if let Some(emitter) = &self.emitter {
            emitter.receiver_may_have_moved.notify_one();
        }
    }

    fn update_metrics(&self) {
        let rules = self.decider.rules.load();
        self.metrics.sampler_rules.set(rules.len() as i64);
        self.metrics
            .sampler_central
            .set(i64::from(rules.is_fresh(epoch_seconds())));
    }

    async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &'static str,
        body: &Q,
    ) -> Result<A, PollError> {
        let endpoint = || self.remote.endpoint.clone();
        let unreachable = |error: reqwest::Error| {
            let mut source: &dyn std::error::Error = &error;
            while let Some(deeper) = source.source() {
                source = deeper;
            }
            PollError::Unreachable {
                endpoint: endpoint(),
                reason: source.to_string(),
            }
        };
        // A new client each time, so that the name is resolved each time and no connection outlives its pod.
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            // The receiver speaks plain HTTP; reading the system's certificates would cost more than the poll.
            .tls_certs_only([])
            .build()
            .map_err(unreachable)?;
        let url = format!("{}{path}", self.remote.endpoint);
        let mut response = client
            .post(url)
            .json(body)
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER_BYTES {
                break;
            }
        }
        if !status.is_success() {
            let message = String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
                .replace(char::is_control, " ");
            return Err(PollError::Refused {
                endpoint: endpoint(),
                path,
                status,
                message,
            });
        }
        serde_json::from_slice(&bytes).map_err(|error| PollError::Unreadable {
            endpoint: endpoint(),
            path,
            reason: error.to_string(),
        })
    }
}
