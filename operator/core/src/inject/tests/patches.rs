//! What a patch looks like and what it does to the list of variables.

use super::*;

#[test]
fn the_patch_of_a_deployment_is_exactly_this() {
    let patch = patch(decided(&deployment(), SHOP, 3, &World::new()));
    assert!(patch.restarts_pods);
    insta::assert_json_snapshot!("deployment", patch.body);
}

#[test]
fn a_cron_job_is_patched_in_its_job_template_and_restarts_nothing() {
    let object = json!({
        "metadata": {"name": "nightly", "resourceVersion": "7"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "i"}]}}}}},
    });
    let spec = spec(SHOP);
    let injection = decide(
        &read(WorkloadKind::CronJob, &object),
        &demand(&spec, 1),
        &World::new().facts(),
    );
    let patch = patch(injection);
    assert!(!patch.restarts_pods);
    assert!(
        patch.body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"]
            .is_array()
    );
}

#[test]
fn what_somebody_removed_comes_back() {
    let mut object = injected(&deployment(), SHOP, 1);
    let before = object.clone();
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("has env");
    env.retain(|entry| entry["name"] != "TRACEWRIGHT_POD_NAME");
    let read_both = |one, other| {
        let read = |object: &Value| read(WorkloadKind::Deployment, object);
        removed(&read(one), &read(other))
    };
    assert!(read_both(&before, &object));
    assert!(!read_both(&object, &object), "once");
    assert_eq!(
        entries(&injected(&object, SHOP, 1)),
        entries(&before),
        "in its place"
    );
    let patched = patch(decided(&object, SHOP, 1, &World::new()));
    let written: Vec<_> = patched.body["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(written.len(), 1, "only what was missing is written");
}

#[test]
fn a_missing_hash_of_the_template_comes_back() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["spec"]["template"]["metadata"] = json!({});
    assert!(patch(decided(&object, SHOP, 1, &World::new())).restarts_pods);
}

#[test]
fn an_entry_of_the_user_s_that_refers_to_ours_is_put_after_it() {
    let mut object = injected(&deployment(), SHOP, 1);
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("has env");
    env.insert(
        0,
        json!({"name": "POD", "value": "$(TRACEWRIGHT_POD_NAME)"}),
    );
    let after = injected(&object, SHOP, 1);
    let names: Vec<_> = entries(&after)
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert_eq!(names.first(), Some(&"TRACEWRIGHT_POD_NAME"));
    assert_eq!(names[names.len() - 2..], ["POD", "A"]);
    // One that does not refer to ours may stand where it is.
    let mut object = injected(&deployment(), SHOP, 1);
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("has env");
    env.insert(0, json!({"name": "B", "value": "$(A)"}));
    assert_eq!(
        decided(&object, SHOP, 1, &World::new()).action,
        Action::UpToDate
    );
}

#[test]
fn an_entry_whose_form_changes_is_replaced_and_not_mixed() {
    // The profile cannot make one name a reference first and a literal later, so the record is given the other form.
    for theirs in [
        json!({"value": "x"}),
        json!({"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}),
        json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "old", "optional": true}}}),
    ] {
        for name in [
            "TRACEWRIGHT_POD_NAME",
            "OTEL_SERVICE_NAME",
            "TRACEWRIGHT_OTLP_HEADER_X_TEAM",
        ] {
            let mut object = injected(&deployment(), WITH_SECRET, 1);
            let expected = entry(&object, name).cloned();
            let mut other = theirs.clone();
            other["name"] = name.into();
            *entry_mut(&mut object, name) = other;
            let workload = read(WorkloadKind::Deployment, &object);
            let hash = workload.containers[0]
                .env
                .iter()
                .find(|entry| entry.name == name)
                .and_then(|entry| entry.hash);
            let mut record = record(&object);
            let recorded = record.containers.get_mut("app").expect("is recorded");
            recorded.insert(name.into(), hash.expect("has a form of ours"));
            object["metadata"]["annotations"]["tracewright.dev/injected"] =
                record.to_annotation().into();
            assert_eq!(
                entry(&injected(&object, WITH_SECRET, 1), name).cloned(),
                expected,
                "{name} was {theirs}"
            );
        }
    }
}

#[test]
fn a_container_that_sets_a_variable_twice_is_not_written_to() {
    let mut object = deployment();
    let pod = &mut object["spec"]["template"]["spec"];
    pod["containers"][0]["env"] = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}, {"name": "A", "value": "2"}]);
    let other = json!({"name": "other", "image": "i"});
    pod["containers"]
        .as_array_mut()
        .expect("is a list")
        .push(other);
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(
        injection.left,
        [Left {
            container: "app".into(),
            variable: "A".into(),
            reason: DUPLICATE_ENV
        }]
    );
    let body = patch(injection).body;
    let containers = body["spec"]["template"]["spec"]["containers"]
        .as_array()
        .expect("is a list");
    let names: Vec<_> = containers
        .iter()
        .filter_map(|container| container["name"].as_str())
        .collect();
    assert_eq!(names, ["other"]);
}

#[test]
fn a_patch_applies_to_the_version_that_was_read_only() {
    let body = patch(decided(&deployment(), SHOP, 1, &World::new())).body;
    let mut changed = deployment();
    changed["metadata"]["resourceVersion"] = "8".into();
    assert!(apply(&changed, &body).is_err_and(|error| error.starts_with("409")));
}
