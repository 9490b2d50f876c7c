//! The library as its users have it: by variables in, and by what arrives at the other ends.

mod actix;
mod decisions;
mod endings;
mod example;
mod faults;
mod jobs;
mod members;
mod otlp;
mod outgoing;
mod parts;
mod sampling;
mod segments;
