//! What a receiver is made of, and that Kubernetes' and the programs' own traps are avoided.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const DEFAULTS: Defaults<'_> = Defaults {
    daemon_image: "public.ecr.aws/xray/aws-xray-daemon:3.6.6",
    collector_image: "otel/opentelemetry-collector-contrib:0.131.0",
    region: "us-east-1",
    operator_namespace: "tracewright-system",
};

fn profile(spec: &str) -> ObservabilityProfile {
    let spec = serde_saphyr::from_str(spec).expect("is a spec");
    let mut profile = ObservabilityProfile::new("cruddur", spec);
    profile.metadata.namespace = Some("shop".into());
    profile.metadata.uid = Some("0b6c".into());
    profile
}

fn built(spec: &str) -> Vec<Object> {
    objects(&profile(spec), &DEFAULTS)
}

fn body(objects: &[Object], kind: ObjectKind) -> &Value {
    &objects
        .iter()
        .find(|object| object.kind == kind)
        .unwrap_or_else(|| panic!("has a {kind}"))
        .body
}

fn pod(objects: &[Object]) -> &Value {
    let workload = objects
        .iter()
        .find(|object| matches!(object.kind, ObjectKind::Deployment | ObjectKind::DaemonSet));
    &workload.expect("has a workload").body["spec"]["template"]["spec"]
}

fn config(objects: &[Object]) -> Value {
    let data = body(objects, ObjectKind::ConfigMap)["data"]
        .as_object()
        .expect("has data");
    let text = data
        .values()
        .next()
        .and_then(Value::as_str)
        .expect("has one file");
    serde_saphyr::from_str(text).expect("is YAML")
}

fn kinds(objects: &[Object]) -> Vec<&'static str> {
    objects.iter().map(|object| object.kind.as_str()).collect()
}

const DAEMON: &str = "{xray: {receiver: {daemon: {credentialsSecret: {name: aws}}}}}";

const COLLECTOR: &str = "
traces:
  otlp:
    endpoint: https://api.honeycomb.io
    compression: gzip
    headers:
      - {name: x-honeycomb-team, valueFrom: {secretKeyRef: {name: honeycomb, key: api-key}}}
      - {name: x-dataset, value: 'a $5 ${env:HOME}'}
xray:
  receiver:
    collector:
      exportToOtlp: true
      workload: DaemonSet
      endpoint: http://aws:4566
      image: registry.example.com/otelcol:1
      serviceAccountAnnotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::123456789012:role/x'}
      resources: {requests: {cpu: 1, memory: 1Gi}}
      nodeSelector: {pool: apps}
      tolerations: [{key: dedicated, operator: Exists, effect: NoSchedule}]
      priorityClassName: high
";

#[test]
fn the_daemon_s_objects_are_exactly_these() {
    insta::assert_json_snapshot!(
        "daemon",
        built(DAEMON)
            .into_iter()
            .map(|object| object.body)
            .collect::<Vec<_>>()
    );
}

#[test]
fn the_collector_s_objects_are_exactly_these() {
    let bodies: Vec<_> = built(COLLECTOR)
        .into_iter()
        .map(|object| object.body)
        .collect();
    insta::assert_json_snapshot!("collector", bodies);
}

#[test]
fn addresses() {
    for (spec, default, expected) in [
        ("{}", Some("default:2000"), None),
        ("{xray: {}}", None, None),
        ("{xray: {}}", Some("default:2000"), Some("default:2000")),
        (DAEMON, Some("default:2000"), Some("cruddur-xray:2000")),
        (
            "{xray: {receiver: {collector: {}}}}",
            None,
            Some("cruddur-xray:2000"),
        ),
        (
            "{xray: {receiver: {external: {address: 'x.y:2000'}}}}",
            Some("default:2000"),
            Some("x.y:2000"),
        ),
    ] {
        let profile = profile(spec);
        assert_eq!(
            address("cruddur", &profile.spec, default).as_deref(),
            expected,
            "{spec}"
        );
    }
}

#[test]
fn sampling_rules_are_asked_at_the_tcp_part_of_an_address() {
    for (address, expected) in [
        ("cruddur-xray:2000", "cruddur-xray:2000"),
        ("tcp:a:1 udp:b:2", "a:1"),
        ("udp:b:2 tcp:a:1", "a:1"),
    ] {
        assert_eq!(tcp_address(address), expected);
    }
}

#[test]
fn the_operator_asks_where_the_workloads_send_unless_that_is_their_own_pod() {
    for (address, expected) in [
        ("cruddur-xray:2000", Some("cruddur-xray.shop.svc:2000")),
        ("xray.observability:2000", Some("xray.observability:2000")),
        ("10.0.0.1:2000", Some("10.0.0.1:2000")),
        ("udp:b:2 tcp:a:1", Some("a.shop.svc:1")),
        ("[fd00::1]:2000", Some("[fd00::1]:2000")),
        ("127.0.0.1:2000", None),
        ("[::1]:2000", None),
        ("tcp:localhost:2000 udp:localhost:2000", None),
    ] {
        assert_eq!(asked_at(address, "shop").as_deref(), expected, "{address}");
    }
}

