//! When a workload is left alone, waits, or is given up.

use jiff::Timestamp;

use super::*;

#[test]
fn reasons_to_leave_a_workload_alone() {
    type Edit = fn(&mut Value, &mut World);
    let cases: &[(&str, Edit)] = &[
        (skip::OPTED_OUT, |object, _| {
            object["metadata"]["annotations"] = json!({"tracewright.dev/inject": "false"})
        }),
        (skip::SELECTED_BY_OTHER, |_, world| {
            world.holder = Some("older")
        }),
        (skip::OWNED_BY_CONTROLLER, |object, _| {
            object["metadata"]["ownerReferences"] =
                json!([{"kind": "Rollout", "name": "web", "controller": true}]);
        }),
        (skip::OWNED_BY_CONTROLLER, |object, _| {
            object["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "tracewright", "tracewright.dev/profile": "shop"});
        }),
        (skip::OTHER_INSTRUMENTATION, |object, _| {
            object["spec"]["template"]["metadata"] =
                json!({"annotations": {"instrumentation.opentelemetry.io/inject-java": "true"}});
        }),
        (skip::OTHER_INSTRUMENTATION, |object, _| {
            object["spec"]["template"]["metadata"] =
                json!({"labels": {"admission.datadoghq.com/enabled": "true"}});
        }),
        (skip::OTHER_INSTRUMENTATION, |_, world| {
            world.namespace.insert(
                "instrumentation.opentelemetry.io/inject-java".into(),
                "true".into(),
            );
        }),
        (skip::NO_SUCH_CONTAINER, |object, _| {
            object["spec"]["template"]["spec"]["containers"][0]["name"] = "istio-proxy".into();
        }),
        (skip::ENV_FROM_UNREADABLE, |object, _| {
            object["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
                json!([{"secretRef": {"name": "hidden"}}]);
        }),
        (skip::PAUSED, |object, _| {
            object["spec"]["paused"] = true.into()
        }),
    ];
    for (reason, edit) in cases {
        let (mut object, mut world) = (deployment(), World::new());
        edit(&mut object, &mut world);
        let skip = skipped(decided(&object, SHOP, 1, &world));
        assert_eq!(skip.reason, *reason);
        assert!(
            skip.message.contains(": "),
            "says what to do: {}",
            skip.message
        );
        assert_eq!(skip.cleanup, None, "{reason}: there is nothing to clean up");
    }
}

#[test]
fn owners_that_are_no_controllers_do_not_matter() {
    let mut object = deployment();
    object["metadata"]["ownerReferences"] = json!([{"kind": "Application", "name": "web"}]);
    patch(decided(&object, SHOP, 1, &World::new()));
}

#[test]
fn opting_in_has_a_workload_injected_beside_another_instrumentation() {
    let mut object = deployment();
    object["metadata"]["annotations"] = json!({"tracewright.dev/inject": "true", "instrumentation.opentelemetry.io/inject-java": "true"});
    patch(decided(&object, SHOP, 1, &World::new()));
}

#[test]
fn opting_out_takes_back_what_was_injected_and_keeps_the_user_s_annotation() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"]["tracewright.dev/inject"] = "false".into();
    let cleanup = skipped(decided(&object, SHOP, 1, &World::new()))
        .cleanup
        .expect("there is something to clean up");
    let after = apply(&object, &cleanup.body).expect("applies");
    assert_eq!(entries(&after), entries(&deployment()));
    assert_eq!(
        after["metadata"]["annotations"],
        json!({"tracewright.dev/inject": "false"})
    );
    assert_eq!(
        skipped(decided(&after, SHOP, 1, &World::new())).cleanup,
        None
    );
}

#[test]
fn a_paused_workload_that_is_up_to_date_is_not_skipped() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["spec"]["paused"] = true.into();
    assert_eq!(
        decided(&object, SHOP, 1, &World::new()).action,
        Action::UpToDate
    );
}

#[test]
fn the_first_reference_to_a_secret_waits_for_it_and_a_later_loss_does_not_matter() {
    let key = SecretKey {
        name: "s".into(),
        key: "k".into(),
    };
    let lost = World {
        missing: BTreeSet::from([key.clone()]),
        ..World::new()
    };
    assert_eq!(
        decided(&deployment(), WITH_SECRET, 1, &lost).action,
        Action::Wait(vec![key.clone()])
    );
    let after = injected(&deployment(), WITH_SECRET, 1);
    assert_eq!(
        decided(&after, WITH_SECRET, 1, &lost).action,
        Action::UpToDate
    );
    // A workload that is injected already waits for a Secret that an edit of the profile brings in.
    let without = injected(&deployment(), SHOP, 1);
    assert_eq!(
        decided(&without, WITH_SECRET, 2, &lost).action,
        Action::Wait(vec![key])
    );
}

#[test]
fn a_removal_is_told_from_what_may_rightly_be_gone() {
    let object = injected(&deployment(), SHOP, 1);
    let read = |object: &Value| read(WorkloadKind::Deployment, object);
    let gone = |edit: fn(&mut Value)| {
        let mut now = object.clone();
        edit(&mut now);
        removed(&read(&object), &read(&now))
    };
    assert!(!gone(|_| {}));
    assert!(gone(
        |object| object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([])
    ));
    assert!(!gone(
        |object| object["spec"]["template"]["spec"]["containers"][0]["name"] = "renamed".into()
    ));
    assert!(gone(
        |object| entry_mut(object, "OTEL_SERVICE_NAME")["value"] = "".into()
    ));
    assert!(!gone(
        |object| entry_mut(object, "OTEL_SERVICE_NAME")["value"] = "mine".into()
    ));
    assert!(!gone(|object| {
        object["metadata"]["annotations"]["tracewright.dev/skip-env"] = "OTEL_SERVICE_NAME".into();
        entry_mut(object, "OTEL_SERVICE_NAME")["name"] = "OTHER".into();
    }));
    // A variable of ours may be empty by right.
    let empty = injected(&deployment(), "{traces: {sampler: {type: always_on}}}", 1);
    assert!(!removed(&read(&empty), &read(&empty)));
    // The user takes out what they had set over it.
    let mut set = object.clone();
    entry_mut(&mut set, "OTEL_SERVICE_NAME")["value"] = "mine".into();
    let mut unset = set.clone();
    entry_mut(&mut unset, "OTEL_SERVICE_NAME")["name"] = "OTHER".into();
    assert!(!removed(&read(&set), &read(&unset)));
    assert!(!gone(|object| {
        object["metadata"]["annotations"]["tracewright.dev/inject"] = "false".into();
        object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    }));
}

#[test]
fn three_removals_in_ten_minutes_are_a_contest() {
    let at = |seconds: &[i64]| -> Vec<Timestamp> {
        seconds
            .iter()
            .map(|second| Timestamp::from_second(*second).expect("in range"))
            .collect()
    };
    for (removals, expected) in [
        (&[][..], false),
        (&[0, 1], false),
        (&[0, 300, 600], true),
        (&[0, 300, 601], false),
        (&[0, 700, 800, 900], true),
        (&[0, 100, 700, 800], false),
    ] {
        assert_eq!(contested(&at(removals)), expected, "{removals:?}");
    }
}
