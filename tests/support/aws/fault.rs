//! Faults to inject into AWS calls.

use serde::{Deserialize, Serialize};

/// A fault's id, to remove it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub(super) u64);

/// Where [`Fault::stop`] holds a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Nothing has happened yet.
    Before,
    /// The write is done, the answer not sent.
    After,
}

#[derive(Debug, Clone, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Effect {
    Throttle,
    Error { status: u16, code: String },
    LoseReply,
    Delay { delay_ms: u64 },
    Hang,
    Stop { when: When },
}

/// What shall happen to which calls, from the first one on and for ever unless it says otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    operation: String,
    #[serde(flatten)]
    effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl Fault {
    fn new(operation: &str, effect: Effect) -> Self {
        Self {
            operation: operation.to_owned(),
            effect,
            account: None,
            nth: None,
            times: None,
            probability: None,
            seed: None,
        }
    }

    /// Refuses calls of `operation` (`xray.CreateGroup`, `logs.*`) as if they were over their rate.
    #[must_use]
    pub fn throttle(operation: &str) -> Self {
        Self::new(operation, Effect::Throttle)
    }

    /// Refuses calls with an HTTP status and an error code, and does nothing.
    #[must_use]
    pub fn error(operation: &str, status: u16, code: &str) -> Self {
        let code = code.to_owned();
        Self::new(operation, Effect::Error { status, code })
    }

    /// Does what is asked and drops the connection instead of an answer.
    #[must_use]
    pub fn lose_reply(operation: &str) -> Self {
        Self::new(operation, Effect::LoseReply)
    }

    /// Answers later.
    #[must_use]
    pub fn delay(operation: &str, milliseconds: u64) -> Self {
        Self::new(
            operation,
            Effect::Delay {
                delay_ms: milliseconds,
            },
        )
    }

    /// Does nothing and does not answer while the fault stands.
    #[must_use]
    pub fn hang(operation: &str) -> Self {
        Self::new(operation, Effect::Hang)
    }

    /// Holds calls until [`Control::go_on`](super::Control::go_on): a point to kill the caller at.
    #[must_use]
    pub fn stop(operation: &str, when: When) -> Self {
        Self::new(operation, Effect::Stop { when })
    }

    /// Only calls of this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// From the nth matching call on, counted from 1; without [`Fault::times`] only that one.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// At most so many calls.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Each call with this chance, 0 to 1, by a random sequence that `seed` repeats.
    #[must_use]
    pub fn probability(mut self, chance: f64, seed: u64) -> Self {
        self.probability = Some(chance);
        self.seed = Some(seed);
        self
    }
}
