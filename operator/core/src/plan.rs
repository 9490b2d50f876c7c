//! Diff → Plan: what is to be written to AWS, in order, and what is left alone and why.
//!
//! A plan is `Plan<Pending>` until [`Plan::applied`] has taken an outcome for every object that has steps; only
//! `Plan<Applied>` can be reported, so nothing is said to be done that was not.

use std::collections::BTreeMap;

use crate::crd::status::{ItemState, PlannedChange};
use crate::crd::{DeletionPolicy, LogGroupClass, SamplingRateBoost};
use crate::desired::CustomRule;
use crate::identity::{Kind, TagMap};

/// What is to be done for one profile, one entry per object that concerns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// The objects, in the order of kind and name.
    pub objects: Vec<Planned<S>>,
    /// What a person should know about objects that are as they should be.
    pub notes: Vec<Note>,
}

/// A plan that nobody has carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending;

/// The outcome of an object's steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// There was nothing to write.
    Untouched,
    /// There is something to write, and the profile's mode forbids it.
    Previewed,
    /// Every step was carried out.
    Done {
        /// The object's ARN, where a step made it known.
        arn: Option<String>,
    },
    /// A step failed; those before it were carried out.
    Failed(Failure),
}

/// Why a step failed, and what the object is to be called for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The object's state.
    pub state: ItemState,
    /// The reason of the condition AwsSynced.
    pub reason: &'static str,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Something a person should know; it does not make the profile unready.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The reason of the condition Advisories.
    pub reason: &'static str,
    /// What is the case and what to do about it.
    pub message: String,
}

/// One object that concerns a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned<S> {
    /// The object's kind.
    pub kind: Kind,
    /// The object's name.
    pub name: String,
    /// Its ARN, once known.
    pub arn: Option<String>,
    /// What becomes of it when nobody declares it any more; `None` for one that is not ours.
    pub deletion_policy: Option<DeletionPolicy>,
    /// Whether the profile still declares it.
    pub declared: bool,
    /// What is to be done.
    pub verdict: Verdict,
    /// What came of it.
    pub outcome: S,
}

/// What is to be done with an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is as declared.
    Synced,
    /// It is left alone.
    Held {
        /// The object's state.
        state: ItemState,
        /// The reason of the condition AwsSynced.
        reason: &'static str,
        /// Why, and what to do about it.
        message: String,
    },
    /// It is to be written.
    Write(Write),
}

/// Calls to AWS that bring one object where it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What the calls do, in one word.
    pub action: Action,
    /// The calls, in order.
    pub steps: Vec<Step>,
    /// The fields that change.
    pub changes: Vec<FieldChange>,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A new object.
    Create,
    /// Changed fields of one that is ours.
    Update,
    /// Taking over one that is nobody's.
    Adopt,
    /// Deleting one that is ours.
    Delete,
    /// Restoring the rule `Default`.
    Restore,
    /// Leaving one that was ours, without our tags.
    Release,
}

impl Action {
    /// The action's name in status and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Adopt => "Adopt",
            Self::Delete => "Delete",
            Self::Restore => "Restore",
            Self::Release => "Release",
        }
    }

    /// Whether the object is no longer ours afterwards.
    #[must_use]
    pub fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::Restore | Self::Release)
    }
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// The field, in the resource's spelling.
    pub field: &'static str,
    /// The value now.
    pub from: Option<String>,
    /// The value then.
    pub to: Option<String>,
}

/// One call to AWS about the planned object.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// X-Ray `CreateGroup`.
    CreateGroup {
        /// Which traces belong to the group.
        filter_expression: String,
        /// Insights, if declared: whether they are looked for, and announced.
        insights: Option<(bool, bool)>,
        /// Tags at creation.
        tags: TagMap,
    },
    /// X-Ray `UpdateGroup`, addressed by ARN so that a group made anew by somebody else is not hit.
    UpdateGroup {
        /// The new expression, if it changes.
        filter_expression: Option<String>,
        /// Insights, if they change.
        insights: Option<(bool, bool)>,
    },
    /// X-Ray `DeleteGroup`, addressed by ARN.
    DeleteGroup,
    /// X-Ray `CreateSamplingRule`.
    CreateSamplingRule {
        /// The rule.
        rule: CustomRule,
        /// Tags at creation.
        tags: TagMap,
    },
    /// X-Ray `UpdateSamplingRule`, with the fields that change.
    UpdateSamplingRule(RuleUpdate),
    /// X-Ray `DeleteSamplingRule`.
    DeleteSamplingRule,
    /// CloudWatch Logs `CreateLogGroup`.
    CreateLogGroup {
        /// Log class.
        class: Option<LogGroupClass>,
        /// ARN of the KMS key.
        kms_key_arn: Option<String>,
        /// Whether AWS refuses to delete it.
        deletion_protection: Option<bool>,
        /// Tags at creation.
        tags: TagMap,
    },
    /// CloudWatch Logs `PutRetentionPolicy`.
    PutRetentionPolicy {
        /// Days after which events expire.
        days: i32,
    },
    /// CloudWatch Logs `AssociateKmsKey`.
    AssociateKmsKey {
        /// ARN of the KMS key.
        arn: String,
    },
    /// CloudWatch Logs `PutLogGroupDeletionProtection`.
    PutLogGroupDeletionProtection {
        /// Whether AWS refuses to delete it.
        enabled: bool,
    },
    /// CloudWatch Logs `DeleteLogGroup`.
    DeleteLogGroup,
    /// `TagResource` of the object's service.
    Tag {
        /// Tags to set.
        tags: TagMap,
    },
    /// `UntagResource` of the object's service.
    Untag {
        /// Keys to remove.
        keys: Vec<&'static str>,
    },
}

