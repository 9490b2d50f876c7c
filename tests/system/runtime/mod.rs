//! The operator as a program that runs for months: its receivers, its Lease, what it lives through, what it tells.

mod admission;
mod lease;
mod life;
mod metrics;
mod outages;
mod receivers;
mod removal;
mod see;
mod standing;
