//! System tests: the whole on a real control plane.

mod emulator;
mod lifecycle;
mod smoke;
mod validation;
