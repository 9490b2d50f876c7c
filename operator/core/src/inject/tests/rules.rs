//! One rule per test.

use super::merge::apply;
use super::*;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracewright_xray::contract::{condition, skip};

const SHOP: &str = "{service: {name: shop}, traces: {console: true}}";

const WITH_SECRET: &str = "{traces: {otlp: {endpoint: 'http://c', headers: [{name: x-team, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}";

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "ns", "resourceVersion": "7", "generation": 1},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "i", "env": [{"name": "A", "value": "1"}]}]}}},
    })
}

fn decided(object: &Value, yaml: &str, generation: i64, world: &World) -> Injection {
    let spec = spec(yaml);
    decide(&read(WorkloadKind::Deployment, object), &demand(&spec, generation), &world.facts())
}

fn patch(injection: Injection) -> Patch {
    match injection.action {
        Action::Patch(patch) => patch,
        other => panic!("not a patch: {other:?}"),
    }
}

fn skipped(injection: Injection) -> Skip {
    match injection.action {
        Action::Skip(skip) => skip,
        other => panic!("not skipped: {other:?}"),
    }
}

fn injected(object: &Value, yaml: &str, generation: i64) -> Value {
    let patch = patch(decided(object, yaml, generation, &World::new()));
    apply(object, &patch.body).expect("the patch applies")
}

fn entries(object: &Value) -> &Vec<Value> {
    object["spec"]["template"]["spec"]["containers"][0]["env"].as_array().expect("has env")
}

fn entry<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    entries(object).iter().find(|entry| entry["name"] == name)
}

fn entry_mut<'a>(object: &'a mut Value, name: &str) -> &'a mut Value {
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("has env");
    env.iter_mut().find(|entry| entry["name"] == name).expect("is there")
}

fn record(object: &Value) -> Record {
    let text = object["metadata"]["annotations"]["tracewright.dev/injected"].as_str();
    Record::read(text.expect("is injected")).expect("is a record")
}

fn names(left: &[Left], reason: &str) -> Vec<String> {
    left.iter().filter(|left| left.reason == reason).map(|left| left.variable.clone()).collect()
}

#[test]
fn the_patch_of_a_deployment_is_exactly_this() {
    let patch = patch(decided(&deployment(), SHOP, 3, &World::new()));
    assert!(patch.restarts_pods);
    insta::assert_json_snapshot!("deployment", patch.body);
}

#[test]
fn the_record_says_who_wrote_what() {
    let after = injected(&deployment(), SHOP, 3);
    let record = record(&after);
    assert_eq!((record.profile.as_str(), record.generation, record.render_version), ("shop", 3, RENDER_VERSION));
    assert!(!record.reverted);
    let recorded: BTreeSet<_> = record.containers["app"].keys().map(String::as_str).collect();
    let written: BTreeSet<_> = entries(&after).iter().filter_map(|entry| entry["name"].as_str()).filter(|name| *name != "A").collect();
    assert_eq!(recorded, written);
}

#[test]
fn a_cron_job_is_patched_in_its_job_template_and_restarts_nothing() {
    let object = json!({
        "metadata": {"name": "nightly", "resourceVersion": "7"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "i"}]}}}}},
    });
    let spec = spec(SHOP);
    let injection = decide(&read(WorkloadKind::CronJob, &object), &demand(&spec, 1), &World::new().facts());
    let patch = patch(injection);
    assert!(!patch.restarts_pods);
    assert!(patch.body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"].is_array());
}

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
    world.env_from.insert(EnvFromSource::Secret("settings".into()), BTreeSet::from(["OTEL_LOGS_EXPORTER".into()]));
    let injection = decided(&object, SHOP, 1, &world);
    assert_eq!(names(&injection.left, skip::VALUE_FROM_PRESENT), ["OTEL_SERVICE_NAME"]);
    assert_eq!(names(&injection.left, skip::USER_SET), ["OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER"]);
}

