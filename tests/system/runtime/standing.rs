//! ReceiverReady by asking: a real collector that runs the very configuration we write, and stand-ins for what it does not
//! answer.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::Installation;
use support::aws::Fault;
use support::collector::Collector;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracewright_core::receiver::ObjectKind;

use super::see::{object, object_until, receiver};
use crate::aws::see::request;

fn external(address: &str) -> Value {
    json!({"xray": {"receiver": {"external": {"address": address}}}})
}

/// The configuration that a profile's collector gets, as the ConfigMap has it.
async fn configuration(there: &Installation, profile: &str) -> Result<String> {
    let name = format!("{profile}-xray");
    let map = object_until(
        there.namespace(),
        ObjectKind::ConfigMap,
        &name,
        "there",
        |it| !it.is_null(),
    )
    .await?;
    let text = map["data"]["config.yaml"].as_str();
    Ok(text.context("no configuration")?.to_owned())
}

#[tokio::test]
async fn the_collector_itself_accepts_every_configuration_that_we_write() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let headers = json!([
        {"name": "x-team", "valueFrom": {"secretKeyRef": {"name": "honeycomb", "key": "api-key"}}},
        {"name": "x-dataset", "value": "a $5 ${env:HOME}"},
    ]);
    for (name, receiver, otlp) in [
        ("plain", json!({}), json!({"endpoint": "https://o:4318"})),
        (
            "emulated",
            json!({"endpoint": "http://aws:4566"}),
            json!({"endpoint": "https://o:4318"}),
        ),
        (
            "protobuf",
            json!({"exportToOtlp": true}),
            json!({"endpoint": "https://o:4318", "compression": "gzip", "headers": headers}),
        ),
        (
            "json",
            json!({"exportToOtlp": true}),
            json!({"endpoint": "http://o:4318", "protocol": "http/json", "compression": "none"}),
        ),
    ] {
        let spec = json!({
            "xray": {"receiver": {"collector": receiver}},
            "traces": {"otlp": otlp},
        });
        there.apply(name, spec).await?;
        Collector::validate(&configuration(&there, name).await?).context(name)?;
    }
    let refused = Collector::validate("receivers: {awsxray: {nonsense: true}}");
    assert!(refused.is_err(), "it accepts everything");
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_serves_sampling_rules_is_ready() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let spec = json!({"xray": {"receiver": {"collector": {"endpoint": there.aws().url()}}}});
    there.apply("ours", spec).await?;
    let config = configuration(&there, "ours").await?;
    let collector = Collector::start(&config, Some(there.aws()))?;

    there
        .apply("theirs", external(&collector.address()))
        .await?;
    let sentence = receiver(&there, "theirs", "True External").await?;
    assert!(sentence.contains("serves sampling rules"), "{sentence}");
    let asked = there.aws().control().calls(0).await?;
    assert!(
        asked.of("xray.GetSamplingRules").ok > 0,
        "{:?}",
        asked.counts
    );

    // AWS refuses the receiver, and the receiver hands that on.
    let refusal = Fault::error("xray.GetSamplingRules", 403, "AccessDeniedException");
    let refusal = there.aws().control().inject(&refusal).await?;
    request(&there, "theirs").await?;
    let sentence = receiver(&there, "theirs", "False ProxyForbidden").await?;
    assert!(sentence.contains("xray:GetSamplingRules"), "{sentence}");
    there.aws().control().remove(refusal).await?;
    receiver(&there, "theirs", "True External").await?;
    Ok(())
}

#[tokio::test]
async fn the_operator_s_default_receiver_is_asked_too() -> Result<()> {
    let there = Installation::new().await?;
    let spec = json!({"xray": {"receiver": {"collector": {"endpoint": there.aws().url()}}}});
    let (collector, address) = {
        let mut operator = there.operator().start()?;
        operator.ready().await?;
        there.apply("ours", spec).await?;
        let config = configuration(&there, "ours").await?;
        let collector = Collector::start(&config, Some(there.aws()))?;
        let address = collector.address();
        operator.stop().await?;
        (collector, address)
    };
    let launch = there
        .operator()
        .env("TRACEWRIGHT_DEFAULT_RECEIVER", &address);
    let mut operator = launch.start()?;
    operator.ready().await?;
    there.apply("p", json!({"xray": {}})).await?;
    let sentence = receiver(&there, "p", "True External").await?;
    assert!(sentence.contains(&address), "{sentence}");
    let none = object(there.namespace(), ObjectKind::Service, "p-xray").await?;
    assert!(none.is_null(), "{none}");
    // X-Ray is off without `spec.xray`, whatever the operator offers.
    there.apply("q", json!({"service": {"name": "q"}})).await?;
    receiver(&there, "q", "True NotDeclared").await?;

    drop(collector);
    request(&there, "p").await?;
    let sentence = receiver(&there, "p", "False ProxyUnreachable").await?;
    assert!(sentence.contains("does not answer"), "{sentence}");
    Ok(())
}

/// A server at an address that could be another machine's, which answers everything alike.
async fn stand_in(status: &'static str) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.2", 0)).await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request).await;
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    Ok(address)
}

#[tokio::test]
async fn what_a_receiver_answers_is_told() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    for (name, status, expected) in [
        ("fine", "200 OK", "True External"),
        ("unsigned", "403 Forbidden", "False ProxyForbidden"),
        ("broken", "502 Bad Gateway", "False ProxyUnreachable"),
    ] {
        let address = stand_in(status).await?;
        there.apply(name, external(&address)).await?;
        receiver(&there, name, expected).await.context(name)?;
    }
    // Accepts and says nothing: the backlog of a listener that nobody serves.
    let silent = TcpListener::bind(("127.0.0.2", 0)).await?;
    there
        .apply("silent", external(&silent.local_addr()?.to_string()))
        .await?;
    let sentence = receiver(&there, "silent", "False ProxyUnreachable").await?;
    assert!(sentence.contains("does not answer"), "{sentence}");
    there
        .apply("nobody", external("no-such-service:2000"))
        .await?;
    receiver(&there, "nobody", "False ProxyUnreachable").await?;
    // The pod's own address is nobody else's to ask.
    there.apply("sidecar", external("127.0.0.1:2000")).await?;
    let sentence = receiver(&there, "sidecar", "True External").await?;
    assert!(sentence.contains("not asked"), "{sentence}");
    Ok(())
}

#[tokio::test]
async fn a_receiver_is_not_asked_by_an_operator_that_cannot_reach_it() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
        .start()?;
    operator.ready().await?;
    let address = stand_in("403 Forbidden").await?;
    there.apply("p", external(&address)).await?;
    let sentence = receiver(&there, "p", "True External").await?;
    assert!(sentence.contains("not asked"), "{sentence}");
    Ok(())
}

/// One that is asked at its own Service is unreachable from outside of the cluster, and says at which address.
#[tokio::test]
async fn a_receiver_of_ours_is_asked_at_its_service() -> Result<()> {
    let there = Installation::with_controllers().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .apply("p", json!({"xray": {"receiver": {"daemon": {}}}}))
        .await?;
    let sentence = receiver(&there, "p", "False ProxyUnreachable").await?;
    let at = format!(
        "p-xray.{}.svc:2000 does not answer",
        there.namespace().name()
    );
    assert!(sentence.contains(&at), "{sentence}");
    Ok(())
}
