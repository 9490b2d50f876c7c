//! What is read of a workload, and that the rest does not matter.

use super::*;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

fn read(kind: WorkloadKind, object: Value) -> Workload {
    kind.deserialize(object).expect("is a workload")
}

fn with_env(env: Value) -> Vec<Entry> {
    let containers = json!([{"name": "app", "image": "i", "env": env}]);
    let object = json!({"metadata": {"name": "w"}, "spec": {"template": {"spec": {"containers": containers}}}});
    read(WorkloadKind::Deployment, object)
        .containers
        .remove(0)
        .env
}

#[test]
fn an_object_out_of_a_list_is_enough_and_unknown_fields_do_not_matter() {
    let object = json!({
        "metadata": {
            "name": "w", "namespace": "ns", "uid": "u", "resourceVersion": "5", "generation": 4,
            "creationTimestamp": null, "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "w"}, "managedFields": [{"manager": "x", "operation": "Update", "apiVersion": "apps/v1"}],
            "inventedLater": 1,
        },
        "spec": {"inventedLater": [], "template": {"metadata": {"creationTimestamp": null}, "spec": {
            "initContainers": [{"name": "init"}],
            "containers": [{"name": "app", "inventedLater": {}, "envFrom": [
                {"prefix": "P_", "configMapRef": {"name": "c", "optional": true}},
                {"secretRef": {"name": "s"}},
                {"inventedLater": {}},
            ]}],
        }}},
        "status": {"observedGeneration": 4, "replicas": 1, "inventedLater": {}},
    });
    let workload = read(WorkloadKind::Deployment, object);
    assert_eq!(
        (
            workload.namespace.as_str(),
            workload.name.as_str(),
            workload.uid.as_str()
        ),
        ("ns", "w", "u")
    );
    assert_eq!(
        (workload.resource_version.as_str(), workload.generation),
        ("5", 4)
    );
    assert!(workload.deleting);
    assert_eq!(workload.labels["app"], "w");
    assert_eq!(
        workload.containers.len(),
        1,
        "init containers are none of ours"
    );
    let from: Vec<_> = workload.containers[0]
        .env_from
        .iter()
        .map(|from| format!("{}{}", from.prefix, from.source))
        .collect();
    assert_eq!(from, ["P_ConfigMap c", "Secret s"]);
}

#[test]
fn every_kind_has_its_template_where_its_path_says() {
    for kind in WorkloadKind::ALL {
        let template = json!({"metadata": {"annotations": {"tracewright.dev/env-hash": "h"}}, "spec": {"containers": [{"name": "app"}]}});
        let mut object = kind
            .template_path()
            .iter()
            .rev()
            .fold(template, |inner, field| json!({*field: inner}));
        object["metadata"] = json!({"name": "w"});
        let workload = read(kind, object);
        assert_eq!(workload.env_hash.as_deref(), Some("h"), "{kind}");
        assert_eq!(workload.containers.len(), 1, "{kind}");
    }
}

