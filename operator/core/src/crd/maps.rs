//! Schemas of the bounded maps: keys are checked by a rule of the map, values by a rule of their own, so that an error
//! names the entry and the API server can estimate the cost.

use schemars::{Schema, SchemaGenerator, json_schema};

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
                "rule": "self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",
                "message": "must be a label value: at most 63 of A-Z a-z 0-9 - _ . , beginning and ending with a letter or digit",
            }],
        },
        "x-kubernetes-validations": [{
            "rule": "self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
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
            "rule": "self.all(k, size(k) <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
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
                "rule": "type(self) == int ? self >= 0 : isQuantity(self)",
                "message": "must be a quantity, for example 50m for cpu or 64Mi for memory",
            }],
        },
    })
}
