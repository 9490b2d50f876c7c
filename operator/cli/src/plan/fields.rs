//! The fields that a write sets, also where the whole object is new.

use std::fmt;

use tracewright_core::crd::LogGroupClass;
use tracewright_core::desired::CustomRule;
use tracewright_core::identity::TagMap;
use tracewright_core::plan::{FieldChange, RuleUpdate, Step, Write};
use tracewright_xray::contract::tag;

/// A field and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As in the profile.
    pub name: &'static str,
    /// The value now; `None`: there is none.
    pub from: Option<String>,
    /// The value then; `None`: there is none.
    pub to: Option<String>,
}

/// `field: from -> to`, or `field: to` where there is no value yet.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to.as_deref().unwrap_or("(none)");
        match &self.from {
            Some(from) => write!(f, "{}: {from} -> {to}", self.name),
            None => write!(f, "{}: {to}", self.name),
        }
    }
}

/// The fields that a write sets: those that change, or those that a new object gets. Patterns that match everything, and
/// the operator's own tags, are no news of a new one.
pub fn fields(write: &Write) -> Vec<Field> {
    if write.changes.is_empty() {
        return write.steps.iter().flat_map(set_by).collect();
    }
    let field = |FieldChange { field, from, to }: &FieldChange| Field {
        name: field,
        from: from.clone(),
        to: to.clone(),
    };
    write.changes.iter().map(field).collect()
}

fn set_by(step: &Step) -> Vec<Field> {
    let mut set = Set::default();
    match step {
        Step::CreateGroup {
            filter_expression,
            insights,
            tags,
        } => {
            set.to("filterExpression", filter_expression);
            if let Some((enabled, notifications)) = insights {
                set.to("insights.enabled", enabled);
                set.to("insights.notifications", notifications);
            }
            set.tags(tags);
        }
        Step::CreateSamplingRule { rule, tags } => {
            set.rule(rule);
            set.tags(tags);
        }
        Step::CreateLogGroup {
            class,
            kms_key_arn,
            deletion_protection,
            tags,
        } => {
            match class {
                Some(LogGroupClass::Standard) => set.to("class", "STANDARD"),
                Some(LogGroupClass::InfrequentAccess) => set.to("class", "INFREQUENT_ACCESS"),
                None => {}
            }
            kms_key_arn.iter().for_each(|arn| set.to("kmsKeyArn", arn));
            deletion_protection
                .iter()
                .for_each(|protected| set.to("deletionProtection", protected));
            set.tags(tags);
        }
        Step::PutRetentionPolicy { days } => set.to("retentionInDays", days),
        // The rule `Default` on its way back to what AWS ships.
        Step::UpdateSamplingRule(RuleUpdate {
            fixed_rate,
            reservoir_size,
            ..
        }) => {
            fixed_rate.iter().for_each(|rate| set.to("fixedRate", rate));
            reservoir_size
                .iter()
                .for_each(|size| set.to("reservoirSize", size));
        }
        Step::UpdateGroup { .. }
        | Step::DeleteGroup
        | Step::DeleteSamplingRule
        | Step::AssociateKmsKey { .. }
        | Step::PutLogGroupDeletionProtection { .. }
        | Step::DeleteLogGroup
        | Step::Tag { .. }
        | Step::Untag { .. } => {}
    }
    set.0
}

#[derive(Default)]
struct Set(Vec<Field>);

impl Set {
    fn to(&mut self, name: &'static str, value: impl ToString) {
        self.0.push(Field {
            name,
            from: None,
            to: Some(value.to_string()),
        });
    }

    fn tags(&mut self, tags: &TagMap) {
        let own = tags
            .iter()
            .filter(|(key, _)| !tag::ALL.contains(&key.as_str()));
        let own: Vec<String> = own.map(|(key, value)| format!("{key}={value}")).collect();
        if !own.is_empty() {
            self.to("tags", own.join(","));
        }
    }

    fn rule(&mut self, rule: &CustomRule) {
        // Without `..`, so that a new field cannot be forgotten.
        let CustomRule {
            priority,
            fixed_rate,
            reservoir_size,
            service_name,
            service_type,
            host,
            http_method,
            url_path,
            resource_arn,
            attributes,
            rate_boost,
        } = rule;
        self.to("priority", priority);
        self.to("fixedRate", fixed_rate);
        self.to("reservoirSize", reservoir_size);
        for (name, pattern) in [
            ("serviceName", service_name),
            ("serviceType", service_type),
            ("host", host),
            ("httpMethod", http_method),
            ("urlPath", url_path),
            ("resourceArn", resource_arn),
        ] {
            if pattern != "*" {
                self.to(name, pattern);
            }
        }
        if !attributes.is_empty() {
            let attributes: Vec<String> = attributes
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            self.to("attributes", attributes.join(","));
        }
        if let Some(boost) = rate_boost {
            self.to(
                "rateBoost",
                format!(
                    "maxRate {}, cooldownWindowMinutes {}",
                    boost.max_rate, boost.cooldown_window_minutes
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tracewright_core::plan::Action;

    fn told(action: Action, steps: Vec<Step>, changes: Vec<FieldChange>) -> Vec<String> {
        fields(&Write {
            action,
            steps,
            changes,
        })
        .iter()
        .map(Field::to_string)
        .collect()
    }

    #[test]
    fn a_new_object_tells_what_it_gets_and_not_our_own_tags() {
        let any = || "*".to_owned();
        let rule = CustomRule {
            priority: 9000,
            fixed_rate: 0.1,
            reservoir_size: 5,
            service_name: "backend-flask".to_owned(),
            service_type: any(),
            host: any(),
            http_method: "GET".to_owned(),
            url_path: any(),
            resource_arn: any(),
            ..CustomRule::default()
        };
        let tags = BTreeMap::from([(tag::CLUSTER, "c"), ("team", "a")]);
        let tags = tags
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(
            told(
                Action::Create,
                vec![Step::CreateSamplingRule { rule, tags }],
                vec![]
            )
            .join(", "),
            "priority: 9000, fixedRate: 0.1, reservoirSize: 5, serviceName: backend-flask, httpMethod: GET, tags: team=a"
        );
    }

    #[test]
    fn a_log_group_is_told_with_its_retention() {
        let create = Step::CreateLogGroup {
            class: None,
            kms_key_arn: None,
            deletion_protection: Some(true),
            tags: TagMap::new(),
        };
        let steps = vec![create, Step::PutRetentionPolicy { days: 7 }];
        assert_eq!(
            told(Action::Create, steps, vec![]),
            ["deletionProtection: true", "retentionInDays: 7"]
        );
    }

    #[test]
    fn a_change_tells_both_values() {
        let change = |from: Option<&str>, to: Option<&str>| FieldChange {
            field: "fixedRate",
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        let steps = || vec![Step::PutRetentionPolicy { days: 7 }];
        assert_eq!(
            told(
                Action::Update,
                steps(),
                vec![change(Some("0.1"), Some("0.5"))]
            ),
            ["fixedRate: 0.1 -> 0.5"]
        );
        assert_eq!(
            told(Action::Update, steps(), vec![change(None, Some("0.5"))]),
            ["fixedRate: 0.5"]
        );
        assert_eq!(
            told(Action::Update, steps(), vec![change(Some("0.1"), None)]),
            ["fixedRate: 0.1 -> (none)"]
        );
    }
}
