//! What a profile declares in AWS, in the terms of AWS.

mod place;
mod validate;

pub use place::check_account;
pub use validate::{Invalid, validate};

use tracewright_xray::rule::SamplingRule;

use crate::crd::{
    self, DeletionPolicy, LogGroupClass, Mode, ObservabilityProfile, SamplingRateBoost,
};
use crate::identity::{Kind, ProfileRef, TagMap};

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

/// [`crd::AdoptionPolicy`], with the namespace's right in it.
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

impl Desired {
    /// Names of a kind that the profile declares, refused ones not among them.
    pub fn names(&self, kind: Kind) -> Box<dyn Iterator<Item = &str> + '_> {
        match kind {
            Kind::Group => Box::new(self.groups.iter().map(|item| item.name.as_str())),
            Kind::SamplingRule => Box::new(self.rules.iter().map(|item| item.name.as_str())),
            Kind::LogGroup => Box::new(self.log_groups.iter().map(|item| item.name.as_str())),
        }
    }

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
