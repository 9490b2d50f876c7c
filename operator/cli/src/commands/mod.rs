//! The commands, one module each. A command gets its arguments and the standard output, and says what came of it.

pub mod completions;
pub mod crd;
pub mod lint;

use std::io;
use std::process::ExitCode;

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
    /// The files to lint could not be read.
    #[error(transparent)]
    Source(#[from] crate::lint::SourceError),
}
