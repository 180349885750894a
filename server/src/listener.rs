//! Carries the database's notifications to the polls that are held here.

use berth_db::Event;
use futures::{Stream, StreamExt as _};

use crate::Hub;

/// Wakes polls until the stream ends, which it does not: whoever runs this stops it.
pub(crate) async fn run(events: impl Stream<Item = Event>, hub: Hub) {
    futures::pin_mut!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::Intent(agent) => hub.wake(agent),
            Event::Workspaces(_) => {}
            Event::Reconnected => hub.wake_all(),
        }
    }
}
