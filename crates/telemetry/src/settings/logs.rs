//! `TRACEWRIGHT_LOG_*` and the region.

use super::environment::Environment;
use super::resource::Resource;
use tracewright_xray::contract::variable;

/// Logs are shipped to CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogShipping {
    pub(crate) group: String,
    pub(crate) stream: String,
    /// `None`: as the AWS SDK finds it.
    pub(crate) region: Option<String>,
}

impl LogShipping {
    /// CloudWatch's limit for the names of groups and streams.
    const MAX_NAME: usize = 512;

    pub(super) fn read(env: &mut Environment, resource: &Resource) -> Option<Self> {
        let name = variable::LOG_GROUP;
        let group = env.text(name)?;
        let valid = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
        if group.len() > Self::MAX_NAME || !group.chars().all(valid) {
            env.refuse(
                name,
                "a log group's name is up to 512 of A-Z a-z 0-9 . _ - / #; the log shipper is off",
            );
            return None;
        }
        let stream = env.text(variable::LOG_STREAM).unwrap_or_else(|| {
            let host = env.text("HOSTNAME").unwrap_or_else(|| "localhost".into());
            format!("{host}/{}/{}", resource.service_name, std::process::id())
        });
        // CloudWatch refuses colon and asterisk in a stream's name.
        let stream = stream.replace([':', '*'], "-");
        Some(Self {
            group,
            stream: stream.chars().take(Self::MAX_NAME).collect(),
            region: env.text(variable::AWS_REGION),
        })
    }
}
