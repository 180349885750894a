//! When each agent was last heard of, by any server. In memory only: a poll must not cost a write. Servers tell each other by
//! notifications of the database, for an agent speaks to one of them alone as long as its connection lasts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use berth_db::Heard;
use berth_planner::why::SILENCE;
use berth_schema::AgentId;
use jiff::{SignedDuration, Timestamp};

use crate::identity::Run;
use crate::tasks::Task;
use crate::{Context, Error};

#[derive(Clone, Debug)]
pub struct Contacts {
    known: Arc<RwLock<Known>>,
    listening_since: Timestamp,
}

#[derive(Debug, Default)]
struct Known {
    last: HashMap<AgentId, Timestamp>,
    /// Heard of here since the others were told.
    untold: HashSet<AgentId>,
}

impl Contacts {
    pub fn new(now: Timestamp) -> Self {
        Self { known: Arc::default(), listening_since: now }
    }

    pub fn heard(&self, agent: AgentId, now: Timestamp) {
        let mut known = self.write();
        known.last.insert(agent, now);
        known.untold.insert(agent);
    }

    /// A server, which may be this one, has heard of it so many seconds ago.
    pub(crate) fn told(&self, heard: Heard, now: Timestamp) {
        let at = now - SignedDuration::from_secs(heard.seconds_ago.into());
        let mut known = self.write();
        let last = known.last.entry(heard.agent).or_insert(at);
        *last = at.max(*last);
    }

    /// What the others have not been told.
    fn untold(&self, now: Timestamp) -> Vec<Heard> {
        let mut known = self.write();
        let agents = std::mem::take(&mut known.untold);
        let heard = |agent| {
            let ago = now.duration_since(*known.last.get(&agent)?).as_secs();
            Some(Heard { agent, seconds_ago: u32::try_from(ago).unwrap_or_default() })
        };
        agents.into_iter().filter_map(heard).collect()
    }

    /// `None` when the agent was not heard of since this server started.
    pub fn last(&self, agent: AgentId) -> Option<Timestamp> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).last.get(&agent).copied()
    }

    /// Since when agents could have been heard at all.
    pub const fn listening_since(&self) -> Timestamp {
        self.listening_since
    }

    /// Since when nothing was heard of an agent, once that is too long; `since`: nothing was to be heard of it before.
    pub(crate) fn silent_since(&self, agent: AgentId, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let heard = self.last(agent).unwrap_or_else(|| self.listening_since.max(since));
        (now.duration_since(heard) >= SILENCE).then_some(heard)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the other servers.
#[derive(Debug)]
pub(crate) struct Teller {
    url: String,
}

impl Teller {
    pub(crate) const fn new(url: String) -> Self {
        Self { url }
    }
}

impl Task for Teller {
    const NAME: &'static str = "contacts";
    const PERIOD: Duration = Duration::from_secs(15);

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        tell_of_contacts(run, &self.url).await
    }
}

/// Tells all servers which agents were heard of here since that was told.
pub async fn tell_of_contacts(run: &Run<Arc<Context>>, url: &str) -> Result<(), Error> {
    let heard = run.context.contacts.untold(run.now);
    if heard.is_empty() {
        return Ok(());
    }
    Ok(berth_db::tell_of_contacts(url, &heard).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    #[test]
    fn an_agent_is_heard_of_by_whichever_server_it_speaks_to() {
        let (here, there, agent) = (Contacts::new(at(0)), Contacts::new(at(0)), AgentId::random());
        here.heard(agent, at(100));
        assert_eq!(there.silent_since(agent, at(-50), at(119)), None, "it has not listened for long");
        assert_eq!(there.silent_since(agent, at(-50), at(120)), Some(at(0)));
        let told = here.untold(at(110));
        assert_eq!(told, [Heard { agent, seconds_ago: 10 }]);
        for server in [&here, &there] {
            server.told(told[0], at(111));
            assert_eq!(server.silent_since(agent, at(-50), at(219)), None);
        }
        assert_eq!(here.last(agent), Some(at(101)), "within a second");
        assert_eq!(here.untold(at(112)), [], "what was told comes back, and is not told again");
        assert_eq!(there.silent_since(agent, at(-50), at(221)), Some(at(101)));
    }
}