#[test]
fn a_receiver_that_runs_elsewhere_has_no_objects() {
    for spec in [
        "{}",
        "{xray: {}}",
        "{xray: {receiver: {external: {address: 'x:2000'}}}}",
    ] {
        assert_eq!(built(spec), []);
    }
}

#[test]
fn which_objects_there_are_follows_the_profile() {
    assert_eq!(
        kinds(&built(DAEMON)),
        [
            "ServiceAccount",
            "ConfigMap",
            "NetworkPolicy",
            "Service",
            "Deployment",
            "PodDisruptionBudget"
        ]
    );
    assert_eq!(
        kinds(&built(
            "{xray: {receiver: {daemon: {workload: DaemonSet, serviceAccountName: theirs}}}}"
        )),
        ["ConfigMap", "NetworkPolicy", "Service", "DaemonSet"]
    );
}

#[test]
fn all_objects_carry_the_receiver_s_name_labels_and_owner() {
    for object in built(DAEMON).iter().chain(&built(COLLECTOR)) {
        let metadata = &object.body["metadata"];
        assert_eq!(metadata["name"], "cruddur-xray");
        assert_eq!(metadata["namespace"], "shop");
        assert_eq!(
            metadata["labels"],
            json!({
                "app.kubernetes.io/name": "xray-receiver",
                "app.kubernetes.io/instance": "cruddur",
                "app.kubernetes.io/managed-by": "tracewright",
                "tracewright.dev/profile": "cruddur",
            })
        );
        assert!(owned_by(&profile(DAEMON), &object.body), "{}", object.kind);
        assert_eq!(object.body["kind"], object.kind.as_str());
        assert_eq!(object.body["apiVersion"], object.kind.api_version());
    }
}

