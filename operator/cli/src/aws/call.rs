//! The one way in which AWS is called: a token first, then the call, counted; throttles are tried again here and nowhere
//! else.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_xray::error::{ProvideErrorMetadata, SdkError};
use tokio::time::Instant;

use super::bucket::{Bucket, Rate};
use super::error::{AwsError, ErrorKind, Retry};
use crate::lease::Permit;
use crate::metrics::Metrics;

/// How often a call is tried when AWS throttles it or another writer is at the same object.
const MAX_ATTEMPTS: u32 = 5;
/// A write is abandoned after this time, which is below what remains of the lease when it starts.
const WRITE_TIMEOUT: Duration = Duration::from_millis(3_500);

/// The share of a burst that is used at most, whatever the share of the rate. Calls do not take equally long to arrive: the
/// rest of AWS's bucket is for those that come closer to one another than they were sent.
const BURST_SHARE: f64 = 0.8;

/// An AWS operation that the operator uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    /// `service.Operation`, as the emulator and the metrics name it.
    pub name: &'static str,
    writes: bool,
    per_second: f64,
    burst: f64,
}

macro_rules! operations {
    ($($constant:ident = $name:literal, $writes:literal, $rate:literal, $burst:literal;)*) => {
        impl Operation {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: Self =
                Self { name: $name, writes: $writes, per_second: $rate, burst: $burst };)*
        }
    };
}

// CloudWatch Logs rates: Amazon CloudWatch Logs User Guide, "CloudWatch Logs quotas". X-Ray publishes none; two reads
// and one write a second with a burst of five are what the console itself stays below.
operations! {
    GET_GROUPS = "xray.GetGroups", false, 2.0, 5.0;
    GET_SAMPLING_RULES = "xray.GetSamplingRules", false, 2.0, 5.0;
    GET_SAMPLING_STATISTIC_SUMMARIES = "xray.GetSamplingStatisticSummaries", false, 2.0, 5.0;
    XRAY_LIST_TAGS = "xray.ListTagsForResource", false, 2.0, 5.0;
    CREATE_GROUP = "xray.CreateGroup", true, 1.0, 5.0;
    UPDATE_GROUP = "xray.UpdateGroup", true, 1.0, 5.0;
    DELETE_GROUP = "xray.DeleteGroup", true, 1.0, 5.0;
    CREATE_SAMPLING_RULE = "xray.CreateSamplingRule", true, 1.0, 5.0;
    UPDATE_SAMPLING_RULE = "xray.UpdateSamplingRule", true, 1.0, 5.0;
    DELETE_SAMPLING_RULE = "xray.DeleteSamplingRule", true, 1.0, 5.0;
    XRAY_TAG = "xray.TagResource", true, 1.0, 5.0;
    XRAY_UNTAG = "xray.UntagResource", true, 1.0, 5.0;
    DESCRIBE_LOG_GROUPS = "logs.DescribeLogGroups", false, 10.0, 10.0;
    LIST_LOG_GROUPS = "logs.ListLogGroups", false, 10.0, 10.0;
    LOGS_LIST_TAGS = "logs.ListTagsForResource", false, 5.0, 5.0;
    CREATE_LOG_GROUP = "logs.CreateLogGroup", true, 10.0, 10.0;
    DELETE_LOG_GROUP = "logs.DeleteLogGroup", true, 10.0, 10.0;
    PUT_RETENTION_POLICY = "logs.PutRetentionPolicy", true, 5.0, 5.0;
    ASSOCIATE_KMS_KEY = "logs.AssociateKmsKey", true, 5.0, 5.0;
    PUT_LOG_GROUP_DELETION_PROTECTION = "logs.PutLogGroupDeletionProtection", true, 5.0, 5.0;
    LOGS_TAG = "logs.TagResource", true, 5.0, 5.0;
    LOGS_UNTAG = "logs.UntagResource", true, 5.0, 5.0;
    ASSUME_ROLE = "sts.AssumeRole", false, 10.0, 10.0;
    GET_CALLER_IDENTITY = "sts.GetCallerIdentity", false, 10.0, 10.0;
}

/// How fast AWS is called.
#[derive(Clone, Debug)]
pub struct Speed {
    /// Share of AWS's documented rates that the operator takes.
    pub share: f64,
    /// Rates that replace the documented ones, by `service.Operation`.
    pub overrides: HashMap<String, Rate>,
}

/// Calls AWS for one account and region.
#[derive(Clone)]
pub struct Caller {
    speed: Arc<Speed>,
    buckets: Arc<Mutex<HashMap<&'static str, Arc<Bucket>>>>,
    metrics: Arc<Metrics>,
    permit: Permit,
    deadline: Option<Instant>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

impl Caller {
    /// A caller with buckets of its own; one per account and region.
    #[must_use]
    pub fn new(speed: Arc<Speed>, metrics: Arc<Metrics>, permit: Permit) -> Self {
        Self {
            speed,
            buckets: Arc::default(),
            metrics,
            permit,
            deadline: None,
        }
    }

    /// The same caller, whose calls begin before a deadline or not at all. One that has begun is let end.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..self.clone()
        }
    }

    /// Makes a call on behalf of a namespace.
    ///
    /// # Errors
    /// The last error, after at most five tries where AWS throttles or another writer is at the same object. A write is
    /// not begun without the lease.
    pub async fn call<T, E, F>(
        &self,
        operation: Operation,
        namespace: &str,
        mut send: impl FnMut() -> F,
    ) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let bucket = self.bucket(operation);
        let mut attempt = 1;
        loop {
            let waited = match self.deadline {
                None => bucket.take(namespace).await,
                Some(deadline) => tokio::time::timeout_at(deadline, bucket.take(namespace))
                    .await
                    .map_err(|_| AwsError::waiting(operation.name))?,
            };
            self.metrics.bucket_wait(operation.name, waited);
            if operation.writes && !self.permit.holds() {
                return Err(AwsError::not_leader(operation.name));
            }
            let started = Instant::now();
            let answer = if operation.writes {
                tokio::time::timeout(WRITE_TIMEOUT, send()).await.ok()
            } else {
                Some(send().await)
            };
            let result = match answer {
                Some(Ok(value)) => Ok(value),
                Some(Err(error)) => Err(AwsError::new(operation.name, &error)),
                None => Err(AwsError {
                    kind: ErrorKind::Unreachable,
                    operation: operation.name,
                    code: "Timeout".to_owned(),
                    message: format!("no answer within {} ms", WRITE_TIMEOUT.as_millis()),
                }),
            };
            let code = result
                .as_ref()
                .err()
                .map_or("OK", |error| error.code.as_str());
            self.metrics
                .aws_call(operation.name, code, started.elapsed());
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if error.kind == ErrorKind::Throttled {
                bucket.shrink();
            }
            if error.kind.retry() != Retry::Now || attempt == MAX_ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
    }

    fn bucket(&self, operation: Operation) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(operation.name).or_insert_with(|| {
            let documented = Rate {
                per_second: operation.per_second,
                burst: operation.burst,
            };
            let rate = self
                .speed
                .overrides
                .get(operation.name)
                .copied()
                .unwrap_or(documented);
            Arc::new(Bucket::new(Rate {
                per_second: rate.per_second * self.speed.share,
                burst: (rate.burst * self.speed.share.min(BURST_SHARE)).max(1.0),
            }))
        });
        bucket.clone()
    }
}
