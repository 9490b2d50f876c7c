//! The preview is the truth: what a plan shows is what carrying it out changes, field by field.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tracewright_core::crd::SamplingRateBoost;
use tracewright_core::crd::status::PlannedChange;
use tracewright_core::desired::{DEFAULT_RULE_FIXED_RATE, DEFAULT_RULE_RESERVOIR_SIZE};
use tracewright_core::identity::{Kind, TagMap};
use tracewright_core::observed::{LogGroupState, Observed, Seen, Tags};
use tracewright_core::plan::MAX_PLANNED_CHANGES;
use tracewright_xray::contract::tag;

use crate::arbitrary::case;
use crate::carry::{after, names, plan};

/// The fields of an object as the preview writes them; `None` is absent.
type Fields = BTreeMap<&'static str, Option<String>>;

fn fields(observed: &Observed, kind: Kind, name: &str) -> Option<Fields> {
    match kind {
        Kind::Group => observed.groups.get(name).map(|seen| {
            let state = &seen.state;
            Fields::from([
                ("filterExpression", Some(state.filter_expression.clone())),
                ("insights.enabled", Some(state.insights_enabled.to_string())),
                (
                    "insights.notifications",
                    Some(state.notifications_enabled.to_string()),
                ),
            ])
        }),
        Kind::SamplingRule => observed.rules.get(name).map(|seen| {
            let state = &seen.state;
            Fields::from([
                ("priority", Some(state.priority.to_string())),
                ("fixedRate", Some(state.fixed_rate.to_string())),
                ("reservoirSize", Some(state.reservoir_size.to_string())),
                ("serviceName", Some(state.service_name.clone())),
                ("serviceType", Some(state.service_type.clone())),
                ("host", Some(state.host.clone())),
                ("httpMethod", Some(state.http_method.clone())),
                ("urlPath", Some(state.url_path.clone())),
                ("resourceArn", Some(state.resource_arn.clone())),
                ("attributes", list(&state.attributes)),
                ("rateBoost", state.rate_boost.as_ref().map(boost)),
            ])
        }),
        Kind::LogGroup => observed.log_groups.get(name).map(|seen| {
            let state = &seen.state;
            Fields::from([
                (
                    "retentionInDays",
                    state.retention_in_days.map(|days| days.to_string()),
                ),
                ("class", state.class.map(|class| format!("{class:?}"))),
                ("kmsKeyArn", state.kms_key_arn.clone()),
                (
                    "deletionProtection",
                    Some(state.deletion_protection.to_string()),
                ),
            ])
        }),
    }
}

fn list(map: &TagMap) -> Option<String> {
    let entries: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    (!entries.is_empty()).then(|| entries.join(","))
}

fn boost(boost: &SamplingRateBoost) -> String {
    format!(
        "maxRate {}, cooldownWindowMinutes {}",
        boost.max_rate, boost.cooldown_window_minutes
    )
}

