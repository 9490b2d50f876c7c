//! The cluster side on a real control plane, with real rollouts: every rule of injection and of rollouts, each with a test that
//! fails without it.

mod degraded;
mod example;
mod failure;
mod kinds;
mod leave;
mod pace;
mod precedence;
mod restart;
mod rollouts;
mod secrets;
mod status;
mod two_profiles;