/// The fields of a sampling rule that change; `None` stays. (AWS X-Ray API, SamplingRuleUpdate.)
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleUpdate {
    /// New priority.
    pub priority: Option<i32>,
    /// New rate.
    pub fixed_rate: Option<f64>,
    /// New reservoir.
    pub reservoir_size: Option<i32>,
    /// New service name pattern.
    pub service_name: Option<String>,
    /// New service type pattern.
    pub service_type: Option<String>,
    /// New host pattern.
    pub host: Option<String>,
    /// New method pattern.
    pub http_method: Option<String>,
    /// New path pattern.
    pub url_path: Option<String>,
    /// New resource pattern.
    pub resource_arn: Option<String>,
    /// New attributes, all of them.
    pub attributes: Option<TagMap>,
    /// New boost.
    pub rate_boost: Option<SamplingRateBoost>,
}

/// How many changes `status.plan` holds at most.
pub const MAX_PLANNED_CHANGES: usize = 200;

impl Plan<Pending> {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes().next().is_none()
    }

    /// The objects that are to be written.
    pub fn writes(&self) -> impl Iterator<Item = (&Planned<Pending>, &Write)> {
        self.objects
            .iter()
            .filter_map(|object| match &object.verdict {
                Verdict::Write(write) => Some((object, write)),
                Verdict::Synced | Verdict::Held { .. } => None,
            })
    }

    /// What carrying out the plan would change, in order, as `status.plan` shows it. A create is one entry; an update is
    /// one entry a field.
    #[must_use]
    pub fn changes(&self) -> Vec<PlannedChange> {
        self.writes()
            .flat_map(|(object, write)| object.changes(write))
            .take(MAX_PLANNED_CHANGES)
            .collect()
    }

    /// The plan as it stands in mode Preview: nothing is written.
    #[must_use]
    pub fn previewed(self) -> Plan<Applied> {
        self.with_outcomes(|_| Applied::Previewed)
    }

    /// The plan with what came of each object's steps. An object whose outcome is missing was not carried out, and is
    /// pending.
    #[must_use]
    pub fn applied(self, mut outcomes: BTreeMap<(Kind, String), Applied>) -> Plan<Applied> {
        self.with_outcomes(|object| {
            outcomes
                .remove(&(object.kind, object.name.clone()))
                .unwrap_or_else(|| {
                    Applied::Failed(Failure {
                        state: ItemState::Pending,
                        reason: tracewright_xray::contract::condition::reason::PENDING,
                        message: format!(
                            "{} {} is not written yet",
                            object.kind.noun(),
                            object.name
                        ),
                    })
                })
        })
    }

    fn with_outcomes(self, mut outcome: impl FnMut(&Planned<Pending>) -> Applied) -> Plan<Applied> {
        let objects = self.objects.into_iter().map(|object| {
            let outcome = match &object.verdict {
                Verdict::Synced | Verdict::Held { .. } => Applied::Untouched,
                Verdict::Write(_) => outcome(&object),
            };
            let Planned {
                kind,
                name,
                arn,
                deletion_policy,
                declared,
                verdict,
                outcome: Pending,
            } = object;
            Planned {
                kind,
                name,
                arn,
                deletion_policy,
                declared,
                verdict,
                outcome,
            }
        });
        Plan {
            objects: objects.collect(),
            notes: self.notes,
        }
    }
}

impl<S> Planned<S> {
    fn changes(&self, write: &Write) -> Vec<PlannedChange> {
        let entry = |field: Option<&str>, from: Option<String>, to: Option<String>| PlannedChange {
            action: write.action.as_str().to_owned(),
            kind: self.kind.as_str().to_owned(),
            name: self.name.clone(),
            field: field.map(str::to_owned),
            from,
            to,
        };
        if write.changes.is_empty() {
            return vec![entry(None, None, None)];
        }
        write
            .changes
            .iter()
            .map(|change| entry(Some(change.field), change.from.clone(), change.to.clone()))
            .collect()
    }
}
