//! Values that together reach every branch of the templates.

use serde_json::{Value, json};

/// One way to install a chart.
pub struct Case {
    pub name: &'static str,
    pub chart: &'static str,
    pub values: Value,
}

/// All of them.
pub fn all() -> Vec<Case> {
    let case = |name, chart, values| Case {
        name,
        chart,
        values,
    };
    vec![
        case("operator", "tracewright", json!({})),
        case(
            "operator-everything",
            "tracewright",
            json!({
                "image": {"repository": "registry.example.com/tracewright", "tag": "1.2.3", "pullPolicy": "Always"},
                "imagePullSecrets": [{"name": "registry"}],
                "operator": {
                    "clusterName": "prod",
                    "region": "us-east-1",
                    "awsEndpointUrl": "http://aws.emulator:4566",
                    "extraArgs": ["--quota-sampling-rules=50"],
                    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
                    "logFormat": "text",
                },
                "defaultReceiver": {
                    "run": "collector",
                    "endpoint": "http://aws.emulator:4566",
                    "credentialsSecret": "aws",
                    "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/xray"},
                },
                "aws": {"credentialsSecret": "aws"},
                "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/tracewright"}},
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]},
                ]}}},
                "priorityClassName": "system-cluster-critical",
                "podAnnotations": {"team": "platform"},
                "podLabels": {"team": "platform"},
                "networkPolicy": {
                    "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                    "egress": [
                        {"ports": [{"port": 443}, {"port": 2000}, {"port": 53, "protocol": "UDP"}]},
                        {
                            "to": [
                                {"ipBlock": {"cidr": "169.254.170.23/32"}},
                                {"ipBlock": {"cidr": "fd00:ec2::23/128"}},
                                {"ipBlock": {"cidr": "169.254.169.254/32"}},
                            ],
                            "ports": [{"port": 80}],
                        },
                    ],
                },
                "metrics": {
                    "serviceMonitor": {"enabled": true, "labels": {"release": "prometheus"}},
                    "prometheusRule": {"enabled": true, "labels": {"release": "prometheus"}},
                },
            }),
        ),
        case(
            "operator-watching-a-list",
            "tracewright",
            json!({
                "watchNamespaces": ["shop", "payments"],
                "operator": {"clusterName": "prod-shop"},
                "crds": {"install": false},
                "receivers": {"enabled": false},
                "defaultReceiver": {"address": "xray.monitoring:2000"},
                "networkPolicy": {"enabled": false},
                "podDisruptionBudget": {"enabled": false},
            }),
        ),
        case(
            "operator-with-a-daemon",
            "tracewright",
            json!({
                "replicas": 1,
                "operator": {"region": "eu-central-1"},
                "defaultReceiver": {"run": "daemon", "replicas": 1},
                "serviceAccount": {"create": false, "name": "existing"},
            }),
        ),
        case("activities", "activities", json!({})),
        case(
            "activities-everything",
            "activities",
            json!({
                "imagePullSecrets": [{"name": "registry"}],
                "origins": {"frontend": "https://cruddur.example.com", "backend": "https://api.cruddur.example.com"},
                "extraEnv": [{"name": "OTEL_SERVICE_NAME", "value": "mine"}],
                "aws": {"endpointUrl": "http://aws.emulator:4566", "credentialsSecret": "aws"},
                "profile": {
                    "honeycomb": {"endpoint": "http://otlp.example.com:4318", "secretName": ""},
                    "receiver": {
                        "kind": "collector",
                        "image": "registry.example.com/otelcol:1",
                        "endpoint": "http://aws.emulator:4566",
                        "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/xray"},
                    },
                },
                "service": {"type": "NodePort", "annotations": {"a": "b"}},
                "ingress": {"enabled": true, "className": "nginx", "tlsSecret": "cruddur-tls", "annotations": {"a": "b"}},
                "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/service"}},
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
                "podAnnotations": {"team": "shop"},
                "podLabels": {"team": "shop"},
            }),
        ),
        case(
            "activities-least",
            "activities",
            json!({
                "replicas": 1,
                "profile": {"enabled": false},
                "serviceAccount": {"create": false},
                "networkPolicy": {"enabled": false},
                "podDisruptionBudget": {"enabled": false},
            }),
        ),
    ]
}
