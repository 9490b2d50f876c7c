//! Schemas of the bounded maps and lists whose Rust type says too little: keys are checked by a rule of the map, values
//! by a rule of their own, so that an error names the entry and the API server can estimate the cost.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::rules::{LABEL_KEY, LABEL_VALUE};

pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    // 50 tags per resource, less the three that mark ownership.
    json_schema!({
        "type": "object",
        "maxProperties": 47,
        "additionalProperties": {
            "type": "string",
            "maxLength": 256,
            "x-kubernetes-validations": [{
                "rule": r"self.matches('^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$')",
                "message": "a tag value must be at most 256 letters, digits, spaces and _ . : / = + - @",
            }],
        },
        "x-kubernetes-validations": [{
            "rule": r"self.all(k, size(k) >= 1 && size(k) <= 128 && k.matches('^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]+$') && !k.lowerAscii().startsWith('aws:') && !k.startsWith('tracewright.dev/'))",
            "message": "a tag key must be 1 to 128 letters, digits, spaces and _ . : / = + - @, and must not begin with aws: or tracewright.dev/, which are reserved",
        }],
    })
}

pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "x-kubernetes-validations": [{
                "rule": format!("self.matches('{LABEL_VALUE}')"),
                "message": "must be a label value: at most 63 of A-Z a-z 0-9 - _ . , beginning and ending with a letter or digit",
            }],
        },
        "x-kubernetes-validations": [{
            "rule": format!("self.all(k, size(k) <= 317 && k.matches('{LABEL_KEY}'))"),
            "message": "each key must be a label key, for example app.kubernetes.io/name",
        }],
    })
}

pub(super) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 2048},
        "x-kubernetes-validations": [{
            "rule": format!("self.all(k, size(k) <= 317 && k.matches('{LABEL_KEY}'))"),
            "message": "each key must be an annotation key, for example eks.amazonaws.com/role-arn",
        }],
    })
}

pub(super) fn resource_attributes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 256},
        "x-kubernetes-validations": [
            {
                "rule": "self.all(k, size(k) <= 128 && k.matches('^[A-Za-z][A-Za-z0-9_./-]*$'))",
                "message": "a key of spec.service.attributes must begin with a letter and hold at most 128 of A-Z a-z 0-9 _ . / -, for example deployment.environment.name",
            },
            {
                "rule": "!self.exists(k, k in ['service.name', 'service.namespace'])",
                "message": "service.name and service.namespace are not attributes here: write spec.service.name and spec.service.namespace",
            },
            {
                "rule": "!self.exists(k, k in ['aws.log.group.names', 'k8s.container.name', 'k8s.namespace.name', 'k8s.node.name', 'k8s.pod.name', 'k8s.deployment.name', 'k8s.statefulset.name', 'k8s.daemonset.name', 'k8s.cronjob.name'])",
                "message": "aws.log.group.names and the k8s.* names of the workload are set by the operator: remove them from spec.service.attributes",
            },
        ],
    })
}

pub(super) fn rule_attributes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 5,
        "additionalProperties": {
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": "size(self) >= 1",
                "message": "a value of a rule's attributes must be 1 to 32 characters; * matches any value",
            }],
        },
        "x-kubernetes-validations": [{
            "rule": "self.all(k, size(k) >= 1 && size(k) <= 32)",
            "message": "a key of a rule's attributes must be 1 to 32 characters",
        }],
    })
}

pub(super) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": "string(self).matches('^[0-9]+([.][0-9]+)?([numkMGTPE]|[KMGTPE]i|[eE][0-9]{1,2})?$')",
                "message": "must be a quantity of 0 or more, for example 50m for cpu or 64Mi for memory",
            }],
        },
        "x-kubernetes-validations": [{
            "rule": "self.all(k, k.matches('^(cpu|memory|ephemeral-storage|hugepages-[0-9A-Za-z.]+|[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$'))",
            "message": "each key must be the name of a resource, for example cpu, memory or example.com/device",
        }],
    })
}

/// Tolerations as the API server validates those of a pod, so that a bad one is refused here and not when the receiver's
/// pods are made. (Kubernetes API, core/v1 Toleration.)
pub(super) fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "object",
            "description": "One toleration. (Kubernetes API, core/v1 Toleration.)",
            "properties": {
                "key": {
                    "type": "string",
                    "description": "The taint's key. Unset: every key; operator must then be `Exists`.",
                    "maxLength": 317,
                    "x-kubernetes-validations": [{
                        "rule": format!("self == '' || self.matches('{LABEL_KEY}')"),
                        "message": "key must be a taint's key, for example example.com/dedicated",
                    }],
                },
                "operator": {
                    "type": "string",
                    "description": "`Equal` (default) compares the value, `Exists` takes any.",
                    "enum": ["Equal", "Exists"],
                },
                "value": {
                    "type": "string",
                    "description": "The taint's value.",
                    "maxLength": 63,
                    "x-kubernetes-validations": [{
                        "rule": format!("self.matches('{LABEL_VALUE}')"),
                        "message": "must be a taint's value: at most 63 of A-Z a-z 0-9 - _ . , beginning and ending with a letter or digit",
                    }],
                },
                "effect": {
                    "type": "string",
                    "description": "The taint's effect. Unset: every effect.",
                    "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                },
                "tolerationSeconds": {
                    "type": "integer",
                    "format": "int64",
                    "description": "How long a taint with effect `NoExecute` is tolerated. Unset: for ever.",
                },
            },
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
                    "message": "a toleration without key needs operator: Exists, and then tolerates every taint",
                },
                {
                    "rule": "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
                    "message": "a toleration with operator: Exists takes no value: remove it, or write operator: Equal",
                },
                {
                    "rule": "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                    "message": "tolerationSeconds needs effect: NoExecute",
                },
            ],
        },
    })
}

/// Takes a type's own text out of its schema. Of an optional field, kube would put it in the place of the field's text,
/// which says more.
pub(super) fn explained_by_field(schema: &mut Schema) {
    schema.remove("description");
}
