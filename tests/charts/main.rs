//! The charts: linted, rendered, refused where values are wrong, and taken by a real API server.

mod admission;
mod cases;
mod documents;
mod metrics;
mod release;
mod rights;
mod schema;
mod server;
mod snapshots;
mod uninstall;
