//! Which of the operator's rights a whole test run uses: each installation adds what the API server's audit log says of its
//! operators to a file, and the program `used-rights` compares all of them with the chart.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control_plane::AuditEvent;

/// The folder that a test run keeps its files in; without it nothing is kept.
pub const FOLDER: &str = "TRACEWRIGHT_USED_RIGHTS";

/// Something that RBAC allows or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    /// Empty for the core group.
    pub group: String,
    /// `deployments`, `observabilityprofiles/status`.
    pub resource: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
}

impl Right {
    fn new(group: &str, resource: &str, verb: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
        }
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// The rights that requests of some users needed, and were given.
#[must_use]
pub fn used(events: &[AuditEvent], is_operator: impl Fn(&str) -> bool) -> BTreeSet<Right> {
    let mut used = BTreeSet::new();
    for event in events
        .iter()
        .filter(|event| is_operator(&event.user.username))
    {
        let (Some(object), Some(status)) = (&event.object_ref, &event.response_status) else {
            continue;
        };
        if status.code == 403 {
            continue;
        }
        let resource = match object.subresource.as_str() {
            "" => object.resource.clone(),
            sub => format!("{}/{sub}", object.resource),
        };
        used.insert(Right::new(&object.api_group, &resource, &event.verb));
        // An apply that makes the object is asked for both.
        if event.verb == "patch" && status.code == 201 {
            used.insert(Right::new(&object.api_group, &resource, "create"));
        }
    }
    used
}

/// The rights that roles grant.
#[must_use]
pub fn granted(roles: &[Value]) -> BTreeSet<Right> {
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect()
    };
    let rules = roles
        .iter()
        .flat_map(|role| role["rules"].as_array().into_iter().flatten());
    let mut granted = BTreeSet::new();
    for rule in rules {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    granted.insert(Right::new(&group, &resource, &verb));
                }
            }
        }
    }
    granted
}

/// Whether anybody asked for what is used.
pub(crate) fn wanted() -> bool {
    env::var_os(FOLDER).is_some_and(|folder| !folder.is_empty())
}

/// Keeps what a part of the run used, if anybody asked for it.
pub(crate) fn keep(used: &BTreeSet<Right>) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(folder) = env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else {
        return Ok(());
    };
    let name = format!(
        "{}-{}.json",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    fs::write(PathBuf::from(folder).join(name), serde_json::to_vec(used)?)
}

/// What all parts of a run used.
///
/// # Errors
/// The folder cannot be read, or holds something else.
pub fn kept(folder: &Path) -> io::Result<BTreeSet<Right>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let part: BTreeSet<Right> = serde_json::from_slice(&fs::read(entry?.path())?)?;
        all.extend(part);
    }
    Ok(all)
}
