//! Streams of events: who watches, and what they are told.
//!
//! One feed for each organisation that anybody watches here reads what changed and hands it to all its streams, so that
//! a change costs the database the same however many watch. A notification is only a hint to look: what is told is what the
//! database says then. While nothing changes a feed asks nothing, but for whether its watchers' tokens are still valid.

mod feed;
mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_schema::{OrganizationId, TokenId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch as signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::identity::{Member, Standing};
use crate::metrics::Held;
use crate::{Context, Error};

use feed::News;
pub(crate) use watch::{Scope, open};

/// The most streams of one token: whoever needs more watches the organisation instead of single workspaces.
const MAX_OF_A_TOKEN: usize = 50;
const DEFAULT_LIMIT: usize = 1_000;
/// How often it is asked whether the watchers' tokens are still valid, beside whenever something that may concern their rights is on
/// record. A hint that was lost is made good then, too, and what ends by its time alone is noticed.
const DEFAULT_RECHECK: Duration = Duration::from_secs(30);
/// What a feed keeps for streams that are slower than it. One that falls further behind is told to look for itself.
const BACKLOG: usize = 1_024;

/// Every stream of this server. The clones are one.
#[derive(Clone, Debug)]
pub struct Streams {
    open: Arc<Mutex<Open>>,
    /// Feeds outlive the request, and the thread, that began them.
    runtime: Handle,
    feeds: TaskTracker,
}

#[derive(Debug)]
struct Open {
    feeds: HashMap<OrganizationId, Feed>,
    streams: usize,
    limit: usize,
    recheck: Duration,
}

/// What streams and the task of a feed share.
#[derive(Debug)]
struct Feed {
    news: broadcast::Sender<News>,
    hint: Arc<Notify>,
    doubt: Arc<Notify>,
    /// The place in the organisation's record up to which it is known whose rights have changed.
    seen: Arc<AtomicI64>,
    /// Becomes true once the feed knows from where it reads on: only what is read after that misses nothing.
    ready: signal::Receiver<bool>,
    watchers: HashMap<TokenId, Watcher>,
}

/// A standing, and how often something was on record that may have changed what it leads to: a role at a group, or where that is.
type Stands = (Standing, u64);

/// Everybody who watches with one token.
#[derive(Debug)]
struct Watcher {
    streams: usize,
    /// What its subject was, and by which rules it may do what, when that was looked at last.
    standing: signal::Sender<Stands>,
    /// Cancelled when the token is not valid any more.
    revoked: CancellationToken,
}

impl Watcher {
    fn stands(&self, standing: Standing, is_concerned: bool) {
        self.standing.send_if_modified(|(known, moves)| {
            let has_moved = is_concerned || *known != standing;
            (*known, *moves) = (standing, *moves + u64::from(has_moved));
            has_moved
        });
    }
}

impl Streams {
    /// Feeds run on the current runtime.
    pub fn new() -> Self {
        let open = Open { feeds: HashMap::new(), streams: 0, limit: DEFAULT_LIMIT, recheck: DEFAULT_RECHECK };
        let open = Arc::new(Mutex::new(open));
        Self { open, runtime: Handle::current(), feeds: TaskTracker::new() }
    }

    /// For feeds that begin from now on: at most `limit` streams, whose tokens are looked at every `recheck`.
    pub fn configure(&self, limit: usize, recheck: Duration) {
        let mut open = self.lock();
        (open.limit, open.recheck) = (limit, recheck);
    }

    /// Something of that organisation changed.
    pub fn hint(&self, organization: OrganizationId) {
        if let Some(feed) = self.lock().feeds.get(&organization) {
            feed.hint.notify_one();
        }
    }

    /// Somebody's rights in that organisation may not be what they were.
    pub fn doubt(&self, organization: OrganizationId) {
        if let Some(feed) = self.lock().feeds.get(&organization) {
            feed.doubt.notify_one();
        }
    }

    /// Hints and doubts may have been missed.
    pub fn doubt_all(&self) {
        for feed in self.lock().feeds.values() {
            feed.doubt.notify_one();
        }
    }

    /// Ends when every feed has; they do once the server drains.
    pub async fn ended(&self) {
        self.feeds.close();
        self.feeds.wait().await;
    }

    /// A place for a member to watch their organisation from. Everything that is committed after this call is told.
    pub(crate) async fn take_seat(&self, context: &Context, who: &Member) -> Result<Seat, Error> {
        let (organization, token, standing) = (who.organization, who.token, who.authority.standing());
        let (seat, mut ready) = {
            let mut guard = self.lock();
            let open = &mut *guard;
            if open.streams >= open.limit {
                return Err(Error::TooManyStreams { limit: open.limit, of: "this server" });
            }
            let recheck = open.recheck;
            let feed = open
                .feeds
                .entry(organization)
                .or_insert_with(|| self.begin(context, (organization, who.seen), recheck));
            // What was seen of the record meanwhile was looked for at those who sat here.
            if who.seen < feed.seen.load(Ordering::Acquire) {
                return Err(Error::Overtaken);
            }
            let watcher = feed.watchers.entry(token).or_insert_with(|| Watcher {
                streams: 0,
                standing: signal::Sender::new((standing, 0)),
                revoked: CancellationToken::new(),
            });
            if watcher.streams >= MAX_OF_A_TOKEN {
                return Err(Error::TooManyStreams { limit: MAX_OF_A_TOKEN, of: "one token" });
            }
            watcher.streams += 1;
            let (news, revoked) = (feed.news.subscribe(), watcher.revoked.clone());
            let ready = feed.ready.clone();
            // Whoever comes later knows it better than the last look.
            watcher.stands(standing, false);
            let now = watcher.standing.subscribe();
            let began = *now.borrow();
            open.streams += 1;
            (
                Seat {
                    streams: self.clone(),
                    organization,
                    token,
                    news,
                    revoked,
                    standing: Stand { began, now },
                    _counted: context.metrics.watch(),
                },
                ready,
            )
        };
        ready.wait_for(|ready| *ready).await.map_err(|_| Error::Unavailable("the feed has ended".into()))?;
        Ok(seat)
    }

    fn begin(
        &self,
        context: &Context,
        (organization, seen): (OrganizationId, i64),
        recheck: Duration,
    ) -> Feed {
        let (news, _) = broadcast::channel(BACKLOG);
        let (is_ready, ready) = signal::channel(false);
        let (hint, doubt) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let seen = Arc::new(AtomicI64::new(seen));
        let task = feed::Task {
            context: context.clone(),
            streams: self.clone(),
            organization,
            news: news.clone(),
            hint: Arc::clone(&hint),
            doubt: Arc::clone(&doubt),
            seen: Arc::clone(&seen),
            recheck,
        };
        self.feeds.spawn_on(task.run(is_ready), &self.runtime);
        Feed { news, hint, doubt, seen, ready, watchers: HashMap::new() }
    }

    /// The tokens that watch; none: nobody does, and the feed is closed.
    fn tokens(&self, organization: OrganizationId) -> Vec<TokenId> {
        let mut open = self.lock();
        let tokens = open.feeds.get(&organization).map(|feed| feed.watchers.keys().copied().collect());
        let tokens: Vec<_> = tokens.unwrap_or_default();
        if tokens.is_empty() {
            open.feeds.remove(&organization);
        }
        tokens
    }

    /// Ends the streams of a token that is not valid any more.
    pub fn revoke(&self, organization: OrganizationId, token: TokenId) {
        if let Some(watcher) = self.lock().feeds.get(&organization).and_then(|feed| feed.watchers.get(&token))
        {
            watcher.revoked.cancel();
        }
    }

    /// What a watcher is now, and whether something on record concerns them. Streams that were opened by something else end: whoever
    /// comes back is asked anew.
    fn stands(&self, organization: OrganizationId, token: TokenId, standing: Standing, is_concerned: bool) {
        if let Some(watcher) = self.lock().feeds.get(&organization).and_then(|feed| feed.watchers.get(&token))
        {
            watcher.stands(standing, is_concerned);
        }
    }

    fn leave(&self, organization: OrganizationId, token: TokenId) {
        let mut open = self.lock();
        open.streams -= 1;
        let Some(feed) = open.feeds.get_mut(&organization) else { return };
        let Some(watcher) = feed.watchers.get_mut(&token) else { return };
        watcher.streams -= 1;
        if watcher.streams == 0 {
            feed.watchers.remove(&token);
        }
        if feed.watchers.is_empty() {
            // The feed looks whether anybody is left, and ends.
            feed.hint.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

/// A stream's place. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Seat {
    streams: Streams,
    pub(crate) organization: OrganizationId,
    token: TokenId,
    news: broadcast::Receiver<News>,
    revoked: CancellationToken,
    standing: Stand,
    _counted: Held,
}

/// By what a stream was opened, and what that is now.
#[derive(Debug)]
struct Stand {
    began: Stands,
    now: signal::Receiver<Stands>,
}

impl Stand {
    /// Ends once the watcher is something else than when the stream was opened, or the rules are others.
    async fn has_moved(&mut self) {
        let began = self.began;
        if self.now.wait_for(|now| *now != began).await.is_err() {
            // The feed has ended, which its news tell.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.streams.leave(self.organization, self.token);
    }
}
