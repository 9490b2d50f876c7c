//! All that the emulator is besides its HTTP server, shared by all its workers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::accounts::{Accounts, Caller};
use crate::busy::Busy;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::error::AwsError;
use crate::faults::Faults;
use crate::limits::{Limits, Settings};
use crate::model::Operation;
use crate::service::Service;
use crate::state::{Place, Region, World};
use crate::stops::Stops;
use crate::{logs, sts, xray};

/// The emulated cloud.
#[derive(Debug)]
pub(crate) struct Emulation {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) stops: Stops,
    pub(crate) calls: Calls,
    pub(crate) accounts: Accounts,
    pub(crate) world: World,
    pub(crate) busy: Busy,
}

/// What an operation works on.
pub(crate) struct Context<'a> {
    pub(crate) place: &'a Place,
    pub(crate) region: &'a mut Region,
    pub(crate) settings: &'a Settings,
    /// Emulated milliseconds since 1970.
    pub(crate) now: i64,
}

impl Emulation {
    pub(crate) fn new() -> Self {
        Self {
            clock: Clock::new(),
            limits: Limits::default(),
            faults: Faults::default(),
            stops: Stops::default(),
            calls: Calls::default(),
            accounts: Accounts::default(),
            world: World::default(),
            busy: Busy::default(),
        }
    }

    /// State, faults, counts and clock to the start. Limits, accounts and issued credentials are settings and stay.
    pub(crate) fn reset(&self) {
        self.stops.clear();
        self.faults.clear();
        self.world.reset();
        self.calls.reset();
        self.clock.reset();
        self.limits.refill();
    }

    /// Carries an operation out.
    pub(crate) fn perform(
        &self,
        operation: &Operation,
        place: &Place,
        caller: &Caller,
        input: Value,
    ) -> Result<Value, AwsError> {
        let now = self.clock.now_ms();
        let settings = self.limits.settings();
        if operation.service == Service::Sts {
            return sts::call(operation.name, caller, &self.accounts, input, now);
        }
        self.world.with(place, |region| {
            let context = Context {
                place,
                region,
                settings: &settings,
                now,
            };
            match operation.service {
                Service::Xray => xray::call(operation, context, input),
                _ => logs::call(operation, context, input),
            }
        })
    }
}

/// Runs an operation on its typed input.
pub(crate) fn typed<I: DeserializeOwned, O: Serialize>(
    mut context: Context<'_>,
    input: Value,
    operation: impl FnOnce(&mut Context<'_>, I) -> Result<O, AwsError>,
) -> Result<Value, AwsError> {
    let input = serde_json::from_value(input)
        .map_err(|error| AwsError::serialization(error.to_string()))?;
    let output = operation(&mut context, input)?;
    serde_json::to_value(output)
        .map_err(|error| AwsError::new(500, "InternalFailure", error.to_string()))
}
