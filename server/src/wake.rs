//! Wakes the polls that are held for an agent when its intent changes.
//!
//! A wake-up is a hint that carries nothing: whoever wakes looks at the database again. So that none is lost, a poll
//! subscribes before it looks.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use berth_schema::AgentId;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// One entry for each agent that a poll is held for.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    agents: Arc<Mutex<HashMap<AgentId, Weak<Notify>>>>,
}

impl Hub {
    /// Listens from now on: a wake-up after this call ends [`Subscription::woken`], even before it is awaited.
    pub fn subscribe(&self, agent: AgentId) -> Subscription {
        let mut agents = self.lock();
        let notify = agents.get(&agent).and_then(Weak::upgrade).unwrap_or_else(|| {
            let notify = Arc::new(Notify::new());
            agents.insert(agent, Arc::downgrade(&notify));
            notify
        });
        drop(agents);
        let mut woken = Box::pin(Arc::clone(&notify).notified_owned());
        woken.as_mut().enable();
        Subscription { hub: self.clone(), agent, notify: Some(notify), woken: Some(woken) }
    }

    pub fn wake(&self, agent: AgentId) {
        // Not under the lock: the waiters' wakers are somebody else's code.
        let notify = self.lock().get(&agent).and_then(Weak::upgrade);
        if let Some(notify) = notify {
            notify.notify_waiters();
        }
    }

    /// Wakes everyone: wake-ups may have been missed, or the server is about to stop.
    pub fn wake_all(&self) {
        let all: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        for notify in all {
            notify.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Weak<Notify>>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for news of one agent.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    agent: AgentId,
    notify: Option<Arc<Notify>>,
    woken: Option<Pin<Box<OwnedNotified>>>,
}

impl Subscription {
    /// Ends with the first wake-up since the subscription.
    pub fn woken(&mut self) -> impl Future<Output = ()> {
        let woken = self.woken.take();
        async move {
            match woken {
                Some(woken) => woken.await,
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.woken = None;
        self.notify = None;
        let mut agents = self.hub.lock();
        // The last one out removes the entry, or the map would grow with every agent that ever was.
        if agents.get(&self.agent).is_some_and(|notify| notify.strong_count() == 0) {
            agents.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn ends(future: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(Duration::from_millis(50), future).await.is_ok()
    }

    #[tokio::test]
    async fn a_wake_up_between_subscribing_and_waiting_is_not_lost() {
        let (hub, agent) = (Hub::default(), AgentId::random());
        let mut subscription = hub.subscribe(agent);
        hub.wake(agent);
        assert!(ends(subscription.woken()).await);
    }

    #[tokio::test]
    async fn every_waiter_of_the_agent_wakes_and_no_other() {
        let (hub, agent) = (Hub::default(), AgentId::random());
        let (mut first, mut second) = (hub.subscribe(agent), hub.subscribe(agent));
        let mut other = hub.subscribe(AgentId::random());
        hub.wake(agent);
        assert!(ends(first.woken()).await && ends(second.woken()).await);
        assert!(!ends(other.woken()).await);
    }

    #[tokio::test]
    async fn everyone_wakes_when_wake_ups_may_have_been_missed() {
        let hub = Hub::default();
        let mut subscriptions = [hub.subscribe(AgentId::random()), hub.subscribe(AgentId::random())];
        hub.wake_all();
        for subscription in &mut subscriptions {
            assert!(ends(subscription.woken()).await);
        }
    }

    #[tokio::test]
    async fn nothing_is_left_of_who_went_away() {
        let (hub, agent) = (Hub::default(), AgentId::random());
        let (first, mut second) = (hub.subscribe(agent), hub.subscribe(agent));
        drop(first);
        hub.wake(agent);
        assert!(ends(second.woken()).await);
        drop(second);
        assert!(hub.lock().is_empty());
    }
}
