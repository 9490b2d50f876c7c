//! Label keys and values on the objects that the operator creates.

/// Key of the label that names the kind of application.
pub const APP_NAME: &str = "app.kubernetes.io/name";

/// Value of [`APP_NAME`] on every receiver object.
pub const APP_NAME_RECEIVER: &str = "xray-receiver";

/// Key of the label that names the instance: the profile's name.
pub const APP_INSTANCE: &str = "app.kubernetes.io/instance";

/// Key of the label that names who manages the object.
pub const APP_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Value of [`APP_MANAGED_BY`] on every object that the operator creates.
pub const APP_MANAGED_BY_TRACEWRIGHT: &str = "tracewright";

/// Key of the label that names the profile an object belongs to.
pub const PROFILE: &str = "tracewright.dev/profile";