/// The tags that differ, before and after.
fn tag_change(before: &TagMap, after: &TagMap) -> Option<(Option<String>, Option<String>)> {
    let only = |these: &TagMap, those: &TagMap| -> TagMap {
        let differing = these
            .iter()
            .filter(|(key, value)| those.get(*key) != Some(*value));
        differing
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    (before != after).then(|| (list(&only(before, after)), list(&only(after, before))))
}

/// What differs between two accounts, as `(action, kind, name, field) -> (from, to)`; a create, delete, release or
/// restore is one entry without a field.
fn differences(
    before: &Observed,
    after: &Observed,
    planned: &[PlannedChange],
) -> Vec<PlannedChange> {
    let mut all = names(before);
    all.extend(names(after));
    all.sort();
    all.dedup();
    let mut found = Vec::new();
    for (kind, name) in all {
        let entry = |action: &str, field: Option<&str>, from, to| PlannedChange {
            action: action.to_owned(),
            kind: kind.as_str().to_owned(),
            name: name.clone(),
            field: field.map(str::to_owned),
            from,
            to,
        };
        let (Some(old), Some(new)) = (fields(before, kind, &name), fields(after, kind, &name))
        else {
            let action = if fields(before, kind, &name).is_none() {
                "Create"
            } else {
                "Delete"
            };
            found.push(entry(action, None, None, None));
            continue;
        };
        let (old_tags, new_tags) = (
            known_tags(before, kind, &name),
            known_tags(after, kind, &name),
        );
        let unmarked = old_tags.contains_key(tag::PROFILE) && !new_tags.contains_key(tag::PROFILE);
        if unmarked {
            let mut released = old_tags.clone();
            released.retain(|key, _| !tag::ALL.contains(&key.as_str()));
            assert_eq!(released, new_tags, "only the mark is taken away");
            // Restored or not, the preview has to tell the two apart.
            let restored = Fields::from([
                ("fixedRate", Some(DEFAULT_RULE_FIXED_RATE.to_string())),
                (
                    "reservoirSize",
                    Some(DEFAULT_RULE_RESERVOIR_SIZE.to_string()),
                ),
            ]);
            let says =
                |change: &&PlannedChange| change.kind == kind.as_str() && change.name == name;
            let action = match planned
                .iter()
                .find(says)
                .map(|change| change.action.as_str())
            {
                Some("Restore") => {
                    let mut expected = old.clone();
                    expected.extend(restored);
                    assert_eq!(expected, new);
                    "Restore"
                }
                _ => {
                    assert_eq!(old, new, "a release changes no field");
                    "Release"
                }
            };
            found.push(entry(action, None, None, None));
            continue;
        }
        let adopted = old_tags.get(tag::PROFILE) != new_tags.get(tag::PROFILE)
            || old_tags.get(tag::CLUSTER) != new_tags.get(tag::CLUSTER);
        let action = if adopted { "Adopt" } else { "Update" };
        let tags = tag_change(&old_tags, &new_tags).map(|(from, to)| ("tags", from, to));
        let changed = old.iter().filter(|(field, value)| new[*field] != **value);
        let changed = changed.map(|(field, value)| (*field, value.clone(), new[field].clone()));
        found.extend(
            tags.into_iter()
                .chain(changed)
                .map(|(field, from, to)| entry(action, Some(field), from, to)),
        );
    }
    found
}

fn known_tags(observed: &Observed, kind: Kind, name: &str) -> TagMap {
    crate::carry::tags(observed, kind, name)
        .cloned()
        .unwrap_or_default()
}

fn sorted(mut changes: Vec<PlannedChange>) -> Vec<PlannedChange> {
    changes.sort_by(|a, b| (&a.kind, &a.name, &a.field).cmp(&(&b.kind, &b.name, &b.field)));
    changes
}

proptest! {
    #[test]
    fn the_preview_says_exactly_what_apply_changes(case in case()) {
        let plan = plan(&case);
        let shown = plan.changes();
        let found = differences(&case.observed, &after(&case.observed, &plan), &shown);
        prop_assert_eq!(sorted(shown), sorted(found));
    }

    #[test]
    fn an_empty_preview_means_an_empty_plan(case in case()) {
        let plan = plan(&case);
        prop_assert_eq!(plan.changes().is_empty(), plan.is_empty());
    }
}

#[test]
fn a_preview_is_bounded() {
    let log_groups: Vec<_> = (0..50).map(|number| format!("/{number}")).collect();
    let declared: Vec<_> = log_groups
        .iter()
        .map(|name| {
            serde_json::json!({
                "name": name, "retentionInDays": 7, "deletionProtection": true, "adoptionPolicy": "Adopt",
                "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1", "tags": {"team": "a"},
            })
        })
        .collect();
    let xray = serde_json::json!({"groups": [{"name": "one-more"}]});
    let mut case = crate::update::case_of(xray, serde_json::json!(declared));
    for name in &log_groups {
        let (state, tags) = (LogGroupState::default(), Tags::Read(TagMap::new()));
        case.observed.log_groups.insert(
            name.clone(),
            Seen {
                arn: name.clone(),
                state,
                tags,
            },
        );
    }
    // Each of the fifty is adopted with four fields, and a group is made.
    let changes = plan(&case).changes();
    assert_eq!(changes.len(), MAX_PLANNED_CHANGES);
    assert_eq!(
        changes
            .iter()
            .filter(|change| change.action == "Adopt")
            .count(),
        199
    );
}
