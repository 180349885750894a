//! Who is to be woken when something changes: a watch by changes of its own kind only.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use berth_agent_core::Watched;
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Changes {
    watches: BTreeMap<Watched, Rc<Notify>>,
    /// Wakes the controllers.
    pub(super) any: Rc<Notify>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            watches: Watched::ALL.into_iter().map(|watched| (watched, Rc::default())).collect(),
            any: Rc::default(),
        }
    }
}

impl Changes {
    pub(super) fn of(&self, watched: Watched) -> Rc<Notify> {
        self.watches.get(&watched).map_or_else(|| Rc::clone(&self.any), Rc::clone)
    }

    /// Objects of these kinds changed.
    pub(super) fn tell(&self, kinds: &BTreeSet<Watched>) {
        for watched in kinds {
            self.of(*watched).notify_waiters();
        }
        self.any.notify_waiters();
    }

    /// All watches have to look.
    pub(super) fn tell_all(&self) {
        self.tell(&Watched::ALL.into_iter().collect());
    }
}
