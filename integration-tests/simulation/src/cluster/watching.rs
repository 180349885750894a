//! Lists and watches, with what may be wrong with them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use berth_agent_core::Watched;
use berth_schema::AgentId;
use tokio::sync::Notify;

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
    ) -> Self {
        let (next, breaks) = {
            let state = state.borrow();
            let history = state.history.get(&watched).map_or(&[][..], Vec::as_slice);
            (history.partition_point(|change| change.version <= after), state.breaks)
        };
        let ends = env.runtime.now() + WATCH;
        let silent = env.faults.spring(Trap::WatchSilent, &env.trace);
        Self { env, state, changed, agent, watched, version: after, next, breaks, ends, silent, again: None }
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
            if let Some(end) = self.broken() {
                return Err(end);
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
                () = ends => return Err(WatchEnd::Closed),
            }
        }
    }

    fn broken(&self) -> Option<WatchEnd> {
        let state = self.state.borrow();
        if self.breaks < state.expired {
            return Some(WatchEnd::Gone);
        }
        (self.breaks < state.breaks).then_some(WatchEnd::Closed)
    }

    fn advance(&mut self) -> Option<Change> {
        let state = self.state.borrow();
        let history = state.history.get(&self.watched)?;
        while let Some(change) = history.get(self.next) {
            self.next += 1;
            self.version = change.version;
            if change.object.is_of_agent(self.agent) {
                return Some(change.clone());
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
