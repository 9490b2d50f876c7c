//! `OTEL_EXPORTER_OTLP_*`, of which the forms with `_TRACES` win.

use super::environment::{Environment, pairs};
use crate::outgoing::innermost;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Identity, Url};
use std::time::Duration;
use tracewright_xray::contract::variable;

/// OTLP over HTTP with protobuf bodies.
#[derive(Debug, Clone)]
pub(crate) struct Otlp {
    /// Where spans are posted to.
    pub(crate) endpoint: Url,
    /// Which variable says so, or would.
    pub(crate) endpoint_variable: &'static str,
    pub(crate) headers: HeaderMap,
    /// Of one request.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
    /// Trust only these; `None`: the system's.
    pub(crate) certificates: Option<Vec<Certificate>>,
    /// The client's own certificate and key.
    pub(crate) identity: Option<Identity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
}

const OFF: &str = "the OTLP exporter is off";

impl Otlp {
    /// `None`, with the reason among the problems, if the variables ask for something that cannot be done.
    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        // All are read before one ends the attempt, so that all mistakes are told at once.
        let protocol = read_protocol(env);
        let endpoint = read_endpoint(env);
        let headers = read_headers(env);
        let compression = read_compression(env);
        let certificates = read_certificates(env);
        let identity = read_identity(env);
        let timeout = env.timeout(
            &[
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                "OTEL_EXPORTER_OTLP_TIMEOUT",
            ],
            10_000,
        );
        protocol?;
        let (endpoint_variable, endpoint) = endpoint?;
        Some(Self {
            endpoint,
            endpoint_variable,
            headers: headers?,
            timeout,
            compression: compression?,
            certificates: certificates?,
            identity: identity?,
        })
    }
}

fn read_protocol(env: &mut Environment) -> Option<()> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        variable::OTEL_EXPORTER_OTLP_PROTOCOL,
    ];
    match env.choice(&names) {
        None => Some(()),
        Some((_, value)) if value == "http/protobuf" => Some(()),
        Some((name, _)) => {
            env.refuse(
                name,
                format!("write http/protobuf, to the receiver's port for HTTP (4318); {OFF}"),
            );
            None
        }
    }
}

fn read_endpoint(env: &mut Environment) -> Option<(&'static str, Url)> {
    let (name, text, is_base) = match env.first(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) {
        Some((name, text)) => (name, text, false),
        None => {
            let (name, text) = env
                .first(&[variable::OTEL_EXPORTER_OTLP_ENDPOINT])
                .unwrap_or((
                    variable::OTEL_EXPORTER_OTLP_ENDPOINT,
                    "http://localhost:4318".into(),
                ));
            (name, text, true)
        }
    };
    let url = Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut url) = url else {
        env.refuse(
            name,
            format!("write a URL such as https://HOST or http://HOST:4318; {OFF}"),
        );
        return None;
    };
    if is_base {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Some((name, url))
}

fn read_headers(env: &mut Environment) -> Option<HeaderMap> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        variable::OTEL_EXPORTER_OTLP_HEADERS,
    ];
    let Some((name, text)) = env.first(&names) else {
        return Some(HeaderMap::new());
    };
    // The values are secrets: what is told of them is the position.
    let Ok(pairs) = pairs(&text) else {
        env.refuse_secret(
            name,
            format!("the entries are NAME=VALUE, percent-encoded, separated by commas; {OFF}"),
        );
        return None;
    };
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        let header = HeaderName::try_from(key.as_str())
            .ok()
            .zip(HeaderValue::try_from(value.as_str()).ok());
        let Some((header, mut header_value)) = header else {
            env.refuse_secret(
                name,
                format!("{key:?} and its value cannot be sent as an HTTP header; {OFF}"),
            );
            return None;
        };
        if value.is_empty() || value.starts_with("$(") {
            env.refuse_secret(
                name,
                format!("the header {key} has no value: the variable it refers to is not set (is its Secret there?); {OFF}"),
            );
            return None;
        }
        header_value.set_sensitive(true);
        headers.append(header, header_value);
    }
    Some(headers)
}

fn read_compression(env: &mut Environment) -> Option<Compression> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        variable::OTEL_EXPORTER_OTLP_COMPRESSION,
    ];
    match env.choice(&names) {
        None => Some(Compression::None),
        Some((_, value)) if value == "none" => Some(Compression::None),
        Some((_, value)) if value == "gzip" => Some(Compression::Gzip),
        Some((name, _)) => {
            env.refuse(name, format!("write gzip or none; {OFF}"));
            None
        }
    }
}

/// The file that one of the variables names, as (variable, content): `Some(None)` if none does, `None` if it cannot be read.
fn read_file<'n>(env: &mut Environment, names: [&'n str; 2]) -> Option<Option<(&'n str, Vec<u8>)>> {
    let Some((name, path)) = env.first(&names) else {
        return Some(None);
    };
    match std::fs::read(&path) {
        Ok(pem) => Some(Some((name, pem))),
        Err(error) => {
            env.refuse(name, format!("the file cannot be read: {error}; {OFF}"));
            None
        }
    }
}

fn read_certificates(env: &mut Environment) -> Option<Option<Vec<Certificate>>> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        variable::OTEL_EXPORTER_OTLP_CERTIFICATE,
    ];
    let Some((name, pem)) = read_file(env, names)? else {
        return Some(None);
    };
    let reason = match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if certificates.is_empty() => "there is none in PEM".to_owned(),
        Ok(certificates) => match unusable(|client| client.tls_certs_only(certificates.clone())) {
            Some(reason) => reason,
            None => return Some(Some(certificates)),
        },
        Err(error) => innermost(&error),
    };
    env.refuse(
        name,
        format!("the file holds no usable certificates: {reason}; {OFF}"),
    );
    None
}

/// Why a client cannot be made with these files: only that looks into them.
fn unusable(files: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Option<String> {
    // Without the system's certificates, which take time to read.
    let client = reqwest::Client::builder().tls_certs_only([]);
    files(client).build().err().map(|error| innermost(&error))
}

fn read_identity(env: &mut Environment) -> Option<Option<Identity>> {
    const CERTIFICATE: [&str; 2] = [
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    ];
    const KEY: [&str; 2] = [
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    ];
    match (read_file(env, CERTIFICATE)?, read_file(env, KEY)?) {
        (None, None) => Some(None),
        (Some((name, mut pem)), Some((key_name, key))) => {
            pem.push(b'\n');
            pem.extend(key);
            let reason = match Identity::from_pem(&pem) {
                Ok(identity) => match unusable(|client| client.identity(identity.clone())) {
                    Some(reason) => reason,
                    None => return Some(Some(identity)),
                },
                Err(error) => innermost(&error),
            };
            env.refuse(
                name,
                format!(
                    "certificate and key ({key_name}) do not make an identity: {reason}; {OFF}"
                ),
            );
            None
        }
        (Some((name, _)), None) => {
            env.refuse(name, format!("{} must be set too; {OFF}", KEY[1]));
            None
        }
        (None, Some((name, _))) => {
            env.refuse(name, format!("{} must be set too; {OFF}", CERTIFICATE[1]));
            None
        }
    }
}
