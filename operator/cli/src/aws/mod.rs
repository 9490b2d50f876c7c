//! AWS: who asks (identities and their clients), how fast (buckets), what is there (inventory) and what went wrong
//! (errors). `observe` and `apply` stand on it.

pub mod account;
pub mod bucket;
pub mod call;
pub mod error;
pub mod inventory;
mod inventory_read;
mod inventory_tags;

pub use account::{Account, Accounts, Identity};
pub use call::{Caller, Operation};
pub use error::{AwsError, ErrorKind, Retry};
pub use inventory::Inventory;
