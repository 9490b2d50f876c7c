//! Profile → Desired: names fixed, defaults in, what the namespace does not allow sorted out.

use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::name::DEFAULT_RULE;
use tracewright_xray::rule::SamplingRule;

use crate::crd::{
    self, AdoptionPolicy, DeletionPolicy, LogGroupClass, Mode, ObservabilityProfile,
    SamplingRateBoost,
};
use crate::identity::{Kind, ProfileRef, TagMap};
use crate::rights::Rights;

/// The rate of the rule `Default` in an account that nobody changed. (AWS X-Ray, "Sampling rules".)
pub const DEFAULT_RULE_FIXED_RATE: f64 = 0.05;
/// The reservoir of the rule `Default` in an account that nobody changed. (AWS X-Ray, "Sampling rules".)
pub const DEFAULT_RULE_RESERVOIR_SIZE: i32 = 1;

/// What a profile wants of AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The profile.
    pub profile: ProfileRef,
    /// Whether the operator writes.
    pub mode: Mode,
    /// Whether the profile is being deleted. Then it declares nothing.
    pub deleting: bool,
    /// The AWS region.
    pub region: String,
    /// The role to assume for the profile's calls.
    pub role_arn: Option<String>,
    /// X-Ray groups.
    pub groups: Vec<Item<GroupSpec>>,
    /// X-Ray sampling rules.
    pub rules: Vec<Item<RuleSpec>>,
    /// CloudWatch log groups.
    pub log_groups: Vec<Item<LogGroupSpec>>,
    /// Entries that are left alone because of what they say.
    pub refused: Vec<Refused>,
    /// What a profile that is being deleted declared until then: it may have been made a moment ago.
    pub leaving: Vec<(Kind, String)>,
}

/// One declared AWS object.
#[derive(Clone, Debug, PartialEq)]
pub struct Item<S> {
    /// The object's name.
    pub name: String,
    /// The declared fields.
    pub spec: S,
    /// Tags of the profile's own choice.
    pub tags: TagMap,
    /// What to do when an object of this name exists that is nobody's.
    pub adoption: Adoption,
    /// What becomes of the object when nobody declares it any more.
    pub deletion_policy: DeletionPolicy,
}

/// [`AdoptionPolicy`], with the namespace's right in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Leave it alone.
    Reject,
    /// Take it over.
    Adopt,
    /// Adopting is declared, but the namespace may not.
    NotAllowed,
    /// Read it only.
    Observe,
}

/// An entry that is left alone because of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The entry's kind.
    pub kind: Kind,
    /// The entry's name.
    pub name: String,
    /// The reason of the condition AwsSynced.
    pub reason: &'static str,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Declared fields of an X-Ray group. `None` is left as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSpec {
    /// Which traces belong to the group.
    pub filter_expression: Option<String>,
    /// Whether X-Ray looks for insights.
    pub insights_enabled: Option<bool>,
    /// Whether insights are announced.
    pub notifications_enabled: Option<bool>,
}

/// Declared fields of a sampling rule.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleSpec {
    /// The rule `Default`: AWS takes these two fields and refuses every other.
    Default {
        /// Share of requests sampled.
        fixed_rate: f64,
        /// Requests sampled per second before the rate applies.
        reservoir_size: i32,
    },
    /// A custom rule. AWS's fields, all of them.
    Custom(CustomRule),
    /// A rule that is only read; `None` accepts any value.
    Observed {
        /// Expected rate.
        fixed_rate: Option<f64>,
        /// Expected reservoir.
        reservoir_size: Option<i32>,
        /// Expected priority.
        priority: Option<i32>,
    },
}

