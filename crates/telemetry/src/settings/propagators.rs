//! `OTEL_PROPAGATORS`.

use super::environment::Environment;
use tracewright_xray::contract::variable;

/// A way to carry context in headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
    XRay,
}

impl Propagator {
    /// The propagators in the order they are written, each once. Where nothing is written, OpenTelemetry's default holds,
    /// and `xray` too while X-Ray is on, because the X-Ray SDKs always obey their header.
    pub(super) fn read(env: &mut Environment, xray_on: bool) -> Vec<Self> {
        let name = variable::OTEL_PROPAGATORS;
        let Some(list) = env.choices(name) else {
            let mut default = vec![Self::TraceContext, Self::Baggage];
            default.extend(xray_on.then_some(Self::XRay));
            return default;
        };
        let mut propagators = Vec::new();
        for entry in list {
            let propagator = match entry.as_str() {
                "tracecontext" => Self::TraceContext,
                "baggage" => Self::Baggage,
                "xray" => Self::XRay,
                "none" => continue,
                other => {
                    env.refuse(name, format!("there is no propagator {other}; write tracecontext, baggage, xray or none"));
                    continue;
                }
            };
            if !propagators.contains(&propagator) {
                propagators.push(propagator);
            }
        }
        propagators
    }
}
