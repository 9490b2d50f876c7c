//! `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.

use super::environment::{Environment, decoded, pairs};
use opentelemetry::KeyValue;
use tracewright_xray::contract::variable;

/// Whom the telemetry is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    pub(crate) service_name: String,
    /// All attributes, the name among them, sorted by key.
    pub(crate) attributes: Vec<KeyValue>,
}

impl Resource {
    pub(super) fn read(env: &mut Environment, default_name: Option<&str>) -> Self {
        let name = variable::OTEL_RESOURCE_ATTRIBUTES;
        let text = env.text(name).unwrap_or_default();
        let mut attributes = match encoded_pairs(&text) {
            Ok(pairs) => pairs,
            Err(entry) => {
                // OpenTelemetry: "In case of any error … the entire environment variable value SHOULD be discarded".
                env.refuse(name, format!("the entry {entry:?} is not key=value, percent-encoded; none of them is used"));
                Vec::new()
            }
        };
        let named = attributes
            .iter()
            .position(|(key, _)| key == "service.name")
            .map(|at| attributes.remove(at).1);
        let service_name = env
            .text(variable::OTEL_SERVICE_NAME)
            .or(named.filter(|name| !name.is_empty()))
            .or(default_name.map(str::to_owned))
            .unwrap_or_else(unknown_service);
        let own = [
            ("service.name", service_name.clone()),
            ("telemetry.sdk.language", "rust".into()),
            ("telemetry.sdk.name", "opentelemetry".into()),
            ("telemetry.sdk.version", OPENTELEMETRY_VERSION.into()),
        ];
        if !attributes
            .iter()
            .any(|(key, _)| key == "service.instance.id")
        {
            attributes.push(("service.instance.id".into(), instance_id()));
        }
        attributes.retain(|(key, _)| own.iter().all(|(taken, _)| key != taken));
        attributes.extend(own.map(|(key, value)| (key.to_owned(), value)));
        attributes.sort();
        attributes.dedup_by(|later, first| later.0 == first.0);
        let attributes = attributes
            .into_iter()
            .map(|(key, value)| KeyValue::new(key, value))
            .collect();
        Self {
            service_name,
            attributes,
        }
    }

    /// A text attribute.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let found = self
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == key)?;
        Some(found.value.as_str().into_owned()).filter(|value| !value.is_empty())
    }
}

/// Pairs of which the keys are percent-encoded too, or the first that is none.
fn encoded_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = pairs(text)?.into_iter();
    pairs
        .map(|(key, value)| match decoded(&key) {
            Some(key) => Ok((key, value)),
            None => Err(key),
        })
        .collect()
}

/// The version of the OpenTelemetry SDK below this library.
const OPENTELEMETRY_VERSION: &str = "0.33.1";

fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let program = program
        .as_ref()
        .and_then(|path| path.file_name())
        .and_then(|name| name.to_str());
    program.map_or_else(
        || "unknown_service".into(),
        |program| format!("unknown_service:{program}"),
    )
}

/// A random UUID, as OpenTelemetry asks for where nothing names the instance.
fn instance_id() -> String {
    let mut bytes = rand::random::<u128>();
    bytes = bytes & !(0xf << 76) | 4 << 76;
    bytes = bytes & !(0x3 << 62) | 2 << 62;
    let hex = format!("{bytes:032x}");
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
