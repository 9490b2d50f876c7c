//! The operator and its commands: all input and output.

pub mod apply;
pub mod args;
pub mod aws;
pub mod cluster;
pub mod commands;
pub mod guard;
mod installation;
pub mod lease;
pub mod lint;
pub mod metrics;
pub mod observe;
pub mod operator;
pub mod plan;
mod stdout;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use args::{Command, Program};
use commands::{Error, Outcome};
use stdout::UntilClosed;

/// Exit code where a command could not do what it was asked for.
const EXIT_ERROR: u8 = 2;

/// Runs the program with its arguments, the first of which is its path.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (program, arguments) = match args::parse(arguments.into_iter().collect()) {
        Ok(parsed) => parsed,
        Err(answer) => {
            // Whoever closed the output does not want to read it.
            let _ = answer.print();
            return if answer.use_stderr() {
                ExitCode::from(EXIT_ERROR)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let mut out = UntilClosed::new(anstream::AutoStream::auto(io::stdout()));
    match execute(arguments.command, program, &mut out) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

fn execute(command: Command, program: Program, out: &mut dyn Write) -> Result<Outcome, Error> {
    let outcome = match command {
        Command::Crd(crd) => crd.run(out),
        Command::Lint(lint) => lint.run(out),
        Command::Plan(plan) => plan.run(out),
        Command::Operator(operator) => operator.run(),
        Command::Uninstall(uninstall) => uninstall.run(out),
        Command::Completions(completions) => completions.run(program, out),
    }?;
    out.flush()?;
    Ok(outcome)
}
