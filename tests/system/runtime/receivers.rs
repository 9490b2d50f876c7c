//! Receivers: which objects there are, that pods come of them where pods must be restricted, and that they stay as they are.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::operator::Launch;
use support::{Installation, LONG, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tracewright_core::receiver::ObjectKind;

use super::see::{change, object, object_until, objects, receiver};
use crate::aws::see::request;

/// Nothing runs in the test cluster's pods that could be asked.
fn operator(there: &Installation) -> Launch {
    there.operator().env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
}

fn spec(receiver: Value) -> Value {
    json!({"aws": {"region": "us-east-1"}, "xray": {"receiver": receiver}})
}

async fn restrict(there: &Installation) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(there.namespace().client());
    let labels =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces
        .patch(
            there.namespace().name(),
            &PatchParams::default(),
            &Patch::Merge(&labels),
        )
        .await?;
    Ok(())
}

async fn pods(there: &Installation, profile: &str) -> Result<Vec<Pod>> {
    let labels = format!("app.kubernetes.io/instance={profile}");
    let params = ListParams::default().labels(&labels);
    Ok(there.namespace().api::<Pod>().list(&params).await?.items)
}

fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter()
        .filter_map(|pod| pod.metadata.name.clone())
        .collect()
}

async fn kinds(there: &Installation, profile: &str) -> Result<BTreeSet<&'static str>> {
    let name = format!("{profile}-xray");
    let uid = there.profiles().get(profile).await?.metadata.uid;
    let mut found = BTreeSet::new();
    for kind in ObjectKind::ALL {
        let object = object(there.namespace(), kind, &name).await?;
        if object.is_null() {
            continue;
        }
        let metadata = &object["metadata"];
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(owner["uid"].as_str(), uid.as_deref(), "{object}");
        assert_eq!(owner["controller"], true, "{object}");
        for (key, value) in [
            ("app.kubernetes.io/name", "xray-receiver"),
            ("app.kubernetes.io/instance", profile),
            ("app.kubernetes.io/managed-by", "tracewright"),
            ("tracewright.dev/profile", profile),
        ] {
            assert_eq!(metadata["labels"][key], value, "{object}");
        }
        found.insert(kind.as_str());
    }
    Ok(found)
}

/// How many addresses a Service sends to, and at which ports.
async fn endpoints(there: &Installation, service: &str) -> Result<(usize, BTreeSet<String>)> {
    let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let slices = there
        .namespace()
        .api::<EndpointSlice>()
        .list(&params)
        .await?;
    let ports = slices
        .items
        .iter()
        .flat_map(|slice| slice.ports.iter().flatten())
        .filter_map(|port| Some(format!("{}/{}", port.port?, port.protocol.as_deref()?)))
        .collect();
    let addresses = slices.items.iter().map(|slice| slice.endpoints.len()).sum();
    Ok((addresses, ports))
}

