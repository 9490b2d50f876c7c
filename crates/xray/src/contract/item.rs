//! States of one AWS object in `status.groups[]`, `status.samplingRules[]` and `status.logGroups[]`.

/// As declared.
pub const SYNCED: &str = "Synced";
/// Not written yet, or not observed yet after a write.
pub const PENDING: &str = "Pending";
/// Differs from what is declared; a repair is due.
pub const DRIFTED: &str = "Drifted";
/// Another profile holds the name.
pub const CONFLICT: &str = "Conflict";
/// Exists and is not managed by this cluster; left alone.
pub const FOREIGN: &str = "Foreign";
/// AWS refused it, or it cannot be right.
pub const INVALID: &str = "Invalid";
/// The account's quota is used up.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// Waiting for AWS's rate limit.
pub const THROTTLED: &str = "Throttled";
/// Being deleted.
pub const DELETING: &str = "Deleting";
/// Released: it stays in the account without an owner.
pub const RETAINED: &str = "Retained";

/// All states.
pub const ALL: &[&str] = &[
    SYNCED,
    PENDING,
    DRIFTED,
    CONFLICT,
    FOREIGN,
    INVALID,
    QUOTA_EXCEEDED,
    THROTTLED,
    DELETING,
    RETAINED,
];
