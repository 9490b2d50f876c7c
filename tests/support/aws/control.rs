//! A client of the emulator's control interface.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracewright_xray::contract::emulator as path;

use super::fault::{Fault, FaultId};

/// The emulator is in this process or on this machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What can go wrong with a control request.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The emulator is not there, or answered something else than JSON of the expected form.
    #[error("the emulator's control interface: {0}")]
    Http(#[from] reqwest::Error),
    /// It refused.
    #[error("the emulator refused {request}: {answer}")]
    Refused {
        /// Method and path.
        request: String,
        /// What it said.
        answer: String,
    },
}

/// How the calls of one operation ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Counts {
    /// Done, whether or not the answer arrived.
    pub ok: u64,
    /// Refused for their rate.
    pub throttled: u64,
    /// Refused for anything else, or never answered.
    pub error: u64,
}

/// One call that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// Counted from 1 since start or reset.
    pub seq: u64,
    /// Emulated time, RFC 3339.
    pub time: String,
    /// Whose key signed it.
    pub account: String,
    /// From the signature.
    pub region: String,
    /// `xray.CreateGroup`.
    pub operation: String,
    /// The HTTP status; 0 when no answer was given.
    pub status: u16,
    /// The error code.
    pub code: Option<String>,
}

/// What was called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Calls {
    /// By operation; exact, however many there were.
    pub counts: BTreeMap<String, Counts>,
    /// One by one, the latest ones if there were very many.
    pub calls: Vec<Call>,
    /// The number of the last call: the next `since`.
    pub last: u64,
    /// How many calls are counted but no longer listed.
    pub lost: u64,
}

impl Calls {
    /// All calls of operations whose name begins with `prefix`: `xray.`, `logs.PutRetentionPolicy`, or nothing.
    #[must_use]
    pub fn of(&self, prefix: &str) -> Counts {
        let of = self
            .counts
            .iter()
            .filter(|(operation, _)| operation.starts_with(prefix));
        of.fold(Counts::default(), |sum, (_, counts)| Counts {
            ok: sum.ok + counts.ok,
            throttled: sum.throttled + counts.throttled,
            error: sum.error + counts.error,
        })
    }
}

/// A call that a `stop` fault holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stop {
    /// For [`Control::go_on`].
    pub id: u64,
    /// `xray.CreateGroup`.
    pub operation: String,
}

/// The control interface of one emulator.
#[derive(Debug, Clone)]
pub struct Control {
    url: String,
    http: Client,
}

impl Control {
    /// Of the emulator at `url`, `http://127.0.0.1:4566` for example.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            http: Client::new(),
        }
    }

    /// State, faults, counts and clock back to the start.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn reset(&self) -> Result<(), ControlError> {
        self.done(Method::POST, path::RESET, &()).await
    }

    /// The calls after number `since`; 0 is the start.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn calls(&self, since: u64) -> Result<Calls, ControlError> {
        self.ask(Method::GET, &format!("{}?since={since}", path::CALLS), &())
            .await
    }

    /// Injects a fault.
    ///
    /// # Errors
    /// No operation has that name, or a field does not fit; see [`ControlError`].
    pub async fn inject(&self, fault: &Fault) -> Result<FaultId, ControlError> {
        #[derive(Deserialize)]
        struct Answer {
            id: FaultId,
        }
        Ok(self
            .ask::<Answer>(Method::POST, path::FAULTS, fault)
            .await?
            .id)
    }

    /// Removes a fault.
    ///
    /// # Errors
    /// It is not there; see [`ControlError`].
    pub async fn remove(&self, fault: FaultId) -> Result<(), ControlError> {
        self.done(
            Method::DELETE,
            &format!("{}/{}", path::FAULTS, fault.0),
            &(),
        )
        .await
    }

    /// Removes all faults; calls that are held stay held.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn clear_faults(&self) -> Result<(), ControlError> {
        self.done(Method::DELETE, path::FAULTS, &()).await
    }

    /// The calls that are held by [`Fault::stop`].
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn stops(&self) -> Result<Vec<Stop>, ControlError> {
        #[derive(Deserialize)]
        struct Answer {
            stops: Vec<Stop>,
        }
        Ok(self
            .ask::<Answer>(Method::GET, path::STOPS, &())
            .await?
            .stops)
    }

    /// Lets a held call go on.
    ///
    /// # Errors
    /// It is held no longer; see [`ControlError`].
    pub async fn go_on(&self, stop: &Stop) -> Result<(), ControlError> {
        self.done(
            Method::POST,
            &format!("{}/{}/continue", path::STOPS, stop.id),
            &(),
        )
        .await
    }

    /// Lets the emulated clock run so many times as fast as the real one.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn set_speed(&self, speed: f64) -> Result<(), ControlError> {
        self.done(Method::PUT, path::CLOCK, &json!({"speed": speed}))
            .await
    }

    /// Moves the emulated clock forward.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn advance(&self, by: Duration) -> Result<(), ControlError> {
        let span = format!("PT{}.{:09}S", by.as_secs(), by.subsec_nanos());
        self.done(Method::PUT, path::CLOCK, &json!({"advance": span}))
            .await
    }

    /// Lets so many calls a second of an operation pass (`logs.PutRetentionPolicy`, `xray.*`).
    ///
    /// # Errors
    /// No operation has that name; see [`ControlError`].
    pub async fn set_rate(
        &self,
        operation: &str,
        tps: f64,
        burst: f64,
    ) -> Result<(), ControlError> {
        self.done(
            Method::PUT,
            path::LIMITS,
            &json!({operation: {"tps": tps, "burst": burst}}),
        )
        .await
    }

    /// Sets a quota or delay: `xray.groups`, `tagDelayMs`.
    ///
    /// # Errors
    /// There is none of that name; see [`ControlError`].
    pub async fn set_limit(&self, name: &str, value: u64) -> Result<(), ControlError> {
        self.done(Method::PUT, path::LIMITS, &json!({name: value}))
            .await
    }

    /// From now on only these access keys are known: pairs of access key id and account id.
    ///
    /// # Errors
    /// An account id is not 12 digits; see [`ControlError`].
    pub async fn set_accounts(&self, keys: &[(&str, &str)]) -> Result<(), ControlError> {
        let keys: Vec<Value> = keys
            .iter()
            .map(|(key, account)| json!({"accessKeyId": key, "accountId": account}))
            .collect();
        self.done(Method::PUT, path::ACCOUNTS, &keys).await
    }

    /// Everything in one account and region.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn state(&self, account: &str, region: &str) -> Result<Value, ControlError> {
        self.ask(
            Method::GET,
            &format!("{}/{account}/{region}", path::STATE),
            &(),
        )
        .await
    }

    /// Replaces everything in one account and region.
    ///
    /// # Errors
    /// It is not a state; see [`ControlError`].
    pub async fn set_state(
        &self,
        account: &str,
        region: &str,
        state: &Value,
    ) -> Result<(), ControlError> {
        self.done(
            Method::PUT,
            &format!("{}/{account}/{region}", path::STATE),
            state,
        )
        .await
    }

    async fn done(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<(), ControlError> {
        self.ask::<Value>(method, path, body).await.map(drop)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ControlError> {
        let request = format!("{method} {path}");
        let url = format!("{}{path}", self.url);
        let answer = self
            .http
            .request(method, url)
            .timeout(TIMEOUT)
            .json(body)
            .send()
            .await?;
        if answer.status().is_success() {
            return Ok(answer.json().await?);
        }
        let answer = answer.text().await?;
        Err(ControlError::Refused { request, answer })
    }
}
