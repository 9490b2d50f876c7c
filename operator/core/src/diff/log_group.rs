//! CloudWatch log groups: what differs between the declared and the observed one.

use tracewright_xray::contract::condition::reason;

use super::Compare;
use super::change::change;
use crate::crd::LogGroupClass;
use crate::desired::LogGroupSpec;
use crate::identity::{Kind, TagMap};
use crate::observed::{Claims, LogGroupState};
use crate::plan::{FieldChange, Note, Step};

pub(super) struct LogGroups;

impl Compare for LogGroups {
    type Spec = LogGroupSpec;
    type State = LogGroupState;
    const KIND: Kind = Kind::LogGroup;

    fn quota(&self, _: &Claims) -> Option<usize> {
        // A million a region, and counting them would cost more calls than they are worth.
        None
    }

    fn create(&self, _: &str, spec: &LogGroupSpec, tags: TagMap) -> Option<Vec<Step>> {
        let mut steps = vec![Step::CreateLogGroup {
            class: spec.class,
            kms_key_arn: spec.kms_key_arn.clone(),
            deletion_protection: spec.deletion_protection,
            tags,
        }];
        steps.extend(
            spec.retention_in_days
                .map(|days| Step::PutRetentionPolicy { days }),
        );
        Some(steps)
    }

    fn update(&self, spec: &LogGroupSpec, state: &LogGroupState) -> (Vec<Step>, Vec<FieldChange>) {
        let (mut steps, mut changes) = (Vec::new(), Vec::new());
        // Under an account-level retention policy the log group's own retention is saved and has no effect, and AWS
        // shows the policy's number: writing it again and again would change nothing.
        if state.retention_policy_name.is_none()
            && let Some(days) = change(
                &mut changes,
                "retentionInDays",
                spec.retention_in_days.as_ref(),
                state.retention_in_days.as_ref(),
            )
        {
            steps.push(Step::PutRetentionPolicy { days });
        }
        if let Some(arn) = change(
            &mut changes,
            "kmsKeyArn",
            spec.kms_key_arn.as_ref(),
            state.kms_key_arn.as_ref(),
        ) {
            steps.push(Step::AssociateKmsKey { arn });
        }
        if let Some(enabled) = change(
            &mut changes,
            "deletionProtection",
            spec.deletion_protection.as_ref(),
            Some(&state.deletion_protection),
        ) {
            steps.push(Step::PutLogGroupDeletionProtection { enabled });
        }
        (steps, changes)
    }

    fn impossible(&self, spec: &LogGroupSpec, state: &LogGroupState) -> Option<String> {
        let declared = spec.class.filter(|class| Some(*class) != state.class)?;
        let declared = show(declared);
        let fixed = "AWS fixes the class when a log group is created";
        Some(match state.class.map(show) {
            Some(class) => format!(
                "has the class {class}, not {declared}, and {fixed}: write class: {class}, or use a log group of another name"
            ),
            None => format!(
                "has a class that the operator does not know, not {declared}, and {fixed}: use a log group of another name"
            ),
        })
    }

    fn delete(&self, name: &str, state: &LogGroupState) -> Result<Step, String> {
        if state.deletion_protection {
            return Err(format!("log group {name} is protected against deletion"));
        }
        Ok(Step::DeleteLogGroup)
    }

    fn note(&self, name: &str, spec: &LogGroupSpec, state: &LogGroupState) -> Option<Note> {
        let policy = state.retention_policy_name.as_ref()?;
        let declared = spec
            .retention_in_days
            .filter(|days| Some(*days) != state.retention_in_days)?;
        Some(Note {
            reason: reason::RETENTION_OVERRIDDEN,
            message: format!(
                "log group {name} keeps events for {}, not {declared} days, because the account policy {policy} overrides it: change that policy, or remove retentionInDays",
                state
                    .retention_in_days
                    .map_or_else(|| "ever".to_owned(), |days| format!("{days} days")),
            ),
        })
    }
}

fn show(class: LogGroupClass) -> &'static str {
    match class {
        LogGroupClass::Standard => "STANDARD",
        LogGroupClass::InfrequentAccess => "INFREQUENT_ACCESS",
    }
}
