//! The service as its own process, with an OpenTelemetry Collector as the X-Ray receiver and OTLP sink, and AWS emulated
//! behind it.

mod collector;
mod delivery;
mod faults;
mod process;
mod service;
mod world;
