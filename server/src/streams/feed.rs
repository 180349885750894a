//! The feed of one organisation: looks when there is a reason to, and tells every stream what changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use berth_db::{OrganizationConn, Owned, Valid};
use berth_schema::api::Workspace;
use berth_schema::audit::{Concern, Use};
use berth_schema::{OrganizationId, TokenId, WorkspaceId};
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, watch as signal};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, warn};

use super::Streams;
use crate::identity::{Actor, Run, Standing};
use crate::services::places::Places;
use crate::services::{elevations, workspaces};
use crate::{Context, Error};

/// After a look that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// More records than so many behind what was seen concern everybody.
const MAX_CONCERNS: i64 = 500;
/// The most workspaces that one look tells of; beyond it everybody is told to look for themselves.
const MAX_CHANGES: usize = 1_000;

/// What a feed tells its streams.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Changed(Arc<Change>),
    /// Too much changed to be told one by one. The position is where to read on.
    Much {
        position: i64,
    },
}

/// A workspace as it is since its newest transition.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) workspace: Workspace,
    /// Whose it is, and what it belongs to.
    pub(crate) owned: Owned,
    /// Where that is, and what everybody is there, as it was looked for together with the change.
    pub(crate) places: Arc<Places>,
    /// The number of that transition.
    pub(crate) number: i64,
    /// From where the organisation is to be read on by whoever knows everything up to this change.
    pub(crate) position: i64,
}

pub(super) struct Task {
    pub(super) context: Context,
    pub(super) streams: Streams,
    pub(super) organization: OrganizationId,
    pub(super) news: broadcast::Sender<News>,
    /// Something changed.
    pub(super) hint: Arc<Notify>,
    /// Somebody's rights may have.
    pub(super) doubt: Arc<Notify>,
    pub(super) seen: Arc<AtomicI64>,
    pub(super) recheck: Duration,
}

/// What changed since a position, and the position after that.
pub(super) struct Look {
    pub(super) changes: Vec<Change>,
    pub(super) is_complete: bool,
    pub(super) position: i64,
}

