//! The emulator's control interface: paths outside of what AWS serves. JSON in and out.

/// Everything under this prefix is control; everything else is AWS.
pub const PREFIX: &str = "/_control/";
/// `GET`: 200 when ready.
pub const HEALTH: &str = "/_control/health";
/// `POST`: state, faults, counts and clock back to the start.
pub const RESET: &str = "/_control/reset";
/// `GET`, with `?since=SEQ`: counts by operation and the calls themselves.
pub const CALLS: &str = "/_control/calls";
/// `POST` a fault, answered by its id; `DELETE` all, or one by `/{id}`.
pub const FAULTS: &str = "/_control/faults";
/// `GET`: calls held by a `stop` fault; `POST` to `/{id}/continue` releases one.
pub const STOPS: &str = "/_control/stops";
/// `PUT`: `{"speed":60}` or `{"advance":"PT1H"}`.
pub const CLOCK: &str = "/_control/clock";
/// `PUT`: rates by operation, quotas, delays.
pub const LIMITS: &str = "/_control/limits";
/// `PUT`: access keys and the accounts that they belong to.
pub const ACCOUNTS: &str = "/_control/accounts";
/// `GET` and `PUT` at `/{account}/{region}`: the whole state.
pub const STATE: &str = "/_control/state";
