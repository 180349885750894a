//! Whose turn it is at the database: whoever may ask much stands in a queue of its own, and the queues take turns.
//!
//! A thousand agents that return at the same moment would all ask for one of a few connections, most would give up after
//! the time that a person waits, and come back to do the same. In a queue each is served after the one before it, and people
//! find a connection meanwhile. One agent that asks a thousand times at once waits behind itself and nobody behind it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Error;

/// A message of an agent waits twice, for its proof of who it is and for its round; an agent waits 20 s longer for an answer
/// than it allows the server to hold it.
const PATIENCE: Duration = Duration::from_secs(9);

/// Shared by all workers; the clones are one.
#[derive(Debug)]
pub struct Turns<K: Key> {
    queues: Arc<Mutex<Queues<K>>>,
    patience: Duration,
}

impl<K: Key> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self { queues: Arc::clone(&self.queues), patience: self.patience }
    }
}

/// Who a queue is of.
pub trait Key: Copy + Eq + Hash + Debug + Send {}

impl<T: Copy + Eq + Hash + Debug + Send> Key for T {}

#[derive(Debug)]
struct Queues<K: Key> {
    free: usize,
    /// The most places of one key.
    most: usize,
    /// Who has a place, and how many.
    taken: HashMap<K, usize>,
    /// Who waits, in the order of coming; none is empty.
    waiting: HashMap<K, VecDeque<oneshot::Sender<Turn<K>>>>,
    /// The keys of `waiting`, in the order of their turns.
    order: VecDeque<K>,
}

impl<K: Key> Queues<K> {
    fn may_take(&self, key: &K) -> bool {
        self.taken.get(key).is_none_or(|taken| *taken < self.most)
    }

    fn take(&mut self, key: K) {
        *self.taken.entry(key).or_default() += 1;
    }

    fn give_back(&mut self, key: K) {
        if let Entry::Occupied(mut taken) = self.taken.entry(key) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }

    /// The first in the queue whose turn it is, of those that may have another place. It goes behind the others.
    fn next(&mut self) -> Option<(K, oneshot::Sender<Turn<K>>)> {
        let at = self.order.iter().position(|key| self.may_take(key))?;
        let key = self.order.remove(at)?;
        let queue = self.waiting.get_mut(&key)?;
        let first = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.order.push_back(key);
        }
        Some((key, first))
    }
}

impl<K: Key> Turns<K> {
    /// So many at a time.
    pub fn new(places: usize) -> Self {
        Self::with_most(places, places)
    }

    /// The same, of which one key has at most so many: where a turn takes long, and whoever it is of could make it so.
    pub fn with_most(places: usize, most: usize) -> Self {
        let (taken, waiting, order) = (HashMap::new(), HashMap::new(), VecDeque::new());
        let queues = Queues { free: places, most: most.max(1), taken, waiting, order };
        Self { queues: Arc::new(Mutex::new(queues)), patience: PATIENCE }
    }

    /// Waits for the turn of whoever it is. Somebody who is not served in time asks again later.
    pub async fn take(&self, key: K) -> Result<Turn<K>, Error> {
        let turn = {
            let mut queues = self.lock();
            if queues.free > 0 && queues.may_take(&key) {
                queues.free -= 1;
                queues.take(key);
                return Ok(Turn { turns: self.clone(), key, is_taken: true });
            }
            let (sender, turn) = oneshot::channel();
            let queue = queues.waiting.entry(key).or_default();
            // Whoever gave up leaves its place in the queue behind.
            queue.retain(|waiting| !waiting.is_closed());
            queue.push_back(sender);
            if queue.len() == 1 && !queues.order.contains(&key) {
                queues.order.push_back(key);
            }
            turn
        };
        match timeout(self.patience, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(Error::internal("a turn was lost")),
            Err(_) => Err(Error::Unavailable("too many ask at the same time".into())),
        }
    }

