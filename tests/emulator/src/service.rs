//! The three services: what differs between them before any operation is looked at.

use crate::error::AwsError;

/// An emulated AWS service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    /// X-Ray, restJson1.
    Xray,
    /// CloudWatch Logs, awsJson1.1.
    Logs,
    /// Security Token Service, query protocol with XML answers.
    Sts,
}

impl Service {
    /// The name in credential scopes, ARNs and in the operation names of the control interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Xray => "xray",
            Self::Logs => "logs",
            Self::Sts => "sts",
        }
    }

    /// The service of a credential scope.
    pub(crate) fn from_scope(scope: &str) -> Option<Self> {
        [Self::Xray, Self::Logs, Self::Sts]
            .into_iter()
            .find(|service| service.name() == scope)
    }

    /// What a call over the rate is told.
    pub(crate) fn throttled(self) -> AwsError {
        match self {
            Self::Xray => AwsError::new(429, "ThrottledException", "Rate exceeded"),
            Self::Logs => AwsError::client("ThrottlingException", "Rate exceeded"),
            Self::Sts => AwsError::client("Throttling", "Rate exceeded"),
        }
    }

    /// What input outside the service model's constraints is told.
    pub(crate) fn invalid(self, message: impl Into<String>) -> AwsError {
        match self {
            Self::Xray => AwsError::client("InvalidRequestException", message),
            Self::Logs => AwsError::client("InvalidParameterException", message),
            Self::Sts => AwsError::client("ValidationError", message),
        }
    }

    /// The status of refused credentials: JSON 1.1 services say 400 where the others say 403.
    pub(crate) fn refused(self, code: &'static str, message: impl Into<String>) -> AwsError {
        let status = match self {
            Self::Logs => 400,
            Self::Xray | Self::Sts => 403,
        };
        AwsError::new(status, code, message)
    }

    /// No credentials at all.
    pub(crate) fn missing_token(self) -> AwsError {
        match self {
            Self::Sts => self.refused(
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ),
            Self::Xray | Self::Logs => self.refused(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ),
        }
    }

    /// An access key nobody knows, or a session token that does not belong to it.
    pub(crate) fn unknown_key(self) -> AwsError {
        let code = match self {
            Self::Sts => "InvalidClientTokenId",
            Self::Xray | Self::Logs => "UnrecognizedClientException",
        };
        self.refused(
            code,
            "The security token included in the request is invalid.",
        )
    }

    /// Temporary credentials past their end.
    pub(crate) fn expired_token(self) -> AwsError {
        let code = match self {
            Self::Sts => "ExpiredToken",
            Self::Xray | Self::Logs => "ExpiredTokenException",
        };
        self.refused(
            code,
            "The security token included in the request is expired",
        )
    }

    /// An Authorization header that lacks a part.
    pub(crate) fn incomplete_signature(self, message: impl Into<String>) -> AwsError {
        let code = match self {
            Self::Sts => "IncompleteSignature",
            Self::Xray | Self::Logs => "IncompleteSignatureException",
        };
        self.refused(code, message)
    }

    /// A signature that cannot be right: wrong scope, wrong date, wrong form.
    pub(crate) fn invalid_signature(self, message: impl Into<String>) -> AwsError {
        let code = match self {
            Self::Sts => "SignatureDoesNotMatch",
            Self::Xray | Self::Logs => "InvalidSignatureException",
        };
        self.refused(code, message)
    }

    /// An operation the service does not have.
    pub(crate) fn unknown_operation(self, name: &str) -> AwsError {
        match self {
            Self::Xray => AwsError::new(
                404,
                "UnknownOperationException",
                format!("Unknown operation {name}"),
            ),
            Self::Logs => AwsError::client(
                "UnknownOperationException",
                format!("Unknown operation {name}"),
            ),
            Self::Sts => AwsError::client(
                "InvalidAction",
                format!("Could not find operation {name} for version 2011-06-15"),
            ),
        }
    }
}
