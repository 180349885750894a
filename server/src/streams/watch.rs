//! One stream: `text/event-stream`, as browsers' EventSource reads it.
//!
//! | event | id | data |
//! |---|---|---|
//! | `open` | a position | `{}`: everything that changes from now on is told. Only of an organisation's stream |
//! | `workspace` | of one workspace: its newest transition's number; of an organisation: a position | the workspace |
//! | `reset` | a position | `{}`: too much changed to be told; list again. Only of an organisation's stream |
//! | `revoked` | | `{}`: the token is not valid any more; the stream ends |
//! | `moved` | | `{}`: who watches may do something else than before, or is under other rules; the stream ends, to be opened anew |

use std::collections::VecDeque;
use std::time::Duration;

use berth_db::Owned;
use berth_policy::Who;
use berth_schema::api::Workspace;
use berth_schema::{Action, ResourceKind, WorkspaceId};
use bytes::Bytes;
use futures::Stream;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::feed::{self, Change, Look, News};
use super::{BACKLOG, Seat};
use crate::identity::Authority;
use crate::services::places::Places;
use crate::services::workspaces;
use crate::{Context, Error};

/// After this long without an event a comment shows both sides that the other is still there. A client that went away holds
/// its place until the second one.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a client that lost its stream should wait before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    /// One workspace. With the number of the transition that the client knows, only what is newer is told.
    Workspace { id: WorkspaceId, known: Option<i64> },
    /// Every workspace of the organisation, from now or from a position on.
    Organization { from: Option<i64> },
}

/// The stream of a scope, until something that whoever watches is for a time is over. `None`: the workspace is gone, the client knows, and nothing will ever be told.
pub(crate) async fn open(
    context: &Context,
    (seat, authority, ends_at): (Seat, Authority, Option<Instant>),
    scope: Scope,
) -> Result<Option<impl Stream<Item = Result<Bytes, Error>> + use<>>, Error> {
    let mut watch = Watch {
        context: context.clone(),
        authority,
        seat,
        scope,
        queue: VecDeque::from([Bytes::from_static(RETRY.as_bytes())]),
        has_ended: false,
        ends_at,
    };
    match scope {
        Scope::Workspace { .. } => {
            watch.look_at_workspace().await?;
            if watch.has_ended && watch.queue.len() == 1 {
                return Ok(None);
            }
        }
        Scope::Organization { from } => watch.begin(from).await?,
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok(chunk), watch))
    });
    Ok(Some(stream))
}

struct Watch {
    context: Context,
    /// Of whoever watches: what they may not look at is not told.
    authority: Authority,
    seat: Seat,
    scope: Scope,
    /// What is to be sent before anything else is waited for; at most one look's worth.
    queue: VecDeque<Bytes>,
    has_ended: bool,
    /// When something that whoever watches is for a time is over.
    ends_at: Option<Instant>,
}

