//! The X-Ray domain, pure: no I/O, no clock, no async.
#![doc = include_str!("../README.md")]

pub mod contract;
