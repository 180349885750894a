//! What has to hold: the invariants I1 to I7, some after every step, some at the end.

mod converged;
mod watchdog;

use std::fmt;

use crate::runtime::Moment;

pub use converged::{Picture, is_poisonous, unconverged};
pub use watchdog::Watchdog;

/// What was broken. The numbers are those of `docs/simulation.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// What a user was promised is in force, pending with a reason, or superseded.
    NothingIsLost,
    /// The applied generation never decreases.
    NeverLowered,
    /// A Terminated workspace never comes back, and nothing is removed that shall not be.
    DeadStaysDead,
    /// One process speaks for an agent in an epoch, and epochs only rise.
    OneVoice,
    /// An agent is told of its own workspaces only, and of variables only where they are needed.
    OwnOnly,
    /// When faults end, what is wanted comes to be, and stays.
    Converges,
    /// Nothing is in a cluster that the server does not know.
    Explained,
}

impl Invariant {
    pub const fn number(self) -> &'static str {
        match self {
            Self::NothingIsLost => "I1",
            Self::NeverLowered => "I2",
            Self::DeadStaysDead => "I3",
            Self::OneVoice => "I4",
            Self::OwnOnly => "I5",
            Self::Converges => "I6",
            Self::Explained => "I7",
        }
    }
}

/// What was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub step: u64,
    pub at: Moment,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, at) = (self.invariant.number(), self.at.as_secs_f64());
        write!(f, "{number} {:?} at step {} ({at:.4} s): {}", self.invariant, self.step, self.message)
    }
}
