//! Looks at a workspace whenever it may have changed: told by the server's events where there are any, asking again and
//! again where there are none.

use std::time::Duration;

use berth_schema::ActualState;
use berth_schema::api::Workspace;
use tokio::time::sleep;

use crate::client::{Events, Organization};
use crate::error::Error;
use crate::exit::Exit;
use crate::names::WorkspaceRef;

/// How often the server is asked where it sends no events: from the first, a quarter longer each time, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Somebody who waits for a workspace.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    organization: &'a Organization,
    workspace: WorkspaceRef,
    events: Source,
    pause: Duration,
}

#[derive(Debug)]
enum Source {
    /// Not asked for yet.
    Unopened,
    Open(Box<Events>),
    /// The server has none, or they ended: it is asked instead.
    Polling,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(organization: &'a Organization, workspace: WorkspaceRef) -> Self {
        Self { organization, workspace, events: Source::Unopened, pause: FIRST_PAUSE }
    }

    /// The workspace the next time there is something to look at; not necessarily another than `seen`. May be given up and
    /// called again.
    pub(crate) async fn next(&mut self, seen: &Workspace) -> Result<Workspace, Error> {
        loop {
            match &mut self.events {
                Source::Unopened => {
                    let events = self.organization.workspace_events(&self.workspace).await;
                    // Whatever is wrong: the question that is asked instead will tell if it matters.
                    self.events = events.map_or(Source::Polling, |events| Source::Open(Box::new(events)));
                }
                Source::Open(events) => match events.next().await {
                    Ok(Some(event)) => {
                        if let Some(workspace) = event.json().filter(|_| event.name == "workspace") {
                            return Ok(workspace);
                        }
                    }
                    Ok(None) | Err(_) => self.events = Source::Polling,
                },
                Source::Polling => {
                    sleep(self.pause).await;
                    return self.poll(seen).await;
                }
            }
        }
    }

    async fn poll(&mut self, seen: &Workspace) -> Result<Workspace, Error> {
        self.pause = (self.pause * 5 / 4).min(LAST_PAUSE);
        let now = self.organization.workspace(&self.workspace).await?;
        if now.actual_state != seen.actual_state {
            self.pause = FIRST_PAUSE;
        }
        Ok(now)
    }
}

/// A workspace that is not found any more after its deletion was asked for is gone.
pub(super) fn gone(seen: &Workspace, error: &Error) -> Option<Workspace> {
    (error.exit() == Exit::NotFound)
        .then(|| Workspace { actual_state: ActualState::Terminated, ..seen.clone() })
}
