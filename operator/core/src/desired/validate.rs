//! Profile → Desired: names fixed, defaults in, and what the namespace does not allow sorted out.

use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::name::DEFAULT_RULE;

use super::place::region;
use super::{Adoption, CustomRule, Desired, GroupSpec, Item, LogGroupSpec, Refused, RuleSpec};
use crate::crd::{self, AdoptionPolicy, ObservabilityProfile};
use crate::identity::{Kind, ProfileRef};
use crate::rights::Rights;

/// Why a profile as a whole cannot be carried out in AWS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No region anywhere.
    #[error(
        "no AWS region: set spec.aws.region, or give the operator a region (--region or AWS_REGION)"
    )]
    NoRegion,
    /// The namespace may not use the role.
    #[error(
        "the namespace does not allow the role {0}: a cluster admin can list it in the namespace annotation tracewright.dev/allowed-role-arns"
    )]
    RoleNotAllowed(String),
    /// The region differs from the one in which the objects are.
    #[error(
        "the AWS region is now {now}, but the objects of this profile are in {was}: set spec.aws.region: {was}, or create another profile for {now}"
    )]
    RegionChanged {
        /// Where the objects are.
        was: String,
        /// What the region would be now.
        now: String,
    },
    /// The account differs from the one in which the objects are.
    #[error(
        "the AWS account {was} holds objects of this profile ({held}), but its credentials now reach the account {now}, where nothing is written: give the operator, or spec.aws.roleArn, credentials of {was} again; to move to {now}, remove these entries while {was} is reached, or delete this profile and make another"
    )]
    AccountChanged {
        /// Where the objects are.
        was: String,
        /// Which account is reached now.
        now: String,
        /// The objects, by kind and name.
        held: String,
    },
}

impl Invalid {
    /// The reason of the condition AwsSynced.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RoleNotAllowed(_) => reason::ROLE_NOT_ALLOWED,
            Self::NoRegion | Self::RegionChanged { .. } => reason::INVALID,
            Self::AccountChanged { .. } => reason::ACCOUNT_CHANGED,
        }
    }
}

/// Profile → Desired.
///
/// # Errors
/// [`Invalid`] where nothing of the profile can be carried out in AWS.
pub fn validate(
    profile: &ObservabilityProfile,
    rights: &Rights,
    default_region: Option<&str>,
) -> Result<Desired, Invalid> {
    let spec = &profile.spec;
    let aws = spec.aws.clone().unwrap_or_default();
    let deleting = profile.metadata.deletion_timestamp.is_some();
    let region = region(profile, default_region)?;
    // A role that is no longer allowed is not used for deletion either: the admin's word counts at once.
    if let Some(role) = aws
        .role_arn
        .as_ref()
        .filter(|role| !rights.may_assume(role))
    {
        return Err(Invalid::RoleNotAllowed(role.clone()));
    }
    let mut desired = Desired {
        profile: ProfileRef::new(
            profile.metadata.namespace.clone().unwrap_or_default(),
            profile.metadata.name.clone().unwrap_or_default(),
        ),
        mode: spec.mode,
        deleting,
        region,
        role_arn: aws.role_arn,
        groups: Vec::new(),
        rules: Vec::new(),
        log_groups: Vec::new(),
        refused: Vec::new(),
        leaving: Vec::new(),
    };
    let service = spec
        .service
        .as_ref()
        .and_then(|service| service.name.as_deref());
    let xray = spec.xray.clone().unwrap_or_default();
    let logs = spec.logs.clone().unwrap_or_default();
    for group in xray.groups {
        match self::group(group, service, rights) {
            Ok(item) => desired.groups.push(item),
            Err(refused) => desired.refused.push(refused),
        }
    }
    for rule in xray.sampling_rules {
        match self::rule(rule, service, rights) {
            Ok(item) => desired.rules.push(item),
            Err(refused) => desired.refused.push(refused),
        }
    }
    for log_group in logs.groups {
        match self::log_group(log_group, rights) {
            Ok(item) => desired.log_groups.push(item),
            Err(refused) => desired.refused.push(refused),
        }
    }
    if deleting {
        let leaving = desired
            .claims()
            .map(|(kind, name)| (kind, name.to_owned()))
            .collect();
        desired.groups.clear();
        desired.rules.clear();
        desired.log_groups.clear();
        desired.refused.clear();
        desired.leaving = leaving;
    }
    Ok(desired)
}

