//! Lists and watches, with what may be wrong with them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use berth_agent_core::Watched;
use berth_schema::AgentId;
use tokio::sync::Notify;

use super::Following;
use super::objects::Object;
use super::state::{Change, State};
use crate::environment::Env;
use crate::faults::Trap;
use crate::runtime::Moment;

/// The agent asks for watches of this length.
const WATCH: Duration = Duration::from_secs(60);

/// A complete list, and where a watch goes on from.
#[derive(Debug)]
pub struct Listing {
    pub version: u64,
    pub objects: Vec<Rc<Object>>,
}

/// An event of a watch.
#[derive(Debug)]
pub enum Seen {
    Applied(Rc<Object>),
    Deleted(Rc<Object>),
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// It can be taken up where it was.
    Closed,
    /// 410: a new list is needed.
    Gone,
}

impl Following for Watch {
    async fn next(&mut self) -> Result<Seen, WatchEnd> {
        Self::next(self).await
    }

    fn version(&self) -> u64 {
        self.version
    }
}

/// One open watch.
#[derive(Debug)]
pub struct Watch {
    env: Env,
    state: Rc<RefCell<State>>,
    changed: Rc<Notify>,
    agent: AgentId,
    watched: Watched,
    /// Everything up to this version was shown.
    pub version: u64,
    next: usize,
    breaks: u64,
    ends: Moment,
    silent: bool,
    again: Option<Rc<Object>>,
}

impl Watch {
    pub(super) fn open(
        env: Env,
        state: Rc<RefCell<State>>,
        changed: Rc<Notify>,
        agent: AgentId,
        watched: Watched,
        after: u64,
    ) -> Result<Self, WatchEnd> {
        let (next, breaks) = {
            let state = state.borrow();
            if after < state.compacted {
                return Err(WatchEnd::Gone);
            }
            let history = state.history.get(&watched).map_or(&[][..], Vec::as_slice);
            (history.partition_point(|change| change.version <= after), state.breaks)
        };
        let ends = env.runtime.now() + WATCH;
        let silent = env.faults.spring(Trap::WatchSilent, &env.trace);
        let version = after;
        Ok(Self { env, state, changed, agent, watched, version, next, breaks, ends, silent, again: None })
    }

    /// The next event.
    pub async fn next(&mut self) -> Result<Seen, WatchEnd> {
        if let Some(object) = self.again.take() {
            return Ok(Seen::Applied(object));
        }
        loop {
            let changed = Rc::clone(&self.changed);
            let mut woken = std::pin::pin!(changed.notified());
            woken.as_mut().enable();
            if self.breaks < self.state.borrow().breaks {
                return Err(WatchEnd::Closed);
            }
            if !self.silent
                && let Some(change) = self.advance()
            {
                return Ok(self.show(change).await);
            }
            let ends = self.env.runtime.sleep_until(self.ends);
            tokio::select! {
                biased;
                () = woken => {}
                () = ends => return Err(self.end()),
            }
        }
    }

    /// Shortly before a watch is due to end the API server sends a bookmark.
    fn end(&mut self) -> WatchEnd {
        if !self.silent {
            self.version = self.state.borrow().version;
        }
        WatchEnd::Closed
    }

    /// The next change of an object that carries the agent's label, or has lost it.
    fn advance(&mut self) -> Option<Change> {
        let state = self.state.borrow();
        let history = state.history.get(&self.watched)?;
        while let Some(change) = history.get(self.next) {
            self.next += 1;
            let before = change.before.as_ref().is_some_and(|object| object.is_of_agent(self.agent));
            let after = !change.gone && change.object.is_of_agent(self.agent);
            if before || after {
                self.version = change.version;
                // What has lost the label is shown as it was with it.
                let object = change.before.as_ref().filter(|_| !after).unwrap_or(&change.object);
                return Some(Change { gone: !after, object: Rc::clone(object), ..change.clone() });
            }
        }
        None
    }

    async fn show(&mut self, change: Change) -> Seen {
        let env = Rc::clone(&self.env);
        let late = env.faults.spring(Trap::EventLate, &env.trace);
        let latency = if late { env.long(1_000..=20_000) } else { env.dice.micros(200..=8_000) };
        env.runtime.sleep(latency).await;
        if change.gone {
            return Seen::Deleted(change.object);
        }
        if env.faults.spring(Trap::EventRepeated, &env.trace) {
            self.again = Some(Rc::clone(&change.object));
        }
        Seen::Applied(change.object)
    }
}
