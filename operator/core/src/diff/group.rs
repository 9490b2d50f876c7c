//! X-Ray groups: what differs between the declared and the observed one.

use super::Compare;
use super::change::change;
use crate::desired::GroupSpec;
use crate::identity::{Kind, TagMap};
use crate::observed::{Claims, GroupState};
use crate::plan::{FieldChange, Note, Step};

pub(super) struct Groups;

impl Compare for Groups {
    type Spec = GroupSpec;
    type State = GroupState;
    const KIND: Kind = Kind::Group;

    fn quota(&self, claims: &Claims) -> Option<usize> {
        Some(claims.quotas.groups)
    }

    fn create(&self, _: &str, spec: &GroupSpec, tags: TagMap) -> Option<Vec<Step>> {
        let insights = spec
            .insights_enabled
            .map(|enabled| (enabled, spec.notifications_enabled.unwrap_or(false)));
        Some(vec![Step::CreateGroup {
            filter_expression: spec.filter_expression.clone()?,
            insights,
            tags,
        }])
    }

    fn update(&self, spec: &GroupSpec, state: &GroupState) -> (Vec<Step>, Vec<FieldChange>) {
        let mut changes = Vec::new();
        let filter_expression = change(
            &mut changes,
            "filterExpression",
            spec.filter_expression.as_ref(),
            Some(&state.filter_expression),
        );
        let enabled = change(
            &mut changes,
            "insights.enabled",
            spec.insights_enabled.as_ref(),
            Some(&state.insights_enabled),
        );
        // Notifications need insights, so they go with them.
        let declared = if enabled == Some(false) {
            Some(false)
        } else {
            spec.notifications_enabled
        };
        let notifications = change(
            &mut changes,
            "insights.notifications",
            declared.as_ref(),
            Some(&state.notifications_enabled),
        );
        // AWS takes the two switches as one structure, so the one that stays is sent as it is.
        let insights = (enabled.is_some() || notifications.is_some()).then(|| {
            (
                enabled.unwrap_or(state.insights_enabled),
                notifications.unwrap_or(state.notifications_enabled),
            )
        });
        if filter_expression.is_none() && insights.is_none() {
            return (Vec::new(), changes);
        }
        (
            vec![Step::UpdateGroup {
                filter_expression,
                insights,
            }],
            changes,
        )
    }

    fn impossible(&self, _: &GroupSpec, _: &GroupState) -> Option<String> {
        None
    }

    fn delete(&self, _: &str, _: &GroupState) -> Result<Step, String> {
        Ok(Step::DeleteGroup)
    }

    fn note(&self, _: &str, _: &GroupSpec, _: &GroupState) -> Option<Note> {
        None
    }
}
