//! AWS tag keys that carry ownership. They are set when an object is created and removed when it is retained.

/// The cluster that holds the object: `--cluster-name`, or the UID of namespace `kube-system`.
pub const CLUSTER: &str = "tracewright.dev/cluster";

/// The profile that holds the object, as `namespace/name`.
pub const PROFILE: &str = "tracewright.dev/profile";

/// What becomes of the object when no profile lists it any more: [`DELETE`] or [`RETAIN`].
pub const DELETION_POLICY: &str = "tracewright.dev/deletion-policy";

/// Value of [`DELETION_POLICY`]: the object is deleted.
pub const DELETE: &str = "Delete";

/// Value of [`DELETION_POLICY`]: the object is released, its ownership tags removed.
pub const RETAIN: &str = "Retain";

/// All ownership keys, in the order in which they are written.
pub const ALL: &[&str] = &[CLUSTER, PROFILE, DELETION_POLICY];