    /// Hands the place of a turn that has ended to whoever is next.
    fn hand_on(&self, mut of: K) {
        loop {
            let (key, next) = {
                let mut queues = self.lock();
                queues.give_back(of);
                let Some((key, next)) = queues.next() else {
                    queues.free += 1;
                    return;
                };
                queues.take(key);
                (key, next)
            };
            match next.send(Turn { turns: self.clone(), key, is_taken: true }) {
                Ok(()) => return,
                // It has given up. The turn that comes back is this one.
                Err(mut turn) => {
                    turn.is_taken = false;
                    of = key;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues<K>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at the database. Dropping it hands it on.
#[derive(Debug)]
pub struct Turn<K: Key> {
    turns: Turns<K>,
    key: K,
    is_taken: bool,
}

impl<K: Key> Drop for Turn<K> {
    fn drop(&mut self) {
        if self.is_taken {
            self.turns.hand_on(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;

    type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Turn<u8>, Error>> + 'a>>;

    fn wait(turns: &Turns<u8>, key: u8) -> Waiting<'_> {
        let mut waiting: Waiting<'_> = Box::pin(turns.take(key));
        assert!(futures::FutureExt::now_or_never(&mut waiting).is_none());
        waiting
    }

    fn is_ready(waiting: &mut Waiting<'_>) -> Option<Turn<u8>> {
        futures::FutureExt::now_or_never(waiting).map(|turn| turn.expect("its turn"))
    }

    #[tokio::test]
    async fn whoever_has_to_wait_is_served_in_its_turn_and_nobody_waits_for_ever() {
        let turns = Turns { patience: Duration::from_millis(50), ..Turns::new(1) };
        let first = turns.take(1).await.expect("nobody is before it");
        let mut second = wait(&turns, 1);
        drop(first);
        let second = is_ready(&mut second).expect("its turn came");
        assert!(matches!(turns.take(1).await, Err(Error::Unavailable(_))));
        drop(second);
        drop(turns.take(1).await.expect("it is free again"));
    }

    #[tokio::test]
    async fn one_that_asks_a_thousand_times_waits_behind_itself_and_nobody_behind_it() {
        let turns = Turns::new(1);
        let mut turn = turns.take(1).await.expect("free");
        let mut many: Vec<_> = (0..1_000).map(|_| wait(&turns, 1)).collect();
        let mut other = wait(&turns, 2);
        drop(turn);
        turn = is_ready(&mut many[0]).expect("the first of the first");
        assert!(is_ready(&mut other).is_none());
        drop(turn);
        assert!(is_ready(&mut many[1]).is_none());
        turn = is_ready(&mut other).expect("then the other");
        drop(turn);
        assert!(is_ready(&mut many[1]).is_some());
    }

    #[tokio::test]
    async fn one_key_has_no_more_than_its_most_while_others_find_a_place() {
        let turns = Turns::with_most(3, 2);
        let first = turns.take(1).await.expect("free");
        let _second = turns.take(1).await.expect("free");
        let mut third = wait(&turns, 1);
        let other = turns.take(2).await.expect("a place is left for others");
        let mut another = wait(&turns, 3);
        drop(other);
        assert!(is_ready(&mut third).is_none(), "it is not its turn, whoever came first");
        let another = is_ready(&mut another).expect("whoever has none");
        drop(another);
        assert!(is_ready(&mut third).is_none());
        drop(first);
        drop(is_ready(&mut third).expect("one of its own has ended"));
        assert!(turns.take(1).await.is_ok());
    }

    #[tokio::test]
    async fn a_place_is_never_lost_to_somebody_who_gave_up() {
        let turns = Turns::new(1);
        let turn = turns.take(1).await.expect("free");
        let given_up = wait(&turns, 1);
        let granted = wait(&turns, 2);
        let mut last = wait(&turns, 3);
        drop(given_up);
        drop(turn);
        // It was granted the place and never looked.
        drop(granted);
        drop(is_ready(&mut last).expect("the place comes to it"));
        let queues = turns.lock();
        assert!(queues.free == 1 && queues.waiting.is_empty() && queues.order.is_empty());
        assert!(queues.taken.is_empty());
    }
}
