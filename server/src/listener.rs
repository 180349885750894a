//! Carries the database's notifications to the polls that are held here and to the feeds of who watches.

use berth_db::Event;
use futures::{Stream, StreamExt as _};

use crate::Hub;
use crate::streams::Streams;

/// Wakes polls and feeds until the stream ends, which it does not: whoever runs this stops it.
pub(crate) async fn run(events: impl Stream<Item = Event>, hub: Hub, streams: Streams) {
    futures::pin_mut!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::Intent(agent) => hub.wake(agent),
            Event::Workspaces(organization) => streams.hint(organization),
            Event::Revoked(organization, token) => streams.revoke(organization, token),
            Event::Reconnected => {
                hub.wake_all();
                streams.hint_all();
            }
        }
    }
}
