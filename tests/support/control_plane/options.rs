//! What a test can ask of a control plane.

use serde_json::{Value, json};

use super::component::Component;

/// How much the API server's audit log tells of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditLevel {
    /// No audit log.
    #[default]
    None,
    /// Who did what to which object, and the answer's code.
    Metadata,
    /// That, and the bodies of request and answer.
    RequestResponse,
}

impl AuditLevel {
    pub(super) const POLICY: &str = "audit-policy.json";
    pub(super) const LOG: &str = "audit.log";

    /// The policy: every request but those of the components themselves, once when an answer begins (all that a watch
    /// has) and once when it ends.
    pub(super) fn policy(self) -> Value {
        let level = match self {
            AuditLevel::None => "None",
            AuditLevel::Metadata => "Metadata",
            AuditLevel::RequestResponse => "RequestResponse",
        };
        json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
                {"level": "None", "users": [
                    "system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "kwok",
                ]},
                {"level": level},
            ],
        })
    }
}

/// How to start a [`ControlPlane`](super::ControlPlane).
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) components: &'static [Component],
    pub(super) audit: AuditLevel,
    flags: Vec<(Component, String)>,
}

impl Default for Options {
    /// All components, no audit log.
    fn default() -> Self {
        use Component::{ApiServer, ControllerManager, Etcd, Kwok, Scheduler};
        Self {
            components: &[Etcd, ApiServer, ControllerManager, Scheduler, Kwok],
            audit: AuditLevel::None,
            flags: Vec::new(),
        }
    }
}

impl Options {
    /// Just etcd and the API server: objects are kept, validated and watched, and nothing acts on them.
    #[must_use]
    pub fn without_controllers() -> Self {
        Self {
            components: &[Component::Etcd, Component::ApiServer],
            ..Self::default()
        }
    }

    /// Keeps an audit log, read by [`ControlPlane::audit`](super::ControlPlane::audit).
    #[must_use]
    pub fn audit(self, audit: AuditLevel) -> Self {
        Self { audit, ..self }
    }

    /// Adds a flag to a component's command line, after those it has: the last one counts.
    #[must_use]
    pub fn flag(mut self, component: Component, flag: impl Into<String>) -> Self {
        self.flags.push((component, flag.into()));
        self
    }

    pub(super) fn flags(&self, component: Component) -> impl Iterator<Item = &str> {
        self.flags
            .iter()
            .filter(move |(of, _)| *of == component)
            .map(|(_, flag)| flag.as_str())
    }
}