#[test]
fn entries_are_recognised_by_what_they_say() {
    let entries = with_env(json!([
        {"name": "LITERAL", "value": "$(A)/$$(B)"},
        {"name": "EMPTY"},
        {"name": "EMPTY", "value": ""},
        {"name": "FIELD", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "FIELD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
        {"name": "FIELD", "valueFrom": {"fieldRef": {"apiVersion": "v2", "fieldPath": "spec.nodeName"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "OTHER", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]));
    let forms: Vec<_> = entries.iter().map(|entry| entry.form).collect();
    use Form::{Empty, FieldRef, Literal, Other, SecretKeyRef};
    assert_eq!(
        forms,
        [
            Literal,
            Empty,
            Empty,
            FieldRef,
            FieldRef,
            FieldRef,
            SecretKeyRef,
            SecretKeyRef,
            Other
        ]
    );
    assert_eq!(entries[0].references, ["A"]);
    assert_eq!(entries[1].hash, entries[2].hash);
    assert_eq!(
        entries[3].hash, entries[4].hash,
        "the API server fills in the version"
    );
    assert_eq!(entries[5].hash, None);
    assert_ne!(
        entries[6].hash, entries[7].hash,
        "an optional reference is another one"
    );
    assert_eq!(entries[8].hash, None);
}

#[test]
fn what_is_rendered_is_recognised() {
    use crate::env::{Rendered, SecretKey, Value};
    for value in [
        Value::Literal("a $(B)".into()),
        Value::Literal(String::new()),
        Value::FieldRef("metadata.name"),
        Value::SecretKeyRef(SecretKey {
            name: "s".into(),
            key: "k".into(),
        }),
    ] {
        let rendered = Rendered {
            name: "X".into(),
            value,
        };
        let entry = &with_env(json!([rendered.to_json()]))[0];
        assert_eq!(entry.hash, Some(rendered.hash()), "{rendered:?}");
        assert_eq!(entry.references, rendered.references());
    }
}

#[test]
fn the_user_s_annotations_are_read_with_patience() {
    for (text, expected) in [
        ("true", Some(true)),
        (" False ", Some(false)),
        ("FALSE", Some(false)),
        ("no", None),
        ("", None),
    ] {
        let object =
            json!({"metadata": {"name": "w", "annotations": {"tracewright.dev/inject": text}}});
        assert_eq!(
            read(WorkloadKind::Deployment, object).inject,
            expected,
            "{text:?}"
        );
    }
    let object =
        json!({"metadata": {"name": "w", "annotations": {"tracewright.dev/skip-env": " A,B , ,"}}});
    assert_eq!(
        read(WorkloadKind::CronJob, object).skip_env,
        BTreeSet::from(["A".into(), "B".into()])
    );
}

#[test]
fn what_is_no_workload_is_an_error() {
    for object in [
        json!({}),
        json!([]),
        json!({"metadata": {"name": "w"}, "spec": {"template": {"spec": {"containers": [{}]}}}}),
    ] {
        assert!(
            WorkloadKind::Deployment.deserialize(&object).is_err(),
            "{object}"
        );
    }
}

#[test]
fn a_controller_s_word_on_the_rollout() {
    let progressing = |reason: &str| json!({"conditions": [{"type": "Progressing", "status": "True", "reason": reason, "message": "ReplicaSet a"}]});
    let revisions = |current: &str, ready: i64, available: i64| json!({"currentRevision": current, "updateRevision": "b", "readyReplicas": ready, "availableReplicas": available});
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    let complete = |of: &str| Word::Complete(of.to_owned());
    let (deployment, set) = (WorkloadKind::Deployment, WorkloadKind::StatefulSet);
    for (what, kind, spec, status, expected) in [
        ("no deadline", deployment, json!({}), json!({}), Word::None),
        (
            "its deadline counts",
            deployment,
            json!({}),
            progressing("ReplicaSetUpdated"),
            Word::Rolling,
        ),
        (
            "no deadline counts",
            deployment,
            json!({}),
            progressing("DeploymentPaused"),
            Word::None,
        ),
        (
            "it was complete",
            deployment,
            json!({}),
            progressing("NewReplicaSetAvailable"),
            complete("ReplicaSet a"),
        ),
        ("nothing yet", set, json!({}), json!({}), Word::None),
        (
            "under way",
            set,
            json!({"replicas": 2}),
            revisions("a", 1, 1),
            Word::Rolling,
        ),
        (
            "a pod was lost since",
            set,
            json!({"replicas": 2}),
            revisions("b", 1, 1),
            complete("b"),
        ),
        (
            "ready, and not for long enough",
            set,
            json!({"replicas": 2}),
            revisions("b", 2, 1),
            Word::Rolling,
        ),
        (
            "nobody replaces its pods",
            set,
            on_delete,
            revisions("b", 1, 1),
            Word::None,
        ),
        (
            "says nothing",
            WorkloadKind::DaemonSet,
            json!({}),
            json!({"numberAvailable": 1}),
            Word::None,
        ),
    ] {
        let object = json!({"metadata": {"name": "w"}, "spec": spec, "status": status});
        let workload = kind.deserialize(&object).expect("is a workload");
        assert_eq!(workload.progress.word, expected, "{what}");
    }
}