#[tokio::test]
async fn pods_of_every_receiver_run_where_pods_must_be_restricted() -> Result<()> {
    let there = Installation::with_controllers().await?;
    restrict(&there).await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    there.apply("d", spec(json!({"daemon": {}}))).await?;
    let collector = json!({"collector": {"workload": "DaemonSet", "endpoint": "http://aws:4566"}});
    there.apply("c", spec(collector)).await?;
    for name in ["d", "c"] {
        receiver(&there, name, "True Available").await?;
        // Two replicas, and a pod on each of two nodes.
        let pods = pods(&there, name).await?;
        assert_eq!(pods.len(), 2, "{:?}", names(&pods));
        let both = BTreeSet::from(["2000/TCP".to_owned(), "2000/UDP".to_owned()]);
        eventually(
            LONG,
            "the Service has both pods and both ports",
            async || {
                let found = endpoints(&there, &format!("{name}-xray"))
                    .await
                    .map_err(|error| error.to_string())?;
                if found == (2, both.clone()) {
                    Ok(())
                } else {
                    Err(format!("{found:?}"))
                }
            },
        )
        .await?;
    }
    let all = ["ConfigMap", "NetworkPolicy", "Service", "ServiceAccount"];
    let with = |more: &[&'static str]| all.iter().chain(more).copied().collect::<BTreeSet<_>>();
    assert_eq!(
        kinds(&there, "d").await?,
        with(&["Deployment", "PodDisruptionBudget"])
    );
    assert_eq!(kinds(&there, "c").await?, with(&["DaemonSet"]));
    for (name, traffic) in [("d-xray", "Cluster"), ("c-xray", "Local")] {
        let service = there.namespace().api::<Service>().get(name).await?;
        let policy = service.spec.and_then(|spec| spec.internal_traffic_policy);
        assert_eq!(policy.as_deref(), Some(traffic));
    }
    // The budget's own controller sees the pods that it is about.
    let budget = |it: &Value| it["status"]["currentHealthy"] == 2;
    object_until(
        there.namespace(),
        ObjectKind::PodDisruptionBudget,
        "d-xray",
        "both pods are healthy",
        budget,
    )
    .await?;
    Ok(())
}

/// On a node without a receiver its Service leads nowhere, and the operator may run on such a node.
#[tokio::test]
async fn a_receiver_on_each_node_is_asked_at_one_of_its_pods() -> Result<()> {
    const POD: &str = "127.88.0.1";
    let there = Installation::with_controllers().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let daemon = json!({"daemon": {"workload": "DaemonSet"}});
    there.apply("p", spec(daemon)).await?;
    receiver(&there, "p", "False ProxyUnreachable").await?;

    let proxy = TcpListener::bind((POD, 2000)).await?;
    let pods_api = there.namespace().api::<Pod>();
    for pod in names(&pods(&there, "p").await?) {
        let address = json!({"status": {"podIP": POD, "podIPs": [{"ip": POD}]}});
        pods_api
            .patch_status(&pod, &PatchParams::default(), &Patch::Merge(&address))
            .await?;
    }
    request(&there, "p").await?;
    let (mut asking, _) = timeout(LONG, proxy.accept()).await??;
    let mut question = vec![0; 4096];
    let read = asking.read(&mut question).await?;
    let question = String::from_utf8_lossy(question.get(..read).unwrap_or_default()).into_owned();
    assert!(
        question.starts_with("POST /GetSamplingRules "),
        "{question}"
    );
    asking
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await?;
    let sentence = receiver(&there, "p", "True Available").await?;
    assert!(sentence.contains("127.88.0.1:2000"), "{sentence}");

    // Pods of another workload, though they have the labels, say nothing of the DaemonSet's.
    let nowhere = json!({"daemon": {"workload": "DaemonSet", "nodeSelector": {"no": "node"}}});
    let stranger: Pod = serde_json::from_value(json!({
        "metadata": {"name": "stranger", "labels": {
            "app.kubernetes.io/name": "xray-receiver", "app.kubernetes.io/instance": "p",
        }},
        "spec": {"containers": [{"name": "xray-daemon", "image": "example.com/xray:1"}]},
    }))?;
    pods_api.create(&PostParams::default(), &stranger).await?;
    there.apply("p", spec(nowhere)).await?;
    eventually(LONG, "no pod is found", async || {
        let sentence = receiver(&there, "p", "False Progressing").await?;
        ensure!(sentence.contains("nodeSelector"), "{sentence}");
        anyhow::Ok(())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_changed_by_hand_is_repaired() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    there.apply("p", spec(json!({"daemon": {}}))).await?;
    receiver(&there, "p", "True Available").await?;
    let namespace = there.namespace();

    // The pods are watched, so this needs no drift check.
    for by_hand in [
        json!({"spec": {"replicas": 7}}),
        json!({"metadata": {"labels": {"app.kubernetes.io/instance": "q"}}}),
    ] {
        let before = object(namespace, ObjectKind::Deployment, "p-xray").await?;
        change(namespace, ObjectKind::Deployment, "p-xray", by_hand).await?;
        let is = |it: &Value| {
            it["spec"] == before["spec"] && it["metadata"]["labels"] == before["metadata"]["labels"]
        };
        object_until(namespace, ObjectKind::Deployment, "p-xray", "as it was", is).await?;
    }

    for (kind, by_hand) in [
        (
            ObjectKind::ConfigMap,
            json!({"data": {"cfg.yaml": "Version: 1"}}),
        ),
        (
            ObjectKind::NetworkPolicy,
            json!({"spec": {"ingress": [{}]}}),
        ),
        (
            ObjectKind::Service,
            json!({"spec": {"ports": [{"name": "xray-tcp", "port": 1}]}}),
        ),
        (
            ObjectKind::Service,
            json!({"spec": {"selector": {"app": "theirs"}}}),
        ),
        (ObjectKind::ConfigMap, json!({"data": {"other.yaml": ""}})),
        (
            ObjectKind::PodDisruptionBudget,
            json!({"spec": {"maxUnavailable": 2}}),
        ),
        (
            ObjectKind::ServiceAccount,
            json!({"automountServiceAccountToken": true}),
        ),
    ] {
        let before = object(namespace, kind, "p-xray").await?;
        change(namespace, kind, "p-xray", by_hand).await?;
        assert_ne!(
            content(&object(namespace, kind, "p-xray").await?),
            content(&before)
        );
        request(&there, "p").await?;
        let is = |it: &Value| content(it) == content(&before);
        object_until(namespace, kind, "p-xray", "as it was", is).await?;
    }

    for kind in [ObjectKind::Service, ObjectKind::Deployment] {
        let before = object(namespace, kind, "p-xray").await?;
        objects(namespace, kind)
            .delete("p-xray", &DeleteParams::background())
            .await?;
        request(&there, "p").await?;
        let again =
            |it: &Value| !it.is_null() && it["metadata"]["uid"] != before["metadata"]["uid"];
        object_until(namespace, kind, "p-xray", "there again", again).await?;
    }
    receiver(&there, "p", "True Available").await?;
    Ok(())
}

/// What an object says, apart from what the API server notes about it.
fn content(object: &Value) -> Value {
    json!([
        object["spec"],
        object["data"],
        object["automountServiceAccountToken"],
        object["metadata"]["labels"]
    ])
}

#[tokio::test]
async fn a_changed_configuration_rolls_the_pods_and_nothing_else_does() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    there.apply("p", spec(json!({"daemon": {}}))).await?;
    receiver(&there, "p", "True Available").await?;
    let namespace = there.namespace();
    let before = object(namespace, ObjectKind::Deployment, "p-xray").await?;
    let pods_before = names(&pods(&there, "p").await?);
    let hash = |it: &Value| {
        it["spec"]["template"]["metadata"]["annotations"]["tracewright.dev/config-hash"].clone()
    };

    let mut other = spec(json!({"daemon": {}}));
    other["traces"] = json!({"otlp": {"endpoint": "http://collector:4318"}});
    there.apply("p", other).await?;
    receiver(&there, "p", "True Available").await?;
    let now = object(namespace, ObjectKind::Deployment, "p-xray").await?;
    assert_eq!(
        now["metadata"]["generation"],
        before["metadata"]["generation"]
    );

    let endpoint = spec(json!({"daemon": {"endpoint": "http://aws:4566"}}));
    there.apply("p", endpoint).await?;
    let changed = |it: &Value| hash(it) != hash(&before);
    object_until(
        namespace,
        ObjectKind::Deployment,
        "p-xray",
        "another hash",
        changed,
    )
    .await?;
    receiver(&there, "p", "True Available").await?;
    let map = object(namespace, ObjectKind::ConfigMap, "p-xray").await?;
    let text = map["data"]["cfg.yaml"]
        .as_str()
        .context("no configuration")?;
    assert!(text.contains("Endpoint: http://aws:4566"), "{text}");
    eventually(LONG, "only new pods are left", async || {
        let now = names(&pods(&there, "p").await.map_err(|error| error.to_string())?);
        if now.len() == 2 && now.is_disjoint(&pods_before) {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn an_object_of_the_receiver_s_name_is_left_alone_until_it_is_gone() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let theirs: Service = serde_json::from_value(json!({
        "metadata": {"name": "p-xray"}, "spec": {"ports": [{"port": 80}]},
    }))?;
    let services = there.namespace().api::<Service>();
    let theirs = services.create(&PostParams::default(), &theirs).await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    there.apply("p", spec(json!({"daemon": {}}))).await?;
    let sentence = receiver(&there, "p", "False NameTaken").await?;
    assert!(sentence.contains("Service p-xray exists"), "{sentence}");
    assert_eq!(services.get("p-xray").await?, theirs);
    // Nothing tells the operator of this but its own next look.
    services.delete("p-xray", &DeleteParams::default()).await?;
    receiver(&there, "p", "True Available").await?;
    Ok(())
}

#[tokio::test]
async fn credentials_come_by_secret_by_account_or_by_annotation() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let namespace = there.namespace();
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "theirs"}}))?;
    namespace
        .api()
        .create(&PostParams::default(), &account)
        .await?;
    let mut operator = operator(&there).start()?;
    operator.ready().await?;
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/xray"});
    for (name, receiver) in [
        ("secret", json!({"credentialsSecret": {"name": "aws"}})),
        ("account", json!({"serviceAccountName": "theirs"})),
        ("annotation", json!({"serviceAccountAnnotations": role})),
    ] {
        there.apply(name, spec(json!({"daemon": receiver}))).await?;
    }
    for name in ["secret", "account", "annotation"] {
        receiver(&there, name, "True Available").await?;
    }
    let pod = async |profile: &str| -> Result<Value> {
        let pods = pods(&there, profile).await?;
        Ok(serde_json::to_value(pods.first().context("no pod")?)?)
    };
    let secret = pod("secret").await?;
    let env: Vec<_> = secret["spec"]["containers"][0]["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| {
            let source = &it["valueFrom"]["secretKeyRef"];
            (
                it["name"].clone(),
                source["name"].clone(),
                source["optional"].clone(),
            )
        })
        .collect();
    assert_eq!(
        json!(env),
        json!([
            ["AWS_ACCESS_KEY_ID", "aws", null],
            ["AWS_SECRET_ACCESS_KEY", "aws", null],
            ["AWS_SESSION_TOKEN", "aws", true],
        ])
    );
    assert_eq!(secret["spec"]["serviceAccountName"], "secret-xray");
    assert_eq!(
        pod("account").await?["spec"]["serviceAccountName"],
        "theirs"
    );
    let made = object(namespace, ObjectKind::ServiceAccount, "account-xray").await?;
    assert!(made.is_null(), "{made}");
    let made = object(namespace, ObjectKind::ServiceAccount, "annotation-xray").await?;
    assert_eq!(made["metadata"]["annotations"], role);
    Ok(())
}

#[tokio::test]
async fn without_a_region_no_pods_are_made_that_could_not_start() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().env("AWS_REGION", "").start()?;
    operator.ready().await?;
    there
        .apply("p", json!({"xray": {"receiver": {"daemon": {}}}}))
        .await?;
    let sentence = receiver(&there, "p", "False Progressing").await?;
    assert!(sentence.contains("spec.aws.region"), "{sentence}");
    let made = object(there.namespace(), ObjectKind::Deployment, "p-xray").await?;
    assert!(made.is_null(), "{made}");
    there.apply("p", spec(json!({"daemon": {}}))).await?;
    object_until(
        there.namespace(),
        ObjectKind::Deployment,
        "p-xray",
        "there",
        |it| !it.is_null(),
    )
    .await?;
    Ok(())
}
