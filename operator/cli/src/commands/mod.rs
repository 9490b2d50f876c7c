//! The commands, one module each. A command gets its arguments and the standard output, and says what came of it.

pub mod completions;
pub mod crd;
pub mod lint;
pub mod operator;
pub mod plan;
pub mod uninstall;

use std::io;
use std::process::ExitCode;

use tokio::runtime::Runtime;

/// What came of a command that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to report.
    Clean,
    /// Something was found that ought to be changed.
    Findings,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::SUCCESS,
            Outcome::Findings => Self::from(1),
        }
    }
}

/// Why a command could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The standard output could not be written.
    #[error("cannot write to the standard output: {0}")]
    Output(#[from] io::Error),
    /// Files could not be read.
    #[error(transparent)]
    Source(#[from] crate::lint::SourceErrors),
    /// There is nothing to plan.
    #[error("no ObservabilityProfile stands in these files")]
    NoProfiles,
    /// What is wrong with the profiles has been said.
    #[error("there is no plan for profiles that are not valid: mend them first")]
    Invalid,
    /// No plan could be made.
    #[error(transparent)]
    Plan(#[from] crate::plan::Error),
    /// The profiles could not be released.
    #[error(transparent)]
    Uninstall(#[from] uninstall::UninstallError),
    /// The operator could not start or had to stop.
    #[error(transparent)]
    Operator(#[from] crate::operator::Error),
    /// The asynchronous runtime could not be started.
    #[error("no threads can be started: {0}")]
    Runtime(io::Error),
}

/// What the commands that talk to Kubernetes and AWS run on.
fn runtime() -> Result<Runtime, Error> {
    // Kubernetes and AWS clients share one TLS provider. An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}
