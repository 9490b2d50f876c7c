//! What happens to injected variables when the tools that people deploy with apply the workload's own manifest again: the
//! real `kubectl` and `helm`, against a real API server, with rollouts.

mod apply;
mod diff;
mod helm;
mod later;
mod replace;
mod repository;
