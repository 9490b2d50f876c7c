//! Reasons for which a workload, a container or a single variable is left without injection. Events use the same words.

/// The workload's user set `tracewright.dev/inject: "false"`.
pub const OPTED_OUT: &str = "OptedOut";
/// Another profile holds the workload.
pub const SELECTED_BY_OTHER: &str = "SelectedByOther";
/// A controller owns the object and would undo the change.
pub const OWNED_BY_CONTROLLER: &str = "OwnedByController";
/// Annotations of another instrumentation were found.
pub const OTHER_INSTRUMENTATION: &str = "OtherInstrumentation";
/// The user has set this variable; theirs wins.
pub const USER_SET: &str = "UserSet";
/// The user's entry of this name has a `valueFrom`, which is never touched.
pub const VALUE_FROM_PRESENT: &str = "ValueFromPresent";
/// A ConfigMap or Secret named in `envFrom` cannot be read, so its names are unknown.
pub const ENV_FROM_UNREADABLE: &str = "EnvFromUnreadable";
/// The workload has none of the containers that the profile names.
pub const NO_SUCH_CONTAINER: &str = "NoSuchContainer";
/// The workload's rollout is paused.
pub const PAUSED: &str = "Paused";
/// The workload's update strategy is `OnDelete`: its pods are replaced by hand.
pub const ON_DELETE: &str = "OnDelete";

/// All reasons.
pub const ALL: &[&str] = &[
    OPTED_OUT,
    SELECTED_BY_OTHER,
    OWNED_BY_CONTROLLER,
    OTHER_INSTRUMENTATION,
    USER_SET,
    VALUE_FROM_PRESENT,
    ENV_FROM_UNREADABLE,
    NO_SUCH_CONTAINER,
    PAUSED,
    ON_DELETE,
];
