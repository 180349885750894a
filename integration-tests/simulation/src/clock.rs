//! What a process takes for the time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::runtime::{Runtime, Sleep};

/// The wall clocks' beginning: 2026-01-01T00:00:00Z.
const BEGINNING: i64 = 1_767_225_600;

/// The clocks of one process: a monotonic one that runs a little wrong, and a wall clock that jumps.
#[derive(Debug)]
pub struct Clock {
    runtime: Runtime,
    base: Instant,
    rate: f64,
    offset: Cell<SignedDuration>,
}

impl Clock {
    /// `base` is any instant; `rate` is how many of its seconds pass in one.
    pub fn new(runtime: Runtime, base: Instant, rate: f64) -> Self {
        Self { runtime, base, rate, offset: Cell::default() }
    }

    pub fn instant(&self) -> Instant {
        self.base + self.runtime.now().mul_f64(self.rate)
    }

    pub fn wall(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.runtime.now()).unwrap_or_default() + self.offset.get();
        let beginning = Timestamp::from_second(BEGINNING).unwrap_or_default();
        beginning.checked_add(since).unwrap_or(beginning)
    }

    /// The wall clock is set.
    pub fn jump(&self, by: SignedDuration) {
        self.offset.set(self.offset.get() + by);
    }

    /// Sleeps as long as this clock says.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.runtime.sleep(duration.div_f64(self.rate))
    }

    pub fn sleep_until(&self, at: Instant) -> Sleep {
        self.sleep(at.saturating_duration_since(self.instant()))
    }
}
