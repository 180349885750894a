//! Whose turn it is at the database: agents stand in a queue of their own.
//!
//! A thousand agents that return at the same moment would all ask for one of a few connections, most would give up after
//! the time that a person waits, and come back to do the same. In a queue each is served after the one before it, and people
//! find a connection meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::Error;

/// A message of an agent waits twice, for its proof of who it is and for its round; an agent waits 20 s longer for an answer
/// than it allows the server to hold it.
const PATIENCE: Duration = Duration::from_secs(9);

/// Shared by all workers; the clones are one.
#[derive(Clone, Debug)]
pub struct Turns {
    queue: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    /// Three quarters of so many connections.
    pub fn of(connections: usize) -> Self {
        Self { queue: Arc::new(Semaphore::new((connections * 3 / 4).max(1))), patience: PATIENCE }
    }

    /// Waits in the order of asking. An agent that is not served in time asks again later.
    pub async fn take(&self) -> Result<SemaphorePermit<'_>, Error> {
        match timeout(self.patience, self.queue.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(_) => Err(Error::Unavailable("too many agents ask at the same time".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_has_to_wait_is_served_in_its_turn_and_nobody_waits_for_ever() {
        let turns = Turns { patience: Duration::from_millis(50), ..Turns::of(1) };
        let first = turns.take().await.expect("nobody is before it");
        let mut second = Box::pin(turns.take());
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        let second = second.await.expect("its turn came");
        assert!(matches!(turns.take().await, Err(Error::Unavailable(_))));
        drop(second);
        drop(turns.take().await.expect("it is free again"));
    }
}