#[test]
fn an_env_from_name_counts_with_its_prefix() {
    let mut object = deployment();
    object["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"prefix": "OTEL_", "configMapRef": {"name": "settings"}}]);
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(names(&injection.left, skip::USER_SET), ["OTEL_SERVICE_NAME"]);
    assert!(!patch(injection).body.to_string().contains("\"OTEL_SERVICE_NAME\""));
}

#[test]
fn half_a_sampler_is_none() {
    let mut object = deployment();
    *entry_mut(&mut object, "A") = json!({"name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.5"});
    let injection = decided(&object, "{traces: {sampler: {type: always_on}}}", 1, &World::new());
    assert_eq!(names(&injection.left, skip::USER_SET), ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"]);
}

#[test]
fn a_variable_is_left_with_the_helper_that_it_refers_to() {
    let mut object = deployment();
    *entry_mut(&mut object, "A") = json!({"name": "TRACEWRIGHT_NODE_NAME", "value": "n"});
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(names(&injection.left, skip::USER_SET), ["TRACEWRIGHT_NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES"]);
}

#[test]
fn skip_env_keeps_variables_out_and_takes_them_back() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"]["tracewright.dev/skip-env"] = "OTEL_SERVICE_NAME, OTEL_LOGS_EXPORTER,".into();
    let injection = decided(&object, SHOP, 1, &World::new());
    assert!(injection.left.is_empty());
    let after = apply(&object, &patch(injection).body).expect("applies");
    assert_eq!(entry(&after, "OTEL_SERVICE_NAME"), None);
    assert_eq!(entry(&after, "OTEL_LOGS_EXPORTER"), None);
    assert!(entry(&after, "OTEL_METRICS_EXPORTER").is_some());
}

#[test]
fn reasons_to_leave_a_workload_alone() {
    type Edit = fn(&mut Value, &mut World);
    let cases: &[(&str, Edit)] = &[
        (skip::OPTED_OUT, |object, _| object["metadata"]["annotations"] = json!({"tracewright.dev/inject": "false"})),
        (skip::SELECTED_BY_OTHER, |_, world| world.holder = Some("older")),
        (skip::OWNED_BY_CONTROLLER, |object, _| {
            object["metadata"]["ownerReferences"] = json!([{"kind": "Rollout", "name": "web", "controller": true}]);
        }),
        (skip::OWNED_BY_CONTROLLER, |object, _| {
            object["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "tracewright", "tracewright.dev/profile": "shop"});
        }),
        (skip::OTHER_INSTRUMENTATION, |object, _| {
            object["spec"]["template"]["metadata"] = json!({"annotations": {"instrumentation.opentelemetry.io/inject-java": "true"}});
        }),
        (skip::OTHER_INSTRUMENTATION, |object, _| {
            object["spec"]["template"]["metadata"] = json!({"labels": {"admission.datadoghq.com/enabled": "true"}});
        }),
        (skip::OTHER_INSTRUMENTATION, |_, world| {
            world.namespace.insert("instrumentation.opentelemetry.io/inject-java".into(), "true".into());
        }),
        (skip::NO_SUCH_CONTAINER, |object, _| {
            object["spec"]["template"]["spec"]["containers"][0]["name"] = "istio-proxy".into();
        }),
        (skip::ENV_FROM_UNREADABLE, |object, _| {
            object["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "hidden"}}]);
        }),
        (skip::PAUSED, |object, _| object["spec"]["paused"] = true.into()),
    ];
    for (reason, edit) in cases {
        let (mut object, mut world) = (deployment(), World::new());
        edit(&mut object, &mut world);
        let skip = skipped(decided(&object, SHOP, 1, &world));
        assert_eq!(skip.reason, *reason);
        assert!(skip.message.contains(": "), "says what to do: {}", skip.message);
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
    object["metadata"]["annotations"] =
        json!({"tracewright.dev/inject": "true", "instrumentation.opentelemetry.io/inject-java": "true"});
    patch(decided(&object, SHOP, 1, &World::new()));
}

#[test]
fn opting_out_takes_back_what_was_injected_and_keeps_the_user_s_annotation() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"]["tracewright.dev/inject"] = "false".into();
    let cleanup = skipped(decided(&object, SHOP, 1, &World::new())).cleanup.expect("there is something to clean up");
    let after = apply(&object, &cleanup.body).expect("applies");
    assert_eq!(entries(&after), entries(&deployment()));
    assert_eq!(after["metadata"]["annotations"], json!({"tracewright.dev/inject": "false"}));
    assert_eq!(skipped(decided(&after, SHOP, 1, &World::new())).cleanup, None);
}

#[test]
fn a_paused_workload_that_is_up_to_date_is_not_skipped() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["spec"]["paused"] = true.into();
    assert_eq!(decided(&object, SHOP, 1, &World::new()).action, Action::UpToDate);
}

#[test]
fn the_first_reference_to_a_secret_waits_for_it_and_a_later_loss_does_not_matter() {
    let key = SecretKey { name: "s".into(), key: "k".into() };
    let lost = World { missing: BTreeSet::from([key.clone()]), ..World::new() };
    assert_eq!(decided(&deployment(), WITH_SECRET, 1, &lost).action, Action::Wait(vec![key.clone()]));
    let after = injected(&deployment(), WITH_SECRET, 1);
    assert_eq!(decided(&after, WITH_SECRET, 1, &lost).action, Action::UpToDate);
    // A workload that is injected already waits for a Secret that an edit of the profile brings in.
    let without = injected(&deployment(), SHOP, 1);
    assert_eq!(decided(&without, WITH_SECRET, 2, &lost).action, Action::Wait(vec![key]));
}

#[test]
fn a_generation_that_changes_no_variable_restarts_nothing() {
    let object = injected(&deployment(), SHOP, 1);
    let patch = patch(decided(&object, SHOP, 2, &World::new()));
    assert!(!patch.restarts_pods);
    assert!(patch.body.get("spec").is_none(), "{}", patch.body);
    assert_eq!(record(&apply(&object, &patch.body).expect("applies")).generation, 2);
}

/// An operator whose newest version is 2, which leaves a variable out.
const LATER: Renderer = Renderer {
    newest: 2,
    render: |version, target| {
        let mut list = env::render(1, target)?;
        if version == 2 {
            list.retain(|entry| entry.name != "OTEL_LOGS_EXPORTER");
        }
        (version <= 2).then_some(list)
    },
};

#[test]
fn an_upgrade_of_the_operator_changes_nothing_until_the_profile_changes() {
    let spec = spec(SHOP);
    let world = World::new();
    let upgraded = |object: &Value, generation| {
        decide_by(LATER, &read(WorkloadKind::Deployment, object), &demand(&spec, generation), &world.facts())
    };
    let object = injected(&deployment(), SHOP, 1);
    assert_eq!(upgraded(&object, 1).action, Action::UpToDate);
    let after = apply(&object, &patch(upgraded(&object, 2)).body).expect("applies");
    assert_eq!(record(&after).render_version, 2);
    assert_eq!(entry(&after, "OTEL_LOGS_EXPORTER"), None);
    // What goes missing meanwhile is brought back as it was.
    let mut broken = object;
    let env = broken["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("has env");
    env.retain(|entry| entry["name"] != "OTEL_LOGS_EXPORTER");
    let repaired = apply(&broken, &patch(upgraded(&broken, 1)).body).expect("applies");
    assert!(entry(&repaired, "OTEL_LOGS_EXPORTER").is_some());
}

#[test]
fn a_rendering_of_a_newer_operator_is_left_alone_until_the_profile_changes() {
    let mut object = injected(&deployment(), SHOP, 1);
    let newer = Record { render_version: RENDER_VERSION + 1, ..record(&object) };
    object["metadata"]["annotations"]["tracewright.dev/injected"] = newer.to_annotation().into();
    assert_eq!(decided(&object, "{traces: {console: false}}", 1, &World::new()).action, Action::UpToDate);
    patch(decided(&object, "{traces: {console: false}}", 2, &World::new()));
}

#[test]
fn a_value_that_the_user_changes_is_theirs_without_a_write() {
    let mut object = injected(&deployment(), SHOP, 1);
    let theirs = json!({"name": "OTEL_SERVICE_NAME", "value": "mine"});
    *entry_mut(&mut object, "OTEL_SERVICE_NAME") = theirs.clone();
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(injection.action, Action::UpToDate);
    assert_eq!(names(&injection.left, skip::USER_SET), ["OTEL_SERVICE_NAME"]);
    let edited = injected(&object, "{service: {name: other}, traces: {console: true}}", 2);
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
    assert_eq!(decided(&object, SHOP, 1, &World::new()).action, Action::UpToDate);
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
        ("rollout undo", field("Update", "kubectl-rollout"), None, false),
        ("client-side apply", json!([]), Some(manifest("shop")), true),
        ("a manifest that was overruled since", json!([]), Some(manifest("other")), false),
        ("an unreadable manifest", json!([]), Some("{".into()), false),
    ] {
        let mut object = object.clone();
        object["metadata"]["managedFields"] = managed;
        if let Some(manifest) = last_applied {
            object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = manifest.into();
        }
        let workload = read(WorkloadKind::Deployment, &object);
        let removal = uninject(&workload).expect("is injected");
        let after = apply(&object, &removal.body).expect("applies");
        let kept = entries(&after).contains(&theirs);
        assert_eq!(kept, is_theirs, "{what}");
        let injection = decided(&object, SHOP, 1, &World::new());
        assert_eq!(!names(&injection.left, skip::USER_SET).is_empty(), is_theirs, "{what}");
    }
}

#[test]
fn what_somebody_removed_comes_back() {
    let mut object = injected(&deployment(), SHOP, 1);
    let before = object.clone();
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("has env");
    env.retain(|entry| entry["name"] != "TRACEWRIGHT_POD_NAME");
    assert!(removed(&record(&before), &read(WorkloadKind::Deployment, &object)));
    assert_eq!(entries(&injected(&object, SHOP, 1)), entries(&before), "in its place");
    let patched = patch(decided(&object, SHOP, 1, &World::new()));
    let written: Vec<_> = patched.body["spec"]["template"]["spec"]["containers"][0]["env"].as_array().into_iter().flatten().collect();
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
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("has env");
    env.insert(0, json!({"name": "POD", "value": "$(TRACEWRIGHT_POD_NAME)"}));
    let after = injected(&object, SHOP, 1);
    let names: Vec<_> = entries(&after).iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names.first(), Some(&"TRACEWRIGHT_POD_NAME"));
    assert_eq!(names[names.len() - 2..], ["POD", "A"]);
    // One that does not refer to ours may stand where it is.
    let mut object = injected(&deployment(), SHOP, 1);
    let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("has env");
    env.insert(0, json!({"name": "B", "value": "$(A)"}));
    assert_eq!(decided(&object, SHOP, 1, &World::new()).action, Action::UpToDate);
}

#[test]
fn an_entry_whose_form_changes_is_replaced_and_not_mixed() {
    // The profile cannot make one name a reference first and a literal later, so the record is given the other form.
    for theirs in [
        json!({"value": "x"}),
        json!({"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}),
        json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "old", "optional": true}}}),
    ] {
        for name in ["TRACEWRIGHT_POD_NAME", "OTEL_SERVICE_NAME", "TRACEWRIGHT_OTLP_HEADER_X_TEAM"] {
            let mut object = injected(&deployment(), WITH_SECRET, 1);
            let expected = entry(&object, name).cloned();
            let mut other = theirs.clone();
            other["name"] = name.into();
            *entry_mut(&mut object, name) = other;
            let workload = read(WorkloadKind::Deployment, &object);
            let hash = workload.containers[0].env.iter().find(|entry| entry.name == name).and_then(|entry| entry.hash);
            let mut record = record(&object);
            let recorded = record.containers.get_mut("app").expect("is recorded");
            recorded.insert(name.into(), hash.expect("has a form of ours"));
            object["metadata"]["annotations"]["tracewright.dev/injected"] = record.to_annotation().into();
            assert_eq!(entry(&injected(&object, WITH_SECRET, 1), name).cloned(), expected, "{name} was {theirs}");
        }
    }
}

