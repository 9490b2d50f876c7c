//! What went wrong in a call to AWS, sorted by what is to be done about it.

use std::error::Error;
use std::fmt;

use aws_sdk_xray::error::{ProvideErrorMetadata, SdkError};
use tracewright_core::crd::status::ItemState;
use tracewright_core::plan::Failure;
use tracewright_core::report::Fact;
use tracewright_xray::contract::condition::reason;

/// HTTP's status for an operation that a server does not have.
const NOT_IMPLEMENTED: u16 = 501;

/// A failed call to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// `service.Operation`.
    pub operation: &'static str,
    /// AWS's error code, or the SDK's kind of failure.
    pub code: String,
    /// AWS's message.
    pub message: String,
}

/// Failures, told apart by what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// AWS asks to slow down.
    Throttled,
    /// There are no usable credentials.
    CredentialsMissing,
    /// The credentials do not allow the call.
    AccessDenied,
    /// No answer: name, network, time-out or a failure inside AWS.
    Unreachable,
    /// The object does not exist.
    NotFound,
    /// The object exists already.
    AlreadyExists,
    /// A quota of the account is used up.
    QuotaExceeded,
    /// Somebody else is writing the same object.
    Aborted,
    /// AWS refuses the request as it is.
    Refused,
    /// The service does not have the operation, as may be in a partition, or in an emulator.
    Unsupported,
    /// The operator lost its lease before the call.
    NotLeader,
    /// The call's turn did not come in time: AWS allows only so many requests a second.
    Waiting,
}

/// When a failed call is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once, at the speed of the bucket.
    Now,
    /// With backoff.
    Backoff,
    /// When the profile or the account changes.
    AfterChange,
}

impl ErrorKind {
    /// When another try is worth it.
    #[must_use]
    pub fn retry(self) -> Retry {
        match self {
            Self::Throttled | Self::Aborted => Retry::Now,
            Self::Unreachable
            | Self::CredentialsMissing
            | Self::AccessDenied
            | Self::NotFound
            | Self::AlreadyExists
            | Self::NotLeader
            | Self::Waiting => Retry::Backoff,
            Self::QuotaExceeded | Self::Refused | Self::Unsupported => Retry::AfterChange,
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == ErrorKind::Waiting {
            return write!(f, "{}: {}", self.operation, self.message);
        }
        write!(f, "{} failed: {}", self.operation, self.code)?;
        let remedy = match self.kind {
            ErrorKind::CredentialsMissing => {
                "Give the operator credentials (IRSA, Pod Identity or a Secret), or check that they have not expired"
            }
            ErrorKind::AccessDenied => {
                "Allow this action in the IAM policy of the operator or of spec.aws.roleArn"
            }
            ErrorKind::Unreachable => {
                "Check the network, the region and the AWS endpoint; it is tried again"
            }
            _ => "",
        };
        // Some messages of AWS end with a full stop, others do not.
        let message = self.message.trim_end_matches('.');
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        if remedy.is_empty() {
            return Ok(());
        }
        write!(f, ". {remedy}")
    }
}

impl Error for AwsError {}

impl AwsError {
    /// What a call's error means.
    pub fn new<E>(operation: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let text = sources(error);
        let (kind, code, message) = match error {
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                let message = context.err().message().unwrap_or_default().to_owned();
                match context.err().code() {
                    Some(code) if status == NOT_IMPLEMENTED => {
                        (ErrorKind::Unsupported, code.to_owned(), message)
                    }
                    Some(code) => (service_kind(code, &message), code.to_owned(), message),
                    None => without_code(status),
                }
            }
            // Credentials are looked for while a request is being built or dispatched, and neither their absence nor a
            // role that may not be assumed has a type.
            _ if is_credentials(&text) && text.contains("AccessDenied") => {
                (ErrorKind::AccessDenied, "AccessDenied".to_owned(), text)
            }
            _ if is_credentials(&text) => (
                ErrorKind::CredentialsMissing,
                "NoCredentials".to_owned(),
                text,
            ),
            SdkError::TimeoutError(_) => (ErrorKind::Unreachable, "Timeout".to_owned(), text),
            SdkError::DispatchFailure(_) => (ErrorKind::Unreachable, "Dispatch".to_owned(), text),
            SdkError::ResponseError(_) => (ErrorKind::Unreachable, "Response".to_owned(), text),
            _ => (ErrorKind::Refused, "Construction".to_owned(), text),
        };
        Self {
            kind,
            operation,
            code,
            message,
        }
    }

    /// Whether the server failed without an error code of AWS, as a stand-in does that lacks the operation. What a proxy
    /// says of a server that is away (502, 503, 504) is not that.
    #[must_use]
    pub fn is_bare_failure(&self) -> bool {
        self.code == no_code(500)
    }

