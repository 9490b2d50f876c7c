//! The strings that operator, telemetry library and tests share, each written down once.
//!
//! A string belongs here when two programs must spell it alike: the operator writes it and a workload, an AWS
//! account or a test reads it. What only one program knows stays with that program.

pub mod annotation;
pub mod condition;
pub mod emulator;
pub mod item;
pub mod label;
pub mod metric;
pub mod name;
pub mod skip;
pub mod tag;
pub mod variable;

pub use variable::{VARIABLES, Variable};
