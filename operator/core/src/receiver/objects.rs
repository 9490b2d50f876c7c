//! The Kubernetes objects of a receiver, whatever program it runs.

use k8s_openapi::api::core::v1::Toleration;
use kube::ResourceExt;
use serde_json::{Map, Value, json};
use tracewright_xray::contract::{annotation, label, name};

use super::{Defaults, Object, ObjectKind, Runtime};
use crate::crd::{
    ObservabilityProfile, ReceiverPods, ReceiverWorkload, Resources, SecretReference,
};
use crate::env::Hasher;

/// Where the configuration is mounted.
const CONFIG_DIRECTORY: &str = "/etc/xray";

/// Pods of a Deployment: one may be drained or restarted while the other receives.
const REPLICAS: i32 = 2;

/// The user that the images of both programs are built for.
const USER: i64 = 10001;

const UDP_PORT: &str = "xray-udp";
const TCP_PORT: &str = "xray-tcp";

pub(super) fn config_path(file: &str) -> String {
    format!("{CONFIG_DIRECTORY}/{file}")
}

pub(super) fn build(
    profile: &ObservabilityProfile,
    runtime: &Runtime<'_>,
    defaults: &Defaults<'_>,
) -> Vec<Object> {
    let pods = runtime.pods;
    let workload = pods.workload.unwrap_or_default();
    let kind = match workload {
        ReceiverWorkload::Deployment => ObjectKind::Deployment,
        ReceiverWorkload::DaemonSet => ObjectKind::DaemonSet,
    };
    let mut parts = Vec::new();
    if pods.service_account_name.is_none() {
        parts.push((ObjectKind::ServiceAccount, service_account()));
    }
    parts.push((
        ObjectKind::ConfigMap,
        json!({"data": {runtime.config_file: runtime.config}}),
    ));
    parts.push((
        ObjectKind::NetworkPolicy,
        spec(network_policy(profile, defaults)),
    ));
    parts.push((ObjectKind::Service, spec(service(profile, workload))));
    parts.push((kind, spec(workload_spec(profile, runtime, workload))));
    if workload == ReceiverWorkload::Deployment {
        // A drain leaves DaemonSet pods alone, so a budget would have nothing to say.
        let budget = json!({
            "maxUnavailable": 1,
            // A pod that crashes again and again must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(profile)},
        });
        parts.push((ObjectKind::PodDisruptionBudget, spec(budget)));
    }
    parts
        .into_iter()
        .map(|(kind, mut body)| {
            body["apiVersion"] = kind.api_version().into();
            body["kind"] = kind.as_str().into();
            body["metadata"] = metadata(profile);
            if kind == ObjectKind::ServiceAccount
                && let Some(annotations) = &pods.service_account_annotations
            {
                body["metadata"]["annotations"] = json!(annotations);
            }
            Object { kind, body }
        })
        .collect()
}

fn spec(spec: Value) -> Value {
    json!({"spec": spec})
}

fn metadata(profile: &ObservabilityProfile) -> Value {
    json!({
        "name": name::receiver(&profile.name_any()),
        "namespace": profile.namespace(),
        "labels": labels(profile),
        "ownerReferences": [{
            "apiVersion": format!("{}/{}", name::API_GROUP, name::API_VERSION),
            "kind": name::KIND,
            "name": profile.name_any(),
            "uid": profile.uid(),
            "controller": true,
        }],
    })
}

/// Where both programs listen, by UDP and TCP: Go takes an address without a host for all addresses of both families, or of
/// the one that there is. (Package net, "Listen".)
pub(super) fn listen() -> String {
    format!(":{}", name::RECEIVER_PORT)
}

fn labels(profile: &ObservabilityProfile) -> Value {
    let mut labels = selector(profile);
    labels[label::APP_MANAGED_BY] = label::APP_MANAGED_BY_TRACEWRIGHT.into();
    labels[label::PROFILE] = profile.name_any().into();
    labels
}

/// The labels by which the pods are found. A workload's selector cannot change, so these never do.
fn selector(profile: &ObservabilityProfile) -> Value {
    json!({label::APP_NAME: label::APP_NAME_RECEIVER, label::APP_INSTANCE: profile.name_any()})
}

/// Neither program talks to the Kubernetes API. (IRSA and EKS Pod Identity mount tokens of their own.)
fn service_account() -> Value {
    json!({"automountServiceAccountToken": false})
}

/// The TCP port signs every request with the receiver's credentials, so it is open to the profile's namespace only,
/// and to the operator, which asks it whether it is ready.
fn network_policy(profile: &ObservabilityProfile, defaults: &Defaults<'_>) -> Value {
    let tcp = json!({"protocol": "TCP", "port": name::RECEIVER_PORT});
    let udp = json!({"protocol": "UDP", "port": name::RECEIVER_PORT});
    json!({
        "podSelector": {"matchLabels": selector(profile)},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"podSelector": {}}], "ports": [udp, tcp]},
            {
                "from": [{
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": defaults.operator_namespace}},
                    "podSelector": {"matchLabels": {label::APP_NAME: label::APP_MANAGED_BY_TRACEWRIGHT}},
                }],
                "ports": [tcp],
            },
        ],
    })
}

