//! The X-Ray domain, pure: no I/O, no clock, no async.
#![doc = include_str!("../README.md")]

pub mod contract;
pub mod filter;
pub mod header;
pub mod id;
pub mod limits;
pub mod rule;
pub mod sampling;
pub mod segment;