fn group(
    group: crd::Group,
    service: Option<&str>,
    rights: &Rights,
) -> Result<Item<GroupSpec>, Refused> {
    check_name(Kind::Group, &group.name, rights)?;
    let observe = group.adoption_policy == AdoptionPolicy::Observe;
    // An observed group is only compared where the profile says something.
    let filter_expression = group.filter_expression.or_else(|| {
        service
            .filter(|_| !observe)
            .map(|service| format!("service(\"{service}\")"))
    });
    if filter_expression.is_none() && !observe {
        return Err(refuse(
            Kind::Group,
            &group.name,
            reason::INVALID,
            "has no filterExpression: write one, or set spec.service.name".to_owned(),
        ));
    }
    if let Some(Err(error)) = filter_expression
        .as_deref()
        .map(tracewright_xray::filter::parse)
    {
        return Err(refuse(
            Kind::Group,
            &group.name,
            reason::INVALID_FILTER_EXPRESSION,
            format!("has an invalid filterExpression: {error}"),
        ));
    }
    Ok(Item {
        spec: GroupSpec {
            filter_expression,
            insights_enabled: group.insights.as_ref().map(|insights| insights.enabled),
            notifications_enabled: group.insights.and_then(|insights| insights.notifications),
        },
        tags: group.tags,
        adoption: adoption(group.adoption_policy, &group.name, rights),
        deletion_policy: group
            .deletion_policy
            .unwrap_or(Kind::Group.default_deletion_policy()),
        name: group.name,
    })
}

fn rule(
    rule: crd::SamplingRule,
    service: Option<&str>,
    rights: &Rights,
) -> Result<Item<RuleSpec>, Refused> {
    const KIND: Kind = Kind::SamplingRule;
    check_name(KIND, &rule.name, rights)?;
    let missing = |field: &str| {
        refuse(
            KIND,
            &rule.name,
            reason::INVALID,
            format!("has no {field}: write one"),
        )
    };
    let any = |pattern: Option<String>| pattern.unwrap_or_else(|| "*".to_owned());
    let spec = if rule.adoption_policy == AdoptionPolicy::Observe {
        RuleSpec::Observed {
            fixed_rate: rule.fixed_rate,
            reservoir_size: rule.reservoir_size,
            priority: rule.priority,
        }
    } else if rule.name == DEFAULT_RULE {
        if !rights.may_adopt(DEFAULT_RULE) {
            return Err(refuse(
                KIND,
                &rule.name,
                reason::NAME_NOT_ALLOWED,
                "concerns every service of the account: a cluster admin can allow it by the namespace annotation tracewright.dev/allow-adopt: Default".to_owned(),
            ));
        }
        RuleSpec::Default {
            fixed_rate: rule.fixed_rate.ok_or_else(|| missing("fixedRate"))?,
            reservoir_size: rule
                .reservoir_size
                .ok_or_else(|| missing("reservoirSize"))?,
        }
    } else {
        RuleSpec::Custom(CustomRule {
            priority: rule.priority.ok_or_else(|| missing("priority"))?,
            fixed_rate: rule.fixed_rate.ok_or_else(|| missing("fixedRate"))?,
            reservoir_size: rule
                .reservoir_size
                .ok_or_else(|| missing("reservoirSize"))?,
            service_name: rule
                .service_name
                .or_else(|| service.map(str::to_owned))
                .ok_or_else(|| missing("serviceName, and spec.service.name is not set"))?,
            service_type: any(rule.service_type),
            host: any(rule.host),
            http_method: any(rule.http_method),
            url_path: any(rule.url_path),
            resource_arn: any(rule.resource_arn),
            attributes: rule.attributes,
            rate_boost: rule.rate_boost,
        })
    };
    // The rule Default is there in every account, so managing it is adopting it.
    let adoption = match spec {
        RuleSpec::Default { .. } => Adoption::Adopt,
        _ => adoption(rule.adoption_policy, &rule.name, rights),
    };
    Ok(Item {
        spec,
        tags: rule.tags,
        adoption,
        deletion_policy: rule
            .deletion_policy
            .unwrap_or(KIND.default_deletion_policy()),
        name: rule.name,
    })
}

fn log_group(group: crd::LogGroup, rights: &Rights) -> Result<Item<LogGroupSpec>, Refused> {
    check_name(Kind::LogGroup, &group.name, rights)?;
    Ok(Item {
        spec: LogGroupSpec {
            retention_in_days: group.retention_in_days,
            class: group.class,
            kms_key_arn: group.kms_key_arn,
            deletion_protection: group.deletion_protection,
        },
        tags: group.tags,
        adoption: adoption(group.adoption_policy, &group.name, rights),
        deletion_policy: group
            .deletion_policy
            .unwrap_or(Kind::LogGroup.default_deletion_policy()),
        name: group.name,
    })
}

fn adoption(policy: AdoptionPolicy, name: &str, rights: &Rights) -> Adoption {
    match policy {
        AdoptionPolicy::Reject => Adoption::Reject,
        AdoptionPolicy::Observe => Adoption::Observe,
        AdoptionPolicy::Adopt if rights.may_adopt(name) => Adoption::Adopt,
        AdoptionPolicy::Adopt => Adoption::NotAllowed,
    }
}

fn check_name(kind: Kind, name: &str, rights: &Rights) -> Result<(), Refused> {
    if rights.may_name(name) {
        return Ok(());
    }
    Err(refuse(
        kind,
        name,
        reason::NAME_NOT_ALLOWED,
        "is a name that the namespace may not use: a cluster admin can allow it in the namespace annotation tracewright.dev/allowed-names".to_owned(),
    ))
}

fn refuse(kind: Kind, name: &str, reason: &'static str, what: String) -> Refused {
    Refused {
        kind,
        name: name.to_owned(),
        reason,
        message: format!("{} {name} {what}", kind.noun()),
    }
}