/// All fields of a custom sampling rule, and of one as AWS returns it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomRule {
    /// Rules are asked in ascending order.
    pub priority: i32,
    /// Share of requests sampled.
    pub fixed_rate: f64,
    /// Requests sampled per second before the rate applies.
    pub reservoir_size: i32,
    /// Pattern of the service's name.
    pub service_name: String,
    /// Pattern of the service's type.
    pub service_type: String,
    /// Pattern of the Host header.
    pub host: String,
    /// Pattern of the method.
    pub http_method: String,
    /// Pattern of the path.
    pub url_path: String,
    /// Pattern of the resource's ARN.
    pub resource_arn: String,
    /// Span attributes that must match.
    pub attributes: TagMap,
    /// Adaptive sampling.
    pub rate_boost: Option<SamplingRateBoost>,
}

impl CustomRule {
    /// The rule as X-Ray's domain knows it.
    #[must_use]
    pub fn as_rule(&self, name: &str) -> SamplingRule {
        SamplingRule {
            rule_name: name.to_owned(),
            priority: self.priority,
            fixed_rate: self.fixed_rate,
            reservoir_size: self.reservoir_size,
            service_name: self.service_name.clone(),
            service_type: self.service_type.clone(),
            host: self.host.clone(),
            http_method: self.http_method.clone(),
            url_path: self.url_path.clone(),
            resource_arn: self.resource_arn.clone(),
            attributes: self.attributes.clone(),
            ..SamplingRule::factory_default()
        }
    }
}

/// Declared fields of a log group. `None` is left as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogGroupSpec {
    /// Days after which events expire.
    pub retention_in_days: Option<i32>,
    /// Log class, fixed at creation.
    pub class: Option<LogGroupClass>,
    /// ARN of the KMS key.
    pub kms_key_arn: Option<String>,
    /// Whether AWS refuses to delete it.
    pub deletion_protection: Option<bool>,
}

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
}

impl Invalid {
    /// The reason of the condition AwsSynced.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RoleNotAllowed(_) => reason::ROLE_NOT_ALLOWED,
            Self::NoRegion | Self::RegionChanged { .. } => reason::INVALID,
        }
    }
}

/// Whether a profile has to do with AWS: it declares objects there, or may have left some there. One that has not needs
/// no account, no region and no role.
#[must_use]
pub fn concerns_aws(profile: &ObservabilityProfile) -> bool {
    let declares_xray =
        |xray: &crd::XRay| !(xray.groups.is_empty() && xray.sampling_rules.is_empty());
    let spec = &profile.spec;
    spec.xray.as_ref().is_some_and(declares_xray)
        || spec.logs.as_ref().is_some_and(|logs| !logs.groups.is_empty())
        // The account is told before the first object is made in it.
        || profile.status.as_ref().is_some_and(|status| status.account_id.is_some())
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
    let region = aws
        .region
        .or_else(|| default_region.map(str::to_owned))
        .ok_or(Invalid::NoRegion)?;
    if let Some(was) = profile
        .status
        .as_ref()
        .and_then(|status| status.region.clone())
        && was != region
    {
        return Err(Invalid::RegionChanged { was, now: region });
    }
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

impl Desired {
    /// Names of a kind that the profile declares, refused ones not among them.
    pub fn names(&self, kind: Kind) -> Box<dyn Iterator<Item = &str> + '_> {
        match kind {
            Kind::Group => Box::new(self.groups.iter().map(|item| item.name.as_str())),
            Kind::SamplingRule => Box::new(self.rules.iter().map(|item| item.name.as_str())),
            Kind::LogGroup => Box::new(self.log_groups.iter().map(|item| item.name.as_str())),
        }
    }
}

impl Desired {
    /// The objects that the profile wants to hold; observing one claims nothing.
    pub fn claims(&self) -> impl Iterator<Item = (Kind, &str)> {
        fn held<S>(kind: Kind, items: &[Item<S>]) -> impl Iterator<Item = (Kind, &str)> {
            items
                .iter()
                .filter(|item| item.adoption != Adoption::Observe)
                .map(move |item| (kind, item.name.as_str()))
        }
        held(Kind::Group, &self.groups)
            .chain(held(Kind::SamplingRule, &self.rules))
            .chain(held(Kind::LogGroup, &self.log_groups))
    }
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
