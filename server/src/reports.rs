//! How fast one agent may tell and ask.
//!
//! Agents take turns at the database, so one that asks a thousand times waits behind itself; but its turn comes again and again, and
//! each of its reports may be the largest there is. So everything that an agent sends has a weight, and an agent has so much of it
//! a second. An honest one never meets the bound: with ten thousand workspaces its full report goes through at once, and a larger
//! one, which comes a page after the other, is slowed and not refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use berth_schema::AgentId;

use crate::Error;
use crate::pace::{Accounts, Pace, Verdict};

/// In units of one workspace that is told.
const EACH: Pace = Pace { burst: 30_000, per_second: 1_000 };
/// How long a message waits for its time, and for how long a refusal is held back. A page of a full report waits for less.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_secs(1);
/// What a key that is registered weighs, or a token for a proxy: a change that goes on record, of which a day has a few.
pub(crate) const SECRET: u32 = 250;

/// Shared by all workers; the clones are one.
#[derive(Clone, Debug)]
pub struct Reports(Arc<Mutex<Accounts<AgentId>>>);

impl Reports {
    #[expect(clippy::new_without_default, reason = "it begins with the server")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Accounts::new(EACH, PATIENCE, Instant::now()))))
    }

    /// Waits until what weighs so much may be looked at.
    ///
    /// # Errors
    /// [`Error::TooManyReports`] where that would take too long.
    pub async fn admit(&self, agent: AgentId, weight: u32) -> Result<(), Error> {
        let verdict =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).ask(agent, weight, Instant::now());
        match verdict {
            Verdict::After(wait) => {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                Ok(())
            }
            Verdict::TooLong(wait) => {
                tokio::time::sleep(PAUSE).await;
                Err(Error::TooManyReports { seconds: wait.as_secs() + 1 })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the last page of the largest full report.
    const PAGE: u32 = 2_501;

    #[test]
    fn an_agent_that_sends_one_message_after_the_other_is_never_refused() {
        let (agent, now) = (AgentId::random(), Instant::now());
        let mut accounts = Accounts::new(EACH, PATIENCE, now);
        let mut after = Duration::ZERO;
        for page in 0..1_000 {
            match accounts.ask(agent, PAGE, now + after) {
                Verdict::After(wait) => after += wait,
                Verdict::TooLong(wait) => panic!("page {page} would wait for {wait:?}"),
            }
        }
        assert!(after > Duration::from_secs(2_000), "it is slowed: {after:?}");
    }

    #[test]
    fn one_that_sends_without_a_pause_is_refused_and_no_other() {
        let (agent, now) = (AgentId::random(), Instant::now());
        let mut accounts = Accounts::new(EACH, PATIENCE, now);
        let verdicts: Vec<_> = (0..40).map(|_| accounts.ask(agent, 1_001, now)).collect();
        let at_once = verdicts.iter().filter(|verdict| **verdict == Verdict::After(Duration::ZERO));
        let refused = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::TooLong(_)));
        assert_eq!((at_once.count(), refused.count()), (29, 7), "{verdicts:?}");
        assert_eq!(accounts.ask(AgentId::random(), 1_001, now), Verdict::After(Duration::ZERO));
    }
}
