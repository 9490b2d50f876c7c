//! The `tracewright` program.
fn main() {}
