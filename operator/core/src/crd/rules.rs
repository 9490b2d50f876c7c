//! Validation rules and patterns that several fields share.
//!
//! A rule keeps to the functions that every implementation of CEL has (`matches`, `trim`, `lowerAscii`, macros), so that
//! `tracewright lint` decides as the API server does. The URL library is not among them: implementations differ in what
//! they take for a URL.

use kube::core::Rule;

/// A port from 1 to 65535.
const PORT: &str =
    "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";

/// A host name or IPv4 address.
const HOST: &str = "[A-Za-z0-9._-]+";

/// A label key: an optional DNS name, `/`, and a name of at most 63 characters. (Kubernetes, "Labels and Selectors".)
pub(super) const LABEL_KEY: &str =
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

/// A label value. Its length is left to the schema. (Kubernetes, "Labels and Selectors".)
pub(super) const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// AWS objects do not move between regions, so a region stays; but for one that was wrong. The region is in the status before
/// the first object is made: where there is none, nothing was made, and where there is one, it may be gone back to.
pub(super) fn region_stays() -> Rule {
    Rule::new(
        "!has(oldSelf.spec.aws) || !has(oldSelf.spec.aws.region) || !has(self.status) || !has(self.status.region) || (has(self.spec.aws) && has(self.spec.aws.region) && self.spec.aws.region in [oldSelf.spec.aws.region, self.status.region])",
    )
    .message("spec.aws.region cannot change, because AWS objects do not move between regions: write the region that is in status.region, or create another profile for the other region and delete this one")
    .field_path(".spec.aws.region")
}

/// The name of a Kubernetes object. (RFC 1123 subdomain; Kubernetes, "Object Names and IDs".)
pub(super) fn object_name(field: &str, kind: &str) -> Rule {
    let message = format!(
        "{field} must be the name of a {kind}: a-z, 0-9, '-' and '.', with a letter or digit at both ends and around each '.'"
    );
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
        .message(message.as_str())
}

/// An `http` or `https` URL. User, query and fragment pass: they have a rule of their own where they are refused.
pub(super) fn url(field: &str, example: &str) -> Rule {
    let message = format!("{field} must be an http or https URL, for example {example}");
    Rule::new(format!(
        r"self.matches('^https?://([^/?#@ ]*@)?({HOST}|\\[[0-9A-Fa-f:.]+\\])(:{PORT})?([/?#][!-~]*)?$')"
    ))
    .message(message.as_str())
}

/// An address as X-Ray SDKs read it in AWS_XRAY_DAEMON_ADDRESS.
pub(super) fn daemon_address() -> Rule {
    let address = format!("{HOST}:{PORT}");
    Rule::new(format!(
        "self.matches('^{address}$') || self.matches('^(tcp:{address} udp|udp:{address} tcp):{address}$')"
    ))
    .message("spec.xray.receiver.external.address must be host:port, for example xray-daemon.observability:2000, or tcp:host:port udp:host:port; without a port X-Ray SDKs refuse to start")
}
