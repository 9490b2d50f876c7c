//! The X-Ray receiver: a real OpenTelemetry Collector with awsxray receiver, exporter and proxy, as a process.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::aws::Aws;
use crate::cache;
use crate::port::Port;
use crate::process::Process;
use crate::scratch::Scratch;

/// A loopback address that, unlike `localhost`, could be another machine's.
const HOST: &str = "127.0.0.2";

/// A running collector; killed when dropped.
#[derive(Debug)]
pub struct Collector {
    process: Process,
    port: Port,
    _folder: Scratch,
}

impl Collector {
    /// What the collector itself says of a configuration.
    ///
    /// # Errors
    /// It refuses it; the error is its own.
    pub fn validate(config: &str) -> Result<()> {
        let (folder, file) = written(config)?;
        let output = Command::new(cache::program("otelcol")?)
            .arg("validate")
            .arg(format!("--config={}", file.display()))
            .current_dir(folder.path())
            .output()
            .context("otelcol cannot be started")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{told}\n{config}");
        Ok(())
    }

    /// Starts a collector with a configuration whose receiver is `awsxray`; that listens on a free port of this machine,
    /// whatever the configuration says. With `aws`, it has credentials.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(config: &str, aws: Option<&Aws>) -> Result<Self> {
        let (folder, file) = written(config)?;
        let port = Port::reserve()?;
        let mut command = Command::new(cache::program("otelcol")?);
        command.arg(format!("--config={}", file.display()));
        for place in ["endpoint", "proxy_server::endpoint"] {
            let listen = format!(":{}", port.number());
            command.arg(format!(
                "--config=yaml:receivers::awsxray::{place}: {listen}"
            ));
        }
        command
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(aws.map(Aws::environment).into_iter().flatten());
        let process = Process::start("otelcol", &command, &folder.join("otelcol.log"))?;
        Ok(Self {
            process,
            port,
            _folder: folder,
        })
    }

    /// Where it receives segments by UDP and serves sampling rules by TCP.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{HOST}:{}", self.port.number())
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn written(config: &str) -> Result<(Scratch, PathBuf)> {
    let folder = Scratch::new("collector")?;
    let file = folder.join("config.yaml");
    fs::write(&file, config)?;
    Ok((folder, file))
}
