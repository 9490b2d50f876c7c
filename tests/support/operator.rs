//! The real program `tracewright operator`, as a process.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, SystemTime};

use crate::aws::Aws;
use crate::eventually::{NotYet, SHORT, eventually};
use crate::port::Port;
use crate::process::{Process, ProcessError};
use crate::scratch::Scratch;

/// How long an operator may take to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(30);

/// What can go wrong with an operator.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The program has not been built.
    #[error(
        "the program {} is not there: build it with `cargo build -p tracewright`, or name another one in TRACEWRIGHT_BIN (`make test` builds it)",
        .0.display()
    )]
    Missing(PathBuf),
    /// The program was built from older sources than there are.
    #[error(
        "the program {} is older than {}: build it again with `cargo build -p tracewright` (`make test` does)",
        program.display(), source_file.display()
    )]
    Stale {
        /// The program.
        program: PathBuf,
        /// A source file that changed since.
        source_file: PathBuf,
    },
    /// It does not start, ended by itself, or does not end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its folder or ports.
    #[error("the operator's files: {0}")]
    Files(#[from] io::Error),
    /// It runs and does not get ready.
    #[error("the operator: {not_yet}; the end of its log:\n{tail}")]
    NotReady {
        /// What was seen.
        not_yet: NotYet,
        /// The log's last lines.
        tail: String,
    },
}

/// How to start an operator; may be started several times, for replicas or after a stop.
///
/// Operators look after the profiles of all namespaces, so those of different tests do not share a control plane unless
/// they are replicas of one another (`--namespace` is where their Lease is).
#[derive(Debug, Clone)]
pub struct Launch {
    kubeconfig: PathBuf,
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<OsString>,
}

impl Launch {
    /// For the cluster of a kubeconfig, with the rights that it gives.
    #[must_use]
    pub fn new(kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            kubeconfig: kubeconfig.into(),
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// Uses an emulator as AWS. Without it the operator has no credentials.
    #[must_use]
    pub fn aws(self, aws: &Aws) -> Self {
        aws.environment()
            .into_iter()
            .fold(self, |launch, (name, value)| launch.env(name, value))
    }

    /// Sets a variable. Nothing but `PATH` comes from the test's own environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds an argument of `tracewright operator`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts it; it need not be ready yet: [`Operator::ready`].
    ///
    /// # Errors
    /// The program is missing or stale, or cannot be started.
    pub fn start(&self) -> Result<Operator, OperatorError> {
        let folder = Scratch::new("operator")?;
        let (metrics, probe) = (Port::reserve()?, Port::reserve()?);
        let mut command = Command::new(program()?);
        command
            .arg("operator")
            .arg(format!("--metrics-address={}", metrics.address()))
            .arg(format!("--probe-address={}", probe.address()))
            .args(&self.arguments)
            .env("HOME", folder.path())
            .env("RUST_BACKTRACE", "1")
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path());
        let process = Process::start(
            "tracewright operator",
            &command,
            &folder.join("operator.log"),
        )?;
        Ok(Operator {
            process,
            metrics,
            probe,
            _folder: folder,
        })
    }
}

/// A running operator; killed when dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    metrics: Port,
    probe: Port,
    _folder: Scratch,
}

impl Operator {
    /// Where its metrics are.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics.address())
    }

    /// The sum of the samples whose line begins with `prefix`: `tracewright_reconciles_total`, or with labels. A sample
    /// that is not there counts as nothing.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metric(&self, prefix: &str) -> reqwest::Result<f64> {
        let text = reqwest::get(self.metrics_url())
            .await?
            .error_for_status()?
            .text()
            .await?;
        let samples = text.lines().filter(|line| line.starts_with(prefix));
        Ok(samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// Where it says whether it is ready.
    #[must_use]
    pub fn ready_url(&self) -> String {
        format!("http://{}/readyz", self.probe.address())
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ends by itself, or is not ready in time; the error shows the end of its log.
    pub async fn ready(&mut self) -> Result<(), OperatorError> {
        let url = self.ready_url();
        let process = &mut self.process;
        let ready = eventually(SHORT, format!("{url} answers 200"), async || {
            if let Err(ended) = process.check() {
                return Ok(Err(ended));
            }
            match reqwest::get(&url).await {
                Ok(answer) if answer.status().is_success() => Ok(Ok(())),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        match ready {
            Ok(running) => Ok(running?),
            Err(not_yet) => Err(OperatorError::NotReady {
                not_yet,
                tail: self.process.tail(),
            }),
        }
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Errors
    /// It has ended before, or does not end.
    pub async fn stop(&mut self) -> Result<ExitStatus, OperatorError> {
        Ok(self.process.stop(FAREWELL).await?)
    }

    /// The process, to kill, pause and resume.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Everything it has written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn log(&self) -> io::Result<String> {
        fs::read_to_string(self.process.log())
    }
}

/// The program: `TRACEWRIGHT_BIN`, else the one that cargo built beside this test.
///
/// # Errors
/// It is missing or stale.
pub fn program() -> Result<PathBuf, OperatorError> {
    let program = match env::var_os("TRACEWRIGHT_BIN").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        // A test is in `deps` below the folder of the programs, a program in it.
        None => {
            let own = env::current_exe()?;
            let folder = own.parent().unwrap_or(Path::new("."));
            let folder = if folder.ends_with("deps") {
                folder.join("..")
            } else {
                folder.to_owned()
            };
            folder.join("tracewright")
        }
    };
    if !program.is_file() {
        return Err(OperatorError::Missing(program));
    }
    let built = fs::metadata(&program)?.modified()?;
    match changed_since(built, &program) {
        Some(source_file) => Err(OperatorError::Stale {
            program,
            source_file,
        }),
        None => Ok(program),
    }
}

/// A source file of `program` that is newer, by cargo's own list of them (`tracewright.d` beside the program). A program
/// without such a list was not built here.
fn changed_since(built: SystemTime, program: &Path) -> Option<PathBuf> {
    let list = fs::read_to_string(program.with_extension("d")).ok()?;
    let (_, sources) = list.split_once(": ")?;
    // Spaces in names are written as "\ ", as in a Makefile.
    let sources = sources.trim().replace("\\ ", "\0");
    let mut sources = sources
        .split(' ')
        .map(|path| PathBuf::from(path.replace('\0', " ")));
    sources.find(|path| {
        fs::metadata(path)
            .and_then(|file| file.modified())
            .is_ok_and(|changed| changed > built)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_older_than_one_of_its_sources_is_found_out() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (program, source) = (
            folder.path().join("tracewright"),
            folder.path().join("a b.rs"),
        );
        fs::write(&program, "")?;
        fs::write(&source, "")?;
        let listed = source.display().to_string().replace(' ', "\\ ");
        fs::write(
            program.with_extension("d"),
            format!("{}: /gone.rs {listed}\n", program.display()),
        )?;
        let changed = fs::metadata(&source)?.modified()?;
        assert_eq!(changed_since(changed, &program), None);
        assert_eq!(
            changed_since(changed - Duration::from_secs(1), &program),
            Some(source)
        );
        Ok(())
    }
}