/// Ends then, or never.
async fn over(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // What was on its way is not for a token that is not valid any more.
            if self.seat.revoked.is_cancelled() && !self.has_ended {
                self.queue.clear();
                self.has_ended = true;
                self.send("revoked", None, &Nothing {});
            }
            if let Some(chunk) = self.queue.pop_front() {
                return Some(chunk);
            }
            if self.has_ended {
                return None;
            }
            tokio::select! {
                biased;
                () = self.context.draining.cancelled() => {
                    self.has_ended = true;
                    return Some(Bytes::from_static(b": the server stops\n\n"));
                }
                () = self.seat.revoked.cancelled() => {}
                () = self.seat.standing.has_moved() => self.ends_by_a_move(),
                // Whoever comes back is asked anew.
                () = over(self.ends_at) => self.ends_by_a_move(),
                news = self.seat.news.recv() => self.take(news).await,
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b":\n\n")),
            }
        }
    }

    fn ends_by_a_move(&mut self) {
        self.has_ended = true;
        self.send("moved", None, &Nothing {});
    }

    async fn take(&mut self, news: Result<News, RecvError>) {
        match (news, self.scope) {
            (Ok(News::Changed(change)), Scope::Workspace { id, .. }) => {
                if change.workspace.id == id {
                    if self.sees(&change.places, &change.owned) {
                        self.tell(&change.workspace, change.number);
                    } else {
                        self.has_ended = true;
                    }
                }
            }
            (Ok(News::Changed(change)), Scope::Organization { .. }) => self.tell_change(&change),
            (Ok(News::Much { position }), Scope::Organization { .. }) => {
                self.send("reset", Some(position), &Nothing {});
            }
            // Its own workspace may be among them, or among those that were missed.
            (Ok(News::Much { .. }) | Err(RecvError::Lagged(_)), Scope::Workspace { .. }) => {
                if self.look_at_workspace().await.is_err() {
                    self.has_ended = true;
                }
            }
            (Err(RecvError::Lagged(_)), Scope::Organization { .. }) => {
                match feed::position(&self.context, self.seat.organization).await {
                    Ok(position) => self.send("reset", Some(position), &Nothing {}),
                    Err(_) => self.has_ended = true,
                }
            }
            (Err(RecvError::Closed), _) => self.has_ended = true,
        }
    }

    /// Tells what the one workspace is, unless the client knows.
    async fn look_at_workspace(&mut self) -> Result<(), Error> {
        let Scope::Workspace { id, .. } = self.scope else { return Ok(()) };
        let found = self
            .context
            .database
            .read(self.seat.organization, "watch_workspace", async |conn| {
                let (view, owned) = (conn.workspaces().find(id).await?, conn.workspaces().owned(id).await?);
                let Some((view, owned)) = view.zip(owned) else { return Ok(None) };
                let places = Places::for_all(conn, owned.project().into_iter()).await?;
                Ok::<_, Error>(self.sees(&places, &owned).then_some(view))
            })
            .await?;
        let view = found.ok_or_else(|| Error::missing(ResourceKind::Workspace, &id))?;
        let (number, is_living) = (view.workspace.transitions, view.workspace.state().is_living());
        self.tell(&workspaces::show(view, &self.context, feed::look_time()), number);
        self.has_ended |= !is_living;
        Ok(())
    }

    /// Tells of the one workspace what is newer than what was told.
    fn tell(&mut self, workspace: &Workspace, number: i64) {
        let Scope::Workspace { known, .. } = &mut self.scope else { return };
        if known.is_some_and(|known| known == number) {
            return;
        }
        *known = Some(number);
        self.send("workspace", Some(number), workspace);
        self.has_ended |= workspace.is_gone();
    }

    /// Begins an organisation's stream: from now, or with what changed since a position.
    async fn begin(&mut self, from: Option<i64>) -> Result<(), Error> {
        let organization = self.seat.organization;
        let now = feed::position(&self.context, organization).await?;
        match from {
            None => self.send("open", Some(now), &Nothing {}),
            // A position that has not been yet is one of another database, or of this one before it was restored.
            Some(from) if from > now => self.send("reset", Some(now), &Nothing {}),
            Some(from) => match feed::changes_since(&self.context, organization, from).await? {
                Look { changes, is_complete: true, .. } if changes.len() <= BACKLOG => {
                    for change in &changes {
                        self.tell_change(change);
                    }
                }
                Look { position, .. } => self.send("reset", Some(position), &Nothing {}),
            },
        }
        Ok(())
    }

    fn tell_change(&mut self, change: &Change) {
        if self.sees(&change.places, &change.owned) {
            self.send("workspace", Some(change.position), &change.workspace);
        }
    }

    /// Whether whoever watches may look at a workspace.
    fn sees(&self, places: &Places, owned: &Owned) -> bool {
        let Who::Subject { id, .. } = self.authority.asker.who else { return false };
        let workspace = places.workspace(self.seat.organization, owned, id);
        self.authority.decide(Action::ReadWorkspace, &workspace).allowed
    }

    /// JSON has no line ends of its own, so that one line of data holds it.
    fn send(&mut self, event: &str, id: Option<i64>, data: &impl Serialize) {
        match serde_json::to_string(data) {
            Ok(data) => {
                let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
                self.queue.push_back(Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n")));
            }
            Err(_) => self.has_ended = true,
        }
    }
}

#[derive(Serialize)]
struct Nothing {}
