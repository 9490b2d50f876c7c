//! System tests.
fn main(){}
