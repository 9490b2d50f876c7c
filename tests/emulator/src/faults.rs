//! Injected faults: which calls they touch and what happens to these.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::glob;

/// Faults at a time; more is a test that forgot to delete them.
const MAX_FAULTS: usize = 1000;
/// Longest delay.
const MAX_DELAY_MS: u64 = 600_000;

/// The body of `POST /_control/faults`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    /// A pattern over operation names: `logs.*`.
    operation: String,
    /// Only calls of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    kind: FaultKind,
    /// Status of `error` (default 500) and `throttle` (default the service's).
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Error code of `error` (default `InternalFailure`) and `throttle` (default the service's).
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Of `delay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    /// Of `stop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<When>,
    /// Chance for each call from `nth` on, 0 to 1, default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// First matching call that is touched, from 1; without `times` the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<u64>,
    /// How many calls are touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// Makes `probability` repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum FaultKind {
    Throttle,
    Error,
    LoseReply,
    Delay,
    Hang,
    Stop,
}

/// Where `stop` holds a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum When {
    /// Nothing has happened yet.
    Before,
    /// The write is done, the answer not sent.
    After,
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Refused as if over the rate.
    Throttle {
        status: Option<u16>,
        code: Option<String>,
    },
    /// Refused, nothing is done.
    Error { status: u16, code: String },
    /// Done, then the connection is dropped.
    LoseReply,
    /// Neither done nor answered while the fault stands.
    Hang { fault: u64 },
    /// Held until continued.
    Stop { fault: u64, when: When },
}

/// All that the faults do to one call.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    /// The sum of all delays.
    pub(crate) delay: Duration,
    /// The first other fault that touched the call.
    pub(crate) effect: Option<Effect>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u64,
    touched: u64,
    random: fastrand::Rng,
}

impl Armed {
    fn touches(&mut self, operation: &str, account: &str) -> bool {
        let fault = &self.fault;
        if !glob::matches(&fault.operation, operation)
            || fault.account.as_deref().is_some_and(|only| only != account)
        {
            return false;
        }
        self.matched += 1;
        let times = fault.times.or(fault.nth.map(|_| 1)).unwrap_or(u64::MAX);
        let touched = self.matched >= fault.nth.unwrap_or(1)
            && self.touched < times
            && fault
                .probability
                .is_none_or(|chance| self.random.f64() < chance);
        self.touched += u64::from(touched);
        touched
    }
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    faults: BTreeMap<u64, Armed>,
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    inner: Mutex<Inner>,
    /// Counts removals, so that hanging calls notice.
    removals: watch::Sender<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            removals: watch::channel(0).0,
        }
    }
}

impl Faults {
    /// Adds a fault and says its id.
    pub(crate) fn add(&self, fault: Fault) -> Result<u64, String> {
        check(&fault)?;
        let mut inner = self.lock();
        if inner.faults.len() >= MAX_FAULTS {
            return Err(format!(
                "{MAX_FAULTS} faults are there already; delete some"
            ));
        }
        inner.next_id += 1;
        let id = inner.next_id;
        let random = fault
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        inner.faults.insert(
            id,
            Armed {
                fault,
                matched: 0,
                touched: 0,
                random,
            },
        );
        Ok(id)
    }

    /// The faults with what they did so far.
    pub(crate) fn list(&self) -> Value {
        let inner = self.lock();
        let faults = inner.faults.iter().map(|(id, armed)| {
            let mut shown = json!(armed.fault);
            shown["id"] = json!(id);
            shown["matched"] = json!(armed.matched);
            shown["touched"] = json!(armed.touched);
            shown
        });
        json!({ "faults": faults.collect::<Vec<_>>() })
    }