#[test]
fn what_others_added_is_taken_out_of_services_and_configurations() {
    let objects = built(DAEMON);
    for (kind, change, expected) in [
        (ObjectKind::Service, json!({}), None),
        (
            ObjectKind::Service,
            json!({"spec": {"clusterIP": "10.0.0.1", "selector": {"app": "theirs"}}}),
            Some(json!({"spec": {"selector": {"app": null}}})),
        ),
        (
            ObjectKind::Service,
            json!({"spec": {"ports": [{"port": 1}]}}),
            Some(json!({"spec": {"ports": body(&objects, ObjectKind::Service)["spec"]["ports"]}})),
        ),
        (
            ObjectKind::ConfigMap,
            json!({"data": {"other.yaml": ""}}),
            Some(json!({"data": {"other.yaml": null}})),
        ),
        (
            ObjectKind::Deployment,
            json!({"spec": {"selector": {"matchExpressions": []}}}),
            None,
        ),
    ] {
        let wanted = body(&objects, kind);
        let mut current = wanted.clone();
        merge(&mut current, &change);
        assert_eq!(without_additions(wanted, &current), expected, "{change}");
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[test]
fn an_object_of_the_same_name_is_ours_by_its_owner_s_uid_only() {
    let profile = profile(DAEMON);
    let with =
        |owners: Value| json!({"metadata": {"name": "cruddur-xray", "ownerReferences": owners}});
    assert!(owned_by(
        &profile,
        &with(json!([{"kind": "X", "uid": "1"}, {"uid": "0b6c"}]))
    ));
    assert!(!owned_by(
        &profile,
        &with(json!([{"kind": "ObservabilityProfile", "name": "cruddur", "uid": "earlier"}]))
    ));
    assert!(!owned_by(
        &profile,
        &json!({"metadata": {"name": "cruddur-xray"}})
    ));
    let left = |name: &str, manager: &str| {
        json!({"metadata": {"name": "cruddur-xray", "labels": {
            "app.kubernetes.io/managed-by": manager, "tracewright.dev/profile": name,
        }}})
    };
    assert!(owned_by(&profile, &left("cruddur", "tracewright")));
    assert!(!owned_by(&profile, &left("other", "tracewright")));
    assert!(!owned_by(&profile, &left("cruddur", "helm")));
    let mut owned = left("cruddur", "tracewright");
    owned["metadata"]["ownerReferences"] = json!([{"uid": "earlier"}]);
    assert!(!owned_by(&profile, &owned));
    let unsaved = ObservabilityProfile::new("cruddur", profile.spec.clone());
    assert!(!owned_by(&unsaved, &with(json!([{"kind": "X"}]))));
}

#[test]
fn segments_and_sampling_rules_both_reach_the_pods() {
    for (spec, traffic) in [(DAEMON, "Cluster"), (COLLECTOR, "Local")] {
        let objects = built(spec);
        let service = &body(&objects, ObjectKind::Service)["spec"];
        assert_eq!(service["internalTrafficPolicy"], traffic);
        let ports = service["ports"].as_array().expect("has ports");
        let found: Vec<_> = ports
            .iter()
            .map(|port| (&port["protocol"], &port["port"]))
            .collect();
        assert_eq!(
            found,
            [(&json!("UDP"), &json!(2000)), (&json!("TCP"), &json!(2000))]
        );
        for port in ports {
            let targets = pod(&objects)["containers"][0]["ports"]
                .as_array()
                .expect("has ports");
            let target = targets
                .iter()
                .find(|target| target["name"] == port["targetPort"]);
            assert_eq!(
                target.map(|target| &target["protocol"]),
                Some(&port["protocol"])
            );
        }
        let labels = &objects
            .iter()
            .find(|object| object.body["spec"]["template"].is_object())
            .expect("has a workload")
            .body["spec"]["template"]["metadata"]["labels"];
        for (key, value) in service["selector"].as_object().expect("has a selector") {
            assert_eq!(&labels[key], value);
        }
    }
}

#[test]
fn the_daemon_s_configuration_has_the_daemon_s_own_keys() {
    const KEYS: &[&str] = &[
        "Socket",
        "ProxyServer",
        "TotalBufferSizeMB",
        "Concurrency",
        "Endpoint",
        "Region",
        "Logging",
        "LocalMode",
        "ResourceARN",
        "RoleARN",
        "NoVerifySSL",
        "ProxyAddress",
        "Version",
    ];
    let config = config(&built(
        "{xray: {receiver: {daemon: {endpoint: 'http://aws:4566'}}}}",
    ));
    for key in config.as_object().expect("is a map").keys() {
        assert!(KEYS.contains(&key.as_str()), "{key} would end the daemon");
    }
    assert_eq!(config["Version"], 2);
    assert_eq!(config["NoVerifySSL"], false);
    assert_eq!(config["LocalMode"], true);
    assert_eq!(config["TotalBufferSizeMB"], 16);
    assert_eq!(config["Region"], "us-east-1");
    assert_eq!(config["Endpoint"], "http://aws:4566");
    assert_eq!(
        config["Socket"],
        json!({"UDPAddress": ":2000", "TCPAddress": ":2000"})
    );
    assert!(
        built(DAEMON)
            .iter()
            .all(|object| !object.body.to_string().contains("Endpoint"))
    );
}

#[test]
fn the_collector_sends_to_x_ray_and_to_the_otlp_endpoint_if_wanted() {
    let without = config(&built(
        "{xray: {receiver: {collector: {}}}, traces: {otlp: {endpoint: 'https://c'}}}",
    ));
    assert_eq!(
        without["service"]["pipelines"]["traces"]["exporters"],
        json!(["awsxray"])
    );
    assert_eq!(
        without["exporters"],
        json!({"awsxray": {"region": "us-east-1", "local_mode": true}})
    );

    let objects = built(COLLECTOR);
    let with = config(&objects);
    assert_eq!(
        with["service"]["pipelines"]["traces"]["exporters"],
        json!(["awsxray", "otlphttp"])
    );
    assert_eq!(with["exporters"]["otlphttp"]["compression"], "gzip");
    let headers = &with["exporters"]["otlphttp"]["headers"];
    assert_eq!(
        headers["x-honeycomb-team"],
        "${env:TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM}"
    );
    assert_eq!(headers["x-dataset"], "a $$5 $${env:HOME}");
    assert_eq!(
        pod(&objects)["containers"][0]["env"],
        json!([{"name": "TRACEWRIGHT_OTLP_HEADER_X_HONEYCOMB_TEAM", "valueFrom": {"secretKeyRef": {"name": "honeycomb", "key": "api-key", "optional": true}}}])
    );
}

#[test]
fn the_collector_speaks_the_profile_s_protocol() {
    for (otlp, exporter, expected) in [
        (
            "{endpoint: 'https://c:4318', protocol: http/json}",
            "otlphttp",
            json!({"endpoint": "https://c:4318", "encoding": "json"}),
        ),
        (
            "{endpoint: 'https://c:4317', protocol: grpc}",
            "otlp",
            json!({"endpoint": "https://c:4317"}),
        ),
        (
            "{endpoint: 'http://c:4317', protocol: grpc}",
            "otlp",
            json!({"endpoint": "http://c:4317", "tls": {"insecure": true}}),
        ),
        (
            "{endpoint: 'https://c', compression: none}",
            "otlphttp",
            json!({"endpoint": "https://c", "compression": "none"}),
        ),
    ] {
        let spec = format!(
            "{{traces: {{otlp: {otlp}}}, xray: {{receiver: {{collector: {{exportToOtlp: true}}}}}}}}"
        );
        assert_eq!(
            config(&built(&spec))["exporters"][exporter],
            expected,
            "{otlp}"
        );
    }
}

#[test]
fn a_certificate_is_not_verified_only_where_there_is_none() {
    for (endpoint, expected) in [
        ("http://aws:4566", json!(true)),
        ("https://vpce:443", Value::Null),
    ] {
        let config = config(&built(&format!(
            "{{xray: {{receiver: {{collector: {{endpoint: '{endpoint}'}}}}}}}}"
        )));
        assert_eq!(
            config["exporters"]["awsxray"]["no_verify_ssl"], expected,
            "{endpoint}"
        );
        assert_eq!(
            config["receivers"]["awsxray"]["proxy_server"]["aws_endpoint"],
            endpoint
        );
    }
}

/// What Pod Security `restricted` asks of a pod. (Kubernetes, "Pod Security Standards".)
fn is_restricted(pod: &Value) -> bool {
    let container = &pod["containers"][0];
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    pod["securityContext"]["runAsNonRoot"] == true
        && pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        && container["securityContext"]["allowPrivilegeEscalation"] == false
        && container["securityContext"]["capabilities"]["drop"] == json!(["ALL"])
        && volumes
            .into_iter()
            .all(|volume| volume["configMap"].is_object())
        && container["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|port| port["hostPort"].is_null())
        && pod["hostNetwork"].is_null()
}

#[test]
fn pods_pass_pod_security_restricted_and_talk_to_no_api_server() {
    for spec in [DAEMON, COLLECTOR] {
        let objects = built(spec);
        assert!(is_restricted(pod(&objects)));
        assert_eq!(pod(&objects)["automountServiceAccountToken"], false);
        assert_eq!(
            pod(&objects)["containers"][0]["securityContext"]["readOnlyRootFilesystem"],
            true
        );
    }
}

#[test]
fn credentials_come_as_the_profile_says() {
    let secret = built(DAEMON);
    let names: Vec<_> = pod(&secret)["containers"][0]["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN"
        ]
    );
    assert_eq!(pod(&secret)["serviceAccountName"], "cruddur-xray");

    let annotated = built(COLLECTOR);
    let account = body(&annotated, ObjectKind::ServiceAccount);
    assert_eq!(
        account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "arn:aws:iam::123456789012:role/x"
    );

    let named = built("{xray: {receiver: {daemon: {serviceAccountName: theirs}}}}");
    assert_eq!(pod(&named)["serviceAccountName"], "theirs");
    assert_eq!(pod(&named)["containers"][0]["env"], json!([]));
}

#[test]
fn only_a_changed_configuration_changes_its_hash() {
    let hash = |spec: &str| {
        let objects = built(spec);
        let workload = objects
            .iter()
            .find(|object| object.body["spec"]["template"].is_object())
            .expect("has a workload");
        workload.body["spec"]["template"]["metadata"]["annotations"]["tracewright.dev/config-hash"]
            .clone()
    };
    let plain = hash("{xray: {receiver: {daemon: {}}}}");
    assert_eq!(
        hash("{xray: {receiver: {daemon: {replicas: 5}}}, logs: {ship: x}}"),
        plain
    );
    assert_ne!(
        hash("{xray: {receiver: {daemon: {endpoint: 'http://aws'}}}}"),
        plain
    );
}

#[test]
fn the_proxy_is_open_to_the_namespace_and_the_operator_only() {
    let objects = built(DAEMON);
    let policy = &body(&objects, ObjectKind::NetworkPolicy)["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress"]));
    let sources: Vec<_> = policy["ingress"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| &rule["from"])
        .collect();
    assert_eq!(
        sources,
        [
            &json!([{"podSelector": {}}]),
            &json!([{
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracewright-system"}},
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "tracewright"}},
            }]),
        ]
    );
}

proptest! {
    #[test]
    fn no_value_of_a_profile_breaks_out_of_the_configuration(endpoint in "[ -~]{1,40}", header in "[ -~]{0,40}") {
        let mut profile = profile(COLLECTOR);
        let otlp = profile.spec.traces.as_mut().and_then(|traces| traces.otlp.as_mut()).expect("has OTLP");
        otlp.endpoint = endpoint.clone();
        otlp.headers[1].value = Some(header.clone());
        let config = config(&objects(&profile, &DEFAULTS));
        let exporter = &config["exporters"]["otlphttp"];
        prop_assert_eq!(&exporter["endpoint"], &endpoint.replace('$', "$$"));
        prop_assert_eq!(&exporter["headers"]["x-dataset"], &header.replace('$', "$$"));
        prop_assert_eq!(config["exporters"].as_object().map(serde_json::Map::len), Some(2));
    }
}
