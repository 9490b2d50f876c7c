//! What a changed Secret does to the pod template.

use super::*;

const RESTART: &str = "{workloads: {selector: {matchLabels: {a: b}}, rollout: {onSecretChange: Restart}}, traces: {otlp: {endpoint: 'http://c', headers: [{name: x-team, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}";

/// A world in which the Secret has a value, or is not there.
fn world(value: Option<&str>) -> World {
    let key = SecretKey {
        name: "s".into(),
        key: "k".into(),
    };
    let mut world = World::new();
    match value {
        None => drop(world.missing.insert(key)),
        Some(value) => {
            let mut hasher = env::Hasher::default();
            hasher.text(value);
            world.secrets.insert(key, hasher.finish());
        }
    }
    world
}

fn after(kind: WorkloadKind, object: &Value, yaml: &str, value: Option<&str>) -> Value {
    let (spec, world) = (spec(yaml), world(value));
    match decide(&read(kind, object), &demand(&spec, 1), &world.facts()).action {
        Action::Patch(patch) => apply(object, &patch.body).expect("the patch applies"),
        _ => object.clone(),
    }
}

#[test]
fn restart_changes_the_template_for_another_value_and_for_nothing_else() {
    let after = |object: &Value, yaml, value| after(WorkloadKind::Deployment, object, yaml, value);
    let one = after(&deployment(), RESTART, Some("one"));
    assert_eq!(after(&one, RESTART, Some("one")), one);
    let two = after(&one, RESTART, Some("two"));
    assert_ne!(two["spec"], one["spec"]);
    assert_eq!(entries(&two), entries(&one));
    assert_eq!(
        after(&two, RESTART, None),
        two,
        "a lost Secret restarts nobody"
    );
    assert_eq!(
        after(&two, WITH_SECRET, Some("three"))["spec"],
        two["spec"],
        "nor does Report, and not the change to it"
    );
    let plain = after(&deployment(), WITH_SECRET, Some("one"));
    assert_eq!(after(&plain, WITH_SECRET, Some("two")), plain);
}

#[test]
fn a_cron_job_is_not_written_for_a_changed_value() {
    let template = deployment()["spec"]["template"].clone();
    let object = json!({
        "metadata": {"name": "job", "namespace": "ns", "resourceVersion": "7"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    });
    let after = |object: &Value, value| after(WorkloadKind::CronJob, object, RESTART, value);
    let one = after(&object, Some("one"));
    assert_ne!(one, object);
    assert_eq!(after(&one, Some("two")), one);
}
