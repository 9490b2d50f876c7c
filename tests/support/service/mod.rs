//! Services under measurement: the activities service and the original Flask application, with the same variables, sinks
//! and load.

mod bare;
mod flask;
mod load;
mod process;
mod sinks;
mod trial;

pub use bare::serve_if_asked;
pub use flask::Flask;
pub use load::{Connections, Load, Served};
pub use process::{Running, Usage};
pub use sinks::{Arrived, Sinks};
pub use trial::{Service, Trial, median, trial};

/// Whether a service records telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telemetry {
    /// All of it: OTLP, console, X-Ray and log shipping.
    On,
    /// None, as the service is without it.
    Off,
}
