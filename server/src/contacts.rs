//! When each agent was last heard of. In memory only: a poll must not cost a write.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use berth_schema::AgentId;
use jiff::Timestamp;

#[derive(Clone, Debug)]
pub struct Contacts {
    last: Arc<RwLock<HashMap<AgentId, Timestamp>>>,
    listening_since: Timestamp,
}

impl Contacts {
    pub fn new(now: Timestamp) -> Self {
        Self { last: Arc::default(), listening_since: now }
    }

    pub fn heard(&self, agent: AgentId, now: Timestamp) {
        self.last.write().unwrap_or_else(PoisonError::into_inner).insert(agent, now);
    }

    /// `None` when the agent was not heard of since this server started.
    pub fn last(&self, agent: AgentId) -> Option<Timestamp> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).get(&agent).copied()
    }

    /// Since when agents could have been heard at all.
    pub const fn listening_since(&self) -> Timestamp {
        self.listening_since
    }
}
