//! One call turns the environment into working telemetry: the settings, the parts, and what the program holds in its hands.
#![doc = include_str!("../README.md")]

#[cfg(feature = "actix")]
mod actix;
mod annotations;
mod assembly;
mod attributes;
mod console;
mod health;
mod ids;
mod logs;
mod metrics;
mod otlp;
mod outgoing;
mod pipeline;
mod propagation;
mod random;
mod sampler;
mod server;
mod settings;
mod shutdown;
mod telemetry;
mod xray;

#[cfg(feature = "actix")]
pub use actix::{Middleware, Served, TracedService};
pub use annotations::ContextMissing;
pub use server::{ServerRequest, ServerResponse, ServerSpan};
pub use settings::Problem;
pub use telemetry::{Builder, Telemetry};

use opentelemetry::InstrumentationScope;

/// The scope of the spans that the library starts itself.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}
