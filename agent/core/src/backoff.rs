//! How long to wait after a failure, so that those who failed together do not return together.

use std::time::Duration;

/// Decorrelated jitter: each wait is drawn between the shortest one and three times the last one, up to a longest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    last: Duration,
}

impl Backoff {
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, last: shortest }
    }

    /// The next wait. `jitter` is a random number from 0 up to 1.
    pub fn next(&mut self, jitter: f64) -> Duration {
        let most = (self.last * 3).min(self.longest);
        let span = most.saturating_sub(self.shortest);
        self.last = (self.shortest + span.mul_f64(jitter.clamp(0.0, 1.0))).min(self.longest);
        self.last
    }

    /// After a success.
    pub const fn reset(&mut self) {
        self.last = self.shortest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_grow_with_bad_luck_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        let waits: Vec<u64> = (0..6).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(waits, [3, 9, 27, 60, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(0.0), SECOND);
    }

    proptest! {
        #[test]
        fn a_wait_stays_within_its_bounds(jitters in proptest::collection::vec(0.0..1.0_f64, 1..50)) {
            let mut backoff = Backoff::new(10 * SECOND, 60 * SECOND);
            for jitter in jitters {
                let wait = backoff.next(jitter);
                prop_assert!((10 * SECOND..=60 * SECOND).contains(&wait));
            }
        }
    }
}
