//! Why a control plane does not start or go on.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::MissingProgram;
use crate::process::ProcessError;

/// What can go wrong with a control plane.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A program has not been built.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// A component does not start or ended by itself.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its folder, ports or files.
    #[error("the control plane's files: {0}")]
    Files(#[from] io::Error),
    /// A kubeconfig or a client made of it.
    #[error("the control plane's kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The API server refused.
    #[error("the API server: {0}")]
    Api(#[from] Box<kube::Error>),
    /// It runs and does not get ready.
    #[error("waited {} s until {what}; last seen: {seen}; the end of {}:\n{tail}", waited.as_secs_f32(), log.display())]
    NotReady {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        waited: Duration,
        /// The last answer.
        seen: String,
        /// The log of the component in question.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The control plane that all tests of this process share did not start; each of them fails with the same words.
    #[error("{0}")]
    Shared(&'static str),
}

impl From<kube::Error> for ControlPlaneError {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}
