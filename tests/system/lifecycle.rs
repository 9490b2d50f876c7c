//! The control plane's own life: several at once, stopped and started again, and gone with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, PostParams};
use serde_json::json;
use support::control_plane::{AuditLevel, AuditMark, Options};
use support::{Component, ControlPlane, SHORT, eventually};

fn config_map(name: &str) -> Result<ConfigMap> {
    Ok(serde_json::from_value(json!({"metadata": {"name": name}}))?)
}

#[tokio::test]
async fn two_control_planes_live_side_by_side() -> Result<()> {
    let first = ControlPlane::shared().await?;
    let second =
        ControlPlane::start(Options::without_controllers().audit(AuditLevel::RequestResponse))
            .await?;
    let maps = async |control_plane: &ControlPlane| {
        anyhow::Ok(Api::<ConfigMap>::default_namespaced(
            control_plane.client().await?,
        ))
    };
    let name = "only-in-the-second";
    maps(&second)
        .await?
        .create(&PostParams::default(), &config_map(name)?)
        .await?;
    assert_eq!(maps(first).await?.get_opt(name).await?, None);

    let body = eventually(
        SHORT,
        "the audit log has the new object's body",
        async || {
            let events = second
                .audit(AuditMark::default())
                .map_err(|error| error.to_string())?;
            let created = events
                .into_iter()
                .find(|event| event.verb == "create" && event.request_uri.contains("/configmaps"));
            created
                .and_then(|event| event.request_object)
                .ok_or("no such event")
                .map_err(str::to_owned)
        },
    )
    .await?;
    assert_eq!(body.pointer("/metadata/name"), Some(&json!(name)));
    Ok(())
}

#[tokio::test]
async fn an_added_flag_reaches_its_component() -> Result<()> {
    // Without service accounts, which nobody makes here, no pod is admitted unless this plugin is off.
    let flag = "--disable-admission-plugins=ServiceAccount";
    let options = Options::without_controllers().flag(Component::ApiServer, flag);
    let control_plane = ControlPlane::start(options).await?;
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
    }))?;
    let pods: Api<Pod> = Api::default_namespaced(control_plane.client().await?);
    pods.create(&PostParams::default(), &pod).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_is_lost_when_etcd_and_the_api_server_are_killed_and_come_back() -> Result<()> {
    let mut control_plane = ControlPlane::start(Options::without_controllers()).await?;
    let maps: Api<ConfigMap> = Api::default_namespaced(control_plane.client().await?);
    maps.create(&PostParams::default(), &config_map("kept")?)
        .await?;

    control_plane.stop(Component::ApiServer);
    assert!(
        maps.get("kept").await.is_err(),
        "the API server answers after its end"
    );
    control_plane.restart(Component::ApiServer).await?;
    maps.get("kept").await?;

    control_plane.stop(Component::Etcd);
    let answer = tokio::time::timeout(
        Duration::from_secs(3),
        maps.create(&PostParams::default(), &config_map("new")?),
    )
    .await;
    assert!(
        !matches!(answer, Ok(Ok(_))),
        "an object was kept without etcd"
    );
    control_plane.restart(Component::Etcd).await?;
    maps.get("kept").await?;
    Ok(())
}

#[tokio::test]
async fn a_dropped_control_plane_leaves_no_process() -> Result<()> {
    let control_plane = ControlPlane::start(Options::without_controllers()).await?;
    let running = |component| {
        control_plane
            .process(component)
            .map(|process| process.id())
            .context("it does not run")
    };
    let processes = [running(Component::Etcd)?, running(Component::ApiServer)?];
    assert!(processes.iter().all(|id| exists(*id)));
    drop(control_plane);
    assert_eq!(processes.map(exists), [false, false]);
    Ok(())
}

#[tokio::test]
async fn a_killed_test_process_takes_its_control_plane_with_it() -> Result<()> {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .stdout(Stdio::piped())
        .spawn()
        .context("the program control-plane cannot be started")?;
    let output = owner.stdout.take().context("its output was piped")?;
    let processes = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.starts_with("Ctrl-C"));
        lines
            .filter_map(|line| {
                line.split_once("process ")?
                    .1
                    .split_once(',')?
                    .0
                    .parse()
                    .ok()
            })
            .collect::<Vec<u32>>()
    })
    .await?;
    let alive = processes.iter().filter(|id| exists(**id)).count();
    owner.kill()?;
    owner.wait()?;
    assert_eq!(alive, 5, "all five components ran: {processes:?}");
    eventually(SHORT, "all components are gone", async || {
        let left: Vec<_> = processes.iter().filter(|id| exists(**id)).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await?;
    Ok(())
}

/// Whether a process runs. A dead one that nobody has waited for yet has no command line any more.
fn exists(process: u32) -> bool {
    std::fs::read(Path::new("/proc").join(process.to_string()).join("cmdline"))
        .is_ok_and(|line| !line.is_empty())
}
