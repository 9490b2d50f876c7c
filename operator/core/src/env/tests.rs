//! What rendering promises: the contract, name by name, and that a released version never changes.

use super::*;
use crate::crd::ObservabilityProfileSpec;
use crate::workload::WorkloadKind;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tracewright_xray::contract::VARIABLES;

const CRUDDUR: &str = include_str!("../../../../examples/cruddur.yaml");

fn cruddur() -> ObservabilityProfileSpec {
    let profile: crate::crd::ObservabilityProfile =
        serde_saphyr::from_str(CRUDDUR).expect("the example is a profile");
    profile.spec
}

fn spec(yaml: &str) -> ObservabilityProfileSpec {
    serde_saphyr::from_str(yaml).expect("is a spec")
}

fn target(spec: &ObservabilityProfileSpec) -> Target<'_> {
    Target {
        spec,
        namespace: "cruddur",
        kind: WorkloadKind::Deployment,
        workload: "backend-flask",
        container: "backend-flask",
        receiver: Some("cruddur-xray:2000"),
        region: Some("us-east-1"),
    }
}

fn newest(target: &Target<'_>) -> Vec<Rendered> {
    render(RENDER_VERSION, target).expect("the newest version is known")
}

fn value(list: &[Rendered], name: &str) -> Option<String> {
    list.iter()
        .find(|entry| entry.name == name)
        .map(|entry| match &entry.value {
            Value::Literal(value) => value.clone(),
            Value::FieldRef(path) => format!("fieldRef {path}"),
            Value::SecretKeyRef(SecretKey { name, key }) => format!("secretKeyRef {name}/{key}"),
        })
}

/// One line per variable, for golden files.
fn lines(list: &[Rendered]) -> String {
    let line = |entry: &Rendered| {
        format!(
            "{}={}\n",
            entry.name,
            value(list, &entry.name).expect("is in the list")
        )
    };
    list.iter().map(line).collect()
}

