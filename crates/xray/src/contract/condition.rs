//! Condition types of a profile's status and the reasons that each may give. Events use the same words.

/// Everything declared is true.
pub const READY: &str = "Ready";
/// The AWS objects are as declared.
pub const AWS_SYNCED: &str = "AwsSynced";
/// The receiver answers.
pub const RECEIVER_READY: &str = "ReceiverReady";
/// The selected workloads run with the variables.
pub const WORKLOADS_INJECTED: &str = "WorkloadsInjected";
/// Some client matched one of the sampling rules.
pub const TRAFFIC_SEEN: &str = "TrafficSeen";
/// There is something to know that is not an error.
pub const ADVISORIES: &str = "Advisories";

/// Reasons, each a word in upper camel case. One reason may serve several conditions.
pub mod reason {
    /// Ready: everything is as declared.
    pub const RECONCILED: &str = "Reconciled";
    /// Not Ready: see condition `AwsSynced`.
    pub const AWS_NOT_SYNCED: &str = "AwsNotSynced";
    /// Not Ready: see condition `ReceiverReady`.
    pub const RECEIVER_NOT_READY: &str = "ReceiverNotReady";
    /// Not Ready: see condition `WorkloadsInjected`.
    pub const WORKLOADS_NOT_INJECTED: &str = "WorkloadsNotInjected";
    /// Not Ready: the profile cannot be right.
    pub const INVALID: &str = "Invalid";
    /// Not Ready: the profile is being deleted.
    pub const DELETING: &str = "Deleting";
    /// Unknown: mode `Preview` writes only the plan.
    pub const PREVIEW: &str = "Preview";
    /// Unknown: mode `Suspended` does nothing.
    pub const SUSPENDED: &str = "Suspended";

    /// All AWS objects are as declared.
    pub const SYNCED: &str = "Synced";
    /// The profile declares no AWS object.
    pub const NOTHING_DECLARED: &str = "NothingDeclared";
    /// An object is not observed or written yet.
    pub const PENDING: &str = "Pending";
    /// An object differs from its declaration and is not written.
    pub const DRIFTED: &str = "Drifted";
    /// No AWS credentials.
    pub const CREDENTIALS_MISSING: &str = "CredentialsMissing";
    /// AWS denied a call.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// The namespace does not list the role.
    pub const ROLE_NOT_ALLOWED: &str = "RoleNotAllowed";
    /// The credentials reach another account than the one that holds the objects.
    pub const ACCOUNT_CHANGED: &str = "AccountChanged";
    /// The namespace does not allow the name.
    pub const NAME_NOT_ALLOWED: &str = "NameNotAllowed";
    /// A group's filter expression is broken.
    pub const INVALID_FILTER_EXPRESSION: &str = "InvalidFilterExpression";
    /// Another profile holds a name.
    pub const CONFLICT: &str = "Conflict";
    /// An object exists and is not managed by this cluster.
    pub const FOREIGN: &str = "Foreign";
    /// A quota is used up.
    pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
    /// AWS throttles.
    pub const THROTTLED: &str = "Throttled";
    /// AWS cannot be reached.
    pub const UNREACHABLE: &str = "Unreachable";

    /// The receiver answers.
    pub const AVAILABLE: &str = "Available";
    /// The receiver is somebody else's.
    pub const EXTERNAL: &str = "External";
    /// The profile declares none.
    pub const NOT_DECLARED: &str = "NotDeclared";
    /// The receiver's pods are coming up.
    pub const PROGRESSING: &str = "Progressing";
    /// The operator was told to run no receivers.
    pub const RECEIVERS_DISABLED: &str = "ReceiversDisabled";
    /// An object of the receiver's name exists and is not ours.
    pub const NAME_TAKEN: &str = "NameTaken";
    /// The receiver's TCP proxy does not answer.
    pub const PROXY_UNREACHABLE: &str = "ProxyUnreachable";
    /// The receiver's TCP proxy answers, but AWS refuses its credentials.
    pub const PROXY_FORBIDDEN: &str = "ProxyForbidden";

    /// All selected workloads run with the variables.
    pub const ALL_INJECTED: &str = "AllInjected";
    /// The selector matches no workload.
    pub const NONE_SELECTED: &str = "NoneSelected";
    /// Rollouts are under way.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// A Secret that the variables refer to is not there yet.
    pub const SECRET_MISSING: &str = "SecretMissing";
    /// A rollout failed after the injection.
    pub const ROLLOUT_FAILED: &str = "RolloutFailed";
    /// A failed rollout was reverted, as the profile asks.
    pub const REVERTED: &str = "Reverted";
    /// Somebody keeps removing the variables; the operator has stopped.
    pub const ENV_CONTESTED: &str = "EnvContested";
    /// Some workloads were skipped.
    pub const SOME_SKIPPED: &str = "SomeSkipped";

