//! The API server's audit log: who asked for what, and what the answer was.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// A place in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditMark(pub(super) u64);

/// One request, when its answer began (`ResponseStarted`: watches only) or was complete.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The same for all events of one request.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted`, `ResponseComplete` or `Panic`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other paths the method.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: AuditUser,
    /// What the client calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// The object; not for paths that are none.
    #[serde(default)]
    pub object_ref: Option<AuditObject>,
    /// The answer.
    #[serde(default)]
    pub response_status: Option<AuditStatus>,
    /// The request's body, at level `RequestResponse`.
    #[serde(default)]
    pub request_object: Option<Value>,
    /// The answer's body, at level `RequestResponse`.
    #[serde(default)]
    pub response_object: Option<Value>,
}

/// Who asked.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditUser {
    /// `admin`, `system:serviceaccount:tracewright:tracewright`.
    pub username: String,
}

/// The object of a request, as RBAC sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditObject {
    /// Empty for the core group.
    pub api_group: String,
    /// Plural: `deployments`.
    pub resource: String,
    /// `status`, `scale`; mostly empty.
    pub subresource: String,
    /// Empty for what belongs to no namespace.
    pub namespace: String,
    /// Empty for lists and for `create` of a named object.
    pub name: String,
}

/// The answer.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditStatus {
    /// The HTTP status.
    pub code: u16,
}

/// The log's end as of now.
pub(super) fn mark(log: &Path) -> io::Result<AuditMark> {
    Ok(AuditMark(log.metadata()?.len()))
}

/// The events after a mark. A line that is still being written belongs to the next reader.
pub(super) fn since(log: &Path, mark: AuditMark) -> io::Result<Vec<AuditEvent>> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(mark.0))?;
    let mut lines = BufReader::new(file);
    let mut events = Vec::new();
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
        events.push(serde_json::from_str(&line)?);
        line.clear();
    }
    Ok(events)
}
