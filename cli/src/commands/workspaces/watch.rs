//! `--watch`: a line for each change, as long as somebody looks.

use std::time::Duration;

use berth_schema::api::Workspace;
use tokio::time::sleep;

use crate::client::{Events, Listing, Organization, WorkspaceFilter, interruptible};
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::{Format, Rows};
use crate::session::{Session, now};

/// The pauses before the stream is opened again: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Shows one workspace at each change until it is gone or somebody presses Ctrl-C.
pub(super) async fn one(session: &Session, workspace: &WorkspaceRef, format: Format) -> Result<(), Error> {
    interruptible(async {
        let mut rows = session.printer.rows_of_a_watch(format);
        let mut last = None;
        let mut pause = FIRST_PAUSE;
        loop {
            match session.organization.workspace_events(workspace).await {
                Ok(events) => {
                    pause = FIRST_PAUSE;
                    if follow(events, &mut rows, &mut last).await? {
                        return Ok(());
                    }
                }
                Err(error) if error.passes_by_itself() => session.talk.trace(&error.to_string()),
                Err(error) => return Err(error),
            }
            wait(&mut pause).await;
        }
    })
    .await
}

/// Whether the workspace is gone; otherwise the stream has ended.
async fn follow(mut events: Events, rows: &mut Rows, last: &mut Option<Workspace>) -> Result<bool, Error> {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) | Err(Error::Unreachable { .. } | Error::Other(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some(workspace) = event.json::<Workspace>().filter(|_| event.name == "workspace") else {
            continue;
        };
        // A stream that is opened again begins with what was told before.
        if last.as_ref() != Some(&workspace) {
            rows.show(&workspace, now())?;
        }
        let is_gone = workspace.is_gone();
        *last = Some(workspace);
        if is_gone {
            return Ok(true);
        }
    }
}

/// Shows every workspace that the filter lets through, and then each change of one.
pub(super) async fn all(session: &Session, filter: &WorkspaceFilter, format: Format) -> Result<(), Error> {
    interruptible(async {
        let mut rows = session.printer.rows_of_a_watch(format);
        let mut position = None;
        let mut pause = FIRST_PAUSE;
        loop {
            match session.organization.events(position.as_deref()).await {
                Ok(mut events) => {
                    pause = FIRST_PAUSE;
                    follow_all(&session.organization, &mut events, filter, &mut rows, &mut position).await?;
                }
                Err(error) if error.passes_by_itself() => session.talk.trace(&error.to_string()),
                Err(error) => return Err(error),
            }
            wait(&mut pause).await;
        }
    })
    .await
}

async fn follow_all(
    organization: &Organization,
    events: &mut Events,
    filter: &WorkspaceFilter,
    rows: &mut Rows,
    position: &mut Option<String>,
) -> Result<(), Error> {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) | Err(Error::Unreachable { .. } | Error::Other(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match event.name.as_str() {
            // Everything from here on is told, so that what is listed now leaves no gap.
            "open" | "reset" => {
                let listing = Listing { limit: None, after: None };
                for workspace in organization.list_workspaces(filter, &listing).await?.items {
                    rows.show(&workspace, now())?;
                }
            }
            "workspace" => {
                if let Some(workspace) = event.json::<Workspace>().filter(|workspace| filter.holds(workspace))
                {
                    rows.show(&workspace, now())?;
                }
            }
            // Other workspaces may be there than were: they are listed anew.
            "moved" => *position = None,
            _ => {}
        }
        if event.id.is_some() {
            *position = event.id;
        }
    }
}

async fn wait(pause: &mut Duration) {
    sleep(*pause).await;
    *pause = (*pause * 2).min(LAST_PAUSE);
}
