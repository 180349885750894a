//! Wakes the polls that are held for an agent when its intent changes.
//!
//! A wake-up is a hint that carries nothing: whoever wakes looks at the database again. So that none is lost, a poll
//! subscribes before it looks.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// One entry for each agent, or whatever else `K` names, that a poll is held for.
#[derive(Clone, Debug)]
pub struct Hub<K> {
    waiting: Arc<Mutex<HashMap<K, Weak<Notify>>>>,
}

impl<K> Default for Hub<K> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<K: Copy + Eq + Hash> Hub<K> {
    /// Listens from now on: a wake-up after this call ends [`Subscription::woken`], even before it is awaited.
    pub fn subscribe(&self, key: K) -> Subscription<K> {
        let mut waiting = self.lock();
        let notify = waiting.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let notify = Arc::new(Notify::new());
            waiting.insert(key, Arc::downgrade(&notify));
            notify
        });
        drop(waiting);
        let mut woken = Box::pin(Arc::clone(&notify).notified_owned());
        woken.as_mut().enable();
        Subscription { hub: self.clone(), key, notify: Some(notify), woken: Some(woken) }
    }

    pub fn wake(&self, key: K) {
        // Not under the lock: the waiters' wakers are somebody else's code.
        let notify = self.lock().get(&key).and_then(Weak::upgrade);
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

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Weak<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for news of one of them.
#[derive(Debug)]
pub struct Subscription<K: Copy + Eq + Hash> {
    hub: Hub<K>,
    key: K,
    notify: Option<Arc<Notify>>,
    woken: Option<Pin<Box<OwnedNotified>>>,
}

impl<K: Copy + Eq + Hash> Subscription<K> {
    /// Ends with the first wake-up since the subscription.
    pub fn woken(&mut self) -> impl Future<Output = ()> + use<K> {
        let woken = self.woken.take();
        async move {
            match woken {
                Some(woken) => woken.await,
                None => std::future::pending().await,
            }
        }
    }
}

impl<K: Copy + Eq + Hash> Drop for Subscription<K> {
    fn drop(&mut self) {
        self.woken = None;
        self.notify = None;
        let mut waiting = self.hub.lock();
        // The last one out removes the entry, or the map would grow with every one that ever was.
        if waiting.get(&self.key).is_some_and(|notify| notify.strong_count() == 0) {
            waiting.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::AgentId;
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
