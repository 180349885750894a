//! What a connection holds until everything that came by it has ended, also what goes on behind an upgrade.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A place among the most connections, and that the program waits for its end.
#[derive(Debug)]
pub(crate) struct Held {
    /// Of what is open.
    count: Gauge,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
    _waited_for: TaskTrackerToken,
}

impl Held {
    /// `stop`: cancelled when the program is to end.
    pub(crate) fn new(
        stop: &CancellationToken,
        place: OwnedSemaphorePermit,
        (all, count): (&TaskTracker, &Gauge),
    ) -> Arc<Self> {
        count.inc();
        let (stop, count) = (stop.clone(), count.clone());
        Arc::new(Self { count, stop, _place: place, _waited_for: all.token() })
    }

    pub(crate) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.dec();
    }
}
