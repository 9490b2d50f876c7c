//! `completions`: what a shell needs to complete the command line.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use super::{Error, Outcome};
use crate::args::{self, Program};

/// Prints the completions of a shell, for example: source <(tracewright completions bash)
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

impl Completions {
    /// Prints them for the name under which the program was started.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn run(self, program: Program, out: &mut dyn Write) -> Result<Outcome, Error> {
        // Into memory first, because clap_complete panics when it cannot write.
        let mut text = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut args::grammar(program),
            program.file_name(),
            &mut text,
        );
        out.write_all(&text)?;
        Ok(Outcome::Clean)
    }
}
