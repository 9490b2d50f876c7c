//! While X-Ray cannot be seen: log groups go on as ever, and nothing is decided about groups and rules.

use proptest::prelude::*;
use tracewright_core::crd::ObservabilityProfileStatus;
use tracewright_core::crd::status::{ItemState, ItemStatus};
use tracewright_core::diff::diff_log_groups;
use tracewright_core::identity::Kind;
use tracewright_core::observed::Observed;
use tracewright_core::plan::Verdict;
use tracewright_core::report::Fact;

use crate::arbitrary::case;
use crate::carry::{plan, planned};

fn remembered() -> ObservabilityProfileStatus {
    let item = |name: &str, state| ItemStatus {
        name: name.to_owned(),
        arn: Some(format!("arn of {name}")),
        state,
        deletion_policy: None,
        message: None,
    };
    ObservabilityProfileStatus {
        groups: vec![
            item("remembered", ItemState::Synced),
            item("kept", ItemState::Retained),
        ],
        ..ObservabilityProfileStatus::default()
    }
}

proptest! {
    #[test]
    fn log_groups_are_planned_as_ever_and_the_rest_is_held(case in case()) {
        let unseen = Fact::no("Unreachable", "xray.GetGroups failed");
        let log_groups = Observed {
            groups: Default::default(),
            rules: Default::default(),
            ..case.observed.clone()
        };
        let status = remembered();
        let found = diff_log_groups(&case.desired, &log_groups, &case.claims, Some(&status), &unseen);

        let of_logs = |plan: &tracewright_core::plan::Plan<_>| -> Vec<_> {
            plan.objects.iter().filter(|object| object.kind == Kind::LogGroup).cloned().collect()
        };
        prop_assert_eq!(of_logs(&found), of_logs(&plan(&case)));

        for kind in [Kind::Group, Kind::SamplingRule] {
            for name in case.desired.names(kind) {
                prop_assert!(planned(&found, kind, name).declared);
            }
        }
        for object in found.objects.iter().filter(|object| object.kind != Kind::LogGroup) {
            let held = Verdict::Held {
                state: if object.arn.is_some() { ItemState::Synced } else { ItemState::Pending },
                reason: unseen.reason,
                message: unseen.message.clone(),
            };
            prop_assert_eq!(&object.verdict, &held);
            prop_assert_ne!(&object.name, "kept");
        }
        prop_assert_eq!(planned(&found, Kind::Group, "remembered").arn.as_deref(), Some("arn of remembered"));
    }
}