#[test]
fn the_example_gets_the_variables_of_the_contract_in_its_order() {
    let spec = cruddur();
    let list = newest(&target(&spec));
    let expected = [
        ("TRACEWRIGHT_POD_NAME", "fieldRef metadata.name"),
        ("TRACEWRIGHT_NODE_NAME", "fieldRef spec.nodeName"),
        (
            "TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM",
            "secretKeyRef honeycomb/api-key",
        ),
        ("OTEL_SERVICE_NAME", "backend-flask"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "aws.log.group.names=cruddur,k8s.container.name=backend-flask,k8s.deployment.name=backend-flask,k8s.namespace.name=cruddur,k8s.node.name=$(TRACEWRIGHT_NODE_NAME),k8s.pod.name=$(TRACEWRIGHT_POD_NAME)",
        ),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://api.honeycomb.io"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "x-honeycomb-team=$(TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM)",
        ),
        ("OTEL_PROPAGATORS", "tracecontext,baggage,xray"),
        ("AWS_XRAY_DAEMON_ADDRESS", "cruddur-xray:2000"),
        ("AWS_XRAY_TRACING_NAME", "backend-flask"),
        ("TRACEWRIGHT_AWS_REGION", "us-east-1"),
        ("TRACEWRIGHT_LOG_GROUP", "cruddur"),
        (
            "TRACEWRIGHT_LOG_STREAM",
            "$(TRACEWRIGHT_POD_NAME)/backend-flask",
        ),
    ];
    let found: Vec<_> = list
        .iter()
        .map(|entry| {
            (
                entry.name.as_str(),
                value(&list, &entry.name).unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        found,
        expected.map(|(name, value)| (name, value.to_owned()))
    );
}

#[test]
fn entries_stand_in_env_as_kubernetes_writes_them() {
    let spec = cruddur();
    let list = newest(&target(&spec));
    assert_eq!(
        list[0].to_json(),
        serde_json::json!({"name": "TRACEWRIGHT_POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}})
    );
    assert_eq!(
        list[2].to_json(),
        serde_json::json!({"name": "TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM", "valueFrom": {"secretKeyRef": {"name": "honeycomb", "key": "api-key", "optional": true}}})
    );
    assert_eq!(
        list[3].to_json(),
        serde_json::json!({"name": "OTEL_SERVICE_NAME", "value": "backend-flask"})
    );
}

/// Every field that renders to something, with values that need encoding.
const EVERYTHING: &str = r##"
service:
  name: back end/1
  namespace: shop
  attributes: {deployment.environment.name: "a,b=c", team: "$(HOME) 100%", version: zürich}
workloads: {selector: {matchLabels: {app: x}}}
traces:
  otlp:
    endpoint: http://collector:4318
    protocol: http/json
    compression: gzip
    certificateFile: /etc/tls/ca.crt
    headers:
      - {name: Authorization, value: "Basic dXNlcjpw=="}
      - {name: x-team, valueFrom: {secretKeyRef: {name: keys, key: team}}}
      - {name: x-price, value: "$5,$(HOME)"}
  propagators: [tracecontext, baggage, b3, b3multi, jaeger, ottrace, xray]
  sampler: {type: xray}
  env:
    - {name: OTEL_METRICS_EXPORTER, value: otlp}
    - {name: OTEL_BSP_SCHEDULE_DELAY, value: "500"}
    - {name: AWS_XRAY_CONTEXT_MISSING, value: "$(LOG_ERROR)"}
xray:
  dynamicNaming: "*4567-cruddur.example.com*"
logs:
  groups: [{name: /aws/cruddur}]
  ship: other#group
"##;

#[test]
fn version_1_renders_the_example_as_it_was_released() {
    let spec = cruddur();
    insta::assert_snapshot!(
        "v1_cruddur",
        lines(&render(1, &target(&spec)).expect("is known"))
    );
}

#[test]
fn version_1_renders_every_field_as_it_was_released() {
    let spec = spec(EVERYTHING);
    let target = Target {
        kind: WorkloadKind::CronJob,
        ..target(&spec)
    };
    insta::assert_snapshot!(
        "v1_everything",
        lines(&render(1, &target).expect("is known"))
    );
}

#[test]
fn versions_that_nobody_released_are_unknown() {
    let spec = cruddur();
    for version in [0, RENDER_VERSION + 1, u32::MAX] {
        assert_eq!(render(version, &target(&spec)), None, "{version}");
    }
}

#[test]
fn a_profile_that_says_little_gets_little() {
    let spec = spec("workloads: {selector: {matchLabels: {app: x}}}");
    let bare = Target {
        receiver: None,
        region: None,
        ..target(&spec)
    };
    let list = newest(&bare);
    let names: Vec<_> = list.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "TRACEWRIGHT_POD_NAME",
            "TRACEWRIGHT_NODE_NAME",
            "OTEL_SERVICE_NAME",
            "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_TRACES_EXPORTER",
            "OTEL_METRICS_EXPORTER",
            "OTEL_LOGS_EXPORTER",
        ]
    );
    assert_eq!(
        value(&list, "OTEL_TRACES_EXPORTER").as_deref(),
        Some("none")
    );
}

#[test]
fn without_a_name_a_service_is_called_as_its_workload() {
    let spec = spec("workloads: {selector: {matchLabels: {app: x}}}");
    let list = newest(&Target {
        workload: "worker",
        ..target(&spec)
    });
    assert_eq!(value(&list, "OTEL_SERVICE_NAME").as_deref(), Some("worker"));
    assert_eq!(
        value(&list, "AWS_XRAY_TRACING_NAME").as_deref(),
        Some("worker")
    );
}

#[test]
fn the_workload_is_named_in_an_attribute_of_its_kind() {
    let spec = cruddur();
    for (kind, expected) in [
        (
            WorkloadKind::Deployment,
            "k8s.deployment.name=backend-flask",
        ),
        (
            WorkloadKind::StatefulSet,
            "k8s.statefulset.name=backend-flask",
        ),
        (WorkloadKind::DaemonSet, "k8s.daemonset.name=backend-flask"),
        (WorkloadKind::CronJob, "k8s.cronjob.name=backend-flask"),
    ] {
        let list = newest(&Target {
            kind,
            ..target(&spec)
        });
        let attributes = value(&list, "OTEL_RESOURCE_ATTRIBUTES").expect("is always rendered");
        assert!(
            attributes.split(',').any(|attribute| attribute == expected),
            "{attributes}"
        );
        let keys: Vec<_> = attributes
            .split(',')
            .filter_map(|pair| pair.split('=').next())
            .collect();
        assert!(keys.is_sorted(), "{attributes}");
    }
}

#[test]
fn exporters_follow_what_is_written() {
    for (yaml, expected) in [
        ("{}", "none"),
        ("{console: true}", "console"),
        ("{console: false}", "none"),
        ("{otlp: {endpoint: 'http://x'}}", "otlp"),
        (
            "{otlp: {endpoint: 'http://x'}, console: true}",
            "otlp,console",
        ),
    ] {
        let spec = spec(&format!("traces: {yaml}"));
        let list = newest(&target(&spec));
        assert_eq!(
            value(&list, "OTEL_TRACES_EXPORTER").as_deref(),
            Some(expected),
            "{yaml}"
        );
    }
}

#[test]
fn sampler_and_argument_come_as_a_pair() {
    let address = "tcp:rules:2001 udp:segments:2000";
    for (sampler, receiver, argument) in [
        ("{type: always_on}", Some("r:2000"), ""),
        (
            "{type: traceidratio, argument: '0.1'}",
            Some("r:2000"),
            "0.1",
        ),
        (
            "{type: xray}",
            Some("r:2000"),
            "endpoint=http://r:2000,polling_interval=300",
        ),
        (
            "{type: xray}",
            Some(address),
            "endpoint=http://rules:2001,polling_interval=300",
        ),
        ("{type: xray}", None, ""),
        (
            "{type: xray, argument: 'polling_interval=60'}",
            Some("r:2000"),
            "endpoint=http://r:2000,polling_interval=60",
        ),
        (
            "{type: xray, argument: 'endpoint=http://own:2000'}",
            Some("r:2000"),
            "endpoint=http://own:2000",
        ),
    ] {
        let spec = spec(&format!("traces: {{sampler: {sampler}}}"));
        let list = newest(&Target {
            receiver,
            ..target(&spec)
        });
        assert!(value(&list, "OTEL_TRACES_SAMPLER").is_some(), "{sampler}");
        assert_eq!(
            value(&list, "OTEL_TRACES_SAMPLER_ARG").as_deref(),
            Some(argument),
            "{sampler}"
        );
    }
    let spec = cruddur();
    let list = newest(&target(&spec));
    assert_eq!(value(&list, "OTEL_TRACES_SAMPLER"), None);
    assert_eq!(value(&list, "OTEL_TRACES_SAMPLER_ARG"), None);
}

#[test]
fn own_variables_replace_fixed_ones_in_place_and_otherwise_come_last() {
    let spec = spec(EVERYTHING);
    let list = newest(&target(&spec));
    let at = |name: &str| {
        list.iter()
            .position(|entry| entry.name == name)
            .expect("is rendered")
    };
    assert_eq!(at("OTEL_METRICS_EXPORTER") + 1, at("OTEL_LOGS_EXPORTER"));
    assert_eq!(
        value(&list, "OTEL_METRICS_EXPORTER").as_deref(),
        Some("otlp")
    );
    assert_eq!(at("AWS_XRAY_CONTEXT_MISSING"), list.len() - 1);
    assert_eq!(
        value(&list, "AWS_XRAY_CONTEXT_MISSING").as_deref(),
        Some("$$(LOG_ERROR)")
    );
}

#[test]
fn logs_are_shipped_to_the_named_group_or_the_first() {
    for (logs, expected) in [
        ("{}", None),
        ("{groups: [{name: a}, {name: b}]}", Some("a")),
        ("{groups: [{name: a}], ship: elsewhere}", Some("elsewhere")),
        ("{ship: elsewhere}", Some("elsewhere")),
    ] {
        let spec = spec(&format!("logs: {logs}"));
        let list = newest(&target(&spec));
        assert_eq!(
            value(&list, "TRACEWRIGHT_LOG_GROUP").as_deref(),
            expected,
            "{logs}"
        );
        assert_eq!(
            value(&list, "TRACEWRIGHT_AWS_REGION").is_some(),
            expected.is_some(),
            "{logs}"
        );
        assert_eq!(
            value(&list, "TRACEWRIGHT_LOG_STREAM").is_some(),
            expected.is_some(),
            "{logs}"
        );
    }
}

#[test]
fn secrets_of_headers_are_known_before_anything_is_injected() {
    let keys = secret_keys(&spec(EVERYTHING));
    assert_eq!(
        keys,
        BTreeSet::from([SecretKey {
            name: "keys".into(),
            key: "team".into()
        }])
    );
    assert!(secret_keys(&spec("traces: {console: true}")).is_empty());
}

#[test]
fn nothing_is_rendered_that_the_contract_does_not_list() {
    let spec = spec(EVERYTHING);
    let own: BTreeSet<_> = spec
        .traces
        .iter()
        .flat_map(|traces| &traces.env)
        .map(|entry| entry.name.clone())
        .collect();
    for entry in newest(&target(&spec)) {
        let listed = VARIABLES.iter().any(|variable| match variable.name {
            name if name.ends_with('_') => entry.name.starts_with(name),
            name => entry.name == name,
        });
        assert!(listed || own.contains(&entry.name), "{}", entry.name);
    }
}

#[test]
fn the_order_is_the_contract_s() {
    let spec = spec(EVERYTHING);
    let list = newest(&target(&spec));
    let positions: Vec<_> = list
        .iter()
        .filter_map(|entry| {
            VARIABLES.iter().position(|variable| match variable.name {
                name if name.ends_with('_') => entry.name.starts_with(name),
                name => entry.name == name,
            })
        })
        .collect();
    assert!(positions.is_sorted(), "{}", lines(&list));
}

#[test]
fn a_hash_tells_name_value_and_form_apart() {
    let spec = cruddur();
    let list = newest(&target(&spec));
    let hashes: BTreeSet<_> = list.iter().map(Rendered::hash).collect();
    assert_eq!(hashes.len(), list.len());
    // Written down in annotations: a change here makes every injected entry a stranger.
    assert_eq!(list[3].hash().to_string(), "7bb53438d115e9c1");
    assert_eq!(
        hash_all([("backend-flask", list.as_slice())]).to_string(),
        "b3edf2450ad448c0"
    );
}

proptest! {
    #[test]
    fn every_reference_is_to_an_earlier_helper_and_no_name_comes_twice(
        name in "[A-Za-z0-9 _.:/%&#=+@-]{1,20}",
        attribute in any::<String>(),
        header in "[ -~]{0,20}",
        own in any::<String>(),
    ) {
        let mut spec = spec(EVERYTHING);
        if let Some(service) = &mut spec.service {
            service.name = Some(name);
            service.attributes.insert("x".into(), attribute);
        }
        if let Some(traces) = &mut spec.traces {
            traces.env[1].value = own;
            if let Some(otlp) = &mut traces.otlp {
                otlp.headers[0].value = Some(header);
            }
        }
        let list = newest(&target(&spec));
        let mut earlier = BTreeSet::new();
        for entry in &list {
            for reference in entry.references() {
                prop_assert!(earlier.contains(reference), "{} refers to {reference}", entry.name);
            }
            prop_assert!(earlier.insert(entry.name.as_str()), "{} comes twice", entry.name);
        }
    }
}
