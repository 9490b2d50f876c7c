//! Random numbers for ids and sampling: a small generator for each thread, seeded by the system.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cell::RefCell;

thread_local! {
    static GENERATOR: RefCell<SmallRng> = RefCell::new(SmallRng::from_os_rng());
}

/// A random value, as [`rand::Rng::random`] gives it.
pub(crate) fn random<T>() -> T
where
    rand::distr::StandardUniform: rand::distr::Distribution<T>,
{
    GENERATOR.with_borrow_mut(Rng::random)
}
