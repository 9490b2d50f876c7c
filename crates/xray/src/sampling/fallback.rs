//! The decision while there are no central rules: one request a second, and one in twenty of the others.

use super::reservoir::PerSecond;

/// How many requests a second are sampled first.
pub const FALLBACK_PER_SECOND: u32 = 1;
/// The rate for all others.
pub const FALLBACK_RATE: f64 = 0.05;

/// The local sampler that the X-Ray SDKs ship: `{"fixed_target": 1, "rate": 0.05}`.
#[derive(Debug, Default)]
pub struct Fallback(PerSecond);

impl Fallback {
    /// Decides in second `now` (since 1970) with a random number in `[0, 1)`.
    pub fn decide(&self, now: u32, random: impl FnOnce() -> f64) -> bool {
        self.0.take(now, FALLBACK_PER_SECOND) || random() < FALLBACK_RATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_then_one_in_twenty() {
        let fallback = Fallback::default();
        assert!(fallback.decide(1, || unreachable!("the first of a second needs no luck")));
        assert!(!fallback.decide(1, || 0.05));
        assert!(fallback.decide(1, || 0.049));
        assert!(fallback.decide(2, || 0.9));
    }
}
