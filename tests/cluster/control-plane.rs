//! A control plane for people: the one of the tests, in the foreground, until Ctrl-C.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use support::control_plane::Options;
use support::{Component, ControlPlane};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

/// Runs etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok until Ctrl-C. Pods are simulated: they
/// become ready and nothing runs in them.
#[derive(Debug, Parser)]
struct Arguments {
    /// Copies the admin's kubeconfig to this file as soon as the control plane is ready, and removes it at the end.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let began = Instant::now();
    let mut control_plane = tokio::select! {
        control_plane = ControlPlane::start(Options::default()) => control_plane?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let kubeconfig = match &arguments.kubeconfig {
        Some(path) => publish(&control_plane.kubeconfig(), path)?,
        None => control_plane.kubeconfig(),
    };
    println!(
        "control plane ready after {:.1} s (pods are simulated: nothing runs in them)",
        began.elapsed().as_secs_f32()
    );
    println!("kubectl: {}", support::program("kubectl")?.display());
    println!("export KUBECONFIG={}", kubeconfig.display());
    for component in [
        Component::Etcd,
        Component::ApiServer,
        Component::ControllerManager,
        Component::Scheduler,
        Component::Kwok,
    ] {
        if let Some(process) = control_plane.process(component) {
            println!(
                "{:<24} process {}, log {}",
                component.name(),
                process.id(),
                process.log().display()
            );
        }
    }
    println!("Ctrl-C ends it.");
    let mut look = interval(Duration::from_secs(1));
    let end = loop {
        tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = look.tick() => if let Err(error) = control_plane.check() { break Err(error.into()) },
        }
    };
    if arguments.kubeconfig.is_some() {
        std::fs::remove_file(&kubeconfig)
            .with_context(|| format!("cannot remove {}", kubeconfig.display()))?;
    }
    end
}

/// Copies in one step, so that whoever waits for the file never reads half of it.
fn publish(kubeconfig: &Path, path: &Path) -> anyhow::Result<PathBuf> {
    let new = path.with_extension("new");
    let copied = std::fs::copy(kubeconfig, &new).and_then(|_| std::fs::rename(&new, path));
    copied.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
