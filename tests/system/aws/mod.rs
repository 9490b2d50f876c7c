//! The AWS side on a real control plane, with the real operator and the emulator: every rule and every trap, each with a
//! test that fails without it.

mod adoption;
mod conflict;
mod crash;
mod deletion;
mod drift;
mod identities;
mod lists;
mod modes;
mod objects;
mod outage;
mod pace;
mod patience;
mod place;
mod refusal;
mod rest;
mod roles;
pub mod see;
mod traffic;