    /// Removes one fault; `false` if there is none of that id.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let removed = self.lock().faults.remove(&id).is_some();
        self.removals.send_modify(|count| *count += 1);
        removed
    }

    /// Removes all faults; calls held by `stop` stay held until continued.
    pub(crate) fn clear(&self) {
        self.lock().faults.clear();
        self.removals.send_modify(|count| *count += 1);
    }

    /// What the faults do to this call.
    pub(crate) fn judge(&self, operation: &str, account: &str) -> Verdict {
        let mut verdict = Verdict::default();
        for (id, armed) in &mut self.lock().faults {
            if !armed.touches(operation, account) {
                continue;
            }
            let fault = &armed.fault;
            let effect = match fault.kind {
                FaultKind::Delay => {
                    verdict.delay += Duration::from_millis(fault.delay_ms.unwrap_or_default());
                    continue;
                }
                FaultKind::Throttle => Effect::Throttle {
                    status: fault.status,
                    code: fault.code.clone(),
                },
                FaultKind::Error => Effect::Error {
                    status: fault.status.unwrap_or(500),
                    code: fault
                        .code
                        .clone()
                        .unwrap_or_else(|| "InternalFailure".to_owned()),
                },
                FaultKind::LoseReply => Effect::LoseReply,
                FaultKind::Hang => Effect::Hang { fault: *id },
                FaultKind::Stop => Effect::Stop {
                    fault: *id,
                    when: fault.when.unwrap_or(When::Before),
                },
            };
            verdict.effect.get_or_insert(effect);
        }
        verdict
    }

    /// Ends when the fault is gone.
    pub(crate) async fn gone(&self, fault: u64) {
        let mut removals = self.removals.subscribe();
        while self.lock().faults.contains_key(&fault) {
            if removals.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn check(fault: &Fault) -> Result<(), String> {
    if !crate::model::operation_names().any(|name| glob::matches(&fault.operation, name)) {
        return Err(format!(
            "operation {:?}: matches no operation; write one such as xray.CreateGroup or logs.*",
            fault.operation
        ));
    }
    let only = |present: bool, field: &str, kinds: &[FaultKind]| match present
        && !kinds.contains(&fault.kind)
    {
        true => Err(format!(
            "{field} belongs to faults of kind {}",
            json!(kinds)
        )),
        false => Ok(()),
    };
    only(
        fault.status.is_some(),
        "status",
        &[FaultKind::Error, FaultKind::Throttle],
    )?;
    only(
        fault.code.is_some(),
        "code",
        &[FaultKind::Error, FaultKind::Throttle],
    )?;
    only(fault.delay_ms.is_some(), "delayMs", &[FaultKind::Delay])?;
    only(fault.when.is_some(), "when", &[FaultKind::Stop])?;
    match fault {
        Fault {
            kind: FaultKind::Delay,
            delay_ms: None,
            ..
        } => Err("delay needs delayMs".to_owned()),
        Fault {
            delay_ms: Some(ms), ..
        } if *ms > MAX_DELAY_MS => Err(format!("delayMs is at most {MAX_DELAY_MS}")),
        Fault {
            status: Some(status),
            ..
        } if !(400..600).contains(status) => Err("status is 400 to 599".to_owned()),
        Fault {
            probability: Some(chance),
            ..
        } if !(0.0..=1.0).contains(chance) => Err("probability is 0 to 1".to_owned()),
        Fault { nth: Some(0), .. } => Err("nth counts from 1".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(bodies: &[Value]) -> Faults {
        let faults = Faults::default();
        for body in bodies {
            let fault = serde_json::from_value(body.clone()).expect("a fault of the test");
            faults.add(fault).expect("a fault of the test");
        }
        faults
    }

    fn touched(faults: &Faults, calls: usize) -> Vec<usize> {
        (1..=calls)
            .filter(|_| {
                faults
                    .judge("logs.PutRetentionPolicy", "1")
                    .effect
                    .is_some()
            })
            .collect()
    }

    #[test]
    fn nth_and_times_choose_the_calls() {
        for (body, expected) in [
            (
                json!({"operation": "logs.*", "kind": "throttle"}),
                vec![1, 2, 3, 4],
            ),
            (
                json!({"operation": "logs.*", "kind": "throttle", "times": 2}),
                vec![1, 2],
            ),
            (
                json!({"operation": "logs.*", "kind": "throttle", "nth": 3}),
                vec![3],
            ),
            (
                json!({"operation": "logs.*", "kind": "throttle", "nth": 2, "times": 2}),
                vec![2, 3],
            ),
            (json!({"operation": "xray.*", "kind": "throttle"}), vec![]),
            (
                json!({"operation": "logs.*", "kind": "throttle", "account": "2"}),
                vec![],
            ),
        ] {
            assert_eq!(
                touched(&faults(std::slice::from_ref(&body)), 4),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn a_seed_makes_chance_repeatable() {
        let body = json!({"operation": "*", "kind": "error", "probability": 0.5, "seed": 7});
        let first = touched(&faults(std::slice::from_ref(&body)), 100);
        assert_eq!(first, touched(&faults(&[body]), 100));
        assert!((20..80).contains(&first.len()), "{first:?}");
    }

    #[test]
    fn delays_add_up_and_the_first_other_fault_wins() {
        let faults = faults(&[
            json!({"operation": "*", "kind": "delay", "delayMs": 5}),
            json!({"operation": "*", "kind": "loseReply"}),
            json!({"operation": "*", "kind": "throttle"}),
            json!({"operation": "*", "kind": "delay", "delayMs": 7}),
        ]);
        let verdict = faults.judge("sts.AssumeRole", "1");
        assert_eq!(verdict.delay, Duration::from_millis(12));
        assert_eq!(verdict.effect, Some(Effect::LoseReply));
    }

    #[test]
    fn a_fault_that_could_never_do_anything_is_refused() {
        for body in [
            json!({"operation": "s3.*", "kind": "throttle"}),
            json!({"operation": "*", "kind": "delay"}),
            json!({"operation": "*", "kind": "hang", "status": 500}),
            json!({"operation": "*", "kind": "error", "status": 200}),
            json!({"operation": "*", "kind": "error", "probability": 1.5}),
            json!({"operation": "*", "kind": "hang", "nth": 0}),
            json!({"operation": "*", "kind": "hang", "when": "after"}),
        ] {
            let fault = serde_json::from_value(body.clone()).expect("well-formed");
            assert!(Faults::default().add(fault).is_err(), "{body}");
        }
    }
}
