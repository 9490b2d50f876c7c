//! An emulator in this process, SDK clients for it, and raw requests.

use std::fmt::Debug;

use aws_emulator::{Emulator, Options};
use aws_sdk_xray::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_xray::error::{ProvideErrorMetadata, SdkError};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub const REGION: &str = "us-east-1";
pub const ACCOUNT: &str = "123456789012";
pub const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// A running emulator.
pub struct Aws {
    emulator: Emulator,
    pub http: reqwest::Client,
}

impl Aws {
    /// With the rates of AWS.
    pub fn strict() -> Self {
        Self {
            emulator: Emulator::start(Options::default()).expect("a loopback port is free"),
            http: reqwest::Client::new(),
        }
    }

    /// Without rates, for tests of anything else.
    pub async fn start() -> Self {
        let aws = Self::strict();
        aws.put("limits", json!({"*": {"tps": 1e6, "burst": 1e6}}))
            .await;
        aws
    }

    pub fn url(&self) -> String {
        self.emulator.url()
    }

    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self
            .http
            .request(method, format!("{}/_control/{path}", self.url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the control interface answers");
        let status = response.status().as_u16();
        (
            status,
            response
                .json()
                .await
                .expect("the control interface answers JSON"),
        )
    }

    async fn controlled(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.control(method, path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        self.controlled(Method::GET, path, None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.controlled(Method::PUT, path, Some(body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.controlled(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Value {
        self.controlled(Method::DELETE, path, None).await
    }

    /// Waits until the control interface shows what is wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let shown = self.get(path).await;
            if wanted(&shown) {
                return shown;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!(
            "{path} never showed what is wanted: {}",
            self.get(path).await
        );
    }

    /// The state of the default account and region.
    pub async fn state(&self) -> Value {
        self.get(&format!("state/{ACCOUNT}/{REGION}")).await
    }

    pub fn xray(&self) -> aws_sdk_xray::Client {
        self.xray_as(Credentials::new(KEY, "secret", None, None, "test"), REGION)
    }

    pub fn xray_as(&self, credentials: Credentials, region: &'static str) -> aws_sdk_xray::Client {
        let config = aws_sdk_xray::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.url())
            .region(Region::new(region))
            .credentials_provider(credentials);
        aws_sdk_xray::Client::from_conf(config.build())
    }

    pub fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        self.logs_as(Credentials::new(KEY, "secret", None, None, "test"), REGION)
    }

    pub fn logs_as(
        &self,
        credentials: Credentials,
        region: &'static str,
    ) -> aws_sdk_cloudwatchlogs::Client {
        let config = aws_sdk_cloudwatchlogs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.url())
            .region(Region::new(region))
            .credentials_provider(credentials);
        aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
    }

    pub fn sts_as(&self, credentials: Credentials) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(self.url())
            .region(Region::new(REGION))
            .credentials_provider(credentials);
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// A request to X-Ray, signed as far as the emulator looks.
    pub fn xray_request(&self, path: &str, body: &str) -> RequestBuilder {
        let request = self
            .http
            .post(format!("{}{path}", self.url()))
            .body(body.to_owned());
        signed(request, "xray", KEY)
    }

    /// A request to CloudWatch Logs, signed as far as the emulator looks.
    pub fn logs_request(&self, operation: &str, body: &str) -> RequestBuilder {
        let request = self.http.post(self.url()).body(body.to_owned());
        let request = request
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Logs_20140328.{operation}"));
        signed(request, "logs", KEY)
    }

    /// A request to STS, signed as far as the emulator looks.
    pub fn sts_request(&self, form: &str) -> RequestBuilder {
        let request = self.http.post(self.url()).body(form.to_owned());
        signed(
            request.header("content-type", "application/x-www-form-urlencoded"),
            "sts",
            KEY,
        )
    }
}

/// The current time as signatures write it.
pub fn amz_date() -> String {
    jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

/// An Authorization header of the right form.
pub fn authorization(service: &str, key: &str, date: &str) -> String {
    let (day, signature) = (&date[..8], "0".repeat(64));
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/{day}/{REGION}/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
    )
}

pub fn signed(request: RequestBuilder, service: &str, key: &str) -> RequestBuilder {
    let date = amz_date();
    let authorization = authorization(service, key, &date);
    request
        .header("x-amz-date", date)
        .header("authorization", authorization)
}

/// Status and JSON body.
pub async fn json_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.expect("a JSON body"))
}

/// Code and message of a call that must be refused by the service.
#[track_caller]
pub fn refusal<T: Debug, E, R>(result: Result<T, SdkError<E, R>>) -> (String, String)
where
    E: ProvideErrorMetadata + Debug,
    R: Debug,
{
    match result {
        Err(SdkError::ServiceError(error)) => {
            let metadata = error.err().meta();
            (
                metadata.code().unwrap_or_default().to_owned(),
                metadata.message().unwrap_or_default().to_owned(),
            )
        }
        other => panic!("not refused by the service: {other:?}"),
    }
}

/// The code of a call that must be refused by the service.
#[track_caller]
pub fn code<T: Debug, E, R>(result: Result<T, SdkError<E, R>>) -> String
where
    E: ProvideErrorMetadata + Debug,
    R: Debug,
{
    refusal(result).0
}
