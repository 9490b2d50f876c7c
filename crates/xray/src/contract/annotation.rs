//! Annotation keys: what the operator records on a workload, and what users and cluster admins tell it.

/// On a workload: what was injected, by which profile, with a hash per variable.
///
/// The value is JSON: `{"profile":"cruddur","generation":3,"renderVersion":1,"workloadGeneration":7,"containers":{"<container>":{"<VAR>":"<hash>"}},"reverted":false}`.
/// Only entries recorded here and unchanged since are the operator's to update or remove.
pub const INJECTED: &str = "tracewright.dev/injected";

/// On a workload, by its user: `"false"` opts out of injection, `"true"` opts in where another instrumentation was seen.
pub const INJECT: &str = "tracewright.dev/inject";

/// On a workload, by its user: comma-separated names of variables that the operator must not inject.
pub const SKIP_ENV: &str = "tracewright.dev/skip-env";

/// On a pod template: hash over all rendered entries.
pub const ENV_HASH: &str = "tracewright.dev/env-hash";

/// On a receiver's pod template: hash of its configuration, so that a changed configuration rolls the pods.
pub const CONFIG_HASH: &str = "tracewright.dev/config-hash";

/// On a namespace, by its admin: comma-separated IAM role ARNs (with `*`) that profiles of this namespace may assume.
pub const ALLOWED_ROLE_ARNS: &str = "tracewright.dev/allowed-role-arns";

/// On a namespace, by its admin: comma-separated patterns (with `*`) that names of AWS objects must match.
pub const ALLOWED_NAMES: &str = "tracewright.dev/allowed-names";

/// On a namespace, by its admin: comma-separated patterns (with `*`) of AWS objects that profiles may adopt;
/// also required for managing the sampling rule `Default`.
pub const ALLOW_ADOPT: &str = "tracewright.dev/allow-adopt";

/// On the operator's Lease: which installation held it last, by the UID of the ServiceAccount that it runs as.
pub const INSTALLATION: &str = "tracewright.dev/installation";

/// On the operator's Lease: the comma-separated namespaces that the installation looks after; empty for all.
pub const WATCH_NAMESPACES: &str = "tracewright.dev/watch-namespaces";

/// On a profile: any new value makes the operator observe AWS afresh at once.
pub const RECONCILE_REQUESTED_AT: &str = "tracewright.dev/reconcile-requested-at";
