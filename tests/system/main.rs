//! System tests: the whole on a real control plane.

mod smoke;
mod validation;
