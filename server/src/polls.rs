//! Answers that are held for agents, and how many of one agent may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_schema::AgentId;

use crate::Error;

/// Of the replicas of an agent one asks. A few more may be answers to connections whose end was not noticed yet.
const LIMIT: usize = 16;

/// Shared by all workers; the clones are one.
#[derive(Clone, Debug, Default)]
pub struct Polls(Arc<Mutex<HashMap<AgentId, usize>>>);

impl Polls {
    /// A place to wait at. Dropping it leaves.
    pub fn hold(&self, agent: AgentId) -> Result<Held, Error> {
        let mut polls = self.lock();
        let count = polls.entry(agent).or_default();
        if *count >= LIMIT {
            return Err(Error::TooManyPolls { limit: LIMIT });
        }
        *count += 1;
        Ok(Held { polls: self.clone(), agent })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Polls::hold`].
#[derive(Debug)]
pub struct Held {
    polls: Polls,
    agent: AgentId,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut polls = self.polls.lock();
        if let Some(count) = polls.get_mut(&self.agent) {
            *count -= 1;
            if *count == 0 {
                polls.remove(&self.agent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_holds_so_many_and_another_as_many() {
        let (polls, one, two) = (Polls::default(), AgentId::random(), AgentId::random());
        let mut held: Vec<_> = (0..LIMIT).map(|_| polls.hold(one).expect("room")).collect();
        assert!(matches!(polls.hold(one), Err(Error::TooManyPolls { .. })));
        let other = polls.hold(two).expect("room");
        held.pop();
        held.push(polls.hold(one).expect("room again"));
        drop((held, other));
        assert!(polls.lock().is_empty(), "nothing is left of who went away");
    }
}
