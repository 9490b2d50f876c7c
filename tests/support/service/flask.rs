//! The original Flask application under gunicorn, in a Python environment with pinned packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Telemetry;
use super::process::Running;
use crate::cache;
use crate::port::Port;

/// Where application and pins are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/flask");

/// The environment, made once in the cache folder.
#[derive(Debug)]
pub struct Flask {
    environment: PathBuf,
}

impl Flask {
    /// Installs the pinned packages, unless they are there.
    ///
    /// # Errors
    /// There is no Python 3, or the packages cannot be had.
    pub fn install() -> Result<Self> {
        let environment = cache::folder().join("flask");
        let requirements = Path::new(SOURCES).join("requirements.txt");
        let stamp = environment.join("requirements.txt");
        let wanted = std::fs::read(&requirements)?;
        if std::fs::read(&stamp).is_ok_and(|there| there == wanted) {
            return Ok(Self { environment });
        }
        println!("installing the original application's packages (once; a minute)");
        let made = Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment)
            .status()
            .context("python3 is missing: install Python 3.11 or newer with venv")?;
        if !made.success() {
            bail!("python3 -m venv failed: install python3-venv");
        }
        let installed = Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&requirements)
            .status()?;
        if !installed.success() {
            bail!("pip could not install {}", requirements.display());
        }
        std::fs::write(stamp, wanted)?;
        Ok(Self { environment })
    }

    /// Starts it with two workers, as the journal's versions run it.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn start(
        &self,
        variables: &[(String, String)],
        telemetry: Telemetry,
    ) -> Result<Running> {
        let port = Port::reserve()?;
        let address = port.address().to_string();
        let mut command = Command::new(self.environment.join("bin/gunicorn"));
        command
            .args(["--workers", "2", "--bind", &address, "app:app"])
            .current_dir(SOURCES)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        match telemetry {
            Telemetry::On => command.envs(variables.iter().cloned()),
            Telemetry::Off => command.env("TELEMETRY", "off"),
        };
        Running::start("flask", &command, port).await
    }
}
