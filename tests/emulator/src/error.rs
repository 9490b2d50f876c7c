//! What an operation says when it refuses: an AWS error code, its HTTP status and a message.

use std::borrow::Cow;

/// A refusal, before it is written in the form of the protocol (see `wire`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    /// The error code as SDKs see it, such as `InvalidRequestException`.
    pub(crate) code: Cow<'static, str>,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The text for people.
    pub(crate) message: String,
}

impl AwsError {
    /// An error that the caller can mend, status 400.
    pub(crate) fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// An error with any status.
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            status,
            message: message.into(),
        }
    }

    /// A body that cannot be read into the operation's input.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::client("SerializationException", message)
    }
}
