//! Whose an entry is: the user's names win, and what is theirs stays.

use super::*;

#[test]
fn names_that_the_user_has_win_and_are_reported_by_kind() {
    let mut object = deployment();
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    container["env"] = json!([
        {"name": "OTEL_SERVICE_NAME", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "OTEL_TRACES_EXPORTER", "value": "none"},
    ]);
    container["envFrom"] = json!([{"secretRef": {"name": "settings"}}]);
    let mut world = World::new();
    world.env_from.insert(
        EnvFromSource::Secret("settings".into()),
        BTreeSet::from(["OTEL_LOGS_EXPORTER".into()]),
    );
    let injection = decided(&object, SHOP, 1, &world);
    assert_eq!(
        names(&injection.left, skip::VALUE_FROM_PRESENT),
        ["OTEL_SERVICE_NAME"]
    );
    assert_eq!(
        names(&injection.left, skip::USER_SET),
        ["OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER"]
    );
}

#[test]
fn an_env_from_name_counts_with_its_prefix() {
    let mut object = deployment();
    object["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"prefix": "OTEL_", "configMapRef": {"name": "settings"}}]);
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(
        names(&injection.left, skip::USER_SET),
        ["OTEL_SERVICE_NAME"]
    );
    assert!(
        !patch(injection)
            .body
            .to_string()
            .contains("\"OTEL_SERVICE_NAME\"")
    );
}

#[test]
fn half_a_sampler_is_none() {
    let mut object = deployment();
    *entry_mut(&mut object, "A") = json!({"name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.5"});
    let injection = decided(
        &object,
        "{traces: {sampler: {type: always_on}}}",
        1,
        &World::new(),
    );
    assert_eq!(
        names(&injection.left, skip::USER_SET),
        ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"]
    );
}

#[test]
fn a_variable_is_left_with_the_helper_that_it_refers_to() {
    let mut object = deployment();
    *entry_mut(&mut object, "A") = json!({"name": "TRACEWRIGHT_NODE_NAME", "value": "n"});
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(
        names(&injection.left, skip::USER_SET),
        ["TRACEWRIGHT_NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES"]
    );
}

#[test]
fn skip_env_keeps_variables_out_and_takes_them_back() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"]["tracewright.dev/skip-env"] =
        "OTEL_SERVICE_NAME, OTEL_LOGS_EXPORTER,".into();
    let injection = decided(&object, SHOP, 1, &World::new());
    assert!(injection.left.is_empty());
    let after = apply(&object, &patch(injection).body).expect("applies");
    assert_eq!(entry(&after, "OTEL_SERVICE_NAME"), None);
    assert_eq!(entry(&after, "OTEL_LOGS_EXPORTER"), None);
    assert!(entry(&after, "OTEL_METRICS_EXPORTER").is_some());
}

#[test]
fn a_value_that_the_user_changes_is_theirs_without_a_write() {
    let mut object = injected(&deployment(), SHOP, 1);
    let theirs = json!({"name": "OTEL_SERVICE_NAME", "value": "mine"});
    *entry_mut(&mut object, "OTEL_SERVICE_NAME") = theirs.clone();
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(injection.action, Action::UpToDate);
    assert_eq!(
        names(&injection.left, skip::USER_SET),
        ["OTEL_SERVICE_NAME"]
    );
    let edited = injected(
        &object,
        "{service: {name: other}, traces: {console: true}}",
        2,
    );
    assert_eq!(entry(&edited, "OTEL_SERVICE_NAME"), Some(&theirs));
    let removal = uninject(&read(WorkloadKind::Deployment, &edited)).expect("is injected");
    assert!(entries(&apply(&edited, &removal.body).expect("applies")).contains(&theirs));
}

#[test]
fn what_a_server_side_apply_leaves_of_an_entry_is_filled_again() {
    let before = injected(&deployment(), SHOP, 1);
    let mut object = before.clone();
    *entry_mut(&mut object, "OTEL_SERVICE_NAME") = json!({"name": "OTEL_SERVICE_NAME"});
    assert_eq!(entries(&injected(&object, SHOP, 1)), entries(&before));
    let removal = uninject(&read(WorkloadKind::Deployment, &object)).expect("is injected");
    let after = apply(&object, &removal.body).expect("applies");
    assert_eq!(entries(&after), entries(&deployment()));
    // A variable that the user sets to nothing in a manifest is set.
    object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "OTEL_SERVICE_NAME", "value": ""}]}]}}}})
            .to_string()
            .into();
    assert_eq!(
        decided(&object, SHOP, 1, &World::new()).action,
        Action::UpToDate
    );
}

#[test]
fn a_value_that_the_user_s_manifest_repeats_is_theirs() {
    let object = injected(&deployment(), SHOP, 1);
    let theirs = json!({"name": "OTEL_SERVICE_NAME", "value": "shop"});
    let field = |operation: &str, manager: &str| {
        json!([{"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {"f:env": {"k:{\"name\":\"OTEL_SERVICE_NAME\"}": {".": {}, "f:name": {}, "f:value": {}}}},
        }}}}}}])
    };
    let manifest = |value: &str| {
        json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "OTEL_SERVICE_NAME", "value": value}]}]}}}}).to_string()
    };
    for (what, managed, last_applied, is_theirs) in [
        ("server-side apply", field("Apply", "helm"), None, true),
        ("our own write", field("Update", "tracewright"), None, false),
        (
            "rollout undo",
            field("Update", "kubectl-rollout"),
            None,
            false,
        ),
        ("client-side apply", json!([]), Some(manifest("shop")), true),
        (
            "a manifest that was overruled since",
            json!([]),
            Some(manifest("other")),
            false,
        ),
        ("an unreadable manifest", json!([]), Some("{".into()), false),
    ] {
        let mut object = object.clone();
        object["metadata"]["managedFields"] = managed;
        if let Some(manifest) = last_applied {
            object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
                manifest.into();
        }
        let workload = read(WorkloadKind::Deployment, &object);
        let removal = uninject(&workload).expect("is injected");
        let after = apply(&object, &removal.body).expect("applies");
        let kept = entries(&after).contains(&theirs);
        assert_eq!(kept, is_theirs, "{what}");
        let injection = decided(&object, SHOP, 1, &World::new());
        assert_eq!(
            !names(&injection.left, skip::USER_SET).is_empty(),
            is_theirs,
            "{what}"
        );
    }
}

#[test]
fn where_the_user_sets_everything_nothing_is_written() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"] = json!({});
    object["spec"]["template"]["metadata"] = json!({});
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(injection.action, Action::UpToDate);
    assert!(!injection.left.is_empty());
}
