//! What every part of the world shares.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use crate::bugs::Bug;
use crate::check::Watchdog;
use crate::dice::Dice;
use crate::faults::Faults;
use crate::poison::Poisons;
use crate::runtime::{Moment, Owner, Runtime};
use crate::scenario::Shape;
use crate::server::Mistakes;
use crate::trace::{Keep, Trace};

pub type Env = Rc<Environment>;

#[derive(Debug)]
pub struct Environment {
    pub runtime: Runtime,
    pub dice: Dice,
    pub trace: Trace,
    pub faults: Faults,
    pub poisons: Poisons,
    pub shape: Shape,
    /// When faults end.
    pub quiet_from: Moment,
    pub watchdog: Watchdog,
    /// A known mistake that is made on purpose, to see whether it is found.
    pub bug: Option<Bug>,
    /// What the mistake remembers.
    pub mistakes: Mistakes,
}

impl Environment {
    /// A world before anything is in it. Faults end at `quiet_from`.
    pub fn new(seed: u64, shape: Shape, quiet_from: Moment, bug: Option<Bug>, keep: Keep) -> Self {
        let dice = Dice::new(seed);
        let runtime = Runtime::new(dice.clone());
        Self {
            trace: Trace::new(runtime.clone(), keep),
            watchdog: Watchdog::new(runtime.clone()),
            faults: Faults::default(),
            poisons: Poisons::default(),
            mistakes: Mistakes::default(),
            shape,
            quiet_from,
            runtime,
            dice,
            bug,
        }
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// A delay that is a fault: it ends when faults end.
    pub fn long(&self, millis: RangeInclusive<u64>) -> Duration {
        let left = self.quiet_from.saturating_sub(self.runtime.now());
        self.dice.millis(millis).min(left)
    }

    /// Does something that no crash prevents, after a while.
    pub fn later(&self, after: Duration, deed: impl FnOnce() + 'static) {
        let sleep = self.runtime.sleep(after);
        self.runtime.spawn(Owner::WORLD, async move {
            sleep.await;
            deed();
        });
    }
}