#[test]
fn a_container_that_sets_a_variable_twice_is_not_written_to() {
    let mut object = deployment();
    let pod = &mut object["spec"]["template"]["spec"];
    pod["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}, {"name": "A", "value": "2"}]);
    let other = json!({"name": "other", "image": "i"});
    pod["containers"].as_array_mut().expect("is a list").push(other);
    let injection = decided(&object, SHOP, 1, &World::new());
    assert_eq!(injection.left, [Left { container: "app".into(), variable: "A".into(), reason: DUPLICATE_ENV }]);
    let body = patch(injection).body;
    let containers = body["spec"]["template"]["spec"]["containers"].as_array().expect("is a list");
    let names: Vec<_> = containers.iter().filter_map(|container| container["name"].as_str()).collect();
    assert_eq!(names, ["other"]);
}

#[test]
fn a_renamed_removed_or_unnamed_container_leaves_nothing_behind() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["spec"]["template"]["spec"]["containers"][0]["name"] = "renamed".into();
    object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    let after = injected(&object, SHOP, 1);
    assert_eq!(record(&after).containers.keys().collect::<Vec<_>>(), ["renamed"]);
    assert_eq!(decided(&after, SHOP, 1, &World::new()).action, Action::UpToDate);

    let mut object = deployment();
    let containers = &mut object["spec"]["template"]["spec"]["containers"];
    containers.as_array_mut().expect("is a list").push(json!({"name": "worker", "image": "i"}));
    let only = |name: &str| format!("workloads: {{selector: {{matchLabels: {{a: b}}}}, containers: [{name}, absent]}}");
    let after = injected(&injected(&object, &only("app"), 1), &only("worker"), 2);
    assert_eq!(entries(&after), entries(&deployment()));
    assert_eq!(record(&after).containers.keys().collect::<Vec<_>>(), ["worker"]);
}

