//! The decisions of the Tracewright operator, as pure functions: from a profile to what is desired, from desired and
//! observed to a plan, from a plan's outcome to a status. Nothing here reads a clock, a socket or a file.

pub mod advice;
pub mod coverage;
pub mod crd;
pub mod desired;
pub mod diff;
pub mod effect;
pub mod env;
pub mod field;
pub mod identity;
pub mod inject;
pub mod observed;
pub mod patience;
pub mod plan;
pub mod receiver;
pub mod report;
pub mod rights;
pub mod rollout;
pub mod workload;
