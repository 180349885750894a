//! What every handler may use.

use std::fmt;
use std::sync::Arc;

use berth_db::Database;
use berth_schema::AgentConfiguration;
use berth_schema::reconcile::Settings;
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::sync::CancellationToken;

use crate::crypto::KeyRing;
use crate::metrics::Metrics;
use crate::{Contacts, Hub, Turns, clock};

/// Shared by all workers; the clones are one.
#[derive(Clone)]
pub struct Context {
    pub database: Database,
    pub keys: Arc<KeyRing>,
    /// What holds where an agent's own configuration says nothing.
    pub agent_defaults: Arc<AgentConfiguration>,
    /// Agents at the database.
    pub turns: Turns,
    /// What agents are told about their behaviour.
    pub settings: Settings,
    pub hub: Hub,
    pub contacts: Contacts,
    pub metrics: Metrics,
    pub random: Arc<dyn SecureRandom + Send + Sync>,
    /// Cancelled when the server is about to stop: it is not ready any more, and held answers go out.
    pub draining: CancellationToken,
}

impl Context {
    pub fn new(database: Database, keys: KeyRing, agent_defaults: AgentConfiguration) -> Self {
        let metrics = Metrics::default();
        let observed = metrics.clone();
        Self {
            turns: Turns::of(database.pool_size()),
            database: database.on_operation(move |sample| observed.operation(sample)),
            keys: Arc::new(keys),
            agent_defaults: Arc::new(agent_defaults),
            settings: Settings::default(),
            hub: Hub::default(),
            contacts: Contacts::new(clock::now()),
            metrics,
            random: Arc::new(SystemRandom::new()),
            draining: CancellationToken::new(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("database", &self.database)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