#[test]
fn a_workload_is_handed_from_one_profile_to_another_in_one_patch() {
    let mut object = injected(&deployment(), WITH_SECRET, 1);
    let gone = Record { profile: "gone".into(), ..record(&object) };
    object["metadata"]["annotations"]["tracewright.dev/injected"] = gone.to_annotation().into();
    let after = injected(&object, SHOP, 1);
    assert_eq!(entries(&after), entries(&injected(&deployment(), SHOP, 1)));
    assert_eq!(record(&after).profile, "shop");
}

#[test]
fn without_a_readable_record_nothing_counts_as_ours() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"]["tracewright.dev/injected"] = "{}".into();
    let before = entries(&object).clone();
    let removal = uninject(&read(WorkloadKind::Deployment, &object)).expect("the mark itself is ours");
    let after = apply(&object, &removal.body).expect("applies");
    assert_eq!(*entries(&after), before);
    assert_eq!(after["metadata"]["annotations"], json!({}));
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

#[test]
fn a_reverted_workload_stays_so_until_the_profile_changes() {
    let object = injected(&deployment(), SHOP, 1);
    let reversal = revert(&read(WorkloadKind::Deployment, &object), "shop", 1).expect("is injected");
    let after = apply(&object, &reversal.body).expect("applies");
    assert_eq!(entries(&after), entries(&deployment()));
    let recorded = record(&after);
    assert!(recorded.reverted && recorded.containers.is_empty());
    assert_eq!(revert(&read(WorkloadKind::Deployment, &after), "shop", 1), None);
    assert_eq!(skipped(decided(&after, SHOP, 1, &World::new())).reason, condition::reason::REVERTED);
    let again = injected(&after, SHOP, 2);
    assert_eq!(entries(&again), entries(&injected(&deployment(), SHOP, 2)));
    assert!(!record(&again).reverted);
}

