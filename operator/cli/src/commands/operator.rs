//! `operator`: runs the controller.

use std::io::{self, IsTerminal};

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{Error, Outcome};
use crate::operator;
use crate::operator::settings::{LogFormat, Settings};

/// Runs the controller in the foreground, until SIGTERM.
#[derive(Debug, Args)]
pub struct Operator {
    #[command(flatten)]
    settings: Settings,
}

impl Operator {
    /// Runs it.
    ///
    /// # Errors
    /// [`Error::Operator`], where it cannot start.
    pub fn run(self) -> Result<Outcome, Error> {
        let filter =
            EnvFilter::try_new(&self.settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        match self.settings.log_format {
            LogFormat::Text => log.with_target(false).init(),
            LogFormat::Json => log.json().flatten_event(true).init(),
        }
        super::runtime()?.block_on(operator::run(self.settings))?;
        Ok(Outcome::Clean)
    }
}
