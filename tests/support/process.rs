//! Child processes that cannot outlive the test: killed when dropped, and by the kernel when the test process dies.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually::eventually;

/// How much of a log an error shows.
const TAIL_LINES: usize = 25;
const TAIL_BYTES: u64 = 8 << 10;

/// What can go wrong with a child process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program was not started.
    #[error("{name} cannot be started: {source}")]
    Start {
        /// The process.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// `setpriv` is not installed.
    #[error(
        "setpriv is missing: install util-linux (it makes the kernel end {name} when the test process dies)"
    )]
    NoSetpriv {
        /// The process that was to be started.
        name: String,
    },
    /// It ended when it should have run.
    #[error("{name} ended by itself ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// The process.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It did not end when told to.
    #[error("{name} was told to end and did not within {} s; the end of {}:\n{tail}", waited.as_secs_f32(), log.display())]
    StillRunning {
        /// The process.
        name: String,
        /// For how long it was waited for.
        waited: Duration,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A signal was not delivered.
    #[error("{name} cannot be signalled: {source}")]
    Signal {
        /// The process.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// A running child process that writes into a log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command`; what it prints is added to the file `log`.
    pub(crate) fn start(name: &str, command: &Command, log: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start {
            name: name.to_owned(),
            source,
        };
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut mortal = mortal(command);
        // A group of its own: Ctrl-C on a terminal is for us, and we end the children in order.
        mortal
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let child = spawn(mortal).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProcessError::NoSetpriv {
                name: name.to_owned(),
            },
            _ => failed(source),
        })?;
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            child,
        })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// The process is gone; the error shows the end of its log.
    pub fn check(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(ProcessError::Ended {
                name: self.name.clone(),
                status,
                log: self.log.clone(),
                tail: tail(&self.log),
            }),
            Err(source) => Err(self.signal_error(source)),
        }
    }

    /// Sends SIGTERM and waits for the end, at most for `deadline`.
    ///
    /// # Errors
    /// It has ended before, goes on running, or cannot be signalled.
    pub async fn stop(&mut self, deadline: Duration) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM)?;
        let child = &mut self.child;
        let ended = eventually(deadline, "the process has ended", async || {
            match child.try_wait() {
                Ok(Some(status)) => Ok(Ok(status)),
                Ok(None) => Err("it runs"),
                Err(error) => Ok(Err(error)),
            }
        });
        match ended.await {
            Ok(status) => status.map_err(|source| self.signal_error(source)),
            Err(_) => Err(ProcessError::StillRunning {
                name: self.name.clone(),
                waited: deadline,
                log: self.log.clone(),
                tail: tail(&self.log),
            }),
        }
    }

    /// Ends it at once, as a crash of the machine would.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<(), ProcessError> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(drop).map_err(|source| self.signal_error(source))
    }

    /// Holds it (SIGSTOP): alive, its connections open, and silent.
    ///
    /// # Errors
    /// It has ended, or cannot be signalled.
    pub fn pause(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Process::pause`].
    ///
    /// # Errors
    /// It has ended, or cannot be signalled.
    pub fn resume(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::CONT)
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        tail(&self.log)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        // An id that was waited for may be another process's by now; this one has not been.
        self.check()?;
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).map_err(|error| self.signal_error(error.into()))
    }

    fn signal_error(&self, source: io::Error) -> ProcessError {
        let name = self.name.clone();
        ProcessError::Signal { name, source }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only for a process that is gone already.
        let _ = self.kill();
    }
}

/// The command, run such that the kernel kills it when its parent dies.
fn mortal(command: &Command) -> Command {
    let mut mortal = Command::new("setpriv");
    mortal
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    // The callers say everything their programs may see; a developer's AWS or Kubernetes settings are not among it.
    mortal.env_clear();
    mortal.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    mortal.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(folder) = command.get_current_dir() {
        mortal.current_dir(folder);
    }
    mortal
}

/// Spawns from one thread that never ends: "parent" is, for the kernel's signal, the thread that spawned, and the
/// threads of tests end with their tests.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The other side waits for the answer, so it is there to take it.
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, result) = mpsc::channel();
    SPAWNER
        .send((command, answer))
        .map_err(|_| io::Error::other("the spawning thread is gone"))?;
    result
        .recv()
        .map_err(|_| io::Error::other("the spawning thread is gone"))?
}

/// The last lines of a file, few enough for an error message.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        }
        Err(error) => format!("(its log cannot be read: {error})"),
    }
}