#[test]
fn a_patch_applies_to_the_version_that_was_read_only() {
    let body = patch(decided(&deployment(), SHOP, 1, &World::new())).body;
    let mut changed = deployment();
    changed["metadata"]["resourceVersion"] = "8".into();
    assert!(apply(&changed, &body).is_err_and(|error| error.starts_with("409")));
}

#[test]
fn a_removal_is_told_from_what_may_rightly_be_gone() {
    let object = injected(&deployment(), SHOP, 1);
    let recorded = record(&object);
    let gone = |edit: fn(&mut Value)| {
        let mut object = object.clone();
        edit(&mut object);
        removed(&recorded, &read(WorkloadKind::Deployment, &object))
    };
    assert!(!gone(|_| {}));
    assert!(gone(|object| object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([])));
    assert!(!gone(|object| object["spec"]["template"]["spec"]["containers"][0]["name"] = "renamed".into()));
    assert!(gone(|object| entry_mut(object, "OTEL_SERVICE_NAME")["value"] = "".into()));
    assert!(!gone(|object| entry_mut(object, "OTEL_SERVICE_NAME")["value"] = "mine".into()));
    assert!(!gone(|object| {
        object["metadata"]["annotations"]["tracewright.dev/skip-env"] = "OTEL_SERVICE_NAME".into();
        entry_mut(object, "OTEL_SERVICE_NAME")["name"] = "OTHER".into();
    }));
    // A variable of ours may be empty by right.
    let empty = injected(&deployment(), "{traces: {sampler: {type: always_on}}}", 1);
    assert!(!removed(&record(&empty), &read(WorkloadKind::Deployment, &empty)));
    assert!(!gone(|object| {
        object["metadata"]["annotations"]["tracewright.dev/inject"] = "false".into();
        object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    }));
}

#[test]
fn three_removals_in_ten_minutes_are_a_contest() {
    let at = |seconds: &[i64]| -> Vec<Timestamp> {
        seconds.iter().map(|second| Timestamp::from_second(*second).expect("in range")).collect()
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
