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
    let patch = patch(decided(&deployment(), "{xray: {dynamicNaming: x}}", 3, &World { ..World::new() }));
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
    container["envFrom"] = json!([
        {"prefix": "AWS_XRAY_TRACING_", "configMapRef": {"name": "names"}},
        {"secretRef": {"name": "settings"}},
    ]);
    let mut world = World::new();
    world.env_from.insert(EnvFromSource::ConfigMap("names".into()), BTreeSet::from(["NAME".into()]));
    world.env_from.insert(EnvFromSource::Secret("settings".into()), BTreeSet::from(["OTEL_LOGS_EXPORTER".into()]));
    let injection = decided(&object, &SHOP.replace("console", "console: true, propagators: [b3], console").replace("console: true, propagators: [b3], console: true", "console: true, propagators: [b3]").replace('}', "}"), 1, &world);
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

/// A rendering that a later operator might have.
fn render_2(version: u32, target: &Target<'_>) -> Option<Vec<Rendered>> {
    let mut list = env::render(1, target)?;
    if version == 2 {
        list.retain(|entry| entry.name != "OTEL_LOGS_EXPORTER");
    }
    (version <= 2).then_some(list)
}

fn with_version(object: &Value, version: u32) -> Value {
    let record = Record { render_version: version, ..record(object) };
    let mut object = object.clone();
    object["metadata"]["annotations"]["tracewright.dev/injected"] = record.to_annotation().into();
    object
}

#[test]
fn a_workload_keeps_its_rendering_until_the_profile_changes() {
    let spec = spec(SHOP);
    let world = World::new();
    let decide = |object: &Value, generation| {
        decide_by(render_2, &read(WorkloadKind::Deployment, object), &demand(&spec, generation), &world.facts())
    };
    // Injected by version 2; this operator's newest is 1, so that "older than the newest" is told from "recorded".
    let newer = {
        let mut object = injected(&deployment(), SHOP, 1);
        let env = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("has env");
        env.retain(|entry| entry["name"] != "OTEL_LOGS_EXPORTER");
        let mut record = Record { render_version: 2, ..record(&object) };
        record.containers.get_mut("app").expect("is recorded").remove("OTEL_LOGS_EXPORTER");
        object["metadata"]["annotations"]["tracewright.dev/injected"] = record.to_annotation().into();
        let target = target(&read(WorkloadKind::Deployment, &object), &read(WorkloadKind::Deployment, &object).containers[0], &demand(&spec, 1)).clone_rendered(2);
        object["spec"]["template"]["metadata"]["annotations"]["tracewright.dev/env-hash"] =
            env::hash_all([("app", target.as_slice())]).to_string().into();
        object
    };
    assert_eq!(decide(&newer, 1).action, Action::UpToDate);
    let after = apply(&newer, &patch(decide(&newer, 2)).body).expect("applies");
    assert!(entry(&after, "OTEL_LOGS_EXPORTER").is_some());
    assert_eq!(record(&after).render_version, RENDER_VERSION);
}
