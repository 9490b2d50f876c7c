//! The steps of the end-to-end test, by subject.

pub mod install;
pub mod journal;
pub mod node;
pub mod operator;
pub mod profile;
pub mod receiver;
pub mod traffic;
pub mod uninstall;
