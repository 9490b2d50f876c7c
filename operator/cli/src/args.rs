//! The command line: what was asked for, and under which name.

use std::ffi::OsString;
use std::path::Path;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::commands::{completions, crd, lint, operator, plan, uninstall};

/// Keeps AWS X-Ray, CloudWatch Logs and the telemetry settings of workloads as ObservabilityProfiles declare them.
#[derive(Debug, Parser)]
#[command(
    name = "tracewright",
    version,
    after_help = "Exit codes: 0 success, 1 findings, 2 error.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints the CustomResourceDefinition of ObservabilityProfile
    Crd(crd::Crd),
    /// Checks profiles without a cluster and without an AWS account
    Lint(lint::Lint),
    /// Shows what profiles would change in AWS, and changes nothing
    Plan(plan::Plan),
    /// Runs the operator
    Operator(Box<operator::Operator>),
    /// Releases all profiles, before the operator is removed
    Uninstall(uninstall::Uninstall),
    /// Prints the completions of a shell
    Completions(completions::Completions),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The name under which the program was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `tracewright`
    Tracewright,
    /// `kubectl tracewright`: kubectl runs programs of its path that are called `kubectl-…` as its own commands.
    KubectlPlugin,
}

impl Program {
    /// Reads the name off the path by which the program was started.
    #[must_use]
    pub fn started_as(path: Option<&OsString>) -> Self {
        let stem = path.map(Path::new).and_then(Path::file_stem);
        match stem.and_then(|stem| stem.to_str()) {
            Some("kubectl-tracewright") => Self::KubectlPlugin,
            _ => Self::Tracewright,
        }
    }

    /// What a user types.
    #[must_use]
    pub fn typed(self) -> &'static str {
        match self {
            Self::Tracewright => "tracewright",
            Self::KubectlPlugin => "kubectl tracewright",
        }
    }

    /// The file's name, which is what a shell completes.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Tracewright => "tracewright",
            Self::KubectlPlugin => "kubectl-tracewright",
        }
    }
}

/// The command line's grammar, with help texts that say what a user types.
#[must_use]
pub fn grammar(program: Program) -> clap::Command {
    Args::command()
        .bin_name(program.typed())
        .color(ColorChoice::Auto)
}

/// Reads the command line; the first argument is the program's path.
///
/// # Errors
/// What clap says: a mistake, or that help or the version was asked for.
pub fn parse(args: Vec<OsString>) -> Result<(Program, Args), clap::Error> {
    let program = Program::started_as(args.first());
    let matches = grammar(program).try_get_matches_from(args)?;
    Ok((program, Args::from_arg_matches(&matches)?))
}
