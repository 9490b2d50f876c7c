//! One OTLP request and what its answer means.

use super::encode::{self, PartialSuccess};
use crate::settings::{Compression, Otlp};
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Response, StatusCode, Url};
use std::io::Write;
use std::time::Duration;

/// Answers longer than this are not read to their end.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Posts batches to one endpoint.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: Url,
    timeout: Duration,
    compression: Compression,
}

/// Why a request delivered nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The receiver refuses these spans for good.
    #[error("{endpoint} answered {status}{hint}{message}")]
    Refused {
        endpoint: Url,
        status: StatusCode,
        hint: &'static str,
        message: String,
    },
    /// The receiver asks to try again.
    #[error("{endpoint} answered {status}")]
    Busy {
        endpoint: Url,
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    /// No answer came.
    #[error("{endpoint} is not reached: {reason}")]
    Unreachable { endpoint: Url, reason: String },
    /// No answer came in time.
    #[error("{endpoint} did not answer within {} ms", timeout.as_millis())]
    Timeout { endpoint: Url, timeout: Duration },
}

impl SendError {
    /// The label of the counter of lost spans.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Busy { .. } => "busy",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
        }
    }

    /// Whether another try may help.
    pub(crate) fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }

    /// How long the receiver asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Client {
    /// # Errors
    /// If the certificates cannot be used, or the system has none for an `https` endpoint.
    pub(crate) fn new(settings: Otlp) -> Result<Self, reqwest::Error> {
        let mut headers = settings.headers;
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        if settings.compression == Compression::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let build = |certificates: Option<Vec<Certificate>>| {
            let mut builder = reqwest::Client::builder()
                .default_headers(headers.clone())
                .user_agent(concat!(
                    "OTel-OTLP-Exporter-Rust/",
                    env!("CARGO_PKG_VERSION")
                ))
                .redirect(reqwest::redirect::Policy::none());
            if let Some(certificates) = certificates {
                builder = builder.tls_certs_only(certificates);
            }
            if let Some(identity) = settings.identity.clone() {
                builder = builder.identity(identity);
            }
            builder.build()
        };
        let http = match build(settings.certificates) {
            // Only a proxy would need the system's certificates.
            Err(_) if settings.endpoint.scheme() == "http" => build(Some(Vec::new()))?,
            built => built?,
        };
        Ok(Self {
            http,
            endpoint: settings.endpoint,
            timeout: settings.timeout,
            compression: settings.compression,
        })
    }

    /// The bytes to be posted for an encoded request.
    pub(super) fn body(&self, request: Vec<u8>) -> Vec<u8> {
        match self.compression {
            Compression::None => request,
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(
                    Vec::with_capacity(request.len() / 4),
                    flate2::Compression::fast(),
                );
                encoder
                    .write_all(&request)
                    .and_then(|()| encoder.finish())
                    .expect("writing to a vector cannot fail")
            }
        }
    }

    /// Posts a body once, waiting no longer than `time_left`.
    pub(super) async fn post(
        &self,
        body: Vec<u8>,
        time_left: Duration,
    ) -> Result<PartialSuccess, SendError> {
        let timeout = self.timeout.min(time_left);
        let request = self
            .http
            .post(self.endpoint.clone())
            .timeout(timeout)
            .body(body)
            .send();
        let response = request
            .await
            .map_err(|error| self.failure(&error, timeout))?;
        let status = response.status();
        if status.is_success() {
            return Ok(encode::response(&start_of(response).await));
        }
        if matches!(status.as_u16(), 429 | 502 | 503 | 504) {
            let retry_after = retry_after(response.headers());
            return Err(SendError::Busy {
                endpoint: self.endpoint.clone(),
                status,
                retry_after,
            });
        }
        let hint = match status.as_u16() {
            401 | 403 => ": are the headers in OTEL_EXPORTER_OTLP_HEADERS right? ",
            404 | 405 => ": is OTEL_EXPORTER_OTLP_ENDPOINT right? ",
            300..=399 => ": redirects are not followed ",
            _ => " ",
        };
        let text = start_of(response).await;
        let text =
            String::from_utf8_lossy(&text[..text.len().min(200)]).replace(char::is_control, " ");
        Err(SendError::Refused {
            endpoint: self.endpoint.clone(),
            status,
            hint,
            message: text,
        })
    }

    fn failure(&self, error: &reqwest::Error, timeout: Duration) -> SendError {
        let endpoint = self.endpoint.clone();
        if error.is_timeout() {
            return SendError::Timeout { endpoint, timeout };
        }
        let mut source: &dyn std::error::Error = error;
        while let Some(deeper) = source.source() {
            source = deeper;
        }
        SendError::Unreachable {
            endpoint,
            reason: source.to_string(),
        }
    }
}

/// The beginning of the body; a broken rest does not matter.
async fn start_of(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    body
}

/// `Retry-After` in seconds; its form with a date is not used by OTLP receivers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}
