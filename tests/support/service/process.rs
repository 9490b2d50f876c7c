//! A service as a process, and what it has used.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Telemetry;
use crate::port::Port;
use crate::process::Process;
use crate::scratch::Scratch;

/// How long a service may take to answer for the first time: Python has much to import.
const START_TIME: Duration = Duration::from_secs(60);
/// How long it may take to end: within Kubernetes' grace period.
const STOP_TIME: Duration = Duration::from_secs(30);

/// What a process and its children have used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time in user and kernel mode.
    pub cpu: Duration,
    /// Resident memory, in KiB.
    pub memory: u64,
}

/// A running service. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    process: Process,
    port: Port,
    _folder: Scratch,
}

impl Running {
    /// Starts the activities service of this build.
    ///
    /// # Errors
    /// It is not built, or does not answer.
    pub async fn activities(variables: &[(String, String)], telemetry: Telemetry) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("activities");
        if !program.is_file() {
            bail!(
                "{} is not built: cargo build --release -p activities",
                program.display()
            );
        }
        let port = Port::reserve()?;
        let mut command = Command::new(program);
        command.env("LISTEN_ADDRESS", port.address().to_string());
        match telemetry {
            Telemetry::On => {
                command.envs(variables.iter().cloned());
            }
            Telemetry::Off => {
                command
                    .env("OTEL_SDK_DISABLED", "true")
                    .env("RUST_LOG", "off");
            }
        }
        Self::start("activities", &command, port).await
    }

    /// Starts a program that is to listen at `port`, and waits until it does.
    pub(super) async fn start(name: &str, command: &Command, port: Port) -> Result<Self> {
        let folder = Scratch::new(name)?;
        let mut running = Self {
            process: Process::start(name, command, &folder.join("log"))?,
            port,
            _folder: folder,
        };
        let begin = Instant::now();
        while TcpStream::connect(running.address()).is_err() {
            running.process.check()?;
            if begin.elapsed() > START_TIME {
                bail!("{name} does not listen within {} s", START_TIME.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(running)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// What it and its children have used until now.
    ///
    /// # Errors
    /// It has ended.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        let mut processes = vec![self.process.id()];
        while let Some(id) = processes.pop() {
            let folder = PathBuf::from(format!("/proc/{id}"));
            let children = fs::read_to_string(folder.join(format!("task/{id}/children")))
                .context("the service has ended")?;
            processes.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
            usage.cpu += cpu(&folder)?;
            usage.memory += memory(&folder)?;
        }
        Ok(usage)
    }

    /// Ends it as Kubernetes does, so that it delivers what waits.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn terminate(mut self) -> Result<()> {
        self.process.stop(STOP_TIME).await?;
        Ok(())
    }
}

/// Fields 14 and 15 of `/proc/PID/stat`, in ticks of a hundredth of a second on every Linux.
fn cpu(folder: &Path) -> Result<Duration> {
    let text = fs::read_to_string(folder.join("stat"))?;
    // The second field is the program's name, in parentheses, and may hold anything.
    let (_, fields) = text.rsplit_once(')').context("stat has another form")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn memory(folder: &Path) -> Result<u64> {
    let text = fs::read_to_string(folder.join("status"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
