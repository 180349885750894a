//! Carries the database's notifications to the polls that are held here and to the feeds of who watches.

use berth_db::Event;
use futures::{Stream, StreamExt as _};
use tokio::time::Instant;

use crate::Context;
use crate::identity::{Actor, Run};

/// Among the tasks: each event is a run.
const NAME: &str = "listener";

/// Wakes polls and feeds until the stream ends, which it does not: whoever runs this stops it.
pub(crate) async fn run(events: impl Stream<Item = Event>, context: Context) {
    context.tasks.announce(NAME, None);
    let Context { hub, connections, streams, contacts, .. } = &context;
    futures::pin_mut!(events);
    while let Some(event) = events.next().await {
        let run = Run::begin(Actor::Task(NAME), ());
        let begun = Instant::now();
        match event {
            Event::Intent(agent) => hub.wake(agent),
            Event::Workspaces(organization) => streams.hint(organization),
            Event::Revoked(organization, token) => streams.revoke(organization, token),
            Event::Connections(organization) => {
                connections.wake(organization);
                streams.doubt(organization);
            }
            Event::Contacts(heard) => heard.into_iter().for_each(|heard| contacts.told(heard, run.now)),
            Event::Reconnected => {
                hub.wake_all();
                connections.wake_all();
                streams.doubt_all();
            }
        }
        context.tasks.ran(NAME, run.now, begun.elapsed(), true);
    }
}