    /// The same error of a call that was made as a role.
    #[must_use]
    pub fn as_role(self, role: &str) -> Self {
        Self {
            message: format!("as the role {role}: {}", self.message),
            ..self
        }
    }

    /// A call that was not made because the lease is gone.
    #[must_use]
    pub fn not_leader(operation: &'static str) -> Self {
        Self {
            kind: ErrorKind::NotLeader,
            operation,
            code: "NotLeader".to_owned(),
            message: "this replica no longer holds the lease".to_owned(),
        }
    }

    /// A call that was not made because its turn did not come in time.
    #[must_use]
    pub fn waiting(operation: &'static str) -> Self {
        Self {
            kind: ErrorKind::Waiting,
            operation,
            code: "Waiting".to_owned(),
            message: "it waits for its turn at the rate that AWS allows, and goes on by itself"
                .to_owned(),
        }
    }

    /// The state and reason that an object gets for this error.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (state, reason) = match self.kind {
            ErrorKind::Throttled | ErrorKind::Waiting => (ItemState::Throttled, reason::THROTTLED),
            ErrorKind::CredentialsMissing => (ItemState::Pending, reason::CREDENTIALS_MISSING),
            ErrorKind::AccessDenied => (ItemState::Pending, reason::ACCESS_DENIED),
            ErrorKind::Unreachable => (ItemState::Pending, reason::UNREACHABLE),
            ErrorKind::QuotaExceeded => (ItemState::QuotaExceeded, reason::QUOTA_EXCEEDED),
            ErrorKind::Refused | ErrorKind::Unsupported => (ItemState::Invalid, reason::INVALID),
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Aborted
            | ErrorKind::NotLeader => (ItemState::Pending, reason::PENDING),
        };
        Failure {
            state,
            reason,
            message: self.to_string(),
        }
    }

    /// The condition AwsSynced for an error that leaves nothing observed.
    #[must_use]
    pub fn fact(&self) -> Fact {
        let reason = match self.kind {
            ErrorKind::CredentialsMissing => reason::CREDENTIALS_MISSING,
            ErrorKind::AccessDenied => reason::ACCESS_DENIED,
            ErrorKind::Throttled | ErrorKind::Waiting => reason::THROTTLED,
            _ => reason::UNREACHABLE,
        };
        Fact::no(reason, self.to_string())
    }
}

/// What stands in place of a code where the answer had none.
fn no_code(status: u16) -> String {
    format!("HTTP status {status}")
}

/// An answer of something that is not AWS: a proxy, or a stand-in that lacks the operation.
fn without_code(status: u16) -> (ErrorKind, String, String) {
    let (kind, why) = match status {
        404 | 405 | NOT_IMPLEMENTED => (
            ErrorKind::Unsupported,
            ", as if the endpoint did not have this operation",
        ),
        _ => (ErrorKind::Unreachable, ""),
    };
    let message = format!("the answer has no error code of AWS{why}");
    (kind, no_code(status), message)
}

fn service_kind(code: &str, message: &str) -> ErrorKind {
    match code {
        "ThrottlingException"
        | "ThrottledException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => ErrorKind::Throttled,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "IncompleteSignature" => ErrorKind::CredentialsMissing,
        "AccessDeniedException" | "AccessDenied" => ErrorKind::AccessDenied,
        "ServiceUnavailableException"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalServerError" => ErrorKind::Unreachable,
        "ResourceNotFoundException" => ErrorKind::NotFound,
        "ResourceAlreadyExistsException" => ErrorKind::AlreadyExists,
        "RuleLimitExceededException" | "LimitExceededException" => ErrorKind::QuotaExceeded,
        "OperationAbortedException" => ErrorKind::Aborted,
        "UnknownOperationException" => ErrorKind::Unsupported,
        // X-Ray has one code for every refusal; the text is all there is to tell them apart, so only the plainest words
        // are trusted and everything else is a refusal that observation settles.
        "InvalidRequestException" if message.contains("not found") => ErrorKind::NotFound,
        "InvalidRequestException" if message.contains("already exists") => ErrorKind::AlreadyExists,
        _ => ErrorKind::Refused,
    }
}

fn is_credentials(text: &str) -> bool {
    [
        "credential",
        "Credential",
        "no providers in chain",
        "token could not be loaded",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// The whole chain of an error's causes in one line.
fn sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Deeper chains than this repeat themselves.
    for _ in 0..8 {
        let Some(cause) = source else { break };
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_turn_has_not_lost_the_network() {
        let waiting = AwsError::waiting("xray.GetGroups");
        assert_eq!(waiting.fact().reason, reason::THROTTLED);
        assert_eq!(waiting.failure().reason, reason::THROTTLED);
    }
}