impl Task {
    /// Ends when nobody watches any more or the server drains.
    pub(super) async fn run(self, is_ready: signal::Sender<bool>) {
        // What transactions that were open at the last look may bring again. Before anybody watches that is old news.
        let Some((mut position, mut told)) = self.first_look().await else { return };
        // Nobody may wait for it: all have gone.
        let _ = is_ready.send(true);
        let mut recheck = interval_at(Instant::now() + self.recheck, self.recheck);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Rights come first: what changed behind their end is not told to whoever had them.
            let is_recheck = tokio::select! {
                biased;
                () = self.doubt.notified() => true,
                () = self.hint.notified() => false,
                _ = recheck.tick() => true,
                () = self.context.draining.cancelled() => return,
            };
            let tokens = self.streams.tokens(self.organization);
            if tokens.is_empty() {
                return;
            }
            if is_recheck {
                self.check(&tokens).await;
            }
            match changes_since(&self.context, self.organization, position).await {
                Ok(look) => position = self.tell(look, &mut told),
                Err(error) => {
                    warn!(organization = %self.organization, error = berth_logging::causes(&error), "a feed cannot look");
                    // A held hint brings it back after the pause.
                    self.hint.notify_one();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// From where it reads on, and what is there behind that already.
    async fn first_look(&self) -> Option<(i64, HashMap<WorkspaceId, i64>)> {
        let look = async || {
            let position = position(&self.context, self.organization).await?;
            let look = changes_since(&self.context, self.organization, position).await?;
            let known = look.changes.iter().map(|change| (change.workspace.id, change.number));
            Ok::<_, Error>((look.position, known.collect()))
        };
        loop {
            match look().await {
                Ok(first) => return Some(first),
                Err(error) => {
                    warn!(organization = %self.organization, error = berth_logging::causes(&error), "a feed cannot begin");
                }
            }
            if self.context.draining.is_cancelled() || self.streams.tokens(self.organization).is_empty() {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tells what was not told yet, and gives the position to read on from.
    fn tell(&self, look: Look, told: &mut HashMap<WorkspaceId, i64>) -> i64 {
        let Look { changes, is_complete, position } = look;
        let known = std::mem::take(told);
        // That nobody listens is seen at the next look.
        if is_complete {
            for change in changes {
                told.insert(change.workspace.id, change.number);
                if known.get(&change.workspace.id).is_none_or(|number| *number < change.number) {
                    let _ = self.news.send(News::Changed(Arc::new(change)));
                }
            }
        } else {
            let _ = self.news.send(News::Much { position });
        }
        position
    }

    /// Ends the streams whose tokens were revoked or have expired, and those that were opened by what somebody was or by rules
    /// of before. Where that cannot be found out they go on until it can.
    async fn check(&self, tokens: &[TokenId]) {
        let op = Run::begin(Actor::Task("feed"), self.context.database.clone()).within(self.organization);
        let valid = op
            .read("recheck_watchers", async |conn: &OrganizationConn<'_>| {
                let (organizations, all, audit) = (conn.organizations(), conn.tokens(), conn.audit());
                let seen = self.seen.load(Ordering::Acquire);
                let changes = audit.changes_since(Use::Operations, seen, MAX_CONCERNS);
                let (organization, valid, changes) =
                    futures::try_join!(organizations.find(), all.valid(tokens, op.now), changes)?;
                let people: Vec<_> =
                    valid.iter().filter(|valid| valid.is_session).map(Valid::subject).collect();
                let elevated = conn.elevations().active(&people, op.now).await?;
                Ok::<_, Error>((organization, valid, elevated, changes))
            })
            .await;
        match valid {
            Ok((organization, valid, elevated, changes)) => {
                self.seen.store(changes.head, Ordering::Release);
                let version = organization.and_then(|organization| organization.policy_version);
                for token in tokens {
                    if let Some(found) = valid.iter().find(|valid| valid.token == *token) {
                        let theirs = elevated.iter().filter(|view| view.row.subject == found.subject());
                        let theirs: Vec<_> = theirs.filter(|_| found.is_session).cloned().collect();
                        let standing = Standing::new(&found.membership, version, &elevations::held(&theirs));
                        let of_them = |concern: &Concern| concern.is_of(found.subject(), *token);
                        let is_concerned = changes.concerns.iter().any(of_them);
                        self.streams.stands(self.organization, *token, standing, is_concerned);
                    } else {
                        debug!(%token, "a watcher's token is not valid any more");
                        self.streams.revoke(self.organization, *token);
                    }
                }
            }
            Err(error) => {
                warn!(organization = %self.organization, error = berth_logging::causes(&error), "cannot recheck watchers");
            }
        }
    }
}

/// Where somebody who knows everything by now has to read on.
pub(super) async fn position(context: &Context, organization: OrganizationId) -> Result<i64, Error> {
    let position = context.database.read(organization, "watch_position", async |conn| {
        Ok::<_, Error>(conn.transitions().position().await?)
    });
    position.await
}

/// The time of one look, at which what is told was so.
pub(super) fn look_time() -> Timestamp {
    Run::begin(Actor::Task("feed"), ()).now
}

/// Every workspace that changed since a position, each as it is now. Only the last of them carries the new position:
/// whoever was told a part of them only has to read all of it again.
pub(super) async fn changes_since(
    context: &Context,
    organization: OrganizationId,
    position: i64,
) -> Result<Look, Error> {
    let (views, owned, next, is_complete) = context
        .database
        .read(organization, "watch_workspaces", async |conn: &OrganizationConn<'_>| {
            let limit = i64::try_from(MAX_CHANGES + 1).unwrap_or(i64::MAX);
            let (ids, next) = conn.transitions().changed_since(position, limit).await?;
            let is_complete = ids.len() <= MAX_CHANGES;
            if ids.is_empty() || !is_complete {
                return Ok::<_, Error>((vec![], (vec![], Places::default()), next, is_complete));
            }
            let workspaces = conn.workspaces();
            let (views, owned) = futures::try_join!(workspaces.find_all(&ids), workspaces.all_owned(&ids))?;
            let places = Places::for_all(conn, owned.iter().filter_map(Owned::project)).await?;
            Ok((views, (owned, places), next, is_complete))
        })
        .await?;
    let (owned, places) = owned;
    let places = Arc::new(places);
    let owned: HashMap<_, _> = owned.into_iter().map(|owned| (owned.id, owned)).collect();
    let (last, now) = (views.len(), look_time());
    let changes = views.into_iter().zip(1..).filter_map(|(view, place)| {
        Some(Change {
            owned: *owned.get(&view.workspace.id)?,
            places: Arc::clone(&places),
            number: view.workspace.transitions,
            position: if place == last { next } else { position },
            workspace: workspaces::show(view, context, now),
        })
    });
    Ok(Look { changes: changes.collect(), is_complete, position: next })
}
