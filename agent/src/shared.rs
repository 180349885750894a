//! What the parts of the running agent share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use berth_agent_core::{Agent, Identity};
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// How long after its last answer the server counts as talking to us: the longest wait and some patience.
const ANSWERED_LATELY: Duration = Duration::from_secs(90);
/// How long after the last look the Lease counts as readable.
const LEASE_SEEN_LATELY: Duration = Duration::from_secs(45);

/// How the agent is doing, for its probes.
#[derive(Debug, Default)]
pub struct Health {
    /// The epoch it leads in.
    pub leads: Option<i64>,
    pub lease_seen: Option<Instant>,
    pub answered: Option<Instant>,
    /// What is wrong with the server now.
    pub server_error: Option<String>,
}

#[derive(Debug)]
pub struct Shared {
    agent: Mutex<Agent>,
    health: Mutex<Health>,
    /// Says only that something changed; what, is to be looked up.
    pub changed: Notify,
    pub metrics: Metrics,
}

impl Shared {
    pub fn new(identity: Identity) -> Self {
        Self {
            agent: Mutex::new(Agent::new(identity)),
            health: Mutex::default(),
            changed: Notify::new(),
            metrics: Metrics::default(),
        }
    }

    /// The agent's mind. Held for moments only, never across an await.
    pub fn agent(&self) -> MutexGuard<'_, Agent> {
        // A thread that panicked ends the process; until then what it left is as good as any other observation.
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the agent is not ready to be counted on; `None` when it is.
    pub fn unready(&self, now: Instant) -> Option<String> {
        let lately =
            |then: Option<Instant>, within| then.is_some_and(|then| now.duration_since(then) <= within);
        if !self.agent().index().is_synced() {
            return Some("the watches have not shown the whole cluster yet".to_owned());
        }
        let health = self.health();
        if !lately(health.lease_seen, LEASE_SEEN_LATELY) {
            return Some("the Lease cannot be read or written".to_owned());
        }
        // A standby does not talk to the server.
        health.leads?;
        if let Some(error) = &health.server_error {
            return Some(error.clone());
        }
        let silent = !lately(health.answered, ANSWERED_LATELY);
        silent.then(|| "the server has not answered lately".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_agent_core::Watched;
    use berth_schema::AgentId;

    #[test]
    fn readiness_tells_what_it_waits_for() {
        let shared = Shared::new(Identity::of(AgentId::random()));
        let now = Instant::now();
        let unready = |at| shared.unready(at).unwrap_or_default();
        assert!(unready(now).contains("watches"));
        for watched in Watched::ALL {
            shared.agent().index_mut().begin_list(watched);
            shared.agent().index_mut().end_list(watched);
        }
        assert!(unready(now).contains("Lease"));
        shared.health().lease_seen = Some(now);
        assert_eq!(shared.unready(now), None, "a standby that watches is ready");
        shared.health().leads = Some(1);
        assert!(unready(now).contains("has not answered"));
        shared.health().answered = Some(now);
        assert_eq!(shared.unready(now), None);
        shared.health().lease_seen = Some(now + 2 * ANSWERED_LATELY);
        assert!(unready(now + 2 * ANSWERED_LATELY).contains("has not answered lately"));
        shared.health().server_error = Some("the token was revoked".to_owned());
        assert!(unready(now).contains("revoked"));
    }
}
