//! What every system test stands on: a real control plane, the AWS emulator and the operator, as processes that end
//! with the test, and ways to wait for what must become true.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use support::{ControlPlane, Namespace, SHORT, eventually};
//!
//! let control_plane = ControlPlane::shared().await?;
//! let namespace = Namespace::create(control_plane, "example").await?;
//! let roots = namespace.api::<ConfigMap>();
//! eventually(SHORT, "the cluster's root certificate is published", async || {
//!     roots.get("kube-root-ca.crt").await
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

pub mod aws;
mod cache;
pub mod chart;
pub mod collector;
pub mod control_plane;
mod eventually;
pub mod installation;
pub mod measurement;
mod namespace;
pub mod operator;
mod port;
pub mod process;
pub mod rights;
mod scratch;
pub mod service;
pub mod workloads;

pub use cache::{MissingProgram, program};
pub use control_plane::{Component, ControlPlane};
pub use eventually::{LONG, NotYet, SHORT, eventually};
pub use installation::Installation;
pub use namespace::Namespace;
pub use operator::Operator;
