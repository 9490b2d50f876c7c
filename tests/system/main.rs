//! System tests: the whole on a real control plane.

mod aws;
mod cluster;
mod commands;
mod emulator;
mod lifecycle;
mod operator;
mod resource;
mod runtime;
mod scope;
mod smoke;
mod uninstall;
mod validation;
