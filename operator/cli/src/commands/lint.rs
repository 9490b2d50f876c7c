//! `lint`: checks profiles without a cluster and without an AWS account.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Error, Outcome};
use crate::args::Output;
use crate::lint::{self, Level, SourceErrors, Sources};

/// Checks profiles without a cluster and without an AWS account: everything that the API server would refuse, and what
/// only AWS or the SDKs would notice.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no errors, 1 errors (with --strict: or warnings), 2 a file cannot be read."
)]
pub struct Lint {
    /// Files or folders of manifests; - is the standard input. Documents of other kinds are ignored
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// `json` is an array of findings
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
}

impl Lint {
    /// Prints what is wrong.
    ///
    /// # Errors
    /// [`Error::Source`] if a file cannot be read, after what is wrong in the others was printed; [`Error::Output`].
    pub fn run(self, out: &mut dyn Write) -> Result<Outcome, Error> {
        let Sources { read, errors } = lint::read(&self.files, &mut io::stdin().lock());
        if read.is_empty() && !errors.is_empty() {
            return Err(SourceErrors(errors).into());
        }
        let report = lint::lint(&read);
        match self.output {
            Output::Text => lint::text(&report, out)?,
            Output::Json => lint::json(&report, out)?,
        }
        if !errors.is_empty() {
            return Err(SourceErrors(errors).into());
        }
        let counts = if self.strict {
            Level::Warning
        } else {
            Level::Error
        };
        Ok(if report.has(counts) {
            Outcome::Findings
        } else {
            Outcome::Clean
        })
    }
}
