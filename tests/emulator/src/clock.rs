//! The emulated time: what tags, expiry and retention see. Token buckets run on real time and do not use it.

use std::sync::Mutex;
use std::time::Instant;

/// Fastest speed that can be set: a day in less than a tenth of a second.
const MAX_SPEED: f64 = 1_000_000.0;

/// A clock that can run faster than real time and be advanced.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Reading>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    taken: Instant,
    emulated_ms: i64,
    speed: f64,
}

impl Reading {
    fn real() -> Self {
        Self {
            taken: Instant::now(),
            emulated_ms: wall_ms(),
            speed: 1.0,
        }
    }

    fn now_ms(&self) -> i64 {
        self.emulated_ms + (self.taken.elapsed().as_secs_f64() * 1000.0 * self.speed) as i64
    }
}

/// Milliseconds of the real clock since 1970.
pub(crate) fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Reading::real()))
    }

    /// Emulated milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.reading().now_ms()
    }

    /// Emulated milliseconds per real millisecond.
    pub(crate) fn speed(&self) -> f64 {
        self.reading().speed
    }

    /// Back to real time.
    pub(crate) fn reset(&self) {
        *self.lock() = Reading::real();
    }

    /// Runs on from now at this speed; 0 stops the clock.
    pub(crate) fn set_speed(&self, speed: f64) -> Result<(), String> {
        if !(0.0..=MAX_SPEED).contains(&speed) {
            return Err(format!(
                "speed is a number from 0 to {MAX_SPEED}, not {speed}"
            ));
        }
        let mut reading = self.lock();
        *reading = Reading {
            taken: Instant::now(),
            emulated_ms: reading.now_ms(),
            speed,
        };
        Ok(())
    }

    /// Jumps forward.
    pub(crate) fn advance_ms(&self, by: i64) {
        let mut reading = self.lock();
        reading.emulated_ms = reading.emulated_ms.saturating_add(by);
    }

    fn reading(&self) -> Reading {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
