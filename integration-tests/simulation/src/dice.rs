//! Chance: one stream of random numbers from one seed.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use uuid::Uuid;

/// A handle to a stream of random numbers. Clones draw from the same stream.
#[derive(Clone, Debug)]
pub struct Dice(Rc<RefCell<fastrand::Rng>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number below `count`, which is at least 1.
    pub fn below(&self, count: usize) -> usize {
        self.0.borrow_mut().usize(..count)
    }

    pub fn within(&self, range: RangeInclusive<u64>) -> u64 {
        self.0.borrow_mut().u64(range)
    }

    pub fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    pub fn micros(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.within(range))
    }

    /// From 0 up to 1.
    pub fn unit(&self) -> f64 {
        self.0.borrow_mut().f64()
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&self, percent: u64) -> bool {
        self.within(0..=99) < percent
    }

    /// One of `items`, of which there is at least one.
    pub fn pick<T: Copy>(&self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub fn uuid(&self) -> Uuid {
        Uuid::from_u128(self.0.borrow_mut().u128(..))
    }
}
