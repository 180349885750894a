//! Answers that are held for agents, and how many of one agent may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_schema::AgentId;

use crate::Error;

/// Of the replicas of an agent one asks. A few more may be answers to connections whose end was not noticed yet.
const OF_AN_AGENT: usize = 16;
/// Each of its proxies asks, of which there may be 20, and as many of before while they are replaced.
const OF_ITS_PROXIES: usize = 64;

/// Shared by all workers; the clones are one.
#[derive(Clone, Debug)]
pub struct Polls {
    held: Arc<Mutex<HashMap<AgentId, usize>>>,
    limit: usize,
}

impl Polls {
    /// For what agents ask.
    pub fn of_agents() -> Self {
        Self { held: Arc::default(), limit: OF_AN_AGENT }
    }

    /// For what the proxies of an agent ask.
    pub fn of_proxies() -> Self {
        Self { held: Arc::default(), limit: OF_ITS_PROXIES }
    }

    /// A place to wait at. Dropping it leaves.
    pub fn hold(&self, agent: AgentId) -> Result<Held, Error> {
        let mut polls = self.lock();
        let count = polls.entry(agent).or_default();
        if *count >= self.limit {
            return Err(Error::TooManyPolls { limit: self.limit });
        }
        *count += 1;
        Ok(Held { polls: self.clone(), agent })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (polls, one, two) = (Polls::of_agents(), AgentId::random(), AgentId::random());
        let mut held: Vec<_> = (0..OF_AN_AGENT).map(|_| polls.hold(one).expect("room")).collect();
        assert!(matches!(polls.hold(one), Err(Error::TooManyPolls { .. })));
        let other = polls.hold(two).expect("room");
        held.pop();
        held.push(polls.hold(one).expect("room again"));
        drop((held, other));
        assert!(polls.lock().is_empty(), "nothing is left of who went away");
    }
}