    /// A client matched one of the rules.
    pub const RULE_MATCHED: &str = "RuleMatched";
    /// No client has matched one of the rules yet.
    pub const NO_MATCH_YET: &str = "NoMatchYet";

    /// A sampling rule can never be reached.
    pub const RULE_UNREACHABLE: &str = "RuleUnreachable";
    /// Two sampling rules have one priority.
    pub const EQUAL_PRIORITY: &str = "EqualPriority";
    /// A rule or group can never match the service's name.
    pub const NAME_CANNOT_MATCH: &str = "NameCannotMatch";
    /// A rule uses fields for which X-Ray SDKs ignore it.
    pub const ATTRIBUTES_IGNORED: &str = "AttributesIgnored";
    /// A quota is nearly used up.
    pub const QUOTA_NEARLY_USED: &str = "QuotaNearlyUsed";
    /// An account-level policy overrides the retention.
    pub const RETENTION_OVERRIDDEN: &str = "RetentionOverridden";
    /// A group's expression was changed in place; older traces keep the old qualification.
    pub const EXPRESSION_CHANGED: &str = "ExpressionChanged";
    /// A Secret that the variables refer to has changed, or is gone, since pods took its value.
    pub const SECRET_CHANGED: &str = "SecretChanged";
    /// There is nothing to advise.
    pub const NONE: &str = "None";
}

/// One condition type with the reasons that it gives for each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The condition's `type`.
    pub name: &'static str,
    /// Reasons with status `True`.
    pub when_true: &'static [&'static str],
    /// Reasons with status `False`, in order of precedence.
    pub when_false: &'static [&'static str],
    /// Reasons with status `Unknown`.
    pub when_unknown: &'static [&'static str],
}

/// All condition types, in the order in which they are written to status.
pub const CONDITIONS: &[Condition] = &[
    Condition {
        name: READY,
        when_true: &[reason::RECONCILED],
        when_false: &[
            reason::AWS_NOT_SYNCED,
            reason::RECEIVER_NOT_READY,
            reason::WORKLOADS_NOT_INJECTED,
            reason::INVALID,
            reason::DELETING,
        ],
        when_unknown: &[reason::PREVIEW, reason::SUSPENDED],
    },
    Condition {
        name: AWS_SYNCED,
        when_true: &[reason::SYNCED, reason::NOTHING_DECLARED],
        when_false: &[
            reason::CREDENTIALS_MISSING,
            reason::ACCESS_DENIED,
            reason::ROLE_NOT_ALLOWED,
            reason::ACCOUNT_CHANGED,
            reason::NAME_NOT_ALLOWED,
            reason::INVALID_FILTER_EXPRESSION,
            reason::CONFLICT,
            reason::FOREIGN,
            reason::QUOTA_EXCEEDED,
            reason::THROTTLED,
            reason::UNREACHABLE,
        ],
        when_unknown: &[],
    },
    Condition {
        name: RECEIVER_READY,
        when_true: &[reason::AVAILABLE, reason::EXTERNAL, reason::NOT_DECLARED],
        when_false: &[
            reason::RECEIVERS_DISABLED,
            reason::PROGRESSING,
            reason::NAME_TAKEN,
            reason::PROXY_UNREACHABLE,
            reason::PROXY_FORBIDDEN,
        ],
        when_unknown: &[],
    },
    Condition {
        name: WORKLOADS_INJECTED,
        when_true: &[reason::ALL_INJECTED, reason::NONE_SELECTED],
        when_false: &[
            reason::ROLLING_OUT,
            reason::SECRET_MISSING,
            reason::ROLLOUT_FAILED,
            reason::REVERTED,
            reason::ENV_CONTESTED,
            reason::SOME_SKIPPED,
        ],
        when_unknown: &[],
    },
    Condition {
        name: TRAFFIC_SEEN,
        when_true: &[reason::RULE_MATCHED],
        when_false: &[reason::NO_MATCH_YET],
        when_unknown: &[reason::NOT_DECLARED],
    },
    Condition {
        name: ADVISORIES,
        when_true: &[
            reason::RULE_UNREACHABLE,
            reason::EQUAL_PRIORITY,
            reason::NAME_CANNOT_MATCH,
            reason::ATTRIBUTES_IGNORED,
            reason::QUOTA_NEARLY_USED,
            reason::RETENTION_OVERRIDDEN,
            reason::EXPRESSION_CHANGED,
            reason::SECRET_CHANGED,
        ],
        when_false: &[reason::NONE],
        when_unknown: &[],
    },
];
