//! A server's process: the handlers around the planner, as `berth-server` has them.

mod mistakes;
mod round;
mod users;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use berth_schema::AgentId;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::environment::Env;
use crate::runtime::Owner;
use crate::store::MemoryStore;

pub use mistakes::Mistakes;
pub use round::{Refused, Speaker, confirm_loss, reconcile};
pub use users::{New, UserError, change, create};

/// One process of the server.
#[derive(Debug)]
pub struct ServerProcess {
    pub env: Env,
    pub owner: Owner,
    pub clock: Clock,
    pub store: MemoryStore,
    pub hub: Rc<Hub>,
}

impl ServerProcess {
    pub fn start(env: &Env, clock: Clock, store: &MemoryStore) -> Rc<Self> {
        let hub = Rc::new(Hub::default());
        store.listen(Rc::clone(&hub));
        let owner = env.runtime.owner();
        Rc::new(Self { env: Rc::clone(env), owner, clock, store: store.clone(), hub })
    }
}

/// Wakes the polls that are held. A wake-up is a hint that carries nothing.
#[derive(Debug, Default)]
pub struct Hub(RefCell<BTreeMap<AgentId, Rc<Notify>>>);

impl Hub {
    pub fn of(&self, agent: AgentId) -> Rc<Notify> {
        Rc::clone(self.0.borrow_mut().entry(agent).or_default())
    }

    pub fn wake(&self, agent: AgentId) {
        self.of(agent).notify_waiters();
    }
}