fn service(profile: &ObservabilityProfile, workload: ReceiverWorkload) -> Value {
    // Segments by UDP and sampling rules by TCP: without the second, SDKs fall back to a sampling of their own.
    let port = |name, protocol| json!({"name": name, "protocol": protocol, "port": name::RECEIVER_PORT, "targetPort": name});
    let traffic = match workload {
        ReceiverWorkload::Deployment => "Cluster",
        ReceiverWorkload::DaemonSet => "Local",
    };
    json!({
        "type": "ClusterIP",
        "selector": selector(profile),
        "internalTrafficPolicy": traffic,
        "ports": [port(UDP_PORT, "UDP"), port(TCP_PORT, "TCP")],
    })
}

fn workload_spec(
    profile: &ObservabilityProfile,
    runtime: &Runtime<'_>,
    workload: ReceiverWorkload,
) -> Value {
    let mut spec = json!({
        "selector": {"matchLabels": selector(profile)},
        "revisionHistoryLimit": 2,
        "template": template(profile, runtime),
    });
    // The new pod receives before the old one goes.
    let strategy =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    match workload {
        ReceiverWorkload::Deployment => {
            spec["replicas"] = runtime.pods.replicas.unwrap_or(REPLICAS).into();
            spec["strategy"] = strategy;
            spec["template"]["spec"]["topologySpreadConstraints"] = json!([{
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector(profile)},
            }]);
        }
        ReceiverWorkload::DaemonSet => spec["updateStrategy"] = strategy,
    }
    spec
}

fn template(profile: &ObservabilityProfile, runtime: &Runtime<'_>) -> Value {
    // Destructured, so that a new field cannot be forgotten here. The image and the endpoint are in the runtime.
    let ReceiverPods {
        workload: _,
        image: _,
        replicas: _,
        resources,
        node_selector,
        tolerations,
        priority_class_name,
        service_account_name,
        service_account_annotations: _,
        credentials_secret,
        endpoint: _,
    } = runtime.pods;
    let account = name::receiver(&profile.name_any());
    let mut hasher = Hasher::default();
    hasher.text(&runtime.config);
    let mut env = credentials_secret
        .as_ref()
        .map(credentials)
        .unwrap_or_default();
    env.extend(runtime.env.iter().cloned());
    let probe = |seconds: u32| json!({"tcpSocket": {"port": TCP_PORT}, "periodSeconds": seconds});
    let mut spec = json!({
        "serviceAccountName": service_account_name.as_deref().unwrap_or(&account),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": runtime.container,
            "image": runtime.image,
            "args": runtime.args,
            "env": env,
            "ports": [
                {"name": UDP_PORT, "containerPort": name::RECEIVER_PORT, "protocol": "UDP"},
                {"name": TCP_PORT, "containerPort": name::RECEIVER_PORT, "protocol": "TCP"},
            ],
            "readinessProbe": probe(5),
            "livenessProbe": probe(20),
            "resources": resources_of(resources.as_ref(), runtime),
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": true}],
        }],
        "volumes": [{"name": "config", "configMap": {"name": name::receiver(&profile.name_any())}}],
    });
    if !node_selector.is_empty() {
        spec["nodeSelector"] = json!(node_selector);
    }
    if !tolerations.is_empty() {
        spec["tolerations"] = tolerations.iter().map(toleration).collect();
    }
    if let Some(class) = priority_class_name {
        spec["priorityClassName"] = class.as_str().into();
    }
    json!({
        "metadata": {
            "labels": labels(profile),
            "annotations": {annotation::CONFIG_HASH: hasher.finish().to_string()},
        },
        "spec": spec,
    })
}

/// The variables of the AWS SDKs. A pod does not start before the Secret is there: a process that started without
/// its credentials would never see them.
fn credentials(secret: &SecretReference) -> Vec<Value> {
    [
        ("AWS_ACCESS_KEY_ID", false),
        ("AWS_SECRET_ACCESS_KEY", false),
        ("AWS_SESSION_TOKEN", true),
    ]
    .into_iter()
    .map(|(key, optional)| {
        let mut source = json!({"name": secret.name, "key": key});
        if optional {
            source["optional"] = true.into();
        }
        json!({"name": key, "valueFrom": {"secretKeyRef": source}})
    })
    .collect()
}

fn resources_of(resources: Option<&Resources>, runtime: &Runtime<'_>) -> Value {
    match resources {
        Some(Resources { requests, limits }) => {
            let lists = [("requests", requests), ("limits", limits)];
            let written = lists.into_iter().filter(|(_, list)| !list.is_empty());
            Value::Object(
                written
                    .map(|(name, list)| (name.to_owned(), json!(list)))
                    .collect::<Map<_, _>>(),
            )
        }
        None => {
            let (requested, limit) = runtime.memory;
            json!({"requests": {"cpu": "32m", "memory": requested}, "limits": {"memory": limit}})
        }
    }
}

fn toleration(toleration: &Toleration) -> Value {
    serde_json::to_value(toleration).expect("plain data with string keys")
}
