//! Properties over random workloads: nothing of the user's is lost, nothing is written twice, and nothing stays.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::merge::normalised;
use super::*;

/// Profiles of one service, as it is edited over time.
static EDITS: LazyLock<Vec<ObservabilityProfileSpec>> = LazyLock::new(|| YAML.map(spec).to_vec());

const YAML: [&str; 5] = [
    "service: {name: shop}",
    "{traces: {console: true, sampler: {type: always_on}}, logs: {ship: shop}}",
    "{traces: {otlp: {endpoint: 'http://c', headers: [{name: x-team, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}",
    "{traces: {otlp: {endpoint: 'http://c', headers: [{name: x-team, valueFrom: {secretKeyRef: {name: s, key: other}}}]}}, workloads: {selector: {matchLabels: {a: b}}, containers: [app]}}",
    "{traces: {env: [{name: OTEL_BSP_SCHEDULE_DELAY, value: ''}]}, xray: {receiver: {external: {address: 'r:2000'}}}}",
];

fn entry() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "A",
        "B",
        "TRACEWRIGHT_POD_NAME",
        "TRACEWRIGHT_OTLP_HEADER_X_TEAM",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_SAMPLER",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_BSP_SCHEDULE_DELAY",
    ]);
    let source = prop::sample::select(vec![
        json!({"value": "mine"}),
        json!({}),
        json!({"value": "$(TRACEWRIGHT_POD_NAME)/$(A)"}),
        json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        json!({"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}),
        json!({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}),
        json!({"valueFrom": {"inventedLater": {"x": 1}}}),
    ]);
    (name, source).prop_map(|(name, mut entry)| {
        entry["name"] = name.into();
        entry
    })
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    (prop::collection::vec(entry(), 0..4), any::<bool>()).prop_map(move |(env, from)| {
        let mut container = json!({"name": name, "image": "i", "inventedLater": {"keep": [1, 2]}});
        if !env.is_empty() {
            container["env"] = env.into();
        }
        if from {
            container["envFrom"] =
                json!([{"prefix": "OTEL_", "configMapRef": {"name": "settings"}}]);
        }
        container
    })
}

fn object() -> impl Strategy<Value = (WorkloadKind, Value)> {
    let kind = prop::sample::select(WorkloadKind::ALL.to_vec());
    let containers = (
        container("istio-proxy"),
        container("app"),
        container("worker"),
        any::<bool>(),
    );
    let annotations = prop::option::of(Just(json!({"theirs": "x"})));
    (kind, containers, annotations).prop_map(|(kind, (proxy, app, worker, with_proxy), annotations)| {
        let containers = if with_proxy { json!([app, proxy, worker]) } else { json!([worker, app]) };
        let mut template = json!({"spec": {"containers": containers, "initContainers": [{"name": "app", "image": "i"}]}});
        if let Some(annotations) = annotations {
            template["metadata"] = json!({"annotations": annotations});
        }
        let path = kind.template_path();
        let mut object = path.iter().rev().fold(template, |inner, field| json!({*field: inner}));
        object["metadata"] = json!({"name": "shop", "namespace": "ns", "resourceVersion": "1"});
        (kind, object)
    })
}

fn containers(kind: WorkloadKind, object: &Value) -> Vec<Value> {
    let template = kind
        .template_path()
        .iter()
        .fold(object, |value, field| &value[*field]);
    template["spec"]["containers"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn env(container: &Value) -> Vec<Value> {
    container["env"].as_array().cloned().unwrap_or_default()
}

/// Injects as the controller does: decides, writes, and finds nothing left to do.
fn inject(kind: WorkloadKind, object: &Value, edit: usize) -> Result<Value, TestCaseError> {
    let spec = &EDITS[edit];
    let world = World::new();
    let demand = demand(spec, i64::try_from(edit).expect("few edits"));
    let injection = decide(&read(kind, object), &demand, &world.facts());
    let after = match injection.action {
        Action::Patch(patch) => apply(object, &patch.body).map_err(TestCaseError::fail)?,
        Action::UpToDate => object.clone(),
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    };
    let again = decide(&read(kind, &after), &demand, &world.facts());
    prop_assert_eq!(&again.action, &Action::UpToDate);
    prop_assert_eq!(&again.left, &injection.left);
    Ok(after)
}

fn removed(kind: WorkloadKind, object: &Value) -> Result<Value, TestCaseError> {
    let Some(patch) = uninject(&read(kind, object)) else {
        return Ok(object.clone());
    };
    let after = apply(object, &patch.body).map_err(TestCaseError::fail)?;
    prop_assert_eq!(uninject(&read(kind, &after)), None);
    Ok(after)
}

/// The object without what every write changes.
fn content(object: &Value) -> Value {
    let mut object = normalised(object);
    object["metadata"]["resourceVersion"] = Value::Null;
    object
}

proptest! {
    #[test]
    fn injection_loses_nothing_of_the_user_s((kind, object) in object(), edit in 0..YAML.len()) {
        let after = inject(kind, &object, edit)?;
        for (before, after) in containers(kind, &object).iter().zip(containers(kind, &after)) {
            let theirs: Vec<_> = env(before);
            let kept: Vec<_> = env(&after).into_iter().filter(|entry| theirs.contains(entry)).collect();
            prop_assert_eq!(kept, theirs, "their entries are unchanged and in their order");
            let (mut before, mut after) = (before.clone(), after);
            before["env"] = Value::Null;
            after["env"] = Value::Null;
            prop_assert_eq!(before, after, "nothing but env is touched");
        }
    }

    #[test]
    fn injection_and_removal_restore_the_original((kind, object) in object(), edit in 0..YAML.len()) {
        let after = removed(kind, &inject(kind, &object, edit)?)?;
        prop_assert_eq!(content(&after), content(&object));
    }

    #[test]
    fn edits_leave_nothing_of_earlier_ones(
        (kind, object) in object(),
        edits in prop::collection::vec(0..YAML.len(), 1..4),
        last in 0..YAML.len(),
    ) {
        let mut edited = object.clone();
        for edit in edits {
            edited = inject(kind, &edited, edit)?;
        }
        let edited = inject(kind, &edited, last)?;
        let fresh = inject(kind, &object, last)?;
        prop_assert_eq!(content(&edited), content(&fresh));
        prop_assert_eq!(content(&removed(kind, &edited)?), content(&object));
    }

    #[test]
    fn what_a_user_changes_later_is_theirs(
        (kind, object) in object(),
        edit in 0..YAML.len(),
        next in 0..YAML.len(),
        choice in any::<prop::sample::Index>(),
    ) {
        let mut after = inject(kind, &object, edit)?;
        let pointer = format!("/{}/spec/containers", kind.template_path().join("/"));
        let list = after.pointer_mut(&pointer).and_then(Value::as_array_mut).expect("has containers");
        let app = list.iter_mut().find(|container| container["name"] == "app").expect("is always there");
        let Some(entries) = app["env"].as_array_mut().filter(|entries| !entries.is_empty()) else { return Ok(()) };
        let at = choice.index(entries.len());
        let name = entries[at]["name"].clone();
        let theirs = json!({"name": name, "value": "changed by hand"});
        entries[at] = theirs.clone();
        let edited = inject(kind, &after, next)?;
        for object in [&edited, &removed(kind, &edited)?] {
            let app = containers(kind, object).into_iter().find(|container| container["name"] == "app");
            prop_assert!(app.is_some_and(|app| env(&app).contains(&theirs)), "{}", object);
        }
    }

    #[test]
    fn references_to_ours_resolve((kind, object) in object(), edit in 0..YAML.len()) {
        let workload = read(kind, &inject(kind, &object, edit)?);
        for container in &workload.containers {
            let recorded = workload.record.as_ref().and_then(|record| record.containers.get(&container.name));
            let mut earlier = BTreeSet::new();
            for entry in &container.env {
                for reference in &entry.references {
                    let ours = recorded.is_some_and(|recorded| recorded.contains_key(reference));
                    prop_assert!(!ours || earlier.contains(reference), "{} refers to {reference}", entry.name);
                }
                earlier.insert(entry.name.clone());
            }
        }
    }

    #[test]
    fn every_rendered_variable_is_written_or_reported((kind, object) in object(), edit in 0..YAML.len()) {
        let spec = &EDITS[edit];
        let world = World::new();
        let demand = demand(spec, 1);
        let before = read(kind, &object);
        let injection = decide(&before, &demand, &world.facts());
        let after = read(kind, &inject(kind, &object, edit)?);
        for container in selected(&after, spec) {
            if injection.left.iter().any(|left| left.container == container.name && left.reason == DUPLICATE_ENV) {
                continue;
            }
            let entries = env::render(RENDER_VERSION, &target(&after, container, &demand)).expect("is known");
            for entry in entries {
                let there = container.env.iter().any(|there| there.hash == Some(entry.hash()));
                let left = injection.left.iter().any(|left| left.container == container.name && left.variable == entry.name);
                prop_assert!(there || left, "{} in {}", entry.name, container.name);
            }
        }
    }
}
