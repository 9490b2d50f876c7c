//! The steps of the end-to-end test, by subject.

pub mod install;
pub mod journal;
pub mod node;
pub mod operator;
pub mod profile;
pub mod receiver;
pub mod traffic;
pub mod uninstall;

/// Why a step cannot run on this cluster. It counts as ignored, not as passed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotRun(pub &'static str);
